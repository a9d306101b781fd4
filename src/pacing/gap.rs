//! Gaps and buckets: how far sends lie apart. The arithmetic is governor's, in `spacing.rs`.

use std::fmt;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admit::Free;
use crate::numbers::{Numbers, Problem, count, time};
use crate::rule::with_slack;
use crate::spacing::{self, Arrival};
use crate::state::{Last, OpenGrant};
use crate::unit::{self, words};

/// A random pause, uniform in `min..=max`, between a send and the next one of a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The shortest pause.
    #[serde(rename = "min_s", with = "unit::secs")]
    pub min: Duration,
    /// The longest pause.
    #[serde(rename = "max_s", with = "unit::secs")]
    pub max: Duration,
}

/// A token bucket: one token each `every`, at most `burst` saved up. A burst of 1 is a plain spacing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// How long a token takes to come.
    #[serde(rename = "every_s", with = "unit::secs")]
    pub every: Duration,
    /// The most tokens at rest; at least 1.
    pub burst: u32,
}

impl Gap {
    /// Doubled by a poor response rate.
    pub(crate) const MOST_TIMES: u32 = 2;

    /// When the next send of the pace may go. `times` is 2 where the response rate doubles the gap.
    pub(crate) fn free(
        &self,
        key: &str,
        times: u32,
        last: Option<&Last>,
        open: &[&OpenGrant],
        wide: bool,
        now: Timestamp,
    ) -> Free {
        let length = |drawn: Duration| with_slack(drawn.saturating_mul(times), wide);
        let arrival = last.and_then(|last| {
            let quota = spacing::quota(length(last.gap(key, self.max)), 1)?;
            spacing::charge(quota, None, last.at)
        });
        let numbers =
            |grant: Option<&OpenGrant>| (length(grant.map_or(self.max, |grant| grant.gap(key, self.max))), 1);
        bucket(arrival, open, now, numbers)
    }
}

impl Bucket {
    pub(crate) fn free(&self, arrival: Arrival, open: &[&OpenGrant], wide: bool, now: Timestamp) -> Free {
        bucket(arrival, open, now, |_| (with_slack(self.every, wide), self.burst))
    }
}

/// `numbers` are those of an open grant, or of the send that is asked for.
fn bucket(
    arrival: Arrival,
    open: &[&OpenGrant],
    now: Timestamp,
    numbers: impl Fn(Option<&OpenGrant>) -> (Duration, u32),
) -> Free {
    let with_open = |as_of: &dyn Fn(&OpenGrant, Duration) -> Timestamp| {
        open.iter().fold(arrival, |arrival, grant| {
            let (every, burst) = numbers(Some(grant));
            spacing::quota(every, burst)
                .map_or(arrival, |quota| spacing::charge(quota, arrival, as_of(grant, every)))
        })
    };
    let (every, burst) = numbers(None);
    let Some(quota) = spacing::quota(every, burst) else {
        return Free::at(now);
    };
    let at = spacing::free_at(quota, with_open(&|_, _| now), now);
    if at <= now || open.is_empty() {
        return Free::at(at);
    }
    let soonest = spacing::free_at(quota, with_open(&|grant, every| grant.as_of(every, now)), now);
    Free::after_open(soonest.max(now + every / 20))
}

impl Numbers for Gap {
    fn check(&self) -> Result<(), Problem> {
        time("max_s", self.max, Duration::ZERO)?;
        if self.min > self.max {
            return Err(("min_s", "is above max_s".to_owned()));
        }
        Ok(())
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.min < base.min || self.max < base.max
    }

    fn memory(&self) -> Duration {
        with_slack(self.max.saturating_mul(Self::MOST_TIMES), true)
    }
}

impl Numbers for Bucket {
    fn check(&self) -> Result<(), Problem> {
        let tick = Duration::from_micros(1);
        time("every_s", self.every, tick)?;
        count("burst", self.burst)?;
        time("burst", self.every.saturating_mul(self.burst), tick)
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.every < base.every || self.burst > base.burst
    }

    fn memory(&self) -> Duration {
        with_slack(self.every, true).saturating_mul(self.burst)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} s between sends", self.min.as_secs_f64(), self.max.as_secs_f64())
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one in {}", words(self.every))?;
        if self.burst > 1 { write!(f, ", up to {} saved up", self.burst) } else { Ok(()) }
    }
}
