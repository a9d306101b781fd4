//! Hints that there is news. Never the news itself: readers read rows by number, so a lost hint costs a moment only.

mod redis_hints;

use std::sync::Arc;
use std::time::Duration;

use model::WorkspaceId;
use tokio::sync::broadcast;

pub use redis_hints::HintsError;
use redis_hints::RedisHints;

/// How many hints a slow reader may lag behind before it only learns that there were some.
const KEPT: usize = 256;

/// A hint: a workspace has events up to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct News {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The newest number.
    pub last: i64,
}

/// Where hints are announced and heard. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hints {
    here: broadcast::Sender<News>,
    elsewhere: Option<Arc<RedisHints>>,
}

/// Hears hints from the moment it was made.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<News>);

impl Hints {
    /// Hints within this process.
    pub fn in_process() -> Self {
        Self { here: broadcast::channel(KEPT).0, elsewhere: None }
    }

    /// Hints among all processes that share the Redis at `url` and `prefix`. It connects by itself, and again whenever
    /// the connection breaks; until then hints stay within this process. Call it inside a tokio runtime.
    pub fn over_redis(url: &str, prefix: &str) -> Result<Self, HintsError> {
        let here = broadcast::channel(KEPT).0;
        let elsewhere = RedisHints::start(url, prefix, here.clone())?;
        Ok(Self { here, elsewhere: Some(Arc::new(elsewhere)) })
    }

    /// Tells everybody who listens.
    pub fn announce(&self, workspace: WorkspaceId, last: i64) {
        let news = News { workspace, last };
        match &self.elsewhere {
            // It comes back to this process, too.
            Some(elsewhere) if elsewhere.announce(news) => {}
            // Nobody listening is fine: whoever comes later reads rows.
            _ => drop(self.here.send(news)),
        }
    }

    /// Begins to listen. Read rows after this, not before: then nothing falls between.
    pub fn listen(&self) -> Listener {
        Listener(self.here.subscribe())
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
