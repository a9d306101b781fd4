//! How long to wait before asking an engine again that did not answer.

use std::time::Duration;

use model::WorkerId;
use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(1);

/// Growing pauses, at most a second each, different from worker to worker so that a fleet does not ask in step.
#[derive(Debug)]
pub(super) struct Pause {
    worker: WorkerId,
    tries: u32,
}

impl Pause {
    pub fn new(worker: WorkerId) -> Self {
        Self { worker, tries: 0 }
    }

    /// The last call succeeded.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// Waits before the next call.
    pub async fn wait(&mut self) {
        tokio::time::sleep_until(Instant::now() + self.next()).await;
    }

    /// From half of the doubled pause to the whole: where in between is the worker's own.
    fn next(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.tries.min(16)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        let spread = self.worker.0.as_u128().rotate_left(self.tries) % 1_000;
        let part = u32::try_from(spread).unwrap_or(0);
        whole / 2 + whole / 2 * part / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_no_further() {
        let mut pause = Pause::new(WorkerId(uuid::Uuid::from_u128(77)));
        let pauses: Vec<_> = (0..40).map(|_| pause.next()).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST);
        assert!(pauses[39] >= LONGEST / 2 && pauses.iter().all(|pause| *pause <= LONGEST));
    }
}
