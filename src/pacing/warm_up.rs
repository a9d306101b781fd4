//! Warm-up: what a young number may do, by the hours since it was registered.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use model::{Class, Origin, Purpose, Scope, Timestamp};
use serde::{Deserialize, Serialize};

use crate::admit::Free;
use crate::contacts::{DAYS, Days, Until};
use crate::numbers::{Numbers, Problem, count, time};
use crate::{Ask, unit};

/// Stages, one after the other; after the last one nothing holds any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUp {
    /// The first begins when the number is registered, each other one where the one before ends.
    pub stages: Cow<'static, [Stage]>,
}

/// One stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// When it ends, counted from the registration.
    #[serde(rename = "until_h", with = "unit::hours")]
    pub until: Duration,
    /// Who may send.
    pub may_send: MaySend,
    /// New contacts a day; none: the warm-up has no say in that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_contacts: Option<Ramp>,
}

/// Who may send in a stage of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaySend {
    /// Nobody.
    None,
    /// A person in a conversation: purpose conversation, origin agent.
    Persons,
    /// Everybody.
    All,
}

/// A number of new contacts a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ramp {
    /// The same on every day.
    Flat(u32),
    /// From the first towards the second over the stage, linear by whole days since its begin.
    Rising(u32, u32),
}

/// What holds at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warmth {
    pub(crate) may_send: MaySend,
    /// New contacts a day.
    pub(crate) cap: u32,
    /// The end of the stage.
    pub(crate) stage: Option<Timestamp>,
    /// When the cap changes, or the stage does.
    pub(crate) until: Option<Timestamp>,
}

impl Warmth {
    /// New contacts a day, as far as anybody may send.
    pub(crate) const fn strangers(&self) -> u32 {
        if matches!(self.may_send, MaySend::None) { 0 } else { self.cap }
    }
}

const A_DAY: Duration = Duration::from_hours(24);

impl WarmUp {
    /// What holds at an instant for a number that was registered then. A clock that runs behind finds it just registered.
    pub(crate) fn at(&self, registered: Timestamp, at: Timestamp) -> Warmth {
        let age = at.since(registered);
        let place = self.stages.partition_point(|stage| stage.until <= age);
        let Some(stage) = self.stages.get(place) else {
            return Warmth { may_send: MaySend::All, cap: u32::MAX, stage: None, until: None };
        };
        let begin = place.checked_sub(1).map_or(Duration::ZERO, |before| self.stages[before].until);
        let end = registered + stage.until;
        let day = u64::try_from((age.saturating_sub(begin)).as_micros() / A_DAY.as_micros()).unwrap_or(0);
        let (cap, next) = match stage.new_contacts {
            None => (u32::MAX, None),
            Some(Ramp::Flat(cap)) => (cap, None),
            Some(Ramp::Rising(from, to)) => {
                let days = u64::try_from(stage.until.saturating_sub(begin).as_micros() / A_DAY.as_micros())
                    .unwrap_or(0);
                let rise = u64::from(to.saturating_sub(from)) * day / days.max(1);
                let next = registered + begin + A_DAY * u32::try_from(day + 1).unwrap_or(u32::MAX);
                (from.saturating_add(u32::try_from(rise).unwrap_or(u32::MAX)), Some(next))
            }
        };
        let until = Some(next.map_or(end, |next| next.min(end)));
        Warmth { may_send: stage.may_send, cap, stage: Some(end), until }
    }

    /// When the message may go, not before `from`.
    pub(crate) fn free(&self, registered: Timestamp, ask: &Ask<'_>, days: Days<'_>, from: Timestamp) -> Free {
        let person = ask.purpose == Purpose::Conversation && ask.origin == Origin::Agent;
        let least = if person { MaySend::Persons } else { MaySend::All };
        let mut free = Free::at(from);
        for _ in 0..=self.stages.len() {
            let warmth = self.at(registered, free.at);
            let Some(end) = warmth.stage else { break };
            if warmth.may_send < least {
                let scope = match (warmth.may_send, ask.class) {
                    (MaySend::None, _) => Scope::Lane,
                    (_, Class::Interactive) => Scope::Job,
                    _ => Scope::Class,
                };
                free = Free { at: end, scope: Some(scope), ..free };
                continue;
            }
            if !ask.contact.is_new {
                break;
            }
            let cap = |at| {
                let warmth = self.at(registered, at);
                Until { value: warmth.cap, until: warmth.until }
            };
            let room = days.free(free.at, cap);
            if room.at == free.at {
                break;
            }
            free = Free { scope: Some(Scope::Recipient), ..room };
            if free.open {
                break;
            }
        }
        free
    }

    /// When everybody may send.
    pub(crate) fn opens(&self, registered: Timestamp) -> Timestamp {
        let closed = self.stages.iter().rposition(|stage| stage.may_send < MaySend::All);
        closed.map_or(registered, |place| registered + self.stages[place].until)
    }

    /// The time since the registration at which it is over.
    fn length(&self) -> Duration {
        self.stages.last().map_or(Duration::ZERO, |stage| stage.until)
    }
}

impl Numbers for WarmUp {
    fn check(&self) -> Result<(), Problem> {
        if self.stages.is_empty() {
            return Err(("stages", "is empty; say \"off\" for no warm-up".to_owned()));
        }
        if !self.stages.is_sorted_by(|a, b| a.until < b.until) || self.stages[0].until.is_zero() {
            return Err(("stages", "must rise by until_h, from above 0".to_owned()));
        }
        for stage in self.stages.iter() {
            time("stages", stage.until, Duration::from_micros(1))?;
            match stage.new_contacts {
                Some(Ramp::Flat(cap)) => count("stages", cap)?,
                Some(Ramp::Rising(from, to)) => {
                    count("stages", from)?;
                    count("stages", to)?;
                    if from > to {
                        return Err(("stages", "has new contacts that fall".to_owned()));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        // What holds changes only at the ends of stages and at whole days after the begin of one.
        let begins = |of: &Self| {
            let ends: Vec<_> = of.stages.iter().map(|stage| stage.until).collect();
            std::iter::once(Duration::ZERO).chain(ends).collect::<Vec<_>>()
        };
        let longest = self.length().max(base.length());
        begins(self).into_iter().chain(begins(base)).any(|begin| {
            let days = std::iter::successors(Some(begin), |at| Some(*at + A_DAY));
            days.take_while(|at| *at <= longest).any(|at| {
                let at = Timestamp::ZERO + at;
                let (ours, theirs) = (self.at(Timestamp::ZERO, at), base.at(Timestamp::ZERO, at));
                ours.may_send > theirs.may_send || ours.strangers() > theirs.strangers()
            })
        })
    }

    fn memory(&self) -> Duration {
        DAYS
    }
}

impl fmt::Display for WarmUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hours since the number was registered: ")?;
        for (place, stage) in self.stages.iter().enumerate() {
            let comma = if place == 0 { "" } else { "; " };
            let who = match stage.may_send {
                MaySend::None => "no sends",
                MaySend::Persons => "a person's conversations only",
                MaySend::All => "all may send",
            };
            write!(f, "{comma}until {} h {who}", stage.until.as_secs_f64() / 3_600.0)?;
            match stage.new_contacts {
                None => {}
                Some(Ramp::Flat(cap)) => write!(f, ", {cap} new contacts a day")?,
                Some(Ramp::Rising(from, to)) => write!(f, ", from {from} to {to} new contacts a day")?,
            }
        }
        Ok(())
    }
}
