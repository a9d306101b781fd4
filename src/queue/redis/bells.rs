//! Wakes: one channel a worker, heard over a connection of its own that is made anew when it breaks.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use model::{Queue, WorkerId};
use redis::aio::PubSubSink;
use redis::{Client, Msg};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::encode::worker_name;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How long a worker's first claim waits until it can be heard.
const FIRST_CLAIM: Duration = Duration::from_millis(500);

/// A connection on which nothing is said is asked now and then whether it still stands.
const PROBE: Duration = Duration::from_secs(5);

/// A worker, and where to say that its channel is subscribed to.
type Request = (String, oneshot::Sender<()>);

#[derive(Debug, Default)]
struct Heard {
    bells: HashMap<(Queue, String), Arc<Notify>>,
    /// Workers whose channel is subscribed to right now.
    live: BTreeSet<String>,
    /// Workers that ever claimed.
    wanted: BTreeSet<String>,
    /// Workers that claimed while they could not be heard: something may have been said.
    late: BTreeSet<String>,
}

impl Heard {
    fn bell(&mut self, queue: Queue, worker: &str) -> Arc<Notify> {
        Arc::clone(self.bells.entry((queue, worker.to_owned())).or_default())
    }

    /// A worker's channel is subscribed to. Rings all its bells if it should have been before.
    fn is_live(&mut self, worker: String) {
        if self.late.remove(&worker) {
            for queue in Queue::ALL {
                self.bell(*queue, &worker).notify_one();
            }
        }
        self.live.insert(worker);
    }

    /// The connection broke: until there is another one nobody is heard.
    fn is_deaf(&mut self) {
        let live = std::mem::take(&mut self.live);
        self.late.extend(live);
    }
}

/// The bells of this process's workers.
#[derive(Debug)]
pub(super) struct Bells {
    heard: Arc<Mutex<Heard>>,
    asked: mpsc::UnboundedSender<Request>,
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

    /// Sees to it that a worker is heard before it claims for the first time: whoever rings then finds somebody who
    /// listens. When that takes too long the claim goes first, and the bell rings once as soon as it can be heard.
    pub async fn listen_for(&self, worker: WorkerId) {
        let name = worker_name(worker);
        let (live, heard) = oneshot::channel();
        if !lock(&self.heard).wanted.insert(name.clone()) {
            return;
        }
        if self.asked.send((name.clone(), live)).is_ok()
            && tokio::time::timeout(FIRST_CLAIM, heard).await.is_err()
        {
            lock(&self.heard).late.insert(name);
        }
    }

    /// Returns when the bell rang.
    pub async fn wait(&self, queue: Queue, worker: WorkerId) {
        self.listen_for(worker).await;
        let bell = lock(&self.heard).bell(queue, &worker_name(worker));
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
    mut requests: mpsc::UnboundedReceiver<Request>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let done = hear(&client, &channel, &heard, &mut requests, &mut pause).await;
        lock(&heard).is_deaf();
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
    requests: &mut mpsc::UnboundedReceiver<Request>,
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
                let Some((worker, live)) = worker else { return true };
                let known = lock(heard).live.contains(&worker);
                if !known && !subscribe(&mut sink, channel, heard, worker).await {
                    return false;
                }
                // Who asked may have waited long enough.
                let _ = live.send(());
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
    lock(heard).is_live(worker);
    true
}

fn ring(heard: &Mutex<Heard>, channel: &str, message: &Msg) {
    let worker = message.get_channel_name().strip_prefix(channel);
    let queue = message.get_payload::<String>().ok().and_then(|queue| queue.parse().ok());
    if let (Some(worker), Some(queue)) = (worker, queue) {
        lock(heard).bell(queue, worker).notify_one();
    }
}
