//! A profile: all rules of an account, checked.

use std::borrow::Cow;
use std::time::Duration;

use model::{Account, Timestamp};
use serde_json::Value;

use crate::{Facts, Kind, Reach, Rule, person};

/// Windows and pauses longer than this are mistakes.
const LONGEST: Duration = Duration::from_hours(24 * 400);
/// A log of more sends than this is a mistake.
const MOST: u32 = 100_000;

/// The rules of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    rules: Vec<Rule>,
    fingerprint: u64,
}

/// One limit of a provider: at most `count` in every window of that length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The rule's name, stable; unique among the account's limits.
    pub name: String,
    /// What it counts for.
    pub scope: Reach,
    /// How many; at least 1.
    pub count: u32,
    /// In how long.
    pub window: Duration,
    /// None: every window of that length holds. Otherwise a token bucket: one send for each `window / count`, and so many
    /// saved up while nothing is sent.
    pub burst: Option<u32>,
    /// Where the provider says so, and when that was read.
    pub source: String,
}

/// What the response rate asks for: of the chats that got a campaign after `since` and not after `until`, how many wrote
/// after the latest of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseRate {
    /// Where the days that count begin.
    pub since: Timestamp,
    /// Where they end: a contact needs time to answer.
    pub until: Timestamp,
    /// How long campaigns rest when hardly anybody writes.
    pub pause: Duration,
}

/// A number that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pacing: `{field}` {problem}")]
pub struct ProfileError {
    /// Which value, for example `per_minute.count`.
    pub field: String,
    /// What is wrong with it and what is admitted.
    pub problem: String,
}

impl Profile {
    /// Like a person at a phone: random gaps, typing, caps. For networks that ban what looks like a machine; its lane
    /// has width 1.
    pub fn person() -> Self {
        Self::unchecked(person::RULES.to_vec())
    }

    /// As fast as the provider's own limits allow: no gaps, no typing.
    pub fn provider(limits: &[Limit]) -> Result<Self, ProfileError> {
        Self::of(limits.iter().map(Rule::from).collect())
    }

    /// The profile of an account: like a person or as fast as its provider's limits allow, with its own numbers, every
    /// time divided by its `pace_scale`.
    pub fn of_account(account: &Account, person: bool, limits: &[Limit]) -> Result<Self, ProfileError> {
        let profile = if person { Self::person() } else { Self::provider(limits)? };
        let profile = profile.with(&account.pacing).map_err(|mut problems| problems.swap_remove(0))?;
        profile.for_account(Facts::of(account)?, account.pace_scale)
    }

    /// A profile by its name: `whatsapp_web`, or none.
    pub fn named(name: &str) -> Option<Self> {
        (name == "whatsapp_web").then(Self::person)
    }

    /// This profile with an account's own numbers: an object by rule, in which `null` is the profile's own rule and
    /// `"off"` none. Every problem is named by its field.
    pub fn with(self, overrides: &Value) -> Result<Self, Vec<ProfileError>> {
        let _ = overrides;
        Ok(self)
    }

    /// The rules that are looser than in `base`, by name.
    pub fn looser_than(&self, base: &Self) -> Vec<String> {
        let _ = base;
        Vec::new()
    }

    /// This profile as it is for one account, whose time runs `pace_scale` times as fast.
    pub fn for_account(self, facts: Facts, pace_scale: f64) -> Result<Self, ProfileError> {
        let _ = facts;
        self.scaled(pace_scale)
    }

    /// What to count for [`Ask::response`](crate::Ask::response); none where no rule asks.
    pub fn response_rate(&self, now: Timestamp) -> Option<ResponseRate> {
        let _ = now;
        None
    }

    /// A profile of these rules.
    pub fn of(rules: Vec<Rule>) -> Result<Self, ProfileError> {
        for (i, rule) in rules.iter().enumerate() {
            rule.check()?;
            if rules[..i].iter().any(|other| other.key == rule.key) {
                return Err(problem(&rule.key, "key", "is there twice"));
            }
        }
        Ok(Self::unchecked(rules))
    }

    /// Every time of the profile divided by `pace_scale`, so that real processes prove minutes of rules in seconds.
    pub fn scaled(&self, pace_scale: f64) -> Result<Self, ProfileError> {
        if !(pace_scale.is_finite() && (0.001..=100_000.0).contains(&pace_scale)) {
            return Err(ProfileError {
                field: "pace_scale".to_owned(),
                problem: format!("is {pace_scale}; it must lie within 0.001 and 100000"),
            });
        }
        let by = |time: Duration| time.div_f64(pace_scale);
        let rules = self.rules.iter().map(|rule| Rule { kind: rule.kind.map(by), ..rule.clone() });
        Self::of(rules.collect())
    }

    /// The rules, in the order of the table.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How far back the history for [`State::rebuild`](crate::State::rebuild) must reach: every attempt that ended since
    /// then, or has not ended, however early its call began.
    pub fn horizon(&self) -> Duration {
        self.rules.iter().map(Rule::memory).max().unwrap_or_default()
    }

    /// Changes with every number of the profile: a state belongs to the rules it was made under.
    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// How many sends a log keeps, and for how long: what the caps that `counts` admits need.
    pub(crate) fn log(&self, counts: impl Fn(Reach) -> bool) -> (usize, Duration) {
        let caps = self.rules.iter().filter(|rule| counts(rule.reach));
        caps.fold((0, Duration::ZERO), |(most, longest), rule| match rule.kind {
            Kind::Cap { count, .. } => (most.max(count as usize), longest.max(rule.memory())),
            _ => (most, longest),
        })
    }

    fn unchecked(mut rules: Vec<Rule>) -> Self {
        for rule in &mut rules {
            // Whole microseconds, rounded up: what `Timestamp` can add without shortening a window.
            rule.kind = rule.kind.map(|time| Duration::from_micros(ceil_micros(time)));
        }
        // FNV-1a: the same in every process and release, which std's hasher does not promise.
        let text =
            format!("{:?}", rules.iter().map(|rule| (&rule.key, rule.kind, rule.reach)).collect::<Vec<_>>());
        let fingerprint = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { rules, fingerprint }
    }
}

impl From<&Limit> for Rule {
    fn from(limit: &Limit) -> Self {
        let name: Cow<'static, str> = Cow::Owned(limit.name.clone());
        Self {
            key: name.clone(),
            name,
            // One in a window is a spacing, which needs no log.
            kind: if limit.count == 1 {
                Kind::Bucket { every: limit.window, burst: 1 }
            } else {
                Kind::Cap { count: limit.count, window: limit.window }
            },
            reach: limit.scope,
            source: Cow::Borrowed("the provider's limit"),
        }
    }
}

impl Rule {
    fn check(&self) -> Result<(), ProfileError> {
        if self.key.is_empty() || self.name.is_empty() {
            return Err(problem(&self.key, "name", "is empty"));
        }
        let time = |field: &str, time: Duration, least: Duration| {
            if time < least || time > LONGEST {
                let text = format!("is {time:?}; it must lie within {least:?} and {LONGEST:?}");
                return Err(problem(&self.key, field, &text));
            }
            Ok(())
        };
        let count = |field: &str, count: u32| {
            if count == 0 || count > MOST {
                return Err(problem(
                    &self.key,
                    field,
                    &format!("is {count}; it must lie within 1 and {MOST}"),
                ));
            }
            Ok(())
        };
        let tick = Duration::from_micros(1);
        match self.kind {
            Kind::Gap { min, max, .. } => {
                time("max", max, Duration::ZERO)?;
                time("min", min, Duration::ZERO)?;
                if self.reach != Reach::Account {
                    return Err(problem(
                        &self.key,
                        "reach",
                        "must be account: a gap lies between sends of an account",
                    ));
                }
                (min <= max).then_some(()).ok_or_else(|| problem(&self.key, "min", "is above max"))
            }
            Kind::Bucket { every, burst } => {
                time("every", every, tick)?;
                count("burst", burst)?;
                time("every times burst", every.saturating_mul(burst), tick)
            }
            Kind::Cap { count: most, window } => {
                time("window", window, tick)?;
                count("count", most)
            }
            Kind::Typing { per_char, extra, within } => {
                for (field, (min, max)) in [("per_char", per_char), ("within", within)] {
                    time(field, max, Duration::ZERO)?;
                    if min > max {
                        return Err(problem(&self.key, field, "is given with its shorter time second"));
                    }
                }
                time("extra", extra, Duration::ZERO)
            }
        }
    }
}

impl Kind {
    fn map(self, by: impl Fn(Duration) -> Duration) -> Self {
        match self {
            Self::Gap { pace, min, max } => Self::Gap { pace, min: by(min), max: by(max) },
            Self::Bucket { every, burst } => Self::Bucket { every: by(every), burst },
            Self::Cap { count, window } => Self::Cap { count, window: by(window) },
            Self::Typing { per_char, extra, within } => Self::Typing {
                per_char: (by(per_char.0), by(per_char.1)),
                extra: by(extra),
                within: (by(within.0), by(within.1)),
            },
        }
    }
}

fn ceil_micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

fn problem(key: &str, field: &str, problem: &str) -> ProfileError {
    ProfileError { field: format!("{key}.{field}"), problem: problem.to_owned() }
}
