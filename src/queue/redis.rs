//! The Redis engine: lanes that a fleet of processes shares, carried out by one script inside Redis.
//!
//! A call of [`RedisEngine::apply`] is one call of the script: it reads each record once, carries out the operations in
//! order, writes what changed and wakes whom it concerns, so a batch costs little more than one. What the script does is
//! what [`crate::Shard`] does, in the same words; that one is the reference.
//!
//! What is in Redis is good only under an *epoch*: the server process's run id and a number that the store gave. A
//! restart, an old snapshot, a failover and a flush all end it; then everything answers [`QueueError::Rebuilding`] until
//! somebody begins an epoch with a higher number, loads it from rows and opens it.
//!
//! Keys: `{prefix:shard}:meta` (epoch, lane time, counters) and, under `{prefix:shard}:<epoch>:`,
//!
//! | key | type | holds |
//! |---|---|---|
//! | `lanes`, `keys`, `jobs`, `state` | hash | a packed record each; a lane's only ready key and a key's first job are in them |
//! | `due:<queue>:<worker or nothing>` | sorted set | lanes that this worker, or anybody, may serve, by due time |
//! | `r<class>:<lane>`, `h<class>:<lane>` | sorted set | ready keys by turn; held keys and future jobs by time |
//! | `s<class>:<lane>` | sorted set | keys whose first job is a slow one, by turn |
//! | `t:<key>`, `f:<key>` | sorted set | the jobs behind the first one, in order; jobs whose time has not come |
//! | `workers`, `claims:<worker>`, `reaped` | sorted set, set, sorted set | leases; claimed keys; who is to be told |
//! | `idle:<queue>` | sorted set | workers with room, by when they look again; `own:<queue>` those that serve their own lanes alone |
//! | `holds`, `totals`, `routes:<queue>`, `garbage` | | queues' holds; sums for people; routes in use; what to drop when |

mod bells;
mod decode;
mod encode;
mod epoch;
mod link;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{Queue, Timestamp, WorkerId};
use redis::{Cmd, Script, Value, cmd};

use crate::{Engine, LEASE, Op, Outcome, QueueError};
use bells::Bells;
use encode::Call;
use epoch::Epoch;
pub use epoch::{EpochError, RedisState};
use link::{Link, Reached, Refusal, open};

/// The only shard for now; its number is in every key so that there can be more, each on a node of its own.
const SHARD: u32 = 0;

const SOURCE: &str = concat!(
    include_str!("redis/head.lua"),
    include_str!("redis/records.lua"),
    include_str!("redis/sets.lua"),
    include_str!("redis/workers.lua"),
    include_str!("redis/push.lua"),
    include_str!("redis/claim.lua"),
    include_str!("redis/settle.lua"),
    include_str!("redis/hold.lua"),
    include_str!("redis/look.lua"),
    include_str!("redis/main.lua"),
);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(SOURCE));

/// What is known of epochs.
#[derive(Debug, Default)]
struct Epochs {
    known: Option<Epoch>,
    /// The highest number that was ever known: it is begun and taken over no more once it is lost.
    seen: u64,
    least: u64,
    /// Why the known one is of no use any more, although Redis still has it.
    failed: Option<String>,
}

/// Lanes in Redis.
#[derive(Debug)]
pub struct RedisEngine {
    link: Link,
    bells: Bells,
    base: String,
    epochs: Mutex<Epochs>,
    skew: AtomicI64,
}

/// Why an engine could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one of Redis. It may hold a password, so it is not shown.
    #[error("the Redis URL cannot be read: {0}; it looks like redis://[:password@]host:port[/database]")]
    Url(String),
    /// Other characters would mean something in Redis's patterns and hash tags.
    #[error("`{0}` cannot begin keys: use letters, digits, `-`, `_` and `.`")]
    Prefix(String),
}

impl RedisEngine {
    /// An engine over the Redis at `url` whose keys begin with `prefix`. It connects when it is first used, so that a
    /// process starts while Redis is away. Call it inside a tokio runtime.
    pub fn connect(url: &str, prefix: &str) -> Result<Self, ConnectError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if prefix.is_empty() || !prefix.chars().all(plain) {
            return Err(ConnectError::Prefix(prefix.to_owned()));
        }
        let client = open(url).map_err(|error| ConnectError::Url(error.category().to_owned()))?;
        let base = format!("{{{prefix}:{SHARD}}}:");
        Ok(Self {
            bells: Bells::new(client.clone(), format!("{base}wake:")),
            link: Link::new(client),
            base,
            epochs: Mutex::default(),
            skew: AtomicI64::new(0),
        })
    }

    /// For tests: from here on lane time runs ahead of Redis's clock by so much more.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.skew.fetch_add(by, Ordering::SeqCst);
    }

    fn skew(&self) -> i64 {
        self.skew.load(Ordering::SeqCst)
    }

    fn meta(&self) -> String {
        format!("{}meta", self.base)
    }

    /// What the keys of an epoch begin with.
    fn data(&self, epoch: &Epoch) -> String {
        format!("{}{}:", self.base, epoch.number)
    }

    fn epochs(&self) -> MutexGuard<'_, Epochs> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> u64 {
        self.epochs().seen
    }

    fn known_epoch(&self) -> Option<Epoch> {
        self.epochs().known.clone()
    }

    fn failed(&self) -> Option<String> {
        self.epochs().failed.clone()
    }

    /// Takes an epoch over, unless it is older than what is known.
    fn know(&self, found: Epoch) -> bool {
        let mut epochs = self.epochs();
        if found.number < epochs.seen.max(epochs.least) {
            return false;
        }
        epochs.seen = found.number;
        if epochs.known.as_ref() != Some(&found) {
            epochs.failed = None;
            epochs.known = Some(found);
        }
        true
    }

    /// One call of the script: lane time and an answer for each operation.
    async fn call(&self, args: &[Vec<u8>]) -> Result<(Timestamp, Vec<Value>), QueueError> {
        // Nothing was carried out when an epoch or a script is refused, so another try repeats nothing.
        for last in [false, false, true] {
            let reached = self.link.reach().await?;
            let epoch = self.current_epoch(&reached).await?;
            let mut evalsha = cmd("EVALSHA");
            evalsha.arg(SCRIPT.get_hash()).arg(2);
            evalsha.arg(self.meta()).arg(self.data(&epoch));
            evalsha
                .arg(epoch.mark())
                .arg(u64::try_from(LEASE.as_micros()).unwrap_or(u64::MAX))
                .arg(self.skew())
                .arg(args);
            match self.link.ask(&reached, &evalsha).await {
                Ok(value) => return decode::answer(value),
                Err(Refusal::NoScript) if !last => self.load(&reached, &epoch).await?,
                Err(Refusal::Script(code, _)) if code == "EPOCH" => {
                    let renewed = self.renew(&reached, &epoch).await?;
                    if last || !renewed {
                        tracing::warn!(epoch = epoch.number, "what Redis held of the queue is lost");
                        return Err(QueueError::Rebuilding);
                    }
                }
                Err(Refusal::Script(code, _)) if code == "CLOSED" => return Err(QueueError::Rebuilding),
                Err(Refusal::Script(code, why)) if code == "AHEAD" => {
                    self.epochs().failed = Some(why);
                    return Err(QueueError::Rebuilding);
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Err(QueueError::Rebuilding)
    }

    /// After a refusal: whether Redis holds another epoch that may be taken over. One that was refused although Redis
    /// still holds it has used up its tokens.
    async fn renew(&self, reached: &Reached, refused: &Epoch) -> Result<bool, QueueError> {
        {
            let mut epochs = self.epochs();
            if epochs.known.as_ref() == Some(refused) {
                epochs.known = None;
            }
        }
        match self.current_epoch(reached).await {
            Ok(found) if found == *refused => {
                self.epochs().failed = Some("the epoch gave out all its tokens".to_owned());
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(QueueError::Rebuilding) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Loads the script into a server that forgot it, having seen that it is the one that the epoch was begun in.
    async fn load(&self, reached: &Reached, epoch: &Epoch) -> Result<(), QueueError> {
        if !self.link.is_same(reached).await? || reached.run_id != epoch.run_id {
            return Err(QueueError::Rebuilding);
        }
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(SOURCE);
        self.link.ask(reached, &load).await?;
        Ok(())
    }
}

/// A call of a small script by its text.
fn script(source: &str, keys: &[&str]) -> Cmd {
    let mut eval = cmd("EVAL");
    eval.arg(source).arg(keys.len()).arg(keys);
    eval
}

#[async_trait]
impl Engine for RedisEngine {
    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Outcome>, QueueError> {
        for op in &ops {
            if let Op::Claim { worker, .. } = op {
                self.bells.listen_for(*worker).await;
            }
        }
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(ops.len());
        for Call { args, ops: count, continues } in encode::calls(&ops) {
            let (_, answers) = self.call(&args).await?;
            if answers.len() != count {
                return Err(QueueError::Unreachable("Redis answered too little".to_owned()));
            }
            let mut answers = answers.into_iter();
            if continues
                && let Some(answer) = answers.next()
                && let Some(Outcome::Pushed { inserted }) = outcomes.last_mut()
                && let Outcome::Pushed { inserted: more } = decode::outcome(&ops[0], answer)?
            {
                *inserted += more;
            }
            for answer in answers {
                outcomes.push(decode::outcome(&ops[outcomes.len()], answer)?);
            }
        }
        Ok(outcomes)
    }

    async fn wake(&self, queue: Queue, worker: WorkerId, longest: Duration) {
        // Whether it rang or the time is over, the worker looks.
        let _ = tokio::time::timeout(longest, self.bells.wait(queue, worker)).await;
    }

    async fn now(&self) -> Result<Timestamp, QueueError> {
        Ok(self.call(&[]).await?.0)
    }

    fn epoch(&self) -> u64 {
        self.seen()
    }
}
