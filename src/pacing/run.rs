//! A run: things that follow each other without a rest between them. Batches and rows of one text are runs.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// How many came without a rest, and when the last one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    #[serde(rename = "n")]
    pub(crate) count: u32,
    #[serde(rename = "l", with = "crate::wire::micros")]
    pub(crate) last: Timestamp,
}

impl Run {
    /// The run after one more, that came within `from..=at`. A rest, forced or natural, begins a new run.
    pub(crate) fn and(before: Option<Self>, from: Timestamp, at: Timestamp, rest: Duration) -> Self {
        match before {
            // What ends out of order, or by a clock that stepped back, belongs to the run, too.
            Some(run) if from < run.last + rest => {
                Self { count: run.count.saturating_add(1), last: run.last.max(at) }
            }
            _ => Self { count: 1, last: at },
        }
    }

    /// How many of a run belong together with what comes at `at`.
    pub(crate) fn count_at(run: Option<&Self>, at: Timestamp, rest: Duration) -> u32 {
        run.filter(|run| at < run.last + rest).map_or(0, |run| run.count)
    }
}
