//! What engines show to whoever only looks.

use model::{Queue, Timestamp, Wait, WorkerId};
use serde::Serialize;

use crate::{JobId, LaneId, LaneState};

/// Where a job is, and why it waits there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum JobPlace {
    /// Not in the queue.
    Absent,
    /// Its time has not come.
    Future {
        /// When it joins its key's order.
        ready_at: Timestamp,
    },
    /// A worker has it.
    Claimed {
        /// Which.
        worker: WorkerId,
    },
    /// It waits for its turn in its key.
    Waiting {
        /// How many jobs of its key go before it.
        behind: usize,
        /// The hold that keeps it, the one that ends last; none when it only waits for its turn.
        held: Option<Wait>,
    },
}

/// A queue at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueSummary {
    /// The queue.
    pub queue: Queue,
    /// Until when it is held, if it is.
    pub held: Option<Wait>,
    /// Lanes with jobs.
    pub lanes: usize,
    /// Jobs that wait, due or not.
    pub waiting: usize,
    /// Jobs that workers have.
    pub claimed: usize,
    /// The lanes, most overdue first.
    pub first: Vec<LaneSummary>,
}

/// A lane at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LaneSummary {
    /// The lane.
    pub lane: LaneId,
    /// Jobs that wait, due or not.
    pub waiting: usize,
    /// Jobs that workers have.
    pub claimed: usize,
    /// When it may be served next.
    pub due: Option<Timestamp>,
    /// Holds on the whole lane and on its classes.
    pub held: Vec<Wait>,
}

/// What a lane knows, for whoever asks without having a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneView {
    /// Lane time.
    pub now: Timestamp,
    /// Its state.
    pub state: LaneState,
    /// The jobs that workers have, the oldest claim first.
    pub claimed: Vec<JobId>,
    /// What holds it now: its classes' holds from the highest on, its own, its queue's.
    pub held: Vec<Wait>,
}
