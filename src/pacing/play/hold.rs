//! A time before which something may not go, and the rule that set it.

use std::sync::Arc;

use model::Timestamp;

/// Until when, and why. One whose time has come means nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold {
    pub until: Timestamp,
    pub rule: Option<Arc<str>>,
}

impl Hold {
    /// The end of what nobody can say an end of.
    pub const FOREVER: Timestamp = Timestamp::from_micros(8_640_000_000_000_000);

    pub fn new(until: Timestamp, rule: &str) -> Self {
        Self { until, rule: Some(rule.into()) }
    }

    /// Sets it, the later of old and new.
    pub fn extend(&mut self, new: &Self) {
        if self.until < new.until {
            self.clone_from(new);
        }
    }
}
