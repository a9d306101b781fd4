//! How fast it is, to be run by hand: `cargo test -p queue --release --test redis speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Queue, Scope, Wait, WorkerId};
use queue::{Claim, Engine, LaneState, Op, Outcome, Push, RedisEngine};

use crate::basics::{claims, done, one, push, pushes, worker};
use crate::server::Server;

const JOBS: u32 = 100_000;

/// One of several loops of a worker: settles what it has and claims more, in one call.
async fn work(engine: Arc<RedisEngine>, who: WorkerId, grant: bool) -> usize {
    let (mut held, mut count) = (Vec::new(), 0);
    loop {
        let mut ops: Vec<Op> = Vec::new();
        for claim in &held {
            if grant {
                ops.push(Op::Grant {
                    ticket: queue::Claim::clone(claim).ticket,
                    state: LaneState { bytes: Some(vec![7; 60]), version: claim.state.version },
                    binds_until: claim.at,
                });
            }
            ops.push(done(claim));
        }
        count += held.len();
        ops.push(Op::Claim { queue: Queue::Send, worker: who, max: 200, own: false });
        let outcomes = engine.apply(ops).await.unwrap();
        let Some(Outcome::Claimed(claims)) = outcomes.into_iter().last() else { panic!() };
        held = claims.claims;
        if held.is_empty() {
            return count;
        }
    }
}

/// The processor's time that the server took so far, in µs.
fn server_time(server: &Server) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks * 10_000.0
}

async fn drain(server: &Server, name: &str, spread: (u32, u32, u32), grant: bool) {
    let (lanes, keys, width): (u32, u32, u32) = spread;
    let engine = Arc::new(server.ready().await);
    let all: Vec<_> = (0..JOBS)
        .map(|n| Push {
            width,
            ..push(
                &format!("account-{:08}", n % lanes),
                &format!("conversation-{:08}", n / lanes % keys),
                &format!("send-message:{n:032}"),
                i64::from(n),
            )
        })
        .collect();
    let begun = (Instant::now(), server_time(server));
    for batch in all.chunks(500) {
        one(&engine, pushes(batch.to_vec())).await;
    }
    let pushed = (begun.0.elapsed(), server_time(server) - begun.1);
    let begun = (Instant::now(), server_time(server));
    let loops = (0..3).map(|_| tokio::spawn(work(Arc::clone(&engine), worker(1), grant)));
    let mut count = 0;
    for one in loops.collect::<Vec<_>>() {
        count += one.await.unwrap();
    }
    let drained = (begun.0.elapsed(), server_time(server) - begun.1);
    assert_eq!(count, JOBS as usize);
    println!(
        "{name}: push {:.0}/s ({:.1} µs), claim and settle {:.0}/s ({:.1} µs)",
        f64::from(JOBS) / pushed.0.as_secs_f64(),
        pushed.1 / f64::from(JOBS),
        f64::from(JOBS) / drained.0.as_secs_f64(),
        drained.1 / f64::from(JOBS),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed_of_claim_and_settle() {
    let Some(server) = Server::start().await else { return };
    server.ask(&["PING"]).await;
    server.ready().await.now().await.unwrap();
    drain(&server, "1,000 lanes x 1 key", (1000, 1, 1), false).await;
    drain(&server, "1,000 lanes x 1 key, a grant each", (1000, 1, 1), true).await;
    drain(&server, "1,000 lanes x 20 keys", (1000, 20, 1), false).await;
    drain(&server, "10,000 lanes x 1 key", (10_000, 1, 1), false).await;
    drain(&server, "1 lane of width 200 x 1,000 keys", (1, 1000, 200), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed_of_pickup() {
    let Some(server) = Server::start().await else { return };
    let idle = Arc::new(server.ready().await);
    let front = Arc::clone(&idle);
    let (picked, mut pickups) = tokio::sync::mpsc::unbounded_channel();
    let picking = tokio::spawn(async move {
        loop {
            let got = claims(&idle, worker(1), 10).await.claims;
            let at = Instant::now();
            if got.is_empty() {
                idle.wake(Queue::Send, worker(1), Duration::from_secs(1)).await;
            }
            for claim in got {
                picked.send(at).unwrap();
                one(&idle, done(&claim)).await;
            }
        }
    });
    let mut times = Vec::new();
    for n in 0..2000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let begun = Instant::now();
        one(&front, pushes(vec![push(&format!("a{}", n % 50), "k", &format!("j{n}"), n)])).await;
        times.push(pickups.recv().await.unwrap().duration_since(begun));
    }
    picking.abort();
    times.sort();
    println!("pickup p50 {:?}, p99 {:?}", times[1000], times[1980]);
}

#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_a_claim_beside_held_keys() {
    let Some(server) = Server::start().await else { return };
    for held in [10, 1000, 100_000] {
        let engine = server.ready().await;
        let until = engine.now().await.unwrap() + Duration::from_hours(1);
        for batch in (0..held).collect::<Vec<i64>>().chunks(1000) {
            let hold = |n: &i64| Op::Hold {
                target: queue::HoldTarget::Key(crate::basics::lane("a"), format!("held{n}")),
                wait: Wait::new("provider", Scope::Recipient, until),
            };
            engine.apply(batch.iter().map(hold).collect()).await.unwrap();
            let jobs = batch.iter().map(|n| push("a", &format!("held{n}"), &format!("h{n}"), *n));
            one(&engine, pushes(jobs.collect())).await;
        }
        one(&engine, pushes((0..500).map(|n| push("a", "free", &format!("j{n}"), n)).collect())).await;
        let mut times = Vec::new();
        for _ in 0..500 {
            let begun = Instant::now();
            let claim = claims(&engine, worker(1), 1).await.claims.pop().unwrap();
            times.push(begun.elapsed());
            one(&engine, done(&claim)).await;
        }
        times.sort();
        println!("a claim beside {held} held keys: p50 {:?}, p99 {:?}", times[250], times[495]);
    }
}

#[tokio::test]
#[ignore = "a measurement"]
async fn speed_of_a_claim_among_slow_keys() {
    let Some(server) = Server::start().await else { return };
    for slow in [10, 1000, 100_000] {
        let engine = server.ready().await;
        let wide = |n: i64| Push { width: 1000, ..push("a", &format!("k{n}"), &format!("j{n}"), n) };
        let park = |claim: &Claim, until| Op::Park {
            ticket: claim.ticket.clone(),
            wait: Wait::new("gap", Scope::Pace, until),
        };
        let mut until = engine.now().await.unwrap() + Duration::from_hours(1);
        for batch in (0..slow).collect::<Vec<i64>>().chunks(1000) {
            one(&engine, pushes(batch.iter().map(|n| wide(*n)).collect())).await;
            let asked = claims(&engine, worker(1), 1000).await.claims;
            assert_eq!(asked.len(), batch.len());
            engine.apply(asked.iter().map(|claim| park(claim, until)).collect()).await.unwrap();
        }
        one(&engine, pushes(vec![Push { width: 1, ..wide(0) }])).await;
        let mut times = Vec::new();
        for _ in 0..500 {
            assert!(claims(&engine, worker(1), 1).await.claims.is_empty());
            engine.advance(until.since(engine.now().await.unwrap()));
            let begun = Instant::now();
            let claim = claims(&engine, worker(1), 1).await.claims.pop().unwrap();
            until = claim.at + Duration::from_secs(5);
            one(&engine, park(&claim, until)).await;
            times.push(begun.elapsed());
        }
        times.sort();
        println!("a claim and a park among {slow} slow keys: p50 {:?}, p99 {:?}", times[250], times[495]);
    }
}
