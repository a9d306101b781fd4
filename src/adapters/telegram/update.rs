//! Updates as the Bot API writes them: only the fields that mean something to us, and every other one tolerated.
#![expect(clippy::struct_field_names, reason = "the names are Telegram's")]

use serde::Deserialize;
use serde_json::{Map, Value};

/// Every kind of update, asked for by name: an empty list would leave out reactions and members. Bot API 10.3.
pub(super) const KINDS: &[&str] = &[
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
];

/// A person or a bot.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub id: i64,
    #[serde(default)]
    pub first_name: String,
    pub last_name: Option<String>,
}

/// A private chat, a group or a channel.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Chat {
    pub id: i64,
    #[serde(rename = "type", default)]
    pub kind: String,
    pub title: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
}

/// A message. What it says is in `rest`, under a key for each kind of content.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub message_id: i64,
    /// Set instead of `message_id`, which is then 0, in messages that only one member sees.
    pub ephemeral_message_id: Option<i64>,
    pub message_thread_id: Option<i64>,
    #[serde(default)]
    pub is_topic_message: bool,
    pub from: Option<User>,
    pub sender_chat: Option<Chat>,
    pub chat: Chat,
    #[serde(default)]
    pub date: i64,
    pub edit_date: Option<i64>,
    pub reply_to_message: Option<Replied>,
    pub migrate_to_chat_id: Option<i64>,
    pub migrate_from_chat_id: Option<i64>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The message that another one answers.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Replied {
    #[serde(default)]
    pub message_id: i64,
    pub ephemeral_message_id: Option<i64>,
}

/// A file in a message. Which kind it is tells the key under which it stands.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct File {
    pub file_id: String,
    pub file_size: Option<u64>,
    pub mime_type: Option<String>,
    pub file_name: Option<String>,
}

/// What matters of a sticker, beside its file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sticker {
    #[serde(flatten)]
    pub file: File,
    #[serde(default)]
    pub is_animated: bool,
    #[serde(default)]
    pub is_video: bool,
    pub emoji: Option<String>,
}

/// A place.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Location {
    pub latitude: f64,
    pub longitude: f64,
}

/// A place with a name.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Venue {
    pub location: Location,
    pub title: String,
    pub address: String,
}

/// An address card.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Contact {
    pub phone_number: String,
    pub first_name: String,
    pub last_name: Option<String>,
    pub vcard: Option<String>,
}

/// A pressed button.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct CallbackQuery {
    pub id: String,
    pub from: User,
    pub message: Option<Message>,
    pub data: Option<String>,
}

/// Somebody's reactions to a message changed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reaction {
    pub chat: Chat,
    pub message_id: i64,
    pub user: Option<User>,
    pub actor_chat: Option<Chat>,
    #[serde(default)]
    pub date: i64,
    #[serde(default)]
    pub new_reaction: Vec<ReactionKind>,
}

/// One reaction.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ReactionKind {
    #[serde(rename = "type", default)]
    pub kind: String,
    pub emoji: Option<String>,
    pub custom_emoji_id: Option<String>,
}

/// The bot's standing in a chat changed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Membership {
    pub chat: Chat,
    pub from: Option<User>,
    #[serde(default)]
    pub date: i64,
    pub new_chat_member: Member,
}

/// How somebody stands in a chat.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Member {
    #[serde(default)]
    pub status: String,
}
