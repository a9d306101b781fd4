//! A profile: all rules of an account, checked, and what is known of the account.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use model::{Account, Timestamp};

use crate::tempo::Tempo;
use crate::{Bucket, Cap, Facts, Failures, Kind, Reach, ResponseShare, Rule, person};

/// The rules of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    rules: Vec<Rule>,
    /// Its instants are the account's own time.
    facts: Facts,
    tempo: Tempo,
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
    /// Fewer chats say nothing.
    pub recipients: u32,
    /// How long campaigns rest when hardly anybody writes.
    pub pause: Duration,
}

/// A number that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct ProfileError {
    /// Which value, for example `pacing.per_minute.count`.
    pub field: String,
    /// What is wrong with it and what is admitted.
    pub problem: String,
}

impl Profile {
    /// Like a person at a phone: random gaps, typing, caps, warm-up. For networks that ban what looks like a machine; its
    /// lane has width 1.
    pub fn person() -> Self {
        Self::unchecked([person::RULES, person::COMMON].concat())
    }

    /// As fast as the provider's own limits allow: no gaps, no typing. Campaigns keep the rules of every network.
    pub fn provider(limits: &[Limit]) -> Result<Self, ProfileError> {
        Self::of(limits.iter().map(Rule::from).chain(person::COMMON.iter().cloned()).collect())
    }

    /// A profile by its name: `whatsapp_web`, or none.
    pub fn named(name: &str) -> Option<Self> {
        (name == "whatsapp_web").then(Self::person)
    }

    /// The profile of an account: like a person or as fast as its provider's limits allow, with its own numbers, every
    /// time divided by its `pace_scale`.
    pub fn of_account(account: &Account, person: bool, limits: &[Limit]) -> Result<Self, ProfileError> {
        let profile = if person { Self::person() } else { Self::provider(limits)? };
        let profile = profile.with(&account.pacing).map_err(|mut problems| problems.swap_remove(0))?;
        profile.for_account(Facts::of(account)?, account.pace_scale)
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

    /// This profile as it is for one account, every time of it divided by `pace_scale`: days, ages and hours of the day,
    /// too, as if its clock ran so many times as fast since the account was made.
    pub fn for_account(mut self, facts: Facts, pace_scale: f64) -> Result<Self, ProfileError> {
        self.tempo = Tempo::new(facts.created_at, pace_scale)?;
        self.facts = Facts {
            first_connected_at: facts.first_connected_at.map(|at| self.tempo.inside(at)),
            registered_at: facts.registered_at.map(|at| self.tempo.inside(at)),
            ..facts
        };
        self.sign();
        Ok(self)
    }

    /// The rules, in the order of the table. Their times are the account's own: see [`Profile::lasting`].
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How long a time of the rules lasts for this account: divided by its `pace_scale`, rounded up.
    pub fn lasting(&self, time: Duration) -> Duration {
        self.tempo.lasting(time)
    }

    /// How far back the history for [`State::rebuild`](crate::State::rebuild) must reach: every attempt that ended since
    /// then, or has not ended, however early its call began.
    pub fn horizon(&self) -> Duration {
        self.lasting(self.memory())
    }

    /// What to count for [`Ask::response`](crate::Ask::response); none where no rule asks.
    pub fn response_rate(&self, now: Timestamp) -> Option<ResponseRate> {
        let share = self.response_share()?;
        Some(ResponseRate {
            since: now - self.lasting(share.within),
            until: now - self.lasting(share.after),
            recipients: share.recipients,
            pause: self.lasting(share.pause),
        })
    }

    /// How an account that fails is backed off, in lane time; none where that is switched off.
    pub fn failures(&self) -> Option<Failures> {
        self.rules.iter().find_map(|rule| match rule.kind {
            Kind::Failures(Failures { in_a_row, first, longest }) => {
                Some(Failures { in_a_row, first: self.lasting(first), longest: self.lasting(longest) })
            }
            _ => None,
        })
    }

    /// The words by which a contact asks for no more campaigns.
    pub fn stop_words(&self) -> impl Iterator<Item = &str> {
        let words = self.rules.iter().filter_map(|rule| match &rule.kind {
            Kind::OptOut(opt_out) => Some(opt_out.words.iter()),
            _ => None,
        });
        words.flatten().map(AsRef::as_ref)
    }

    pub(crate) fn response_share(&self) -> Option<&ResponseShare> {
        self.rules.iter().find_map(|rule| match &rule.kind {
            Kind::ResponseRate(share) => Some(share),
            _ => None,
        })
    }

    /// The account's own time.
    pub(crate) const fn tempo(&self) -> Tempo {
        self.tempo
    }

    /// What is known of the account, in its own time.
    pub(crate) const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// [`Profile::horizon`] in the account's own time.
    pub(crate) fn memory(&self) -> Duration {
        self.rules.iter().map(|rule| rule.kind.memory()).max().unwrap_or_default()
    }

    /// Changes with every number of the profile: a state belongs to the rules it was made under.
    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// How many sends a log keeps, and for how long: what the caps that `counts` admits need.
    pub(crate) fn log(&self, counts: impl Fn(Reach) -> bool) -> (usize, Duration) {
        let caps = self.rules.iter().filter(|rule| counts(rule.reach));
        caps.fold((0, Duration::ZERO), |(most, longest), rule| match rule.kind {
            Kind::Cap(Cap { count, .. }) => (most.max(count as usize), longest.max(rule.kind.memory())),
            _ => (most, longest),
        })
    }

    /// To change them; [`Profile::sign`] must follow.
    pub(crate) fn rules_mut(&mut self) -> &mut [Rule] {
        &mut self.rules
    }

    /// Makes the fingerprint anew.
    pub(crate) fn sign(&mut self) {
        let mut print = Fingerprint(0xcbf2_9ce4_8422_2325);
        for rule in &self.rules {
            let _ = write!(print, "{} {:?} {:?};", rule.key, rule.kind, rule.reach);
        }
        let _ = write!(print, "{:?} {:?}", self.facts, self.tempo);
        self.fingerprint = print.0;
    }

    fn unchecked(rules: Vec<Rule>) -> Self {
        let mut profile = Self { rules, facts: Facts::UNKNOWN, tempo: Tempo::REAL, fingerprint: 0 };
        profile.sign();
        profile
    }
}

/// FNV-1a: the same in every process and release, which std's hasher does not promise.
struct Fingerprint(u64);

impl Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

impl From<&Limit> for Rule {
    fn from(limit: &Limit) -> Self {
        let name: Cow<'static, str> = Cow::Owned(limit.name.clone());
        // Whole microseconds, rounded up: what `Timestamp` can add without shortening a window.
        let ceil = |time: Duration| {
            Duration::from_micros(u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX))
        };
        let kind = match (limit.burst, limit.count) {
            (Some(burst), count) => Kind::Bucket(Bucket { every: ceil(limit.window / count.max(1)), burst }),
            // One in a window is a spacing, which needs no log.
            (None, 1) => Kind::Bucket(Bucket { every: ceil(limit.window), burst: 1 }),
            (None, count) => Kind::Cap(Cap { count, window: ceil(limit.window) }),
        };
        let source = match limit.source.as_str() {
            "" => Cow::Borrowed("the provider's limit"),
            source => Cow::Owned(source.to_owned()),
        };
        Self { key: name.clone(), name, kind, reach: limit.scope, source }
    }
}

impl Rule {
    fn check(&self) -> Result<(), ProfileError> {
        if self.key.is_empty() || self.name.is_empty() {
            return Err(problem(&self.key, "name", "is empty"));
        }
        if matches!(self.kind, Kind::Gap(..)) && self.reach != Reach::Account {
            return Err(problem(
                &self.key,
                "reach",
                "must be account: a gap lies between sends of an account",
            ));
        }
        self.kind.check().map_err(|(field, text)| problem(&self.key, field, &text))
    }
}

fn problem(key: &str, field: &str, problem: &str) -> ProfileError {
    ProfileError { field: format!("{key}.{field}"), problem: problem.to_owned() }
}
