//! Events: what happened, told to clients in an order that a reader can resume from.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AccountId, ConversationId, EventId, MessageId, Timestamp, WorkspaceId, words};

words! {
    /// What happened. The word is the event's name on the wire.
    EventKind: "event" {
        /// A message was accepted.
        MessageCreated = "message.created",
        /// A message came in.
        MessageReceived = "message.received",
        /// A message's status changed.
        MessageStatus = "message.status",
        /// A message says something else now.
        MessageEdited = "message.edited",
        /// A message was taken back.
        MessageDeleted = "message.deleted",
        /// Somebody reacted to a message or took that back.
        MessageReaction = "message.reaction",
        /// An action was accepted, or its status changed.
        ActionStatus = "action.status",
        /// A contact blocked the account, or lifted that.
        ConversationBlocked = "conversation.blocked",
        /// A received file was fetched and can be had.
        MediaStored = "media.stored",
        /// A received file could not be fetched and never will be.
        MediaFailed = "media.failed",
        /// An account was connected, stopped, paused, …
        AccountStatus = "account.status",
        /// Part of an account's sending is held back until a time, or not any more.
        AccountHeld = "account.held",
        /// What its provider says about an account: its quality, its tier, its end.
        AccountNotice = "account.notice",
        /// Something about an account that a person should see to.
        AccountAlert = "account.alert",
        /// A contact's name, phone, attributes or zone changed.
        ContactChanged = "contact.changed",
        /// A contact wants no campaigns any more, or wants them again.
        ContactOptedOut = "contact.opted_out",
    }
}

/// Who did something: `api_key:<id>`, `user:<id>`, `system`, `contact`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(pub String);

impl Actor {
    /// Rookery itself.
    pub fn system() -> Self {
        Self("system".to_owned())
    }

    /// The other side of a conversation.
    pub fn contact() -> Self {
        Self("contact".to_owned())
    }
}

/// Something that happened in a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// Its number in the workspace, without holes: what a reader resumes from.
    pub seq: i64,
    /// What happened.
    pub kind: EventKind,
    /// The account concerned.
    pub account_id: Option<AccountId>,
    /// The conversation concerned.
    pub conversation_id: Option<ConversationId>,
    /// The message concerned.
    pub message_id: Option<MessageId>,
    /// Who did it.
    pub actor: Actor,
    /// The caller's own id of the thing concerned.
    pub client_id: Option<String>,
    /// The realtime connection it came from, so that the sender can be left out.
    pub connection: Option<String>,
    /// What changed.
    pub data: Value,
    /// When it happened.
    pub created_at: Timestamp,
}
