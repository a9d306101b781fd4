//! When may an account send? The rules as data, and pure code that applies them to injected time.
//!
//! [`admit`] looks at a message, the account's [`State`] and the hour, and says go, wait (by which rule, how much of
//! the lane, until when) or never. The state lives with the lane in the queue; whoever holds the lane writes it, and
//! [`State::rebuild`] makes it again from the send ledger when it was lost. The arithmetic of spacing is governor's
//! (GCRA); a cap that lets messages go in a burst is an exact log of the last sends, because a GCRA quota with a burst
//! of n lets nearly 2n through some windows.
//!
//! The order of a send: `admit` → commit [`Grant::state`] → show typing → call the provider at [`Grant::call_at`] →
//! [`State::settle`]. Between the grant and its end the send counts as *now* in every window and every gap.
//!
//! A rule of a known kind is a line in `person.rs`, or a [`Limit`]; a new kind is a variant of [`Kind`] and the arithmetic
//! that says when it lets a send go.

mod admit;
mod ask;
mod batch;
mod calendar;
mod campaign;
mod cap;
mod contacts;
mod explain;
mod facts;
mod failures;
mod gap;
mod hours;
mod numbers;
mod overrides;
mod person;
mod play;
mod profile;
mod prune;
mod rebuild;
mod response;
mod rule;
mod run;
mod spacing;
mod state;
mod tempo;
mod text;
mod typing;
mod unit;
mod warm_up;
mod wire;

pub use admit::admit;
pub use ask::{Ask, Chat, Decision, Grant, Response};
pub use batch::Batch;
pub use calendar::{CalendarDay, calendar};
pub use campaign::{OptOut, StaleContact};
pub use cap::Cap;
pub use contacts::{AgeStep, NewContacts};
pub use explain::{RuleView, explain};
pub use facts::Facts;
pub use failures::Failures;
pub use gap::{Bucket, Gap};
pub use hours::{Hour, QuietHours};
pub use play::{Held, HoldOn, More, Overhead, Planned, Play, Preview, Reasons, RuleWait, Segment, Step};
pub use profile::{Limit, Profile, ProfileError, ResponseRate};
pub use rebuild::PastSend;
pub use response::ResponseShare;
pub use rule::{Kind, Reach, Rule};
pub use state::{OpenGrant, Started, State, Token};
pub use text::IdenticalText;
pub use typing::Typing;
pub use warm_up::{MaySend, Ramp, Stage, WarmUp};
pub use wire::StateError;
