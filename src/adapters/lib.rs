//! Every network that Rookery speaks to, a folder each behind [`channel::Channel`].
//!
//! Only the binary knows which channels exist: it calls [`channels`] and hands out `dyn Channel`. Adding a channel
//! is a folder here, its `mod` line, and one line in [`channels`] and in the table of [`limits()`].

mod config;
pub mod discord;
mod graph;
mod limits;
mod sandbox;
pub mod slack;
pub mod telegram;
pub mod tiktok;
mod unanswered;
pub mod whatsapp_cloud;

// Of these networks only the limits are here.
mod instagram {
    pub(crate) mod limits;
}
mod messenger {
    pub(crate) mod limits;
}

use std::sync::Arc;

use channel::{Channel, Channels};

pub use config::AdaptersConfig;
pub use limits::{channel_names, limits};

/// Every channel of this release. Does no I/O.
pub fn channels(config: &AdaptersConfig) -> Channels {
    let all: Vec<Arc<dyn Channel>> = vec![
        Arc::new(sandbox::Sandbox::new(config)),
        Arc::new(discord::Discord::new(config)),
        Arc::new(slack::Slack::new(config)),
        Arc::new(telegram::Telegram::new(config)),
        Arc::new(tiktok::TikTok::new(config)),
        Arc::new(whatsapp_cloud::WhatsAppCloud::new(config)),
    ];
    all.into_iter().collect()
}
