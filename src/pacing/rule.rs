//! A rule as data: its name, what it demands, whom it counts for, and where its numbers come from.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use model::{Pace, Scope};
use serde::Serialize;

use crate::Ask;

/// One line of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Names the line; unique in its profile and stable, because the state keeps its numbers under it.
    pub key: Cow<'static, str>,
    /// The rule's name in a wait: lines that mean one thing to a person share it.
    pub name: Cow<'static, str>,
    /// What it demands.
    pub kind: Kind,
    /// Whom it counts for.
    pub reach: Reach,
    /// Where the numbers come from.
    pub source: Cow<'static, str>,
}

/// What a rule demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A random pause, uniform in `min..=max`, between a send and the next one of this pace.
    Gap {
        /// The pace of the later message.
        pace: Pace,
        /// The shortest pause.
        min: Duration,
        /// The longest pause.
        max: Duration,
    },
    /// A token bucket: one token each `every`, at most `burst` saved up. A burst of 1 is a plain spacing.
    Bucket {
        /// How long a token takes to come.
        every: Duration,
        /// The most tokens at rest; at least 1.
        burst: u32,
    },
    /// At most `count` in every window of that length, wherever it begins.
    Cap {
        /// How many; at least 1.
        count: u32,
        /// In how long.
        window: Duration,
    },
    /// How long typing is shown before a send: so much a character and some more, kept within bounds. It holds
    /// nobody back: it lies inside the gap.
    Typing {
        /// The shortest and longest time for a character.
        per_char: (Duration, Duration),
        /// The longest extra time.
        extra: Duration,
        /// The shortest and longest time in all.
        within: (Duration, Duration),
    },
}

/// Whom a rule counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// All sends of the account together.
    Account,
    /// Each chat by itself.
    Chat,
    /// Each group by itself; other chats not at all.
    Group,
}

impl Rule {
    /// Whether the rule can make this message wait.
    pub(crate) fn binds(&self, ask: &Ask<'_>, of: Pace) -> bool {
        let pace = match self.kind {
            Kind::Gap { pace, .. } => pace == of,
            Kind::Typing { .. } => false,
            Kind::Bucket { .. } | Kind::Cap { .. } => true,
        };
        pace && self.reach.covers(ask.is_group)
    }

    /// How much of the lane waits when this message must.
    pub(crate) fn scope(&self, ask: &Ask<'_>) -> Scope {
        match (self.kind, self.reach) {
            // A conversation at bulk pace must not hold up the replies of its class.
            (Kind::Gap { pace: Pace::Bulk, .. }, _) if ask.class == model::Class::Interactive => Scope::Job,
            (Kind::Gap { .. }, _) => Scope::Class,
            (_, Reach::Account) => Scope::Lane,
            (_, Reach::Chat | Reach::Group) => Scope::Recipient,
        }
    }

    /// The longest time for which one send matters to this rule, for lanes of any width.
    pub(crate) fn memory(&self) -> Duration {
        match self.kind {
            Kind::Gap { max, .. } => with_slack(max, true),
            Kind::Bucket { every, burst } => with_slack(every, true).saturating_mul(burst),
            Kind::Cap { window, .. } => with_slack(window, true),
            Kind::Typing { .. } => Duration::ZERO,
        }
    }
}

impl Reach {
    /// Whether a chat of this kind is counted.
    pub(crate) const fn covers(self, is_group: bool) -> bool {
        match self {
            Self::Account | Self::Chat => true,
            Self::Group => is_group,
        }
    }
}

/// A window as it is kept: a wide lane dates its sends at the call's start and cannot know when they arrive, so it
/// keeps 5 % more.
pub(crate) fn with_slack(window: Duration, wide: bool) -> Duration {
    if wide { window.saturating_add(window / 20) } else { window }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = Duration::as_secs_f64;
        match self {
            Self::Gap { min, max, .. } => write!(f, "{} to {} s between sends", s(min), s(max)),
            Self::Bucket { every, burst: 1 } => write!(f, "one in {} s", s(every)),
            Self::Bucket { every, burst } => write!(f, "one in {} s, up to {burst} saved up", s(every)),
            Self::Cap { count, window } => write!(f, "{count} in any {} s", s(window)),
            Self::Typing { within: (min, max), .. } => write!(f, "{} to {} s of typing", s(min), s(max)),
        }
    }
}
