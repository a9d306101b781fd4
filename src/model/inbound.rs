//! What a provider tells us, in one form for all channels: the result of parsing a webhook or a poll.

use serde::{Deserialize, Serialize};

use crate::{Content, ConversationKind, Timestamp, words};

words! {
    /// What became of a message that we sent.
    ReceiptKind: "receipt" {
        /// The provider took it.
        Sent = "sent",
        /// It reached the contact.
        Delivered = "delivered",
        /// The contact saw it.
        Read = "read",
        /// The provider gave up on it.
        Failed = "failed",
    }
}

/// Somebody on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The provider's id, opaque outside its channel.
    pub address: String,
    /// What they are called.
    pub name: Option<String>,
    /// In international form, where the provider tells.
    pub phone: Option<String>,
}

/// One thing that happened in one chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The provider's id of the chat.
    pub chat: String,
    /// Who is in it.
    pub chat_kind: ConversationKind,
    /// A group's name.
    pub chat_title: Option<String>,
    /// A thread or topic within it.
    pub thread: Option<String>,
    /// Who did it; none where the provider does not say.
    pub from: Option<Party>,
    /// The provider's own time of it. [`Timestamp::ZERO`] where it tells none (a pressed button): then the time at
    /// which we received the event stands in for it.
    pub at: Timestamp,
    /// What happened.
    pub kind: InboundKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InboundKind {
    /// Somebody wrote.
    Message {
        /// The provider's id of the message, unique within the chat.
        provider_id: String,
        /// What it says.
        content: Content,
        /// The provider's id of the message it answers.
        reply_to: Option<String>,
        /// Whether this account wrote it, on another device.
        echo: bool,
    },
    /// A message of ours got somewhere.
    Receipt(Receipt),
    /// All messages of ours in the chat up to a time got somewhere: providers that tell no message's id.
    ReceiptUpTo {
        /// How far they got: delivered or read.
        reached: ReceiptKind,
        /// Those sent until then.
        until: Timestamp,
    },
    /// A message was changed.
    Edited {
        /// Which one.
        provider_id: String,
        /// What it says now.
        content: Content,
    },
    /// A message was taken back.
    Deleted {
        /// Which one.
        provider_id: String,
    },
    /// Somebody reacted; an empty list takes the reactions back.
    Reacted {
        /// To which message.
        provider_id: String,
        /// With which emoji.
        emoji: Vec<String>,
    },
    /// The provider gave the chat another id.
    ChatMoved {
        /// The new id.
        to: String,
    },
    /// The contact can or cannot be written to any more.
    ContactBlocked {
        /// Whether they blocked the account.
        blocked: bool,
    },
    /// The contact wants no campaigns any more, or wants them again.
    ContactOptedOut {
        /// Whether it wants none.
        opted_out: bool,
    },
    /// The provider says something about the account itself: its quality, its tier, its end. The chat is empty.
    AccountNotice {
        /// The provider's word for it.
        what: String,
        /// For a person.
        detail: String,
        /// What it means for sending.
        effect: NoticeEffect,
    },
    /// Known to be of no concern, or not known: kept and counted, never an error.
    Ignored {
        /// The provider's word for it.
        what: String,
    },
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The provider's id of the message.
    pub provider_id: String,
    /// What became of it.
    pub kind: ReceiptKind,
    /// The provider's own code and text, for a failure.
    pub error: Option<String>,
}

/// What a provider's word about an account means for its sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum NoticeEffect {
    /// Nothing: it is told on.
    None,
    /// The account may not send.
    Stopped {
        /// A stable word, as in `ErrorClass::AccountStopped`.
        reason: String,
        /// Until then, where the provider says.
        until: Option<Timestamp>,
    },
    /// It may send again.
    Restored,
}
