//! What a claim costs in a lane with many held jobs: `cargo bench -p tests --bench queue [-- --json]`.
//!
//! A lane holds 10, 1,000 and 100,000 jobs whose recipients must wait, and one key that may go. Times are medians of
//! [`ROUNDS`] runs of [`CLAIMS`] claim-and-settle pairs each, and the ratio to the lane with ten held jobs is what counts:
//! it must not grow. The memory engine always; Redis where `ROOKERY_TEST_REDIS_URL` names one (`tests/run -- cargo bench …`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Class, Clock, Ids, Queue, Scope, SystemClock, Timestamp, Wait, WorkerId};
use queue::{Engine, HoldTarget, JobId, LaneId, Lanes, MemoryEngine, Op, Outcome, Push, RedisEngine, Settle};
use serde_json::json;

const HELD: [usize; 3] = [10, 1_000, 100_000];
const ROUNDS: usize = 5;
const CLAIMS: usize = 1_000;

#[tokio::main]
async fn main() {
    let as_json = std::env::args().any(|arg| arg == "--json");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut rows = Vec::new();
    for held in HELD {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new(clock.clone()));
        rows.push(("memory", held, measure(engine, held).await));
    }
    if let Ok(url) = std::env::var("ROOKERY_TEST_REDIS_URL") {
        for held in HELD {
            let prefix = format!("bench-{:016x}", Ids::from_os().number());
            let engine = RedisEngine::connect(&url, &prefix).expect("the Redis URL is usable");
            engine.begin_epoch(1).await.expect("an epoch can be begun");
            engine.open().await.expect("it can be opened");
            rows.push(("redis", held, measure(Arc::new(engine), held).await));
        }
    }
    let base = |engine: &str| rows.iter().find(|row| row.0 == engine).map_or(1.0, |row| row.2);
    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(engine, held, micros)| {
                json!({"engine": engine, "held": held, "claim_us": micros, "ratio": micros / base(engine)})
            })
            .collect();
        println!("{}", json!({"benchmark": "claim_beside_held_jobs", "rows": rows}));
    } else {
        println!("{:<8}{:>10}{:>14}{:>8}", "engine", "held", "claim, µs", "ratio");
        for (engine, held, micros) in &rows {
            println!("{engine:<8}{held:>10}{micros:>14.1}{:>8.2}", micros / base(engine));
        }
    }
}

/// The median time of a claim and its settling, in µs.
async fn measure(engine: Arc<dyn Engine>, held: usize) -> f64 {
    let lanes = Lanes::new(engine.clone());
    let lane = LaneId { queue: Queue::Send, name: "account".to_owned() };
    let far = lanes.now().await.expect("lane time") + Duration::from_hours(24);
    for first in (0..held).step_by(1_000) {
        let keys = first..held.min(first + 1_000);
        let holds = keys.clone().map(|n| Op::Hold {
            target: HoldTarget::Key(lane.clone(), format!("held-{n}")),
            wait: Wait::new("provider", Scope::Recipient, far),
        });
        engine.apply(holds.collect()).await.expect("holds are set");
        lanes
            .push(keys.map(|n| push(&lane, &format!("held-{n}"), n)).collect())
            .await
            .expect("jobs are pushed");
    }
    let worker = WorkerId::from(Ids::seeded(1).uuid(Timestamp::ZERO));
    let mut medians = Vec::new();
    for round in 0..ROUNDS {
        let first = held + round * CLAIMS;
        let jobs: Vec<_> = (first..first + CLAIMS).map(|n| push(&lane, "free", n)).collect();
        for jobs in jobs.chunks(500) {
            lanes.push(jobs.to_vec()).await.expect("jobs are pushed");
        }
        let mut times = Vec::new();
        for _ in 0..CLAIMS {
            let begun = Instant::now();
            let claim = claim(&engine, worker).await;
            let settle = Op::Settle { ticket: claim.ticket, how: Settle::Done, state: None };
            engine.apply(vec![settle]).await.expect("a claim can be settled");
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        medians.push(median(times));
    }
    median(medians)
}

async fn claim(engine: &Arc<dyn Engine>, worker: WorkerId) -> queue::Claim {
    let answers =
        engine.apply(vec![Op::Claim { queue: Queue::Send, worker, max: 1 }]).await.expect("a claim");
    match answers.into_iter().next() {
        Some(Outcome::Claimed(mut claims)) if !claims.claims.is_empty() => claims.claims.remove(0),
        other => panic!("the free key gives a job, not {other:?}"),
    }
}

fn push(lane: &LaneId, key: &str, n: usize) -> Push {
    Push {
        job: JobId(format!("send-message:{n:032}")),
        lane: lane.clone(),
        key: key.to_owned(),
        class: Class::Normal,
        order: i64::try_from(n).expect("a small number"),
        ready_at: Timestamp::ZERO,
        width: 1,
        route: None,
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
