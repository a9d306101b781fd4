//! Lane time on a worker.

use std::sync::Arc;

use model::{Clock, Timestamp};
use tokio::time::Instant;

/// Lane time as a worker knows it: that of a claim, and what has passed since. It may lag behind the engine's by the time
/// the answer travelled, and never runs ahead of it.
#[derive(Debug, Clone)]
pub struct LaneClock {
    at: Timestamp,
    goes_by: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Monotonic(Instant),
    Shared(Arc<dyn Clock>),
}

impl LaneClock {
    /// From a claim that said `at` and was answered just now; `shared` is the engine's own clock if it is this
    /// process's.
    pub fn new(at: Timestamp, shared: Option<&Arc<dyn Clock>>) -> Self {
        let goes_by = match shared {
            Some(clock) => Source::Shared(Arc::clone(clock)),
            None => Source::Monotonic(Instant::now()),
        };
        Self { at, goes_by }
    }

    /// Lane time now.
    pub fn now(&self) -> Timestamp {
        match &self.goes_by {
            Source::Monotonic(since) => self.at + since.elapsed(),
            Source::Shared(clock) => clock.now().max(self.at),
        }
    }
}
