//! The beat that keeps a worker's lease, and what it knows about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::WorkerId;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{LEASE, Lanes, Op, Outcome};

/// A worker's lease: one for a process, shared by all its queues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Heart(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    worker: WorkerId,
    lanes: Lanes,
    confirmed: watch::Sender<Option<Confirmed>>,
    losses: AtomicU64,
    nudge: Notify,
}

/// The last beat that the queue answered.
#[derive(Debug, Clone, Copy)]
struct Confirmed {
    /// When it was sent: when it arrived is not known.
    sent: Instant,
    /// The engine's epoch that it was for.
    epoch: u64,
}

impl Heart {
    /// Starts to beat for a worker: at once, then every quarter of a lease, until `stop`. Each beat also ends the leases
    /// of others that ran out. A worker beats until it has settled everything, so `stop` comes after its queues ended.
    pub fn start(lanes: Lanes, worker: WorkerId, stop: CancellationToken) -> Self {
        let heart = Self(Arc::new(Inner {
            worker,
            lanes,
            confirmed: watch::Sender::new(None),
            losses: AtomicU64::new(0),
            nudge: Notify::new(),
        }));
        let beating = heart.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(LEASE / 4);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut next = async || {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = beating.0.nudge.notified() => {}
                }
            };
            while stop.run_until_cancelled(next()).await.is_some() {
                // A beat that hangs must not keep the next one from being tried.
                let _ = tokio::time::timeout(LEASE / 4, beating.beat()).await;
            }
        });
        heart
    }

    /// Beats once. A failure needs nobody's care: the next beat follows, and what must not run meanwhile asks
    /// [`Heart::confirmed_within`].
    async fn beat(&self) {
        let sent = Instant::now();
        let worker = self.0.worker;
        let answers = self.0.lanes.apply(vec![Op::Beat { worker }, Op::Reap]).await;
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(worker.id = %worker, %error, "the lease was not renewed");
                return;
            }
        };
        // Asked after the answer: an epoch that was taken over since then makes what was claimed before it doubtful.
        let confirmed = Some(Confirmed { sent, epoch: self.0.lanes.epoch() });
        match answers.first() {
            Some(Outcome::Ok) => drop(self.0.confirmed.send_replace(confirmed)),
            Some(Outcome::Lost) => {
                self.0.losses.fetch_add(1, Ordering::SeqCst);
                metrics::counter!("rookery_lease_losses_total").increment(1);
                tracing::warn!(worker.id = %worker, "the lease ran out; what was claimed is others' by now");
                self.0.confirmed.send_replace(confirmed);
            }
            _ => {}
        }
        if let Some(Outcome::Reaped { workers, jobs }) = answers.get(1)
            && !workers.is_empty()
        {
            tracing::warn!(workers = workers.len(), jobs, "workers are gone; their jobs go to others");
        }
    }

    /// Whose lease it is.
    pub fn worker(&self) -> WorkerId {
        self.0.worker
    }

    /// The lanes that the lease is for.
    pub fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    /// Whether the lease was confirmed no longer than `age` ago.
    pub fn confirmed_within(&self, age: Duration) -> bool {
        self.0.confirmed.borrow().is_some_and(|beat| beat.sent.elapsed() <= age)
    }

    /// Whether the last beat was answered in the engine's epoch as it is now. If not, it beats at once: the queue was lost and
    /// derived again, and knows nothing of the lease.
    pub fn is_of_this_epoch(&self) -> bool {
        let is = self.confirmed_epoch() == Some(self.0.lanes.epoch());
        if !is {
            self.0.nudge.notify_one();
        }
        is
    }

    /// The epoch of the last beat that was answered.
    pub(super) fn confirmed_epoch(&self) -> Option<u64> {
        self.0.confirmed.borrow().map(|beat| beat.epoch)
    }

    /// Returns once the lease was confirmed for the first time: nothing should be claimed before.
    pub async fn first_beat(&self) {
        // The sender lives as long as this heart, so waiting cannot fail.
        let _ = self.0.confirmed.subscribe().wait_for(Option::is_some).await;
    }

    /// How often the lease was lost. What was claimed before the latest loss is not this worker's any more.
    pub fn losses(&self) -> u64 {
        self.0.losses.load(Ordering::SeqCst)
    }
}
