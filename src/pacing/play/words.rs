//! What is put into a play, and what comes out.

use std::sync::Arc;
use std::time::Duration;

use model::{Class, Origin, Pace, Purpose, Timestamp, Wait};
use uuid::Uuid;

use crate::Chat;

/// A message to be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Names it in the steps; typing is drawn from it.
    pub id: Uuid,
    /// Its chat.
    pub chat: String,
    /// Whether that is a group.
    pub is_group: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// Who sends it.
    pub origin: Origin,
    /// Its class in the lane.
    pub class: Class,
    /// The length of its text, in characters.
    pub chars: u32,
    /// A hash of its final words; of campaigns.
    pub text: Option<u64>,
    /// What is known of the contact when the message joins, besides what was played by then.
    pub contact: Chat,
    /// When it joins the lane. What is due when the play begins joins in the order in which it was added.
    pub at: Timestamp,
    /// It waits until then by itself: a retry, a wait that it was told before.
    pub after: Option<Timestamp>,
}

/// What a hold from outside is put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldOn {
    /// Everything of the account.
    Lane,
    /// One class of it.
    Class(Class),
    /// Campaigns, whatever their class.
    Campaigns,
    /// One chat.
    Chat(String),
}

/// Something that happens in the play.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A message is sent: its call begins.
    Sent {
        /// The message.
        id: Uuid,
        /// When the call begins.
        at: Timestamp,
        /// Its chat.
        chat: String,
        /// What it is for.
        purpose: Purpose,
        /// Which gap lay before it.
        pace: Pace,
        /// Whether its chat was a new contact.
        is_new: bool,
        /// Typing was shown for so long before.
        typed: Duration,
        /// What it had waited for.
        held: Held,
    },
    /// A message is told to wait. Those that wait behind it, or in its group, are not told.
    Waits {
        /// The message.
        id: Uuid,
        /// When it was told.
        at: Timestamp,
        /// Why, and until when.
        wait: Wait,
    },
    /// A message never goes.
    Refused {
        /// The message.
        id: Uuid,
        /// When it was told.
        at: Timestamp,
        /// What forbids it.
        rule: &'static str,
        /// For a person.
        reason: String,
    },
}

/// What a message of a play had waited for when it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// When it joined the lane.
    pub joined: Timestamp,
    /// What held it last, by itself or with the whole lane, since the send before was granted. None where nothing but that
    /// send did.
    pub last: Option<Arc<Wait>>,
    /// What held it, or all that are like it, while others might go.
    pub own: Option<Arc<Wait>>,
}

/// What a send takes besides its pace and its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overhead {
    /// From when it may go until it is granted.
    pub wake: Duration,
    /// From the call's answer until the lane may go on.
    pub settle: Duration,
}
