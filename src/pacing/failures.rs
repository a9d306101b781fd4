//! Failures: how an account that fails is backed off, and when it is only tried. Who sends counts them; the numbers are
//! here with the other rules.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::numbers::{Numbers, Problem, count, time};
use crate::unit::{self, words};

/// Errors of the account or the provider double the pause each; after some in a row, one probe at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// From so many on the account is only tried; at least 1.
    pub in_a_row: u32,
    /// The pause after the first.
    #[serde(rename = "first_s", with = "unit::secs")]
    pub first: Duration,
    /// The longest pause.
    #[serde(rename = "longest_s", with = "unit::secs")]
    pub longest: Duration,
}

impl Failures {
    /// How long the account rests after so many failures in a row.
    pub fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }

    /// Whether the account is only tried after so many failures in a row.
    pub const fn is_open(&self, failures: u32) -> bool {
        failures >= self.in_a_row
    }
}

impl Numbers for Failures {
    fn check(&self) -> Result<(), Problem> {
        count("in_a_row", self.in_a_row)?;
        time("first_s", self.first, Duration::from_micros(1))?;
        time("longest_s", self.longest, self.first)
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.in_a_row > base.in_a_row || self.first < base.first || self.longest < base.longest
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, longest) = (words(self.first), words(self.longest));
        write!(f, "after {} failures in a row one probe at a time, {first} to {longest} apart", self.in_a_row)
    }
}
