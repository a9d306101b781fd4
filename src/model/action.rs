//! Actions: what is done to a message after it was sent. They travel as messages do, in the same lane and order.

use serde::Serialize;
use uuid::Uuid;

use crate::{
    AccountId, ActionId, Actor, Class, Content, ConversationId, MessageId, Timestamp, WorkspaceId, words,
};

words! {
    /// What is done to a message.
    ActionKind: "action" {
        /// Its content is replaced.
        Edit = "edit",
        /// It is taken back for everyone.
        Delete = "delete",
        /// Our reaction to it is set or taken back.
        Reaction = "reaction",
    }
}

words! {
    /// Where an action stands.
    ActionStatus: "status" {
        /// It waits for its turn.
        Queued = "queued",
        /// A call to the provider is open.
        Sending = "sending",
        /// It is done.
        Done = "done",
        /// It will not be done; the reason says why.
        Failed = "failed",
        /// A later action made it void before it was begun.
        Canceled = "canceled",
        /// Nobody knows whether the provider did it.
        Unknown = "unknown",
    }
}

impl ActionStatus {
    /// Whether nothing changes it any more.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }
}

/// What an action does, with everything it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Replaces the content.
    Edit(Content),
    /// Takes the message back.
    Delete,
    /// Sets our reaction; none takes it back.
    Reaction(Option<String>),
}

impl Change {
    /// Its kind.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Edit(_) => ActionKind::Edit,
            Self::Delete => ActionKind::Delete,
            Self::Reaction(_) => ActionKind::Reaction,
        }
    }

    /// The new content, of an edit.
    pub const fn content(&self) -> Option<&Content> {
        match self {
            Self::Edit(content) => Some(content),
            Self::Delete | Self::Reaction(_) => None,
        }
    }

    /// The emoji, of a reaction that is set.
    pub fn emoji(&self) -> Option<&str> {
        match self {
            Self::Reaction(emoji) => emoji.as_deref(),
            Self::Edit(_) | Self::Delete => None,
        }
    }
}

/// One action on a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// The account it passes through.
    pub account_id: AccountId,
    /// The chat it belongs to.
    pub conversation_id: ConversationId,
    /// The message it is done to.
    pub message_id: MessageId,
    /// What is done.
    #[serde(flatten, serialize_with = "flat")]
    pub change: Change,
    /// Where it stands.
    pub status: ActionStatus,
    /// Why it failed, was canceled or is unknown: a stable word, then a colon and the provider's own text.
    pub reason: Option<String>,
    /// Its message's class.
    pub class: Class,
    /// Its number in the conversation: the order that is kept with messages of its class. None when the message had
    /// not been sent yet and was changed in its place.
    pub seq: Option<i64>,
    /// Who asked for it.
    pub actor: Actor,
    /// It is not tried again before then.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was done.
    pub done_at: Option<Timestamp>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
}

/// `kind`, `content` and `emoji` as fields of the action itself.
fn flat<S: serde::Serializer>(change: &Change, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Flat<'a> {
        kind: ActionKind,
        content: Option<&'a Content>,
        emoji: Option<&'a str>,
    }
    Flat { kind: change.kind(), content: change.content(), emoji: change.emoji() }.serialize(serializer)
}

/// What a call to a provider is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A message is sent.
    Message(MessageId),
    /// Something is done to a message.
    Action(ActionId),
}

impl Subject {
    /// The id of its row. No message and no action share one.
    pub const fn id(self) -> Uuid {
        match self {
            Self::Message(id) => id.0,
            Self::Action(id) => id.0,
        }
    }
}

impl From<MessageId> for Subject {
    fn from(id: MessageId) -> Self {
        Self::Message(id)
    }
}

impl From<ActionId> for Subject {
    fn from(id: ActionId) -> Self {
        Self::Action(id)
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message(id) => write!(f, "message {id}"),
            Self::Action(id) => write!(f, "action {id}"),
        }
    }
}
