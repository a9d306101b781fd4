//! A message and its life: `scheduled → queued → sending → sent → delivered → read`, or an end short of that.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Actor, Class, ContactId, Content, ConversationId, InboundEventId, MessageId, Purpose,
    Timestamp, WorkspaceId, words,
};

words! {
    /// Which way a message goes.
    Direction: "direction" {
        /// From the contact to us.
        Inbound = "inbound",
        /// From us to the contact.
        Outbound = "outbound",
    }
}

words! {
    /// Where a message stands. Receipts never move it back.
    Status: "status" {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// It waits for its turn.
        Queued = "queued",
        /// A call to the provider is open.
        Sending = "sending",
        /// The provider took it.
        Sent = "sent",
        /// It reached the contact.
        Delivered = "delivered",
        /// The contact saw it.
        Read = "read",
        /// It came from the contact.
        Received = "received",
        /// It will not be sent; the reason says why.
        Failed = "failed",
        /// Somebody withdrew it in time.
        Canceled = "canceled",
        /// A rule decided against it; the reason says which.
        Skipped = "skipped",
        /// Nobody knows whether the provider took it; a late answer, a receipt or a person can tell.
        Unknown = "unknown",
    }
}

words! {
    /// What made a message.
    Origin: "origin" {
        /// A caller of the REST API.
        Api = "api",
        /// A person at a frontend.
        Agent = "agent",
        /// A schedule.
        Schedule = "schedule",
        /// A step of a sequence.
        Sequence = "sequence",
        /// A broadcast.
        Broadcast = "broadcast",
        /// An automatic answer.
        AutoReply = "auto_reply",
        /// A language model's answer.
        Ai = "ai",
        /// The other side, or the account's owner on another device.
        Channel = "channel",
    }
}

impl Status {
    /// Whether nothing but a late receipt or a person can change it.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Queued | Self::Sending)
    }

    /// Whether a message in this state may still be withdrawn.
    pub const fn can_cancel(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued)
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// The account it passes through.
    pub account_id: AccountId,
    /// The chat it belongs to.
    pub conversation_id: ConversationId,
    /// The other side, in a direct conversation.
    pub contact_id: Option<ContactId>,
    /// Which way it goes.
    pub direction: Direction,
    /// Where it stands.
    pub status: Status,
    /// Why it failed, was skipped or is unknown: a stable word, then a colon and the provider's own text.
    pub reason: Option<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// How urgent that makes it.
    pub class: Class,
    /// Its number in the conversation: the order that is kept within a class. None while scheduled.
    pub seq: Option<i64>,
    /// What made it.
    pub origin: Origin,
    /// Who made it.
    pub actor: Actor,
    /// The caller's own id of it, given back in answers and events.
    pub client_id: Option<String>,
    /// Who wrote it, in a group: an address.
    pub sender: Option<String>,
    /// What it says.
    pub content: Content,
    /// A thread or topic within the chat.
    pub thread: Option<String>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The provider's id of it, unique within the conversation.
    pub provider_id: Option<String>,
    /// The webhook event that it came in.
    pub inbound_event_id: Option<InboundEventId>,
    /// When it is to be sent, if not at once.
    pub send_at: Option<Timestamp>,
    /// When it became ready to send.
    pub queued_at: Option<Timestamp>,
    /// It is not tried again before then.
    pub next_attempt_at: Option<Timestamp>,
    /// When the provider took it.
    pub sent_at: Option<Timestamp>,
    /// When it reached the contact.
    pub delivered_at: Option<Timestamp>,
    /// When the contact saw it.
    pub read_at: Option<Timestamp>,
    /// The provider's own time of it.
    pub provider_at: Option<Timestamp>,
    /// When its content last changed: by the provider's time where somebody else changed it.
    pub edited_at: Option<Timestamp>,
    /// When it was taken back. Its content stays here.
    pub deleted_at: Option<Timestamp>,
    /// Who reacted to it, oldest first.
    pub reactions: Vec<Reaction>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// One reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Who reacted: an address, or `me` for the account itself.
    pub by: String,
    /// With what.
    pub emoji: String,
    /// When.
    pub at: Timestamp,
}

impl Reaction {
    /// What [`Reaction::by`] says of the account itself.
    pub const ME: &'static str = "me";
}
