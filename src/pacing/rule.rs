//! A rule as data: its name, what it demands, whom it counts for, and where its numbers come from.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use model::{Class, Pace, Scope};
use serde::Serialize;
use serde_json::Value;

use crate::numbers::{Numbers, Problem};
use crate::{
    Ask, Batch, Bucket, Cap, Failures, Gap, IdenticalText, NewContacts, OptOut, QuietHours, ResponseShare,
    StaleContact, Typing, WarmUp,
};

/// One line of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A random pause between a send and the next one of this pace.
    Gap(Pace, Gap),
    /// A token bucket.
    Bucket(Bucket),
    /// So many in every window.
    Cap(Cap),
    /// How long typing is shown before a send.
    Typing(Typing),
    /// A rest after so many sends.
    Batch(Batch),
    /// So many new contacts a day, by age.
    NewContacts(NewContacts),
    /// What a young number may do.
    WarmUp(WarmUp),
    /// Who fell silent gets no campaign.
    StaleContact(StaleContact),
    /// A campaign's words must vary.
    IdenticalText(IdenticalText),
    /// Campaigns that nobody answers slow down.
    ResponseRate(ResponseShare),
    /// Campaigns go within a window of the day.
    QuietHours(QuietHours),
    /// An account that fails is backed off.
    Failures(Failures),
    /// Who asked for none gets no campaign.
    OptOut(OptOut),
    /// Nothing: the rule is switched off.
    Off,
}

/// Does the same with the numbers of every kind.
macro_rules! with_numbers {
    ($kind:expr, $numbers:ident => $do:expr, off => $off:expr) => {
        match $kind {
            Kind::Gap(_, $numbers) => $do,
            Kind::Bucket($numbers) => $do,
            Kind::Cap($numbers) => $do,
            Kind::Typing($numbers) => $do,
            Kind::Batch($numbers) => $do,
            Kind::NewContacts($numbers) => $do,
            Kind::WarmUp($numbers) => $do,
            Kind::StaleContact($numbers) => $do,
            Kind::IdenticalText($numbers) => $do,
            Kind::ResponseRate($numbers) => $do,
            Kind::QuietHours($numbers) => $do,
            Kind::Failures($numbers) => $do,
            Kind::OptOut($numbers) => $do,
            Kind::Off => $off,
        }
    };
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

impl Kind {
    /// Its numbers as an account gives its own; `"off"` where it is.
    pub fn numbers(&self) -> Value {
        with_numbers!(self, numbers => serde_json::to_value(numbers).unwrap_or_default(), off => "off".into())
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        with_numbers!(self, numbers => numbers.check(), off => Ok(()))
    }

    /// The longest time for which one send matters, for lanes of any width.
    pub(crate) fn memory(&self) -> Duration {
        with_numbers!(self, numbers => numbers.memory(), off => Duration::ZERO)
    }

    /// Whether it lets anything go that `base` would not.
    pub(crate) fn is_looser_than(&self, base: &Self) -> bool {
        match (self, base) {
            (Self::Gap(_, ours), Self::Gap(_, theirs)) => ours.is_looser_than(theirs),
            (Self::Bucket(ours), Self::Bucket(theirs)) => ours.is_looser_than(theirs),
            (Self::Cap(ours), Self::Cap(theirs)) => ours.is_looser_than(theirs),
            (Self::Typing(ours), Self::Typing(theirs)) => ours.is_looser_than(theirs),
            (Self::Batch(ours), Self::Batch(theirs)) => ours.is_looser_than(theirs),
            (Self::NewContacts(ours), Self::NewContacts(theirs)) => ours.is_looser_than(theirs),
            (Self::WarmUp(ours), Self::WarmUp(theirs)) => ours.is_looser_than(theirs),
            (Self::StaleContact(ours), Self::StaleContact(theirs)) => ours.is_looser_than(theirs),
            (Self::IdenticalText(ours), Self::IdenticalText(theirs)) => ours.is_looser_than(theirs),
            (Self::ResponseRate(ours), Self::ResponseRate(theirs)) => ours.is_looser_than(theirs),
            (Self::QuietHours(ours), Self::QuietHours(theirs)) => ours.is_looser_than(theirs),
            (Self::Failures(ours), Self::Failures(theirs)) => ours.is_looser_than(theirs),
            (Self::OptOut(ours), Self::OptOut(theirs)) => ours.is_looser_than(theirs),
            (_, Self::Off) => false,
            _ => true,
        }
    }
}

impl Rule {
    /// What it demands, for a person.
    pub(crate) fn words(&self) -> String {
        let whom = match self.reach {
            Reach::Account => "this account",
            Reach::Chat => "this chat",
            Reach::Group => "this group",
        };
        format!("The rule for {whom}: {}.", self.kind)
    }

    /// How much of the lane waits when this message must, unless the rule knows better.
    pub(crate) fn scope(&self, ask: &Ask<'_>) -> Scope {
        match (&self.kind, self.reach) {
            // A conversation at bulk pace must not hold up the replies of its class.
            (Kind::Gap(Pace::Bulk, _), _) if ask.class == Class::Interactive => Scope::Pace,
            (Kind::Gap(..), _) => Scope::Class,
            (Kind::NewContacts(_), _) => Scope::Recipient,
            (Kind::IdenticalText(_) | Kind::QuietHours(_), _) => Scope::Job,
            (_, Reach::Account) => Scope::Lane,
            (_, Reach::Chat | Reach::Group) => Scope::Recipient,
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
        with_numbers!(self, numbers => numbers.fmt(f), off => f.write_str("switched off"))
    }
}
