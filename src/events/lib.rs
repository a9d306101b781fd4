//! Hints that there is news, and the control path to an account's owner. Never the news itself: readers read rows by
//! number, so a lost hint costs a moment only.

mod bus;
mod control;
mod redis_bus;

use std::sync::Arc;
use std::time::Duration;

use model::WorkspaceId;
use tokio::sync::broadcast;

use bus::Bus;
pub use control::{Control, Order, Orders, Receipt, Unconfirmed};
pub use redis_bus::BusError;

/// A hint: a workspace has events up to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct News {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The newest number.
    pub last: i64,
}

/// Where hints are announced and heard, and owners of accounts are reached. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hints {
    news: Arc<Bus<News>>,
    control: Control,
}

/// Hears hints from the moment it was made.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<News>);

impl Hints {
    /// Hints within this process.
    pub fn in_process() -> Self {
        Self { news: Arc::new(Bus::in_process()), control: Control::in_process() }
    }

    /// Hints among all processes that share the Redis at `url` and `prefix`. It connects by itself, and again whenever
    /// the connection breaks; until then hints stay within this process. Call it inside a tokio runtime.
    pub fn over_redis(url: &str, prefix: &str) -> Result<Self, BusError> {
        let news = Bus::over_redis(url, format!("{prefix}:news"))?;
        Ok(Self { news: Arc::new(news), control: Control::over_redis(url, prefix)? })
    }

    /// Tells everybody who listens.
    pub fn announce(&self, workspace: WorkspaceId, last: i64) {
        self.news.say(News { workspace, last });
    }

    /// Begins to listen. Read rows after this, not before: then nothing falls between.
    pub fn listen(&self) -> Listener {
        Listener(self.news.listen())
    }

    /// The way to the owners of accounts.
    pub const fn control(&self) -> &Control {
        &self.control
    }
}

impl Listener {
    /// Returns when `workspace` has news, when hints were lost, or after `longest`: look at the rows in each case.
    pub async fn news(&mut self, workspace: WorkspaceId, longest: Duration) {
        let heard = async {
            loop {
                match self.0.recv().await {
                    Ok(news) if news.workspace != workspace => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    // No more hints will come: the caller goes on looking at intervals.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // Silence for that long is an answer too.
        drop(tokio::time::timeout(longest, heard).await);
    }
}
