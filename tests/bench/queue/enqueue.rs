//! Enqueueing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use queue::Lanes;

use crate::{lane, push};

/// Lanes that pushed jobs are spread over.
const LANES: usize = 1_000;

/// Jobs a second that so many callers push, `bulk` a call.
pub(crate) async fn rate(lanes: &Lanes, callers: usize, bulk: usize, jobs: usize) -> f64 {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let calls: Vec<_> = (0..callers)
        .map(|_| {
            let (lanes, next) = (lanes.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let first = next.fetch_add(bulk, Ordering::Relaxed);
                    if first >= jobs {
                        return;
                    }
                    let pushes = (first..jobs.min(first + bulk))
                        .map(|n| push(&lane(&format!("account-{}", n % LANES)), "chat", n, 1))
                        .collect();
                    lanes.push(pushes).await.expect("jobs are pushed");
                }
            })
        })
        .collect();
    for call in calls {
        call.await.expect("a caller ends");
    }
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let jobs = jobs as f64;
    jobs / begun.elapsed().as_secs_f64()
}

/// Fills so many lanes with jobs. One alone is wide and has a thousand keys, for else nothing could be done at once.
pub(crate) async fn fill(to: &Lanes, lanes: usize, jobs: usize) {
    let jobs: Vec<_> = (0..jobs)
        .map(|n| {
            let (key, width) =
                if lanes == 1 { (format!("chat-{}", n % 1_000), 200) } else { ("chat".to_owned(), 1) };
            push(&lane(&format!("account-{}", n % lanes)), &key, n, width)
        })
        .collect();
    for jobs in jobs.chunks(500) {
        to.push(jobs.to_vec()).await.expect("jobs are pushed");
    }
}
