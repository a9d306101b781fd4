//! Every network that Rookery speaks to, a folder each behind [`channel::Channel`].
//!
//! Only the binary knows which channels exist: it calls [`channels`] and hands out `dyn Channel`. Adding a channel
//! is a folder here, its `mod` line, and one line in [`channels`] and in the table of [`limits()`].

mod config;
pub mod discord;
mod graph;
pub mod instagram;
mod limits;
pub mod messenger;
mod sandbox;
#[cfg(test)]
mod shared_fixtures;
pub mod slack;
pub mod telegram;
pub mod tiktok;
mod unanswered;
pub mod whatsapp_cloud;

use std::sync::Arc;

use channel::{Channel, Channels};

pub use config::AdaptersConfig;
pub use limits::{channel_names, limits};

/// Every channel of this release. Does no I/O.
pub fn channels(config: &AdaptersConfig) -> Channels {
    let all: Vec<Arc<dyn Channel>> = vec![
        Arc::new(sandbox::Sandbox::new(config)),
        Arc::new(discord::Discord::new(config)),
        Arc::new(instagram::Instagram::new(config)),
        Arc::new(messenger::Messenger::new(config)),
        Arc::new(slack::Slack::new(config)),
        Arc::new(telegram::Telegram::new(config)),
        Arc::new(tiktok::TikTok::new(config)),
        Arc::new(whatsapp_cloud::WhatsAppCloud::new(config)),
    ];
    all.into_iter().collect()
}
