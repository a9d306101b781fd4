//! What a claim costs in a lane with many held jobs: it must not grow with them.

use std::time::{Duration, Instant};

use model::{Ids, Queue, Scope, Timestamp, Wait, WorkerId};
use queue::{HoldTarget, Lanes, Op, Settle};
use tests::bench::median;

use crate::{lane, push};

const CLAIMS: usize = 1_000;

/// The median time of a claim and its settling, in µs, in a lane with so many held jobs and one key that may go.
pub(crate) async fn claim_us(lanes: &Lanes, held: usize) -> f64 {
    let lane = lane("account");
    let far = lanes.now().await.expect("lane time") + Duration::from_hours(24);
    for first in (0..held).step_by(1_000) {
        let keys = first..held.min(first + 1_000);
        let holds = keys.clone().map(|n| Op::Hold {
            target: HoldTarget::Key(lane.clone(), format!("held-{n}")),
            wait: Wait::new("provider", Scope::Recipient, far),
        });
        lanes.apply(holds.collect()).await.expect("holds are set");
        let jobs = keys.map(|n| push(&lane, &format!("held-{n}"), n, 1));
        lanes.push(jobs.collect()).await.expect("jobs are pushed");
    }
    let free: Vec<_> = (held..held + CLAIMS).map(|n| push(&lane, "free", n, 1)).collect();
    for jobs in free.chunks(500) {
        lanes.push(jobs.to_vec()).await.expect("jobs are pushed");
    }
    let worker = WorkerId::from(Ids::seeded(1).uuid(Timestamp::ZERO));
    let mut times = Vec::new();
    for _ in 0..CLAIMS {
        let begun = Instant::now();
        let claims = lanes.claim(Queue::Send, worker, 1, false).await.expect("a claim");
        let claim = claims.claims.first().expect("the free key gives a job");
        lanes.settle(&claim.ticket, Settle::Done, None).await.expect("a claim can be settled");
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}
