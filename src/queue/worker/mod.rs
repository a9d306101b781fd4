//! A worker: it beats, claims what it can start at once, and hands each job to a handler through apalis.
//!
//! - [`Heart`]: one a process. It renews the lease and knows when that was last confirmed.
//! - [`LaneBackend`]: one a queue. It claims for as many slots as are free and sleeps until something is due.
//! - [`Claimed`]: what a handler is given: the claim, lane time, the lane's state, and the ways to end it.
//! - [`AckLayer`]: around the handler. Whoever panics, takes too long or forgets to settle is settled by [`Policy`].

mod ack;
mod backend;
mod claimed;
mod claiming;
mod clock;
mod heart;
mod pause;
mod states;
#[cfg(test)]
mod tests;

pub use ack::{AckLayer, AckService, Policy, Unsettled};
pub use backend::{LaneBackend, Settings};
pub use claimed::{Claimed, Lost};
pub use clock::LaneClock;
pub use heart::Heart;
pub use states::{LaneStates, StateGuard};
