//! The question that pacing answers, and its answers.

use std::time::Duration;

use model::{Class, Origin, Pace, Purpose, Timestamp, Wait, Zone};
use uuid::Uuid;

use crate::{State, Token};

/// What pacing must know of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask<'a> {
    /// Its id: typing is drawn from it.
    pub id: Uuid,
    /// Names its chat among those of the account.
    pub chat: &'a str,
    /// Whether the chat is a group.
    pub is_group: bool,
    /// What it is for: campaign rules bind campaigns alone.
    pub purpose: Purpose,
    /// What made it: a person is [`Origin::Agent`].
    pub origin: Origin,
    /// Its class in the lane.
    pub class: Class,
    /// The length of its text, in characters.
    pub chars: u32,
    /// Names the final words; given for campaigns.
    pub text: Option<u64>,
    /// How many of the lane's jobs may be claimed at once; at least 1.
    pub width: u32,
    /// The other side.
    pub contact: Chat,
    /// What came of the account's campaigns, where the profile asks for it ([`Profile::response_rate`]).
    ///
    /// [`Profile::response_rate`]: crate::Profile::response_rate
    pub response: Option<Response>,
    /// Whether the account failed so often that it is only tried: one call at a time, whatever the width.
    pub probing: bool,
}

/// What is known of a chat's other side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chat {
    /// Whether the account never sent to this chat (any outcome) and it never wrote.
    pub is_new: bool,
    /// When it last wrote.
    pub last_inbound_at: Option<Timestamp>,
    /// When the account first sent to it, whatever came of it.
    pub first_sent_at: Option<Timestamp>,
    /// Whether it asked for no more campaigns.
    pub opted_out: bool,
    /// Where it lives, if that is known.
    pub zone: Option<Zone>,
}

/// What came of campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// Chats that got a campaign in the days that count.
    pub recipients: u32,
    /// How many of them wrote since.
    pub wrote: u32,
}

/// The answer.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is given, never kept")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may start: commit the state first.
    Go(Grant),
    /// Not yet.
    Wait(Wait),
    /// Never, whatever the hour.
    Refuse {
        /// The rule that forbids it.
        rule: &'static str,
        /// For a person: what forbids it and what to do.
        reason: String,
    },
}

/// Leave to send one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Names the grant when it ends.
    pub token: Token,
    /// When the provider may be called, not before; at most `typing` ahead.
    pub call_at: Timestamp,
    /// Typing is shown for so long before `call_at`; zero where it is not.
    pub typing: Duration,
    /// The gap that lay before it.
    pub pace: Pace,
    /// Whether it counts as a new contact.
    pub is_new: bool,
    /// The state with this grant open in it.
    pub state: State,
}
