//! What must be written, however long the store is away: a provider's answer is not to be had twice.

use std::time::Duration;

use store::{Ended, StoreError};
use tokio::time::Instant;

use crate::App;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Hundreds may wait for the same store: each says so at first, and then as often as this.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// Asks the store until it does what it is asked. None when what it is about is gone.
pub(crate) async fn insist<T, F>(app: &App, mut ask: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let (mut pause, mut said) = (FIRST_PAUSE, None::<Instant>);
    loop {
        match ask().await {
            Ok(done) => return Some(done),
            Err(StoreError::NotFound(_)) => return None,
            Err(error) => {
                if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                    said = Some(Instant::now());
                    tracing::warn!(%error, "an outcome could not be committed yet; it is tried until it is");
                }
                tokio::time::sleep(part_of(pause, app.ids.number())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// From half of a pause to the whole, so that those who wait do not come back all at once.
fn part_of(pause: Duration, random: u64) -> Duration {
    let share = u32::try_from(random % 1_001).unwrap_or(0);
    pause / 2 + pause / 2 * share / 1_000
}

/// Commits an outcome.
pub(crate) async fn commit(app: &App, ended: Ended) {
    insist(app, || app.store.end_attempt(ended.clone())).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_and_none_is_shorter_than_half() {
        let parts: Vec<_> = (0..1_001).map(|random| part_of(LONGEST_PAUSE, random)).collect();
        assert_eq!(parts.iter().min(), Some(&(LONGEST_PAUSE / 2)));
        assert_eq!(parts.iter().max(), Some(&LONGEST_PAUSE));
        assert!(parts.is_sorted());
    }
}
