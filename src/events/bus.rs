//! Something said is heard by everybody: within this process, or in all processes that share a Redis.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;

use crate::BusError;
use crate::redis_bus::RedisBus;

/// How much a slow listener may lag behind before it only learns that there was something.
const KEPT: usize = 256;

/// What can be said.
pub(crate) trait Word: Clone + Send + Serialize + DeserializeOwned + 'static {}
impl<T: Clone + Send + Serialize + DeserializeOwned + 'static> Word for T {}

#[derive(Debug)]
pub(crate) struct Bus<T> {
    here: broadcast::Sender<T>,
    elsewhere: Option<RedisBus<T>>,
}

impl<T: Word> Bus<T> {
    pub(crate) fn in_process() -> Self {
        Self { here: broadcast::channel(KEPT).0, elsewhere: None }
    }

    pub(crate) fn over_redis(url: &str, channel: String) -> Result<Self, BusError> {
        let here = broadcast::channel(KEPT).0;
        let elsewhere = Some(RedisBus::start(url, channel, here.clone())?);
        Ok(Self { here, elsewhere })
    }

    pub(crate) fn say(&self, word: T) {
        match &self.elsewhere {
            // It comes back to this process, too.
            Some(elsewhere) if elsewhere.say(word.clone()) => {}
            // Nobody listening is fine: whatever matters is in rows.
            _ => drop(self.here.send(word)),
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<T> {
        self.here.subscribe()
    }
}
