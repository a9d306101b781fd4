//! A worker as processes run it: heart, claiming loop, apalis, a handler that does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use model::{Clock, Ids, Queue, SystemClock, Timestamp};
use queue::{Claim, Claimed, Heart, LaneBackend, LaneStates, Lanes, Policy, Settings, Settle, Unsettled};
use tests::bench::quantile;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Empty, lane, push};

/// How many jobs a process runs at once unless told otherwise.
const CONCURRENCY: usize = 200;
/// Jobs whose times are taken.
const SAMPLES: usize = 500;
/// A worker that has nothing to do this long sleeps.
const REST: Duration = Duration::from_millis(4);

#[derive(Debug)]
struct NoPolicy;

impl Policy for NoPolicy {
    fn timeout(&self, _: &Claim) -> Duration {
        Duration::from_mins(1)
    }

    fn unsettled(&self, claim: &Claim, why: &Unsettled, _: Timestamp) -> Settle {
        panic!("{} was not settled: {why:?}", claim.ticket.job)
    }
}

struct Worker {
    stop: CancellationToken,
    heart_stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Worker {
    fn start<F, Fut>(lanes: &Lanes, handler: F) -> Self
    where
        F: FnMut(Claimed) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxDynError>> + Send + 'static,
    {
        let (stop, heart_stop) = (CancellationToken::new(), CancellationToken::new());
        let worker = Ids::from_os().uuid(SystemClock.now()).into();
        let heart = Heart::start(lanes.clone(), worker, heart_stop.clone());
        let settings =
            Settings { queue: Queue::Send, concurrency: CONCURRENCY, own: false, policy: Arc::new(NoPolicy) };
        let backend = LaneBackend::new(heart, LaneStates::default(), settings, &stop);
        let worker = WorkerBuilder::new("send").backend(backend).build(handler);
        let running = tokio::spawn(async move { worker.run().await.expect("a worker ends well") });
        Self { stop, heart_stop, running }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("it ends");
        self.heart_stop.cancel();
    }
}

/// Jobs a second that a worker claims and settles, of `jobs` that wait.
pub(crate) async fn drain(lanes: &Lanes, jobs: usize) -> f64 {
    let (done, mut drained) = mpsc::unbounded_channel();
    let left = Arc::new(AtomicUsize::new(jobs));
    let begun = Instant::now();
    let worker = Worker::start(lanes, move |claimed: Claimed| {
        let (left, done) = (Arc::clone(&left), done.clone());
        async move {
            claimed.settle(Settle::Done).await?;
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                done.send(Instant::now())?;
            }
            Ok(())
        }
    });
    let ended = drained.recv().await.expect("the last job is done");
    worker.stop().await;
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let jobs = jobs as f64;
    jobs / ended.duration_since(begun).as_secs_f64()
}

/// From the push of a job to an idle queue to its start: p50 and p99, in ms.
pub(crate) async fn pickup(empty: &Empty) -> [f64; 2] {
    let (start, mut started) = mpsc::unbounded_channel();
    let worker = Worker::start(&empty.worker, move |claimed: Claimed| {
        let start = start.clone();
        async move {
            start.send(Instant::now())?;
            Ok(claimed.settle(Settle::Done).await?)
        }
    });
    let mut times = Vec::new();
    for n in 0..SAMPLES + 20 {
        tokio::time::sleep(REST).await;
        let job = push(&lane(&format!("account-{}", n % 10)), "chat", n, 1);
        let begun = Instant::now();
        empty.pusher.push(vec![job]).await.expect("a job is pushed");
        let at = started.recv().await.expect("it starts");
        times.push(at.saturating_duration_since(begun).as_secs_f64() * 1e3);
    }
    worker.stop().await;
    // The first ones connect.
    quantiles(times.split_off(20))
}

/// How long after its time a job starts: p50 and p99, in ms. None starts before it.
pub(crate) async fn due(empty: &Empty) -> [f64; 2] {
    let (start, mut started) = mpsc::unbounded_channel();
    let worker = Worker::start(&empty.worker, move |claimed: Claimed| {
        let start = start.clone();
        async move {
            start.send((claimed.claim().ready_at, SystemClock.now()))?;
            Ok(claimed.settle(Settle::Done).await?)
        }
    });
    let (ids, now) = (Ids::from_os(), SystemClock.now());
    let jobs = (0..SAMPLES).map(|n| {
        let ahead = Duration::from_micros(500_000 + ids.number() % 3_000_000);
        queue::Push { ready_at: now + ahead, ..push(&lane(&format!("account-{n}")), "chat", n, 1) }
    });
    empty.pusher.push(jobs.collect()).await.expect("jobs are pushed");
    let mut times = Vec::new();
    for _ in 0..SAMPLES {
        let (due, at) = started.recv().await.expect("it starts");
        assert!(at >= due, "a job started {:?} before its time", due.since(at));
        times.push(at.since(due).as_secs_f64() * 1e3);
    }
    worker.stop().await;
    quantiles(times)
}

fn quantiles(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [0.5, 0.99].map(|q| quantile(&times, q))
}
