//! Lane time on a worker.

use std::sync::Arc;

use model::{Clock, Timestamp};
use tokio::time::Instant;

/// Lane time as a worker knows it: that of a claim, and what has passed since. The engine said it at some moment between the
/// question and the answer, so there are two readings: [`LaneClock::now`] never runs ahead of the engine's time and
/// [`LaneClock::latest`] never behind it.
#[derive(Debug, Clone)]
pub struct LaneClock {
    at: Timestamp,
    goes_by: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Monotonic { asked: Instant, answered: Instant },
    Shared(Arc<dyn Clock>),
}

impl LaneClock {
    /// From a claim that was asked for at `asked`, said `at` and was answered just now; `shared` is the engine's own clock if
    /// it is this process's.
    pub fn new(at: Timestamp, asked: Instant, shared: Option<&Arc<dyn Clock>>) -> Self {
        let goes_by = match shared {
            Some(clock) => Source::Shared(Arc::clone(clock)),
            None => Source::Monotonic { asked, answered: Instant::now() },
        };
        Self { at, goes_by }
    }

    /// Lane time now, at the earliest: for whatever must not start too soon.
    pub fn now(&self) -> Timestamp {
        match &self.goes_by {
            Source::Monotonic { answered, .. } => self.at + answered.elapsed(),
            Source::Shared(clock) => clock.now().max(self.at),
        }
    }

    /// Lane time now, at the latest: for the date of what has happened, so that the next worker, whose answers may travel
    /// faster, counts no window from too early.
    pub fn latest(&self) -> Timestamp {
        match &self.goes_by {
            Source::Monotonic { asked, .. } => self.at + asked.elapsed(),
            Source::Shared(_) => self.now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_travelled_long_leaves_both_readings_around_the_truth() {
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(80)).await;
        let clock = LaneClock::new(Timestamp::from_micros(1_000_000), asked, None);
        tokio::time::advance(Duration::from_millis(5)).await;
        assert_eq!(clock.now(), Timestamp::from_micros(1_005_000));
        assert_eq!(clock.latest(), Timestamp::from_micros(1_085_000));
    }
}
