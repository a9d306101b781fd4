//! A conversation: one chat of one account, and the key that keeps its messages in order.

use serde::{Deserialize, Serialize};

use crate::{AccountId, ContactId, ConversationId, MessageId, Timestamp, WorkspaceId, words};

words! {
    /// Who is in a conversation.
    ConversationKind: "kind" {
        /// One contact.
        Direct = "direct",
        /// Several people.
        Group = "group",
        /// One speaks, many listen.
        Channel = "channel",
    }
}

words! {
    /// Where a conversation stands for the people who work on it.
    ConversationStatus: "status" {
        /// Somebody may have to act.
        Open = "open",
        /// Done, until the contact writes again.
        Closed = "closed",
    }
}

/// One chat of one account. A thread is a field of its messages, not a conversation of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// The account that takes part.
    pub account_id: AccountId,
    /// The other side, in a direct conversation.
    pub contact_id: Option<ContactId>,
    /// Who is in it.
    pub kind: ConversationKind,
    /// The provider's id of the chat, opaque outside its channel.
    pub address: String,
    /// A group's name.
    pub title: Option<String>,
    /// Messages from the other side since it was last read.
    pub unread_count: i64,
    /// The newest message by the provider's time.
    pub last_message_id: Option<MessageId>,
    /// When that was.
    pub last_message_at: Option<Timestamp>,
    /// When the other side last wrote.
    pub last_inbound_at: Option<Timestamp>,
    /// Who works on it.
    pub assignee: Option<String>,
    /// Where it stands.
    pub status: ConversationStatus,
    /// The recipient waits until then by the provider's word.
    pub held_until: Option<Timestamp>,
    /// The rule behind `held_until`.
    pub held_rule: Option<String>,
    /// Since when the contact takes nothing from the account: messages to it fail until it writes or lifts that.
    pub blocked_at: Option<Timestamp>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}
