//! The loop that claims for one queue.

use std::sync::Arc;
use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use model::Queue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claimed::{Bench, Claimed};
use super::pause::Pause;

/// A worker looks this often, whatever it was told.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How often a paused worker looks whether it still is.
const PAUSED: Duration = Duration::from_millis(50);

/// Claims as many jobs as there are free slots, and sleeps while nothing is due.
#[derive(Debug)]
pub(super) struct Claiming {
    pub bench: Bench,
    pub queue: Queue,
    pub own: bool,
    pub slots: Arc<Semaphore>,
    pub jobs: mpsc::UnboundedSender<Claimed>,
    pub stop: CancellationToken,
}

/// What to do after a look.
enum Next {
    /// Look again at once: more is due than there was room for.
    Look,
    /// Nothing is due before then.
    Sleep(Duration),
    /// The engine did not answer.
    BackOff,
}

impl Claiming {
    /// Claims until told to stop. What is claimed when that happens is sent or handed back, never forgotten.
    pub async fn run(self, context: WorkerContext) {
        let mut pause = Pause::new(self.bench.heart.worker());
        if self.stop.run_until_cancelled(self.bench.heart.first_beat()).await.is_none() {
            return;
        }
        loop {
            let Some(slots) = self.stop.run_until_cancelled(self.free_slots()).await else {
                return;
            };
            if context.is_paused() {
                drop(slots);
                if self.stop.run_until_cancelled(tokio::time::sleep(PAUSED)).await.is_none() {
                    return;
                }
                continue;
            }
            let next = self.look(slots).await;
            if !matches!(next, Next::BackOff) {
                pause.reset();
            }
            let rest = async {
                match next {
                    Next::Look => {}
                    Next::Sleep(longest) => {
                        let worker = self.bench.heart.worker();
                        self.bench.heart.lanes().wake(self.queue, worker, longest).await;
                    }
                    Next::BackOff => pause.wait().await,
                }
            };
            if self.stop.run_until_cancelled(rest).await.is_none() {
                return;
            }
        }
    }

    /// Waits for a slot and takes all that are free.
    async fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let Ok(first) = Arc::clone(&self.slots).acquire_owned().await else {
            // Nobody closes it.
            return Vec::new();
        };
        let more = std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok());
        std::iter::once(first).chain(more).collect()
    }

    async fn look(&self, slots: Vec<OwnedSemaphorePermit>) -> Next {
        let (lanes, worker) = (self.bench.heart.lanes(), self.bench.heart.worker());
        let (wanted, asked, epoch) = (slots.len(), Instant::now(), lanes.epoch());
        // Nothing of an epoch is sent before the lease was opened in it.
        if !self.bench.heart.is_of_this_epoch() {
            return Next::BackOff;
        }
        let answer = match lanes.claim(self.queue, worker, wanted, self.own).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(queue = self.queue.as_str(), %error, "nothing could be claimed");
                return Next::BackOff;
            }
        };
        let answered = Instant::now();
        let (now, next_due, given) = (answer.now, answer.next_due, answer.claims.len());
        for claimed in self.bench.take(answer, asked, epoch, slots) {
            // A closed channel drops the job, and dropping it hands it back.
            let _ = self.jobs.send(claimed);
        }
        match next_due {
            _ if given == wanted => Next::Look,
            Some(due) if due <= now => Next::Look,
            Some(due) => {
                let left = due.since(now).saturating_sub(answered.elapsed());
                Next::Sleep(left.min(LONGEST_SLEEP))
            }
            None => Next::Sleep(LONGEST_SLEEP),
        }
    }
}
