//! A bus over Redis pub/sub: one connection that hears, one that tells, both made again whenever they break.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::bus::Word;

/// Before a broken connection is made again.
const PAUSE: Duration = Duration::from_millis(500);
/// Words that wait to be told; more than that are dropped, since rows say the same.
const WAITING: usize = 1_024;

/// The Redis URL is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Redis URL cannot be read: {0}")]
pub struct BusError(String);

#[derive(Debug)]
pub(crate) struct RedisBus<T> {
    telling: mpsc::Sender<T>,
    hears: Arc<AtomicBool>,
    _stop: DropGuard,
}

impl<T: Word> RedisBus<T> {
    pub(crate) fn start(url: &str, channel: String, here: broadcast::Sender<T>) -> Result<Self, BusError> {
        let client = open(url).map_err(|error| BusError(error.category().to_owned()))?;
        let stop = CancellationToken::new();
        let hears = Arc::new(AtomicBool::new(false));
        let (telling, told) = mpsc::channel(WAITING);
        tokio::spawn(stop.clone().run_until_cancelled_owned(hear(
            client.clone(),
            channel.clone(),
            here,
            hears.clone(),
        )));
        tokio::spawn(stop.clone().run_until_cancelled_owned(tell(client, channel, told)));
        Ok(Self { telling, hears, _stop: stop.drop_guard() })
    }

    /// Whether it will come back to this process: else it must be told here directly.
    pub(crate) fn say(&self, word: T) -> bool {
        self.telling.try_send(word).is_ok() && self.hears.load(Ordering::Relaxed)
    }
}

/// A client that connects later, whose words leave at once, whether or not those before them were acknowledged.
fn open(url: &str) -> redis::RedisResult<Client> {
    let tcp = TcpSettings::default().set_nodelay(true);
    Client::open(url.into_connection_info()?.set_tcp_settings(tcp))
}

async fn hear<T: Word>(client: Client, channel: String, here: broadcast::Sender<T>, hears: Arc<AtomicBool>) {
    loop {
        let hearing = async {
            let mut connection = client.get_async_pubsub().await?;
            connection.subscribe(&channel).await?;
            hears.store(true, Ordering::Relaxed);
            let mut messages = connection.into_on_message();
            while let Some(message) = messages.next().await {
                if let Ok(word) = serde_json::from_slice(message.get_payload_bytes()) {
                    // Nobody listening is fine.
                    drop(here.send(word));
                }
            }
            Ok::<(), redis::RedisError>(())
        };
        if let Err(error) = hearing.await {
            tracing::debug!(%error, "other processes are not heard");
        }
        hears.store(false, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn tell<T: Word>(client: Client, channel: String, mut told: mpsc::Receiver<T>) {
    let mut connection = None;
    while let Some(word) = told.recv().await {
        let Ok(payload) = serde_json::to_vec(&word) else { continue };
        if connection.is_none() {
            connection = client.get_multiplexed_async_connection().await.ok();
        }
        let Some(open) = &mut connection else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let published: redis::RedisResult<()> =
            redis::cmd("PUBLISH").arg(&channel).arg(payload).query_async(open).await;
        if published.is_err() {
            connection = None;
        }
    }
}
