//! A time before which something may not go, and what set it.

use std::sync::Arc;

use model::{Timestamp, Wait};

/// Until when, and why. One whose time has come means nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Hold {
    pub until: Timestamp,
    pub wait: Option<Arc<Wait>>,
}

impl Hold {
    /// The end of what nobody can say an end of.
    pub const FOREVER: Timestamp = Timestamp::from_micros(8_640_000_000_000_000);

    /// That of a wait.
    pub fn of(wait: Wait) -> Self {
        Self { until: wait.until.unwrap_or(Self::FOREVER), wait: Some(Arc::new(wait)) }
    }

    /// The rule behind it.
    pub fn rule(&self) -> Option<&str> {
        self.wait.as_deref().map(|wait| wait.rule.as_str())
    }

    /// Sets it, the later of old and new.
    pub fn extend(&mut self, new: &Self) {
        if self.until < new.until {
            self.clone_from(new);
        }
    }
}
