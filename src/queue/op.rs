//! The vocabulary of lanes: what can be asked of an engine and what it answers.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};
use serde::{Deserialize, Serialize};

use crate::{JobPlace, LaneView, QueueSummary};

/// A worker that does not beat for this long has lost its claims. It beats every quarter of it.
pub const LEASE: Duration = Duration::from_secs(6);

/// How many waits of a job are remembered: the newest ones.
pub const WAITS_KEPT: usize = 16;

/// A hold until then (in the year 2243) ends only when somebody resumes: waits made of it name no end. Below 2^53, so that
/// every engine keeps it exactly.
pub const FOREVER: Timestamp = Timestamp::from_micros(8_640_000_000_000_000);

/// How many bytes of a wait's detail are kept: waits are many.
pub const DETAIL_KEPT: usize = 200;

/// What a person is told of a hold.
pub(crate) fn wait(rule: &str, detail: Option<&str>, scope: Scope, until: Timestamp) -> Wait {
    let detail = detail.map(str::to_owned);
    Wait { rule: rule.to_owned(), scope, until: (until < FOREVER).then_some(until), detail }
}

/// The end of a wait as engines count it.
pub(crate) fn end(wait: &Wait) -> Timestamp {
    wait.until.map_or(FOREVER, |until| until.min(FOREVER))
}

/// What is kept of a wait's detail.
pub(crate) fn detail(wait: &Wait) -> Option<&str> {
    wait.detail.as_deref().map(|detail| &detail[..detail.floor_char_boundary(DETAIL_KEPT)])
}

/// A job's id, `verb-noun:row id`. A string, because a queue may hold jobs of a newer release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl From<model::Job> for JobId {
    fn from(job: model::Job) -> Self {
        Self(job.to_string())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A lane: the name is unique within its queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneId {
    /// The kind of work.
    pub queue: Queue,
    /// Whose work; for `send` the account.
    pub name: String,
}

/// A job on its way into a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// The job.
    pub job: JobId,
    /// Where it goes.
    pub lane: LaneId,
    /// What it keeps order with; for `send` the conversation.
    pub key: String,
    /// How urgent it is.
    pub class: Class,
    /// Its place within (key, class), below 2^50. Lower goes first.
    pub order: i64,
    /// It joins its key's order only then.
    pub ready_at: Timestamp,
    /// How many of the lane's jobs may be claimed at once; at least 1.
    pub width: u32,
    /// The only worker that may claim from the lane, if there is only one.
    pub route: Option<WorkerId>,
}

/// What a push of a job that is claimed right now does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// It marks the job: settling it as done or failed queues it once more, with the highest class and the earliest
    /// `ready_at` that such pushes named, and the order of the newest. A retry, a park, a release and a recovery
    /// absorb the mark: the job runs again anyway. [`Settle::Later`] keeps the earlier time and the higher class.
    Again,
    /// Nothing: the sweep only fills holes.
    IfAbsent,
}

/// A claimed job: what its holder shows to act on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// Where the job is.
    pub lane: LaneId,
    /// Its key.
    pub key: String,
    /// The job.
    pub job: JobId,
    /// Who holds it.
    pub worker: WorkerId,
    /// The fencing token: rises with every claim of a shard and is never used twice.
    pub token: u64,
}

/// The lane's own state: opaque to the queue, written by whoever holds a claim in the lane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneState {
    /// None when the lane is new here, or was lost or pruned: the holder rebuilds it from rows.
    pub bytes: Option<Vec<u8>>,
    /// Rises with every write. A write names the version it was made from.
    pub version: u64,
}

/// A job handed to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// To act on it.
    pub ticket: Ticket,
    /// Its class.
    pub class: Class,
    /// Its place within (key, class).
    pub order: i64,
    /// The lane's state at the claim.
    pub state: LaneState,
    /// Lane time of the claim: the worker goes on from it by its own monotonic clock.
    pub at: Timestamp,
    /// When the job joined its key's order: how long it waited counts from here.
    pub ready_at: Timestamp,
    /// How many times a worker lost the job: it was claimed and its lease ran out.
    pub lost: u32,
    /// Its waits so far, oldest first, at most [`WAITS_KEPT`]: those that it was parked with, and the last that each hold
    /// of its queue, lane, class and key caused since it was ready. A hold that goes on with what was told last makes
    /// that longer. One that somebody lifted ended then.
    pub waits: Vec<Wait>,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Lane time.
    pub now: Timestamp,
    /// The jobs, most urgent lane first.
    pub claims: Vec<Claim>,
    /// When the next lane of this queue that this worker may serve is due; may lie in the past when more is due than
    /// was asked for. None when nothing is waiting at all.
    pub next_due: Option<Timestamp>,
}

/// How a claim ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settle {
    /// Done: the job leaves its key.
    Done,
    /// Over without success: the job leaves its key.
    Fail,
    /// To be tried again, not before then; until then it blocks its own class and the lower ones of its key.
    Retry(Timestamp),
    /// Its row was moved to then: it leaves its key's order and joins it again when due.
    Later(Timestamp),
    /// Handed back untouched, by a worker that stops: it returns to its own place and may go at once.
    Release,
}

/// What a hold is put on or lifted from, outside a claim (a person pauses; a provider's word for an account).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldTarget {
    /// All lanes of a queue.
    Queue(Queue),
    /// One lane, all classes.
    Lane(LaneId),
    /// One key of a lane.
    Key(LaneId, String),
    /// One class of a lane, as a park of scope class holds it.
    Class(LaneId, Class),
    /// One job: its own wait, whatever set it (a park of scope job, a retry). A job that is not in the queue is not held,
    /// for its row says so.
    Job(LaneId, JobId),
}

/// Everything that can be asked of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Adds jobs. A job that waits keeps the earlier `ready_at` and the higher class (an earlier time does not break
    /// a retry's wait, a higher class does); for one that is claimed see [`Mark`]. Answer: [`Outcome::Pushed`].
    Push {
        /// The jobs.
        pushes: Vec<Push>,
        /// For those that are claimed.
        mark: Mark,
    },
    /// Takes up to `max` jobs of a queue. Answer: [`Outcome::Claimed`].
    Claim {
        /// The kind of work.
        queue: Queue,
        /// Who will do it.
        worker: WorkerId,
        /// At most so many.
        max: usize,
        /// Only of lanes that are routed to this worker; else also of those that are anybody's.
        own: bool,
    },
    /// Gives a claim back because it must wait: the time is set on what `scope` says (the later of old and new), the
    /// job returns to its own place and turn. Answer: [`Outcome::Ok`] or [`Outcome::Lost`].
    Park {
        /// The claim.
        ticket: Ticket,
        /// Why and until when; of its detail [`DETAIL_KEPT`] bytes are kept. Without an end it lasts until somebody
        /// resumes.
        wait: Wait,
    },
    /// Commits the lane's state before a send. Answer: [`Outcome::Ok`]; [`Outcome::Held`] when a hold on the lane,
    /// the class, the key or the job came in between; [`Outcome::Stale`] when the state changed; [`Outcome::Lost`].
    Grant {
        /// The claim.
        ticket: Ticket,
        /// The new state, and the version it was made from.
        state: LaneState,
        /// The state binds nobody after this, so it may be dropped once the lane is empty.
        binds_until: Timestamp,
    },
    /// Ends a claim. Answer: [`Outcome::Ok`] or [`Outcome::Lost`].
    Settle {
        /// The claim.
        ticket: Ticket,
        /// How it ends.
        how: Settle,
        /// The lane's state, if it changed, with its end as in [`Op::Grant`]. Written only if the version fits;
        /// the claim ends all the same.
        state: Option<(LaneState, Timestamp)>,
    },
    /// Renews a worker's lease. Answer: [`Outcome::Ok`]; [`Outcome::Lost`] when it had run out and was reaped: whatever
    /// the worker held is not its own any more (the lease is open again).
    Beat {
        /// Who.
        worker: WorkerId,
    },
    /// Ends the leases that ran out and returns their jobs to their places. Answer: [`Outcome::Reaped`].
    Reap,
    /// Sets a hold (the later of old and new). Answer: [`Outcome::Ok`].
    Hold {
        /// On what.
        target: HoldTarget,
        /// Why and until when, as in [`Op::Park`]; its scope counts for nothing, the target does.
        wait: Wait,
    },
    /// Lifts a hold, whatever set it: of a lane those of its classes, too, of a class what slows it down, too; a job is not
    /// slow any more. Answer: [`Outcome::Ok`].
    Resume {
        /// From what.
        target: HoldTarget,
    },
    /// Where a job is. Answer: [`Outcome::Place`].
    Find {
        /// The job.
        job: JobId,
        /// The lane it would be in.
        lane: LaneId,
    },
    /// A queue's lanes, those with the oldest due time first. Answer: [`Outcome::Queue`].
    Inspect {
        /// The queue.
        queue: Queue,
        /// At most so many lanes.
        limit: usize,
    },
    /// A lane's state and holds. Changes nothing. Answer: [`Outcome::Lane`].
    Peek {
        /// The lane; one that does not exist is empty.
        lane: LaneId,
    },
    /// A lane's waiting and claimed jobs in some order. Answer: [`Outcome::Jobs`].
    Jobs {
        /// The lane.
        lane: LaneId,
        /// At most so many.
        limit: usize,
    },
}

/// Queues of which one idle worker should be woken, because something became due earlier than it expects.
pub type Wakes = Vec<(Queue, Option<WorkerId>)>;

/// What an engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Done; so many of the jobs were new here.
    Pushed {
        /// Jobs that were absent before.
        inserted: usize,
    },
    /// Jobs, or none.
    Claimed(Claims),
    /// The ticket is not valid (any more): nothing was changed.
    Lost,
    /// A hold came in between: park.
    Held(Wait),
    /// The lane's state changed since the version named: decide again over this one.
    Stale(LaneState),
    /// Leases ended and jobs returned.
    Reaped {
        /// The workers that are gone.
        workers: Vec<WorkerId>,
        /// How many claims they held.
        jobs: usize,
    },
    /// Where a job is.
    Place(JobPlace),
    /// A queue's summary.
    Queue(QueueSummary),
    /// How a lane is.
    Lane(LaneView),
    /// Jobs of a lane with their places.
    Jobs(Vec<(JobId, JobPlace)>),
}

/// Why an engine did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It cannot be reached: push again later, or let the sweep do it.
    #[error("the queue cannot be reached: {0}")]
    Unreachable(String),
    /// Its content was lost and is being derived from rows: ask again in a moment.
    #[error("the queue is being rebuilt from the store")]
    Rebuilding,
}

/// Whatever keeps lanes. Conformance: every promise of the queue has a test that each engine passes.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// Carries out operations in order, each whole or not at all, and answers each. They share no transaction.
    async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Outcome>, QueueError>;

    /// Returns when something in `queue` that `worker` may claim became due earlier than its last claim was told,
    /// or after `longest`. May return too early, never too late (but for `longest`).
    async fn wake(&self, queue: Queue, worker: WorkerId, longest: Duration);

    /// Lane time.
    async fn now(&self) -> Result<Timestamp, QueueError>;

    /// The number of the newest epoch that an answer came from; rises whenever the queue was lost and derived again. What was
    /// claimed in an earlier one is nobody's any more. Always 0 where the queue lives and dies with this process.
    fn epoch(&self) -> u64 {
        0
    }
}
