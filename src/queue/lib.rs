//! Lanes: a queue that keeps order, waits and fairness by account, as an apalis backend over memory and over Redis.
//!
//! A *lane* is (queue, lane name); for `send` the name is the account. A lane holds *keys* (for `send` the
//! conversation); a key holds jobs, one first-in-first-out line for each class. At most one job of a key is
//! claimed at a time, and at most `width` jobs of a lane, all by one worker. What a lane knows besides its jobs is
//! its *state*: opaque bytes (for `send`, pacing) that only the holder of a claim may change.
//!
//! The queue is speed, not truth: everything in it can be derived from rows again, so an engine may lose all.
//! [`Op`] and [`Outcome`] are the whole vocabulary; an engine is whatever answers them ([`Engine`]).

mod client;
mod coalesce;
#[cfg(feature = "conformance")]
pub mod conformance;
mod lanes;
mod memory;
mod op;
mod places;
mod redis;
mod view;
mod worker;

pub use client::{Grant, LaneError, Lanes};
pub use lanes::Shard;
pub use memory::MemoryEngine;
pub use op::{
    Claim, Claims, DETAIL_KEPT, Engine, FOREVER, HoldTarget, JobId, LEASE, LaneId, LaneState, Mark, Op,
    Outcome, Push, QueueError, Settle, Ticket, WAITS_KEPT, Wakes,
};
pub use redis::{ConnectError, EpochError, RedisEngine, RedisState};
pub use view::{JobPlace, LaneSummary, LaneView, QueueSummary};
pub use worker::{
    AckLayer, AckService, Claimed, Heart, LaneBackend, LaneClock, LaneStates, Lost, Policy, Settings,
    StateGuard, Unsettled,
};
