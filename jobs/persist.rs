//! What must be written, however long the store is away: a provider's answer is not to be had twice.

use std::time::Duration;

use store::{Ended, StoreError};

use crate::App;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Asks the store until it does what it is asked. None when what it is about is gone.
pub(crate) async fn insist<T, F>(mut ask: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match ask().await {
            Ok(done) => return Some(done),
            Err(StoreError::NotFound(_)) => return None,
            Err(error) => {
                tracing::warn!(%error, "an outcome could not be committed yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Commits an outcome.
pub(crate) async fn commit(app: &App, ended: Ended) {
    insist(|| app.store.end_attempt(ended.clone())).await;
}
