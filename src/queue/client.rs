//! What a process asks lanes for, typed; calls made at the same time travel together.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Queue, Timestamp, Wait, WorkerId};

use crate::coalesce::Coalescer;
use crate::{
    Claims, Engine, HoldTarget, JobId, JobPlace, LaneId, LaneState, LaneView, Mark, Op, Outcome, Push,
    QueueError, QueueSummary, Settle, Ticket,
};

/// Why a holder's call did nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// The job is another worker's by now, or was never this one's.
    #[error("the claim is not valid any more: its lease ran out, or the queue was lost")]
    Lost,
    /// The engine did not answer.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The answer to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The state is committed, its version rose by one: go.
    Granted,
    /// A hold came in between: park by it.
    Held(Wait),
    /// The state changed since: decide again over this one.
    Stale(LaneState),
}

/// The lanes, for everybody who pushes, works or looks. Cheap to clone; the clones share what is in flight.
#[derive(Debug, Clone)]
pub struct Lanes {
    coalescer: Arc<Coalescer>,
    clock: Option<Arc<dyn Clock>>,
}

impl Lanes {
    /// Lanes of an engine whose time is not this process's: a worker goes on from a claim's time by its own
    /// monotonic clock.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { coalescer: Arc::new(Coalescer::new(engine)), clock: None }
    }

    /// Lanes of an engine that goes by this very clock: workers read it, too.
    pub fn on_clock(engine: Arc<dyn Engine>, clock: Arc<dyn Clock>) -> Self {
        Self { coalescer: Arc::new(Coalescer::new(engine)), clock: Some(clock) }
    }

    /// The engine below.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        self.coalescer.engine()
    }

    pub(crate) fn clock(&self) -> Option<&Arc<dyn Clock>> {
        self.clock.as_ref()
    }

    /// The engine's newest epoch, as far as this process knows: never ahead of the answers that follow.
    pub(crate) fn epoch(&self) -> u64 {
        self.engine().epoch()
    }

    /// Lane time.
    pub async fn now(&self) -> Result<Timestamp, QueueError> {
        self.engine().now().await
    }

    /// Adds jobs; one that is claimed right now runs once more when it is done. How many were new.
    pub async fn push(&self, pushes: Vec<Push>) -> Result<usize, QueueError> {
        self.push_marked(pushes, Mark::Again).await
    }

    /// Adds jobs that the queue does not hold, for the sweep. How many those were.
    pub async fn push_if_absent(&self, pushes: Vec<Push>) -> Result<usize, QueueError> {
        self.push_marked(pushes, Mark::IfAbsent).await
    }

    async fn push_marked(&self, pushes: Vec<Push>, mark: Mark) -> Result<usize, QueueError> {
        match self.ask(Op::Push { pushes, mark }).await? {
            Outcome::Pushed { inserted } => Ok(inserted),
            other => Err(misfit(&other)),
        }
    }

    /// Takes up to `max` jobs of a queue; with `own` only from lanes that are routed to this worker.
    pub async fn claim(
        &self,
        queue: Queue,
        worker: WorkerId,
        max: usize,
        own: bool,
    ) -> Result<Claims, QueueError> {
        match self.ask(Op::Claim { queue, worker, max, own }).await? {
            Outcome::Claimed(claims) => Ok(claims),
            other => Err(misfit(&other)),
        }
    }

    /// Sleeps until there is news for a worker that claimed last, or for `longest`.
    pub async fn wake(&self, queue: Queue, worker: WorkerId, longest: Duration) {
        self.engine().wake(queue, worker, longest).await;
    }

    /// Gives a claim back to wait; its scope says what waits with it.
    pub async fn park(&self, ticket: &Ticket, wait: Wait) -> Result<(), LaneError> {
        self.fenced(Op::Park { ticket: ticket.clone(), wait }).await
    }

    /// Commits the lane's state before a send.
    pub async fn grant(
        &self,
        ticket: &Ticket,
        state: LaneState,
        binds_until: Timestamp,
    ) -> Result<Grant, LaneError> {
        match self.ask(Op::Grant { ticket: ticket.clone(), state, binds_until }).await? {
            Outcome::Ok => Ok(Grant::Granted),
            Outcome::Held(wait) => Ok(Grant::Held(wait)),
            Outcome::Stale(state) => Ok(Grant::Stale(state)),
            Outcome::Lost => Err(LaneError::Lost),
            other => Err(misfit(&other).into()),
        }
    }

    /// Ends a claim, perhaps with the lane's new state and the time until which that binds.
    pub async fn settle(
        &self,
        ticket: &Ticket,
        how: Settle,
        state: Option<(LaneState, Timestamp)>,
    ) -> Result<(), LaneError> {
        self.fenced(Op::Settle { ticket: ticket.clone(), how, state }).await
    }

    /// Renews a worker's lease. [`LaneError::Lost`]: it had been reaped, and what it held is not its own any more.
    pub async fn beat(&self, worker: WorkerId) -> Result<(), LaneError> {
        self.fenced(Op::Beat { worker }).await
    }

    /// Ends the leases that ran out. The workers that are gone, and how many jobs they held.
    pub async fn reap(&self) -> Result<(Vec<WorkerId>, usize), QueueError> {
        match self.ask(Op::Reap).await? {
            Outcome::Reaped { workers, jobs } => Ok((workers, jobs)),
            other => Err(misfit(&other)),
        }
    }

    /// Holds a queue, a lane, one of its classes, keys or jobs; without an end until somebody resumes. The scope that
    /// `wait` names counts for nothing.
    pub async fn hold(&self, target: HoldTarget, wait: Wait) -> Result<(), QueueError> {
        self.done(Op::Hold { target, wait }).await
    }

    /// Lifts a hold.
    pub async fn resume(&self, target: HoldTarget) -> Result<(), QueueError> {
        self.done(Op::Resume { target }).await
    }

    /// Where a job is.
    pub async fn find(&self, job: JobId, lane: LaneId) -> Result<JobPlace, QueueError> {
        match self.ask(Op::Find { job, lane }).await? {
            Outcome::Place(place) => Ok(place),
            other => Err(misfit(&other)),
        }
    }

    /// A queue at a glance, with its `limit` most overdue lanes.
    pub async fn inspect(&self, queue: Queue, limit: usize) -> Result<QueueSummary, QueueError> {
        match self.ask(Op::Inspect { queue, limit }).await? {
            Outcome::Queue(summary) => Ok(summary),
            other => Err(misfit(&other)),
        }
    }

    /// A lane's state, the jobs of it that workers have, and what holds it. Changes nothing.
    pub async fn peek(&self, lane: LaneId) -> Result<LaneView, QueueError> {
        match self.ask(Op::Peek { lane }).await? {
            Outcome::Lane(view) => Ok(view),
            other => Err(misfit(&other)),
        }
    }

    /// Jobs of a lane, at most `limit`, in some order.
    pub async fn jobs(&self, lane: LaneId, limit: usize) -> Result<Vec<(JobId, JobPlace)>, QueueError> {
        match self.ask(Op::Jobs { lane, limit }).await? {
            Outcome::Jobs(jobs) => Ok(jobs),
            other => Err(misfit(&other)),
        }
    }

    /// Several operations in order and in one message; the answers in the same order.
    pub async fn apply(&self, ops: Vec<Op>) -> Result<Vec<Outcome>, QueueError> {
        self.coalescer.call(ops).await
    }

    async fn ask(&self, op: Op) -> Result<Outcome, QueueError> {
        let mut answers = self.apply(vec![op]).await?;
        answers.pop().ok_or_else(|| QueueError::Unreachable("it gave no answer".to_owned()))
    }

    async fn done(&self, op: Op) -> Result<(), QueueError> {
        match self.ask(op).await? {
            Outcome::Ok => Ok(()),
            other => Err(misfit(&other)),
        }
    }

    /// An operation that only a holder may ask for.
    pub(crate) async fn fenced(&self, op: Op) -> Result<(), LaneError> {
        match self.ask(op).await? {
            Outcome::Ok => Ok(()),
            Outcome::Lost => Err(LaneError::Lost),
            other => Err(misfit(&other).into()),
        }
    }
}

fn misfit(answer: &Outcome) -> QueueError {
    QueueError::Unreachable(format!("it answered something else than was asked: {answer:?}"))
}
