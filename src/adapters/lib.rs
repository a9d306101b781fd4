//! Every network that Rookery speaks to, a folder each behind [`channel::Channel`].
//!
//! Only the binary knows which channels exist: it builds a [`Registry`] and hands out `dyn Channel`. Adding a
//! channel is a folder here, its `mod` line, and one line in [`Registry::new`].

mod config;
mod sandbox;
pub mod telegram;

use std::collections::BTreeMap;
use std::sync::Arc;

use channel::Channel;

pub use config::AdaptersConfig;

/// All channels, by name.
#[derive(Debug, Clone)]
pub struct Registry(BTreeMap<&'static str, Arc<dyn Channel>>);

impl Registry {
    /// Every channel of this release. Does no I/O.
    pub fn new(config: &AdaptersConfig) -> Self {
        let channels: Vec<Arc<dyn Channel>> = vec![
            Arc::new(sandbox::Sandbox::new(config)),
            Arc::new(telegram::Telegram::new(config)),
        ];
        Self(
            channels
                .into_iter()
                .map(|channel| (channel.name(), channel))
                .collect(),
        )
    }

    /// The channel called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.0.values()
    }
}
