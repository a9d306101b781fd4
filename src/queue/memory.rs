//! The memory engine: one shard behind a mutex, for a service that is a single process.
//!
//! It starts empty, like a loss: whoever opens it derives its content from rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Clock, Queue, Timestamp, WorkerId};
use tokio::sync::Notify;

use crate::{Engine, Op, Outcome, QueueError, Shard};

/// Lanes in this process's memory. Lane time is the clock's, but never runs backwards.
#[derive(Debug)]
pub struct MemoryEngine {
    clock: Arc<dyn Clock>,
    shard: Mutex<Shard>,
    bells: Mutex<HashMap<(Queue, WorkerId), Arc<Notify>>>,
}

impl MemoryEngine {
    /// An engine that holds nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shard: Mutex::default(), bells: Mutex::default() }
    }

    /// Lets every worker look at once: after its clock was moved by hand, what sleeps by real time would come late.
    pub fn look_again(&self) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.values().for_each(|bell| bell.notify_one());
    }

    fn shard(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What rings when a worker is to look at a queue. A ring that nobody waits for is kept for the next who does.
    fn bell(&self, queue: Queue, worker: WorkerId) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(bells.entry((queue, worker)).or_default())
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Outcome>, QueueError> {
        let mut outcomes = Vec::with_capacity(ops.len());
        let mut wakes = Vec::new();
        {
            let mut shard = self.shard();
            for op in ops {
                let (outcome, more) = shard.apply(self.clock.now(), op);
                outcomes.push(outcome);
                wakes.extend(more);
            }
        }
        for (queue, worker) in wakes {
            if let Some(worker) = worker {
                self.bell(queue, worker).notify_one();
            }
        }
        Ok(outcomes)
    }

    async fn wake(&self, queue: Queue, worker: WorkerId, longest: Duration) {
        let bell = self.bell(queue, worker);
        // Whether it rang or the time is over, the worker looks.
        let _ = tokio::time::timeout(longest, bell.notified()).await;
    }

    async fn now(&self) -> Result<Timestamp, QueueError> {
        Ok(self.clock.now().max(self.shard().now()))
    }
}
