//! Response rate: an account whose campaigns nobody answers slows down, and then rests.

use std::fmt;
use std::time::Duration;

use model::{Class, Pace, Purpose, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::admit::Free;
use crate::numbers::{Numbers, Problem, count, time};
use crate::unit::{self, words};
use crate::{Ask, Response};

/// Of at least `recipients` of campaigns within `within`, each at least `after` ago, the share who wrote since.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResponseShare {
    /// Fewer say nothing; at least 1.
    pub recipients: u32,
    /// How far back campaigns count.
    #[serde(rename = "within_days", with = "unit::days")]
    pub within: Duration,
    /// How much time a contact has to answer.
    #[serde(rename = "after_h", with = "unit::hours")]
    pub after: Duration,
    /// A smaller share doubles the bulk gap.
    pub slow_below: f64,
    /// A smaller share pauses campaigns.
    pub pause_below: f64,
    /// For so long.
    #[serde(rename = "pause_h", with = "unit::hours")]
    pub pause: Duration,
}

impl Eq for ResponseShare {}

impl ResponseShare {
    /// Whether the bulk gap is doubled.
    pub(crate) fn slows(&self, response: Option<Response>, pace: Pace) -> bool {
        pace == Pace::Bulk && self.is_below(response, self.slow_below)
    }

    /// Campaigns rest, then they are asked for anew.
    pub(crate) fn free(&self, ask: &Ask<'_>, now: Timestamp) -> Free {
        if ask.purpose != Purpose::Campaign || !self.is_below(ask.response, self.pause_below) {
            return Free::at(Timestamp::ZERO);
        }
        let scope = if ask.class == Class::Bulk { Scope::Class } else { Scope::Job };
        Free { scope: Some(scope), ..Free::at(now + self.pause) }
    }

    fn is_below(&self, response: Option<Response>, share: f64) -> bool {
        response.is_some_and(|response| {
            let of = f64::from(response.recipients);
            response.recipients >= self.recipients && f64::from(response.wrote) < share * of
        })
    }
}

impl Numbers for ResponseShare {
    fn check(&self) -> Result<(), Problem> {
        count("recipients", self.recipients)?;
        time("within_days", self.within, Duration::from_micros(1))?;
        if self.after >= self.within {
            return Err(("after_h", "must be shorter than within_days".to_owned()));
        }
        for (field, share) in [("slow_below", self.slow_below), ("pause_below", self.pause_below)] {
            if !(0.0..=1.0).contains(&share) {
                return Err((field, format!("is {share}; it must lie within 0 and 1")));
            }
        }
        time("pause_h", self.pause, Duration::from_micros(1))
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.recipients > base.recipients
            || self.within < base.within
            || self.after > base.after
            || self.slow_below < base.slow_below
            || self.pause_below < base.pause_below
            || self.pause < base.pause
    }
}

impl fmt::Display for ResponseShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recipients, within, slow_below, pause_below, pause, .. } = self;
        let percent = |share: &f64| (share * 10_000.0).round() / 100.0;
        let (slow, stop) = (percent(slow_below), percent(pause_below));
        write!(f, "of at least {recipients} recipients of campaigns in {}, ", words(*within))?;
        write!(
            f,
            "under {slow} % answers double the bulk gap, under {stop} % pause campaigns for {}, and again while it is so",
            words(*pause)
        )
    }
}
