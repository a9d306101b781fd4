//! Every network that Rookery speaks to, a folder each behind [`channel::Channel`].
//!
//! Only the binary knows which channels exist: it calls [`channels`] and hands out `dyn Channel`. Adding a channel
//! is a folder here, its `mod` line, and one line in [`channels`].

mod config;
mod sandbox;
pub mod telegram;

use std::sync::Arc;

use channel::{Channel, Channels};

pub use config::AdaptersConfig;

/// Every channel of this release. Does no I/O.
pub fn channels(config: &AdaptersConfig) -> Channels {
    let all: Vec<Arc<dyn Channel>> =
        vec![Arc::new(sandbox::Sandbox::new(config)), Arc::new(telegram::Telegram::new(config))];
    all.into_iter().collect()
}
