//! Reads that are asked for at the same moment share a statement, on Postgres, where each one costs a round trip.
//!
//! Nobody waits for company: what comes while a read is under way makes the next one. So each reads what was committed
//! when it asked, or later.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use sqlx::PgConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::StoreError;
use crate::db::timely;
use crate::kept::Kept;
use crate::writer::{received, unavailable};

const MOST: usize = 64;
/// Reads under way at once: while the server works on one, the next is made.
const WIDTH: u32 = 2;

/// What is found under each key, or why it cannot be read.
pub(crate) type Found<K, V> = HashMap<K, Result<V, StoreError>>;

/// What many keys are looked up with.
pub(crate) trait Find: Send + Sync + 'static {
    type Key: Copy + Eq + Hash + Send + Sync;
    type Value: Clone + Send;

    /// Looks up all of them; a key that there is nothing under is left out.
    fn find(
        &self,
        connection: &mut PgConnection,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Found<Self::Key, Self::Value>, StoreError>> + Send;
}

type Answer<V> = oneshot::Sender<Result<Option<V>, StoreError>>;
type Asked<F> = (<F as Find>::Key, Answer<<F as Find>::Value>);

/// Connections for looks that find each row by an index. A planner that has not heard yet how tables have grown would rather
/// read all of one, or all that waits and sort it, for each row anew.
pub(crate) fn by_index(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    let ways = ["sort", "incremental_sort", "seqscan", "hashjoin", "mergejoin"];
    let options = options.options(ways.map(|way| (format!("enable_{way}"), "off")));
    PgPoolOptions::new()
        .max_connections(WIDTH)
        .acquire_timeout(pool.options().get_acquire_timeout())
        .connect_lazy_with(options)
}

/// Who looks up, for all callers.
#[derive(Debug)]
pub(crate) struct Gathered<F: Find>(mpsc::Sender<Asked<F>>);

impl<F: Find> Clone for Gathered<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Find> Gathered<F> {
    pub(crate) fn start(pool: &PgPool, find: F) -> Self {
        let (sender, receiver) = mpsc::channel::<Asked<F>>(4 * MOST);
        let (receiver, find) = (Arc::new(Mutex::new(receiver)), Arc::new(find));
        for _ in 0..WIDTH {
            let (receiver, find, mut kept) =
                (Arc::clone(&receiver), Arc::clone(&find), Kept::of(pool.clone()));
            tokio::spawn(async move {
                while let Some(asked) = next(&receiver, &mut kept).await {
                    answer(&*find, &mut kept, asked, &receiver).await;
                }
            });
        }
        Self(sender)
    }

    pub(crate) async fn get(&self, key: F::Key) -> Result<Option<F::Value>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = || StoreError::Unavailable(sqlx::Error::PoolClosed);
        self.0.send((key, answer)).await.map_err(|_| closed())?;
        // Where the server hangs, others stand in line before this one.
        timely(async { Ok(answered.await) }).await?.map_err(|_| closed())?
    }
}

/// What has come; nobody's connection is kept while nothing comes.
pub(crate) async fn next<T>(receiver: &Mutex<mpsc::Receiver<T>>, kept: &mut Kept) -> Option<Vec<T>> {
    tokio::select! {
        biased;
        come = async { received(&mut *receiver.lock().await, MOST).await } => come,
        never = kept.idle() => match never {},
    }
}

/// All who stand in line. Where there was no connection to be had for as long as one waits for it, those who came meanwhile
/// have waited, too: they are told so now, instead of once for each wait that was before theirs.
pub(crate) fn in_line<T>(receiver: &Mutex<mpsc::Receiver<T>>) -> Vec<T> {
    // Somebody else who holds the line is taking it.
    let Ok(mut line) = receiver.try_lock() else { return Vec::new() };
    std::iter::from_fn(|| line.try_recv().ok()).collect()
}

async fn answer<F: Find>(
    find: &F,
    kept: &mut Kept,
    asked: Vec<Asked<F>>,
    line: &Mutex<mpsc::Receiver<Asked<F>>>,
) {
    let keys: Vec<F::Key> = asked.iter().map(|(key, _)| *key).collect::<HashSet<_>>().into_iter().collect();
    match look(find, kept, &keys).await {
        Ok(found) => {
            for (key, answer) in asked {
                drop(answer.send(told(&found, &key)));
            }
        }
        Err(error) if error.is_outage() => {
            let words = error.to_string();
            let others = if error.is_without_connection() { in_line(line) } else { Vec::new() };
            for (_, answer) in asked.into_iter().chain(others) {
                drop(answer.send(Err(unavailable(&words))));
            }
        }
        // A row that cannot be read spoils nobody else's.
        Err(_) => {
            for (key, answer) in asked {
                let found = look(find, kept, &[key]).await;
                drop(answer.send(found.and_then(|found| told(&found, &key))));
            }
        }
    }
}

async fn look<F: Find>(
    find: &F,
    kept: &mut Kept,
    keys: &[F::Key],
) -> Result<Found<F::Key, F::Value>, StoreError> {
    // A server that hangs may do so at the first word.
    let mut connection = timely(kept.take()).await?;
    let found = timely(async { Ok(find.find(&mut connection, keys).await) }).await?;
    if !found.as_ref().is_err_and(StoreError::is_outage) {
        kept.put(connection);
    }
    found
}

fn told<K: Eq + Hash, V: Clone>(found: &Found<K, V>, key: &K) -> Result<Option<V>, StoreError> {
    match found.get(key) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value.clone())),
        Some(Err(error)) => Err(error.again()),
    }
}
