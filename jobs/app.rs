//! What every handler is given: the parts of Rookery that it may use, and how long things may take.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channel::Channels;
use events::Hints;
use media::MediaStore;
use model::{Account, AccountId, Clock, Ids, Intake, Timestamp, WorkerId, WorkspaceId};
use outbound::Gate;
use pacing::Token;
use queue::{Claimed, LEASE, Lanes, Push, RedisEngine};
use store::{PendingSend, Store, StoreError};

use crate::attachment::Memory;
use crate::entry::KnownChannels;
use crate::live::Live;
use crate::profiles::Profiles;
use crate::responses::Responses;

/// How many workers a job may take down with it before it is dead.
const LOSSES: i64 = 3;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long a call to a provider may take before nobody knows its outcome.
    pub call: Duration,
    /// A call starts only if the worker's lease was confirmed no longer ago.
    pub confirmed: Duration,
    /// The longest sleep on the way to a time: short where time is driven by hand.
    pub nap: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            confirmed: Duration::from_secs(2),
            nap: Duration::from_hours(1),
        }
    }
}

/// The parts that handlers use.
#[derive(Debug, Clone)]
pub struct App {
    /// The truth.
    pub store: Store,
    /// The queue.
    pub lanes: Lanes,
    /// The shared queue of a fleet, which may be lost and must then be derived again; none where the queue is this
    /// process's own.
    pub redis: Option<Arc<RedisEngine>>,
    /// The networks.
    pub channels: Channels,
    /// Where files lie.
    pub media: MediaStore,
    /// Where news is announced.
    pub hints: Hints,
    /// Time, for what lane time does not judge.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Arc<Ids>,
    /// This boot of this process.
    pub worker: WorkerId,
    /// When that was.
    pub booted: Timestamp,
    /// Whether no other process can have open calls: then one that this process did not make has nobody any more.
    pub alone: bool,
    /// How long things may take.
    pub timing: Timing,
    /// The grants that handlers of this process hold; any other in a lane's state belongs to a worker that is gone.
    pub(crate) grants: Arc<Mutex<HashSet<Token>>>,
    /// How many calls of an account failed in a row here: what its row said when it was loaded may be older.
    failing: Arc<Mutex<HashMap<AccountId, u32>>>,
    /// The accounts that a fetch of this process probes.
    pub(crate) probed: Arc<Mutex<HashSet<AccountId>>>,
    /// The sessions that are open here.
    pub(crate) live: Live,
    /// Whoever has it counts a failure.
    pub(crate) failures: Arc<tokio::sync::Mutex<()>>,
    /// What came of campaigns.
    pub(crate) responses: Responses,
    /// Room for files in memory.
    pub(crate) memory: Memory,
    /// Who may call which provider now.
    pub gates: Gates,
    /// The rules of accounts that send just now.
    pub(crate) profiles: Profiles,
    /// Which provider that is, for accounts that were loaded before.
    pub(crate) known_channels: KnownChannels,
    /// The accounts that this process alone works for, and for nothing else; none: it works for whatever is not pinned
    /// elsewhere.
    pub pins: Arc<[AccountId]>,
}

/// Shares of a process's slots, by the queue that they are slots of. Those of [`Gates::default`] let everything through.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    /// Of queue `send`.
    pub send: Gate,
    /// Of queue `media`.
    pub media: Gate,
}

impl App {
    /// The parts of a process. Without a shared queue it has the store for itself.
    #[expect(clippy::too_many_arguments, reason = "a record of parts, named at the only place that calls it")]
    pub fn new(
        store: Store,
        lanes: Lanes,
        redis: Option<Arc<RedisEngine>>,
        channels: Channels,
        media: MediaStore,
        hints: Hints,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        timing: Timing,
    ) -> Self {
        let booted = clock.now();
        let worker = ids.id(booted);
        let alone = redis.is_none();
        Self {
            store,
            lanes,
            redis,
            channels,
            media,
            hints,
            clock,
            ids,
            worker,
            booted,
            alone,
            timing,
            grants: Arc::default(),
            failing: Arc::default(),
            probed: Arc::default(),
            live: Live::default(),
            failures: Arc::default(),
            responses: Responses::default(),
            memory: Memory::default(),
            gates: Gates::default(),
            profiles: Profiles::default(),
            known_channels: KnownChannels::default(),
            pins: Arc::default(),
        }
    }

    /// An open call is left alone until then: its worker may be alive, and the provider may still answer it.
    pub(crate) fn call_is_over(&self, worker: WorkerId, started_at: Timestamp, call: Duration) -> Timestamp {
        if self.alone && worker != self.worker { Timestamp::ZERO } else { started_at + call + LEASE }
    }

    /// When a call without an end, whose worker is gone, had ended at the latest: a fixed time, so that looking again and
    /// again does not push it along.
    pub(crate) fn call_ended_by(&self, worker: WorkerId, started_at: Timestamp) -> Timestamp {
        let over = started_at + self.timing.call + LEASE;
        if self.alone && worker != self.worker { over.min(self.booted) } else { over }
    }

    /// Sleeps until lane time reaches `until`.
    pub(crate) async fn sleep_until(&self, claimed: &Claimed, until: Timestamp) {
        loop {
            let left = until.since(claimed.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(self.timing.nap)).await;
        }
    }

    /// Tells the relay that a workspace has new events. A push that fails is made good by the sweep.
    pub(crate) async fn has_news(&self, workspace: WorkspaceId) {
        if let Err(error) = self.lanes.push(vec![Push::relay_events(workspace)]).await {
            tracing::debug!(%error, "the relay was not told of new events; the sweep will");
        }
    }

    /// Whether this process works for the accounts that it was given alone.
    pub(crate) fn only_pinned(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Where the work goes of an account that this process owns: here, if it owns pinned accounts alone.
    pub(crate) fn own_route(&self) -> Option<WorkerId> {
        self.only_pinned().then_some(self.worker)
    }

    /// Whether this process may work for an account.
    pub(crate) fn serves(&self, account: &Account) -> bool {
        account.pinned_to.is_none_or(|worker| worker == self.worker)
    }

    /// Where the calls of an account are made, as far as it is known here.
    pub(crate) fn route_of(&self, account: &Account) -> Option<WorkerId> {
        let is_open_here = account.intake == Intake::Session && self.live.reaches(account);
        account.pinned_to.or(is_open_here.then_some(self.worker))
    }

    /// The job of a message or an action, due now: where its row says to wait, its handler waits in its place.
    pub(crate) fn push_of(&self, send: &PendingSend) -> Push {
        Push::send(
            send.subject,
            send.account_id,
            send.conversation_id,
            send.class,
            send.seq,
            Timestamp::ZERO,
            self.channels.width(&send.channel),
        )
        .routed(send.route)
    }

    /// Counts that a worker was lost while it had this job; false when it was one too many and the job is dead now.
    pub(crate) async fn survives(&self, claimed: &Claimed) -> Result<bool, StoreError> {
        let job = &claimed.claim().ticket.job.0;
        let losses = self.store.count_loss(job, claimed.claim().lost).await?;
        if losses >= LOSSES {
            self.bury(claimed, &format!("{losses} workers were lost while they had it")).await?;
        }
        Ok(losses < LOSSES)
    }

    /// Records that a job is given up on.
    pub(crate) async fn bury(&self, claimed: &Claimed, reason: &str) -> Result<(), StoreError> {
        let ticket = &claimed.claim().ticket;
        metrics::counter!("rookery_jobs_dead_total", "queue" => ticket.lane.queue.as_str()).increment(1);
        tracing::error!(job.name = %ticket.job, lane = %ticket.lane.name, reason, "a job is dead");
        self.store.bury_job(None, &ticket.job.0, ticket.lane.queue.as_str(), &ticket.lane.name, reason).await
    }

    pub(crate) fn hold_grant(&self, token: Token) {
        self.grants().insert(token);
    }

    pub(crate) fn drop_grant(&self, token: Token) {
        self.grants().remove(&token);
    }

    pub(crate) fn holds_grant(&self, token: Token) -> bool {
        self.grants().contains(&token)
    }

    /// How many calls of an account failed in a row, as far as its row or this process knows.
    pub(crate) fn failures_of(&self, account: &Account) -> u32 {
        let here = self.failing().get(&account.id).copied().unwrap_or(0);
        here.max(account.failures_in_a_row)
    }

    /// Remembers how many calls of an account failed in a row by now.
    pub(crate) fn remember_failures(&self, account: AccountId, failures: u32) {
        if failures > 0 {
            self.failing().insert(account, failures);
        } else {
            self.failing().remove(&account);
        }
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, u32>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grants(&self) -> std::sync::MutexGuard<'_, HashSet<Token>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
