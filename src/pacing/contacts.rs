//! New contacts a day: how many strangers an account may write to, by its age.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use model::{Timestamp, Zone};
use serde::{Deserialize, Serialize};

use crate::admit::{Free, LOOK_AGAIN};
use crate::numbers::{Numbers, Problem, count};
use crate::unit;

/// No wait is looked for further ahead than so many days and changes of a cap.
const FAR: usize = 1_000;

/// At most so many new contacts in a calendar day of the account's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewContacts {
    /// By age, rising; the first from age 0.
    pub steps: Cow<'static, [AgeStep]>,
}

/// What holds from an age on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeStep {
    /// The account's age.
    #[serde(rename = "from_days", with = "unit::days")]
    pub from: Duration,
    /// How many a day; at least 1.
    pub count: u32,
}

/// A number that holds until it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Until<T> {
    pub(crate) value: T,
    pub(crate) until: Option<Timestamp>,
}

impl NewContacts {
    /// The cap at an instant, for an account that was first connected then.
    pub(crate) fn cap(&self, connected: Option<Timestamp>, at: Timestamp) -> Until<u32> {
        let age = connected.map_or(Duration::ZERO, |connected| at.since(connected));
        let next = self.steps.partition_point(|step| step.from <= age);
        let value = self.steps.get(next.saturating_sub(1)).map_or(u32::MAX, |step| step.count);
        let until = connected.zip(self.steps.get(next)).map(|(connected, step)| connected + step.from);
        Until { value, until }
    }
}

/// The new contacts of each day that still matters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days<'a> {
    pub(crate) zone: Zone,
    pub(crate) counted: &'a [(i32, u32)],
    /// Open ones count in whatever day it is.
    pub(crate) open: u32,
}

impl Days<'_> {
    /// How many a day has.
    pub(crate) fn of(&self, day: i32) -> u32 {
        let counted = self.counted.iter().find(|(of, _)| *of == day).map_or(0, |(_, count)| *count);
        counted.saturating_add(self.open)
    }

    /// When a new contact may be written to, not before `from`.
    pub(crate) fn free(&self, from: Timestamp, cap: impl Fn(Timestamp) -> Until<u32>) -> Free {
        let now = cap(from).value;
        let room = self.of(self.zone.day(from)) < now;
        if !room && self.of(self.zone.day(from)).saturating_sub(self.open) < now {
            // An open one may be taken back.
            return Free::after_open(from + LOOK_AGAIN);
        }
        Free::at(self.room(from, cap).unwrap_or(from + Duration::from_hours(24)))
    }

    /// The first instant, not before `from`, at which its day has room under the cap; none when none is near.
    fn room(&self, from: Timestamp, cap: impl Fn(Timestamp) -> Until<u32>) -> Option<Timestamp> {
        let mut at = from;
        for _ in 0..FAR {
            let day = self.zone.day(at);
            let cap = cap(at);
            if self.of(day) < cap.value {
                return Some(at);
            }
            let change = cap.until.filter(|until| *until > at);
            at = change.map_or(midnight(self.zone, at), |change| change.min(midnight(self.zone, at)));
        }
        None
    }
}

/// When the next calendar day begins.
pub(crate) fn midnight(zone: Zone, at: Timestamp) -> Timestamp {
    let day = zone.day(at);
    // A day that comes twice begins in the past.
    let next = (1..=3).map(|more| zone.start_of_day(day.saturating_add(more))).find(|start| *start > at);
    next.unwrap_or(at + Duration::from_hours(24))
}

impl Numbers for NewContacts {
    fn check(&self) -> Result<(), Problem> {
        let Some(first) = self.steps.first() else {
            return Err(("steps", "is empty".to_owned()));
        };
        if !first.from.is_zero() {
            return Err(("steps", "must begin with from_days 0".to_owned()));
        }
        if !self.steps.is_sorted_by(|a, b| a.from < b.from) {
            return Err(("steps", "must rise by from_days".to_owned()));
        }
        self.steps.iter().try_for_each(|step| count("steps", step.count))
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        let ages = self.steps.iter().chain(base.steps.iter()).map(|step| Timestamp::ZERO + step.from);
        let cap = |of: &Self, age| of.cap(Some(Timestamp::ZERO), age).value;
        ages.into_iter().any(|age| cap(self, age) > cap(base, age))
    }

    fn memory(&self) -> Duration {
        DAYS
    }
}

/// Today and yesterday, however the clock is changed: a clock may step back over midnight.
pub(crate) const DAYS: Duration = Duration::from_hours(51);

impl fmt::Display for NewContacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("new contacts a day by age: ")?;
        for (place, step) in self.steps.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} from day {}", step.count, step.from.as_secs_f64() / 86_400.0)?;
        }
        Ok(())
    }
}
