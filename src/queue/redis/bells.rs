//! Wakes: one channel a worker, heard over a connection of its own that is made anew when it breaks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use model::{Queue, WorkerId};
use redis::aio::PubSubSink;
use redis::{Client, Msg};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::encode::worker_name;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A connection on which nothing is said is asked now and then whether it still stands.
const PROBE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Heard {
    bells: HashMap<(Queue, String), Arc<Notify>>,
    /// Workers whose channel is subscribed to right now.
    live: BTreeSet<String>,
    /// Workers that ever asked.
    wanted: BTreeSet<String>,
}

impl Heard {
    fn bell(&mut self, queue: Queue, worker: &str) -> Arc<Notify> {
        Arc::clone(self.bells.entry((queue, worker.to_owned())).or_default())
    }

    /// Rings all of a worker's bells: while nobody listened something may have been said.
    fn ring_all(&self, worker: &str) {
        for ((_, of), bell) in &self.bells {
            if of == worker {
                bell.notify_one();
            }
        }
    }
}

/// The bells of this process's workers.
#[derive(Debug)]
pub(super) struct Bells {
    heard: Arc<Mutex<Heard>>,
    asked: mpsc::UnboundedSender<String>,
    listener: JoinHandle<()>,
}

impl Drop for Bells {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Bells {
    /// Listens on channels whose names begin with `channel`.
    pub fn new(client: Client, channel: String) -> Self {
        let heard = Arc::new(Mutex::default());
        let (asked, requests) = mpsc::unbounded_channel();
        let listener = tokio::spawn(listen(client, channel, Arc::clone(&heard), requests));
        Self { heard, asked, listener }
    }

    /// Returns when the bell rang, or when the worker's channel was subscribed to only now: the worker claims again, so
    /// that Redis knows that it is idle while it can be heard.
    pub async fn wait(&self, queue: Queue, worker: WorkerId) {
        let name = worker_name(worker);
        let bell = {
            let mut heard = lock(&self.heard);
            if heard.wanted.insert(name.clone()) {
                // A listener that is gone is the runtime's end; then nobody waits for this either.
                let _ = self.asked.send(name.clone());
            }
            heard.bell(queue, &name)
        };
        bell.notified().await;
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(
    client: Client,
    channel: String,
    heard: Arc<Mutex<Heard>>,
    mut requests: mpsc::UnboundedReceiver<String>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let done = hear(&client, &channel, &heard, &mut requests, &mut pause).await;
        lock(&heard).live.clear();
        if done {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Hears over one connection until it breaks; true when nobody will ask any more.
async fn hear(
    client: &Client,
    channel: &str,
    heard: &Mutex<Heard>,
    requests: &mut mpsc::UnboundedReceiver<String>,
    pause: &mut Duration,
) -> bool {
    let made = tokio::time::timeout(LAST_PAUSE, client.get_async_pubsub()).await;
    let Ok(Ok(pubsub)) = made else { return false };
    let (mut sink, mut messages) = pubsub.split();
    let wanted = lock(heard).wanted.clone();
    for worker in wanted {
        if !subscribe(&mut sink, channel, heard, worker).await {
            return false;
        }
    }
    *pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return false };
                ring(heard, channel, &message);
            }
            worker = requests.recv() => {
                let Some(worker) = worker else { return true };
                if lock(heard).live.contains(&worker) {
                    continue;
                }
                if !subscribe(&mut sink, channel, heard, worker).await {
                    return false;
                }
            }
            () = tokio::time::sleep(PROBE) => {
                let pong = tokio::time::timeout(LAST_PAUSE, sink.ping::<redis::Value>()).await;
                if !matches!(pong, Ok(Ok(_))) {
                    return false;
                }
            }
        }
    }
}

/// Subscribes to a worker's channel and rings its bells; false when the connection is of no use.
async fn subscribe(sink: &mut PubSubSink, channel: &str, heard: &Mutex<Heard>, worker: String) -> bool {
    let subscribed = sink.subscribe(format!("{channel}{worker}"));
    if !matches!(tokio::time::timeout(LAST_PAUSE, subscribed).await, Ok(Ok(()))) {
        return false;
    }
    let mut heard = lock(heard);
    heard.ring_all(&worker);
    heard.live.insert(worker);
    true
}

fn ring(heard: &Mutex<Heard>, channel: &str, message: &Msg) {
    let worker = message.get_channel_name().strip_prefix(channel);
    let queue = message.get_payload::<String>().ok().and_then(|queue| queue.parse().ok());
    if let (Some(worker), Some(queue)) = (worker, queue) {
        lock(heard).bell(queue, worker).notify_one();
    }
}
