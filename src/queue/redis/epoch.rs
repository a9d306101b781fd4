//! Epochs: what Redis holds is good only under the number that the store gave it and in the server process that took it.

use std::sync::Arc;

use redis::{Cmd, Value, cmd};

use super::link::{Reached, Refusal};
use super::{RedisEngine, script};
use crate::QueueError;

/// Tokens of an epoch: more than a week of claims at full speed, in a range of its own, so that no ticket is good twice.
const TOKENS: u64 = 1 << 36;

/// The numbers that leave the tokens below 2^53.
const NUMBERS: u64 = 1 << 17;

/// How many keys one step of a wipe looks at.
const WIPE_STEP: usize = 1000;

/// A server process and the number that the store gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Epoch {
    pub run_id: Arc<str>,
    pub number: u64,
}

impl Epoch {
    /// As Redis keeps it.
    pub fn mark(&self) -> String {
        format!("{}:{}", self.run_id, self.number)
    }

    fn read(mark: &str) -> Option<Self> {
        let (run_id, number) = mark.rsplit_once(':')?;
        Some(Self { run_id: run_id.into(), number: number.parse().ok()? })
    }
}

/// What Redis holds for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisState {
    /// All of it, under this epoch.
    Ready {
        /// The epoch's number.
        epoch: u64,
    },
    /// Some of it: somebody is loading it from rows; pushes are taken, claims are not.
    Loading {
        /// The epoch's number.
        epoch: u64,
    },
    /// Nothing that can be trusted: begin an epoch and load it.
    Lost {
        /// What happened, for a person.
        reason: String,
    },
}

/// Why an epoch could not be begun or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// See there.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// Redis has seen this number or a later one: raise the number in the store above it and begin again, or leave it
    /// to whoever did.
    #[error("Redis already holds epoch {found}; begin one with a higher number")]
    Superseded {
        /// The number that Redis holds.
        found: u64,
    },
    /// Numbers begin at 1 and end here.
    #[error("{0} is no number for an epoch: it lies between 1 and 131071")]
    OutOfRange(u64),
}

impl From<Refusal> for EpochError {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Script(code, found) = &refusal
            && code == "SUPERSEDED"
            && let Ok(found) = found.trim().parse()
        {
            return Self::Superseded { found };
        }
        Self::Queue(refusal.into())
    }
}

impl RedisEngine {
    /// What Redis holds for us now.
    pub async fn state(&self) -> Result<RedisState, QueueError> {
        let reached = self.link.reach().await?;
        let lost = |reason: String| Ok(RedisState::Lost { reason });
        let Some((found, open)) = self.held_epoch(&reached).await? else {
            return lost("Redis holds nothing of ours: it is new, or it was flushed".to_owned());
        };
        if found.run_id != reached.run_id {
            return lost(format!(
                "Redis restarted or another server took over: what it holds of epoch {} may be old",
                found.number
            ));
        }
        if !self.know(found.clone()) {
            return lost(format!("Redis holds epoch {}, which ended already", found.number));
        }
        match (open, self.failed()) {
            (_, Some(reason)) => lost(reason),
            (true, None) => Ok(RedisState::Ready { epoch: found.number }),
            (false, None) => Ok(RedisState::Loading { epoch: found.number }),
        }
    }

    /// Takes no epoch below this number: the one that the store holds.
    pub fn expect_epoch(&self, number: u64) {
        let mut epochs = self.epochs();
        epochs.least = epochs.least.max(number);
        if epochs.known.as_ref().is_some_and(|known| known.number < number) {
            epochs.known = None;
        }
    }

    /// Begins an epoch with a number that was raised in the store just now: whatever Redis held of earlier ones is
    /// refused from here on, then wiped. Push what the rows say, then [`Self::open`]: until then claims answer
    /// [`QueueError::Rebuilding`].
    pub async fn begin_epoch(&self, number: u64) -> Result<(), EpochError> {
        if !(1..NUMBERS).contains(&number) {
            return Err(EpochError::OutOfRange(number));
        }
        if self.seen() >= number {
            return Err(EpochError::Superseded { found: self.seen() });
        }
        let reached = self.link.reach().await?;
        // The process that we talk to, as of now: not as of when the connection was made.
        if !self.link.is_same(&reached).await? {
            return Err(QueueError::Rebuilding.into());
        }
        let epoch = Epoch { run_id: Arc::clone(&reached.run_id), number };
        let mut begin = script(include_str!("begin.lua"), &[&self.meta()]);
        begin
            .arg(&*epoch.run_id)
            .arg(number)
            .arg(number * TOKENS)
            .arg((number + 1) * TOKENS)
            .arg(self.skew());
        self.link.ask(&reached, &begin).await?;
        let ours = self.data(&epoch);
        {
            let mut epochs = self.epochs();
            epochs.known = Some(epoch);
            epochs.seen = number;
            epochs.failed = None;
        }
        self.wipe(&reached, &ours).await?;
        Ok(())
    }

    /// Lets claims through: everything was loaded. [`QueueError::Rebuilding`] when the epoch was lost meanwhile.
    pub async fn open(&self) -> Result<(), EpochError> {
        let epoch = self.known_epoch().ok_or(QueueError::Rebuilding)?;
        let reached = self.link.reach().await?;
        if reached.run_id != epoch.run_id {
            return Err(QueueError::Rebuilding.into());
        }
        let mut open = script(include_str!("open.lua"), &[&self.meta()]);
        open.arg(epoch.mark());
        match self.link.ask(&reached, &open).await {
            Err(Refusal::Script(code, _)) if code == "EPOCH" => Err(QueueError::Rebuilding.into()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Begins an epoch, lets `load` push what the rows say, and opens it. `load` may fail: then the epoch stays closed,
    /// and the next try takes a higher number.
    pub async fn rebuild<F, E>(&self, number: u64, load: F) -> Result<(), E>
    where
        F: AsyncFnOnce() -> Result<(), E>,
        E: From<EpochError>,
    {
        self.begin_epoch(number).await?;
        load().await?;
        Ok(self.open().await?)
    }

    /// Why Redis must not be used as it is set up, in words for whoever runs it; none when it may.
    pub async fn check_policy(&self) -> Result<Option<String>, QueueError> {
        let reached = self.link.reach().await?;
        let mut info = Cmd::new();
        info.arg("INFO").arg("memory");
        let answer = self.link.ask(&reached, &info).await?;
        let text: String =
            redis::from_redis_value(answer).map_err(|error| QueueError::Unreachable(error.to_string()))?;
        let policy = text.lines().find_map(|line| line.strip_prefix("maxmemory_policy:"));
        Ok(match policy {
            Some("noeviction") => None,
            other => Some(format!(
                "Redis may evict keys under memory pressure (maxmemory-policy is {}), which loses jobs silently; set \
                 `maxmemory-policy noeviction`",
                other.unwrap_or("unknown")
            )),
        })
    }

    /// The epoch to call scripts with over this connection. Taken over from Redis when somebody else began it.
    pub(super) async fn current_epoch(&self, reached: &Reached) -> Result<Epoch, QueueError> {
        if let Some(known) = self.known_epoch()
            && known.run_id == reached.run_id
        {
            return Ok(known);
        }
        let (found, _) = self.held_epoch(reached).await?.ok_or(QueueError::Rebuilding)?;
        if found.run_id != reached.run_id || !self.know(found.clone()) {
            return Err(QueueError::Rebuilding);
        }
        Ok(found)
    }

    /// What Redis says of epochs, and whether it is open.
    async fn held_epoch(&self, reached: &Reached) -> Result<Option<(Epoch, bool)>, QueueError> {
        let mut get = cmd("HMGET");
        get.arg(self.meta()).arg("epoch").arg("open");
        let answer = self.link.ask(reached, &get).await?;
        let (mark, open): (Option<String>, Option<String>) =
            redis::from_redis_value(answer).map_err(|error| QueueError::Unreachable(error.to_string()))?;
        let epoch = mark.as_deref().and_then(Epoch::read);
        Ok(epoch.map(|epoch| (epoch, open.as_deref() == Some("1"))))
    }

    /// Removes the shard's keys that are not of this epoch, a bounded number at a time.
    async fn wipe(&self, reached: &Reached, ours: &str) -> Result<(), QueueError> {
        let meta = self.meta();
        let mut cursor = 0_u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", self.base));
            scan.arg("COUNT").arg(WIPE_STEP);
            let answer = self.link.ask(reached, &scan).await?;
            let (next, keys): (u64, Vec<Vec<u8>>) = redis::from_redis_value(answer)
                .map_err(|error| QueueError::Unreachable(error.to_string()))?;
            let old: Vec<_> = keys
                .iter()
                .filter(|key| !key.starts_with(ours.as_bytes()) && key.as_slice() != meta.as_bytes())
                .collect();
            if !old.is_empty() {
                let mut unlink = cmd("UNLINK");
                unlink.arg(old);
                let _: Value = self.link.ask(reached, &unlink).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}
