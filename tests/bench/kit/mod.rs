//! What the benchmarks share: servers of their own, load, a provider's stand-in, the peer, and how figures are told.
//!
//! A figure alone says little on a machine that others use: each benchmark measures what it compares with in the same run
//! and tells the ratio.

mod args;
mod fleet;
mod listener;
mod load;
mod peer;
mod processes;
mod profile;
mod provider;
mod report;
mod set;
mod statistics;

pub use args::Args;
pub use fleet::{Cost, Fleet, binary, connect};
pub use listener::Listener;
pub use load::{Connection, Load, Loaded, Post, Target};
pub use peer::{Peer, bullmq};
pub use processes::{Tree, children};
pub use profile::Profile;
pub use provider::Provider;
pub use report::{Report, Row};
pub use set::{SETS, set_per_second};
pub use statistics::{median, quantile};
