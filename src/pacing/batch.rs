//! Batches: after so many messages the account rests.

use std::fmt;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admit::Free;
use crate::numbers::{Numbers, Problem, count, time};
use crate::rule::with_slack;
use crate::run::Run;
use crate::state::OpenGrant;
use crate::unit::{self, words};

/// After `size` sends with less than `pause` between neighbours, a pause. A natural one begins a new batch, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// How many make a batch; at least 1.
    pub size: u32,
    /// How long the account rests after it.
    #[serde(rename = "pause_s", with = "unit::secs")]
    pub pause: Duration,
}

impl Batch {
    pub(crate) fn free(&self, run: Option<&Run>, open: &[&OpenGrant], wide: bool, now: Timestamp) -> Free {
        let pause = with_slack(self.pause, wide);
        let first = open.iter().map(|grant| grant.call_at).min();
        let settled = Run::count_at(run, first.unwrap_or(now).min(now), pause);
        let under_way = u32::try_from(open.len()).unwrap_or(u32::MAX);
        if settled.saturating_add(under_way) < self.size {
            return Free::at(Timestamp::ZERO);
        }
        match run {
            Some(run) if open.is_empty() => Free::at(run.last + pause),
            _ => Free::after_open(now + pause),
        }
    }
}

impl Numbers for Batch {
    fn check(&self) -> Result<(), Problem> {
        count("size", self.size)?;
        time("pause_s", self.pause, Duration::from_micros(1))
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.size > base.size || self.pause < base.pause
    }

    fn memory(&self) -> Duration {
        // A run that reaches further back than this is taken for a whole batch.
        let longest = Duration::from_hours(7 * 24).max(with_slack(self.pause, true).saturating_mul(2));
        with_slack(self.pause, true).saturating_mul(self.size.saturating_add(1)).min(longest)
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} messages a pause of {}", self.size, words(self.pause))
    }
}
