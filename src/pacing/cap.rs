//! A cap that lets sends go in a burst: an exact log of the last ones, because a GCRA quota with a burst of n lets nearly
//! 2n through some windows.

use std::fmt;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admit::Free;
use crate::numbers::{Numbers, Problem, count, time};
use crate::rule::with_slack;
use crate::state::OpenGrant;
use crate::unit::{self, words};

/// At most `count` in every window of that length, wherever it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// How many; at least 1.
    pub count: u32,
    /// In how long.
    #[serde(rename = "window_s", with = "unit::secs")]
    pub window: Duration,
}

impl Cap {
    /// When the next send may go, after the dates of the last ones and those that are open.
    pub(crate) fn free(&self, sends: &[Timestamp], open: &[&OpenGrant], wide: bool, now: Timestamp) -> Free {
        let (count, window) = (self.count as usize, with_slack(self.window, wide));
        // The window is full while the count-th newest send lies in it; open ones are the newest of all.
        if let Some(settled) = count.checked_sub(open.len()).filter(|settled| *settled > 0) {
            let binding = sends.len().checked_sub(settled).map(|place| sends[place]);
            return Free::at(binding.map_or(Timestamp::ZERO, |send| send + window));
        }
        let mut dates: Vec<_> = open.iter().map(|grant| grant.as_of(window, now)).collect();
        dates.sort_unstable();
        Free::after_open(dates[dates.len() - count] + window)
    }
}

impl Numbers for Cap {
    fn check(&self) -> Result<(), Problem> {
        time("window_s", self.window, Duration::from_micros(1))?;
        count("count", self.count)
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.count > base.count || self.window < base.window
    }

    fn memory(&self) -> Duration {
        with_slack(self.window, true)
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in any {}", self.count, words(self.window))
    }
}
