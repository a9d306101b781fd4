//! The channels of this installation, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Channel;

/// Every channel that is switched on. Only the binary knows which; the rest asks by name.
#[derive(Debug, Clone, Default)]
pub struct Channels(Arc<BTreeMap<&'static str, Arc<dyn Channel>>>);

impl Channels {
    /// The channel called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Channel>> {
        self.0.values()
    }

    /// How many messages of one account of this channel may be under way at once; 1 for a channel that is off.
    pub fn width(&self, name: &str) -> u32 {
        self.get(name).map_or(1, |channel| channel.capabilities().width)
    }
}

impl FromIterator<Arc<dyn Channel>> for Channels {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Channel>>>(channels: I) -> Self {
        Self(Arc::new(channels.into_iter().map(|channel| (channel.name(), channel)).collect()))
    }
}
