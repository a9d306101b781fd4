//! A worker as apalis runs it, over the memory engine.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use async_trait::async_trait;
use model::{Class, ManualClock, Queue, Scope, SystemClock, Timestamp, Wait, WorkerId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Claimed, Heart, LaneBackend, LaneStates, Policy, Settings, Unsettled};
use crate::{
    Claim, Engine, Grant, JobId, JobPlace, LaneId, Lanes, MemoryEngine, Op, Outcome, Push, QueueError, Settle,
};

#[derive(Debug, Default)]
struct Fails(Mutex<Vec<Unsettled>>);

impl Policy for Fails {
    fn timeout(&self, _: &Claim) -> Duration {
        Duration::from_millis(200)
    }

    fn unsettled(&self, claim: &Claim, why: &Unsettled, now: Timestamp) -> Settle {
        assert!(now >= claim.at);
        self.0.lock().unwrap().push(why.clone());
        Settle::Fail
    }
}

struct Bench {
    lanes: Lanes,
    heart: Heart,
    states: LaneStates,
    policy: Arc<Fails>,
    stop: CancellationToken,
}

fn lane() -> LaneId {
    LaneId { queue: Queue::Send, name: "account".to_owned() }
}

fn push(name: &str, width: u32) -> Push {
    Push {
        job: JobId(name.to_owned()),
        lane: lane(),
        key: name.to_owned(),
        class: Class::Normal,
        order: 0,
        ready_at: Timestamp::ZERO,
        width,
        route: None,
    }
}

impl Bench {
    fn new() -> Self {
        Self::of(Lanes::new(Arc::new(MemoryEngine::new(Arc::new(SystemClock)))))
    }

    fn of(lanes: Lanes) -> Self {
        let worker = WorkerId(Uuid::from_u128(1));
        let heart = Heart::start(lanes.clone(), worker, CancellationToken::new());
        let (states, policy) = (LaneStates::default(), Arc::default());
        Self { lanes, heart, states, policy, stop: CancellationToken::new() }
    }

    fn serve<F, Fut>(&self, concurrency: usize, handler: F) -> JoinHandle<()>
    where
        F: FnMut(Claimed) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxDynError>> + Send + 'static,
    {
        let settings =
            Settings { queue: Queue::Send, concurrency, own: false, policy: Arc::clone(&self.policy) as _ };
        let backend = LaneBackend::new(self.heart.clone(), self.states.clone(), settings, &self.stop);
        let worker = WorkerBuilder::new("send").backend(backend).build(handler);
        tokio::spawn(async move { worker.run().await.unwrap() })
    }

    async fn push(&self, names: &[&str], width: u32) {
        self.lanes.push(names.iter().map(|name| push(name, width)).collect()).await.unwrap();
    }

    /// Waits until nothing is queued or claimed any more.
    async fn drained(&self) {
        self.until(|waiting, claimed| waiting + claimed == 0).await;
    }

    async fn until(&self, enough: impl Fn(usize, usize) -> bool) {
        loop {
            // Past the calls of the worker, so as not to share their fate.
            let look = Op::Inspect { queue: Queue::Send, limit: 0 };
            let answers = self.lanes.engine().apply(vec![look]).await.unwrap();
            let [Outcome::Queue(queue)] = &answers[..] else { panic!("{answers:?}") };
            if enough(queue.waiting, queue.claimed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn jobs_run_and_a_pushed_one_wakes_the_worker() {
    let bench = Bench::new();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    bench.push(&["a", "b", "c"], 1).await;
    let worker = bench.serve(2, move |claimed: Claimed| {
        let count = Arc::clone(&count);
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(claimed.settle(Settle::Done).await?)
        }
    });
    bench.drained().await;
    bench.push(&["d"], 1).await;
    bench.drained().await;
    assert_eq!(seen.load(Ordering::SeqCst), 4);
    assert!(bench.policy.0.lock().unwrap().is_empty());
    bench.stop.cancel();
    worker.await.unwrap();
    assert!(bench.states.is_empty());
}

#[tokio::test]
async fn what_a_handler_leaves_is_settled_and_the_worker_goes_on() {
    let bench = Bench::new();
    bench.push(&["panic", "error", "forget", "hang", "fine"], 5).await;
    let worker = bench.serve(1, |claimed: Claimed| async move {
        match claimed.claim().ticket.job.0.as_str() {
            "panic" => panic!("out of cheese"),
            "error" => Err("no such row".into()),
            "forget" => Ok(()),
            "hang" => std::future::pending().await,
            _ => Ok(claimed.settle(Settle::Done).await?),
        }
    });
    bench.drained().await;
    bench.stop.cancel();
    worker.await.unwrap();
    let mut left = bench.policy.0.lock().unwrap().clone();
    left.sort_by_key(Unsettled::as_str);
    let expected = [
        Unsettled::Failed("no such row".to_owned()),
        Unsettled::Forgotten,
        Unsettled::Panicked("out of cheese".to_owned()),
        Unsettled::TimedOut,
    ];
    assert_eq!(left, expected);
}

#[tokio::test]
async fn a_worker_claims_no_more_than_it_starts() {
    let bench = Bench::new();
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    bench.push(&names.iter().map(String::as_str).collect::<Vec<_>>(), 20).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let lanes = bench.lanes.clone();
    let worker = bench.serve(3, move |claimed: Claimed| {
        let (running, most, lanes) = (Arc::clone(&running), Arc::clone(&most), lanes.clone());
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            assert!(lanes.inspect(Queue::Send, 0).await?.claimed <= 3);
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(claimed.settle(Settle::Done).await?)
        }
    });
    bench.drained().await;
    assert!(bench.policy.0.lock().unwrap().is_empty(), "no more than three were claimed at once");
    assert_eq!(peak.load(Ordering::SeqCst), 3);
    bench.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_stopping_worker_finishes_what_runs_and_claims_nothing_more() {
    let bench = Bench::new();
    bench.push(&["a", "b"], 1).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    let opened = Arc::clone(&gate);
    let worker = bench.serve(2, move |claimed: Claimed| {
        let gate = Arc::clone(&opened);
        async move {
            gate.notified().await;
            Ok(claimed.settle(Settle::Done).await?)
        }
    });
    bench.until(|_, claimed| claimed == 1).await;
    bench.stop.cancel();
    gate.notify_one();
    worker.await.unwrap();
    let queue = bench.lanes.inspect(Queue::Send, 0).await.unwrap();
    assert_eq!((queue.waiting, queue.claimed), (1, 0));
}

#[tokio::test]
async fn a_worker_that_is_torn_down_hands_back_what_ran() {
    let bench = Bench::new();
    bench.push(&["a"], 1).await;
    let worker = bench.serve(1, |_: Claimed| std::future::pending());
    bench.until(|_, claimed| claimed == 1).await;
    worker.abort();
    bench.until(|waiting, claimed| (waiting, claimed) == (1, 0)).await;
    let place = bench.lanes.find(JobId("a".to_owned()), lane()).await.unwrap();
    assert_eq!(place, JobPlace::Waiting { behind: 0, held: None });
}

#[tokio::test]
async fn jobs_of_a_wide_lane_write_its_state_one_after_the_other() {
    let bench = Bench::new();
    let names: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    bench.push(&names.iter().map(String::as_str).collect::<Vec<_>>(), 10).await;
    let granted = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&granted);
    let worker = bench.serve(10, move |claimed: Claimed| {
        let granted = Arc::clone(&granted);
        async move {
            let mut guard = claimed.state().await;
            let count = guard.state().bytes.as_ref().map_or(0, |bytes| bytes[0]) + 1;
            let answer = claimed.grant(&mut guard, vec![count], Timestamp::ZERO).await?;
            assert_eq!(answer, Grant::Granted, "nobody else decided meanwhile");
            drop(guard);
            tokio::task::yield_now().await;
            let guard = claimed.state().await;
            granted.fetch_max(usize::from(guard.state().bytes.as_ref().unwrap()[0]), Ordering::SeqCst);
            let same = guard.state().bytes.clone().unwrap();
            Ok(claimed.settle_with(Settle::Done, guard, same, Timestamp::ZERO).await?)
        }
    });
    bench.drained().await;
    assert!(bench.policy.0.lock().unwrap().is_empty());
    assert_eq!(total.load(Ordering::SeqCst), 30);
    bench.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn what_is_parked_comes_back_by_itself() {
    let bench = Bench::new();
    bench.push(&["a"], 1).await;
    let worker = bench.serve(1, |claimed: Claimed| async move {
        let Some(wait) = claimed.claim().waits.first().cloned() else {
            let until = claimed.now() + Duration::from_millis(30);
            return Ok(claimed.park(Wait::new("gap", Scope::Lane, until)).await?);
        };
        assert!(claimed.now() >= wait.until.unwrap(), "never before its time");
        assert!(claimed.confirmed_within(Duration::from_secs(2)));
        Ok(claimed.settle(Settle::Done).await?)
    });
    bench.drained().await;
    assert!(bench.policy.0.lock().unwrap().is_empty());
    bench.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn lane_time_on_a_worker_is_the_engines_own_clock_where_they_share_one() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
    let engine = Arc::new(MemoryEngine::new(Arc::clone(&clock) as _));
    let bench = Bench::of(Lanes::on_clock(Arc::clone(&engine) as _, Arc::clone(&clock) as _));
    bench.push(&["a"], 1).await;
    let hour = Duration::from_hours(1);
    let worker = bench.serve(1, move |claimed: Claimed| async move {
        if claimed.claim().waits.is_empty() {
            let until = claimed.now() + hour;
            return Ok(claimed.park(Wait::new("gap", Scope::Job, until)).await?);
        }
        assert_eq!(claimed.now(), Timestamp::from_micros(1) + hour);
        Ok(claimed.settle(Settle::Done).await?)
    });
    let job = || bench.lanes.find(JobId("a".to_owned()), lane());
    while !matches!(job().await.unwrap(), JobPlace::Waiting { held: Some(_), .. }) {
        tokio::task::yield_now().await;
    }
    clock.advance(hour);
    engine.look_again();
    bench.drained().await;
    assert!(bench.policy.0.lock().unwrap().is_empty());
    bench.stop.cancel();
    worker.await.unwrap();
}

/// Answers nothing useful for a while; is lost when its epoch is raised.
#[derive(Debug)]
struct Rebuilding {
    engine: MemoryEngine,
    refusals: AtomicUsize,
    epoch: AtomicU64,
}

#[async_trait]
impl Engine for Rebuilding {
    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Outcome>, QueueError> {
        let claims = ops.iter().any(|op| matches!(op, Op::Claim { .. } | Op::Settle { .. }));
        let left = self.refusals.load(Ordering::SeqCst);
        if claims && left > 0 {
            self.refusals.store(left - 1, Ordering::SeqCst);
            return Err(QueueError::Rebuilding);
        }
        self.engine.apply(ops).await
    }

    async fn wake(&self, queue: Queue, worker: WorkerId, longest: Duration) {
        self.engine.wake(queue, worker, longest).await;
    }

    async fn now(&self) -> Result<Timestamp, QueueError> {
        self.engine.now().await
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }
}

impl Rebuilding {
    fn new(refusals: usize) -> Arc<Self> {
        let engine = MemoryEngine::new(Arc::new(SystemClock));
        Arc::new(Self { engine, refusals: AtomicUsize::new(refusals), epoch: AtomicU64::new(1) })
    }
}

#[tokio::test]
async fn what_was_claimed_before_the_queue_was_lost_is_not_confirmed_by_later_beats() {
    const AGE: Duration = Duration::from_mins(1);
    let engine = Rebuilding::new(0);
    let bench = Bench::of(Lanes::new(Arc::clone(&engine) as _));
    bench.push(&["a", "b"], 1).await;
    let confirmed: Arc<Mutex<Vec<(bool, bool)>>> = Arc::default();
    let (noted, heart, lost) = (Arc::clone(&confirmed), bench.heart.clone(), Arc::clone(&engine));
    let worker = bench.serve(1, move |claimed: Claimed| {
        let (noted, heart, lost) = (Arc::clone(&noted), heart.clone(), Arc::clone(&lost));
        async move {
            let before = claimed.confirmed_within(AGE);
            if claimed.claim().ticket.job.0 == "a" {
                lost.epoch.store(2, Ordering::SeqCst);
                while !heart.is_of_this_epoch() {
                    tokio::task::yield_now().await;
                }
                assert!(heart.confirmed_within(AGE));
            }
            noted.lock().unwrap().push((before, claimed.confirmed_within(AGE)));
            Ok(claimed.settle(Settle::Done).await?)
        }
    });
    bench.drained().await;
    assert_eq!(*confirmed.lock().unwrap(), [(true, false), (true, true)]);
    bench.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn an_engine_that_does_not_answer_ends_no_worker_and_loses_no_settle() {
    let engine = Rebuilding::new(2);
    let bench = Bench::of(Lanes::new(Arc::clone(&engine) as _));
    bench.push(&["a"], 1).await;
    let refusing = Arc::clone(&engine);
    let worker = bench.serve(1, move |claimed: Claimed| {
        refusing.refusals.store(2, Ordering::SeqCst);
        async move { Ok(claimed.settle(Settle::Done).await?) }
    });
    bench.drained().await;
    assert!(bench.policy.0.lock().unwrap().is_empty());
    bench.stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_heart_tells_when_its_lease_was_lost() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new(Arc::clone(&clock) as _));
    let lanes = Lanes::on_clock(engine, Arc::clone(&clock) as _);
    let bench = Bench::of(lanes.clone());
    bench.heart.first_beat().await;
    assert!(bench.heart.confirmed_within(Duration::from_secs(2)));
    // Somebody else sees seven seconds go by within the pause between two beats.
    for _ in 0..7 {
        clock.advance(Duration::from_secs(1));
        lanes.beat(WorkerId(Uuid::from_u128(2))).await.unwrap();
    }
    assert_eq!(lanes.reap().await.unwrap().0, [bench.heart.worker()]);
    assert_eq!(bench.heart.losses(), 0);
    while bench.heart.losses() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.heart.losses(), 1);
}
