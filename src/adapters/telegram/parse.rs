//! Updates in Rookery's words.

use model::{Account, Content, ConversationKind, Inbound, InboundKind, Party, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use channel::ParseError;

use super::content::{self, Body, full_name};
use super::ids::provider_id;
use super::update::{CallbackQuery, Chat, Membership, Message, Reaction, User};

/// The update's number: rises by one, unique for the bot. The key by which repetitions are known.
pub(super) fn update_id(payload: &Value) -> Option<i64> {
    payload.get("update_id")?.as_i64()
}

/// What an update means.
pub(super) fn update(account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
    let fields = payload
        .as_object()
        .filter(|_| update_id(payload).is_some())
        .ok_or_else(|| malformed("an update without update_id"))?;
    let Some((kind, body)) = fields.iter().find(|(key, _)| *key != "update_id") else {
        return Ok(vec![ignored(&Value::Null, "empty update")]);
    };
    Ok(vec![match kind.as_str() {
        "message" | "channel_post" => message(account, &typed(kind, body)?),
        "edited_message" | "edited_channel_post" => edited(&typed(kind, body)?),
        "callback_query" => callback(typed(kind, body)?, body),
        "message_reaction" => reaction(typed(kind, body)?),
        "my_chat_member" => membership(typed(kind, body)?, body),
        // Everything else has no place in a conversation of this account: counts, polls, payments, other people's
        // memberships, and messages of a person who lets the bot read along (business).
        other => ignored(body, other),
    }])
}

/// The part of an update whose form we rely on.
fn typed<T: DeserializeOwned>(kind: &str, body: &Value) -> Result<T, ParseError> {
    // Not the error's own words: they may quote the content.
    T::deserialize(body).map_err(|_| malformed(&format!("{kind} in an unknown form")))
}

fn malformed(detail: &str) -> ParseError {
    ParseError { channel: super::NAME, detail: detail.to_owned() }
}

fn message(account: &Account, message: &Message) -> Inbound {
    if let Some(to) = message.migrate_to_chat_id {
        return inbound(message, InboundKind::ChatMoved { to: to.to_string() });
    }
    if let Some(from) = message.migrate_from_chat_id {
        // The other half of the same news, told in the new chat; either may come alone.
        let to = message.chat.id.to_string();
        return Inbound { chat: from.to_string(), ..inbound(message, InboundKind::ChatMoved { to }) };
    }
    let kind = match content::read(&message.rest) {
        Body::Service(what) => InboundKind::Ignored { what },
        Body::Content(content) => InboundKind::Message {
            provider_id: provider_id(message.chat.id, message.message_id, message.ephemeral_message_id),
            content,
            reply_to: answered(message),
            echo: message
                .from
                .as_ref()
                .is_some_and(|from| account.external_id.as_deref() == Some(from.id.to_string().as_str())),
        },
    };
    inbound(message, kind)
}

fn edited(message: &Message) -> Inbound {
    let kind = match content::read(&message.rest) {
        Body::Service(what) => InboundKind::Ignored { what },
        Body::Content(content) => InboundKind::Edited {
            provider_id: provider_id(message.chat.id, message.message_id, message.ephemeral_message_id),
            content,
        },
    };
    let at = seconds(message.edit_date.unwrap_or(message.date));
    Inbound { at, ..inbound(message, kind) }
}

/// A pressed button is something the contact said, in answer to the message that it stood under.
fn callback(callback: CallbackQuery, body: &Value) -> Inbound {
    let (Some(message), Some(data)) = (&callback.message, callback.data) else {
        // Under a message that the bot did not send (inline mode), or the button of a game.
        return ignored(body, "callback_query");
    };
    let kind = InboundKind::Message {
        provider_id: format!("callback:{}", callback.id),
        content: Content::Callback { title: title_of(&data, message.rest.get("reply_markup")), data },
        reply_to: Some(provider_id(message.chat.id, message.message_id, message.ephemeral_message_id)),
        echo: false,
    };
    Inbound {
        from: Some(person(&callback.from)),
        // Telegram does not tell when it was pressed; the message's date is that of the question.
        at: Timestamp::ZERO,
        ..inbound(message, kind)
    }
}

/// What the button with `data` says.
fn title_of(data: &str, markup: Option<&Value>) -> Option<String> {
    let rows = markup?.get("inline_keyboard")?.as_array()?;
    let button = rows
        .iter()
        .filter_map(Value::as_array)
        .flatten()
        .find(|button| button.get("callback_data").and_then(Value::as_str) == Some(data))?;
    button.get("text")?.as_str().map(str::to_owned)
}

fn reaction(reaction: Reaction) -> Inbound {
    let emoji = reaction.new_reaction.into_iter().map(|one| {
        one.emoji
            .or_else(|| one.custom_emoji_id.map(|id| format!("custom_emoji:{id}")))
            // Paid reactions are stars; kinds to come are at least not nothing.
            .unwrap_or_else(|| if one.kind == "paid" { "⭐".to_owned() } else { one.kind })
    });
    let kind = InboundKind::Reacted {
        provider_id: provider_id(reaction.chat.id, reaction.message_id, None),
        emoji: emoji.collect(),
    };
    Inbound {
        from: reaction.user.as_ref().map(person).or(reaction.actor_chat.as_ref().map(as_party)),
        at: seconds(reaction.date),
        ..in_chat(&reaction.chat, kind)
    }
}

fn membership(change: Membership, body: &Value) -> Inbound {
    let status = change.new_chat_member.status;
    let blocked = match (change.chat.kind.as_str(), status.as_str()) {
        ("private", "kicked") => true,
        ("private", "member") => false,
        _ => return ignored(body, &format!("my_chat_member {status}")),
    };
    Inbound {
        from: change.from.as_ref().map(person),
        at: seconds(change.date),
        ..in_chat(&change.chat, InboundKind::ContactBlocked { blocked })
    }
}

/// An update of no concern, or of a kind that is not known, with whatever can be told about its whereabouts.
fn ignored(body: &Value, what: &str) -> Inbound {
    let kind = InboundKind::Ignored { what: what.to_owned() };
    let read = |key: &str| body.get(key).or_else(|| body.get("message")?.get(key));
    let from = body.get("from").or_else(|| body.get("user"));
    let from = from.and_then(|from| User::deserialize(from).ok());
    let chat = read("chat").and_then(|chat| Chat::deserialize(chat).ok());
    let at = read("date").and_then(Value::as_i64).map_or(Timestamp::ZERO, seconds);
    match chat {
        Some(chat) => Inbound { from: from.as_ref().map(person), at, ..in_chat(&chat, kind) },
        None => Inbound {
            chat: from.as_ref().map(|from| from.id.to_string()).unwrap_or_default(),
            chat_kind: ConversationKind::Direct,
            chat_title: None,
            thread: None,
            from: from.as_ref().map(person),
            at,
            kind,
        },
    }
}

fn inbound(message: &Message, kind: InboundKind) -> Inbound {
    // Who speaks for a chat (an anonymous administrator, a channel in its group) has a stand-in as `from`.
    let speaker = message.sender_chat.as_ref().map(as_party);
    Inbound {
        // Replies in ordinary groups carry a thread id too, but nothing can be sent into it.
        thread: message.message_thread_id.filter(|_| message.is_topic_message).map(|id| id.to_string()),
        from: speaker.or(message.from.as_ref().map(person)),
        at: seconds(message.date),
        ..in_chat(&message.chat, kind)
    }
}

fn in_chat(chat: &Chat, kind: InboundKind) -> Inbound {
    Inbound {
        chat: chat.id.to_string(),
        chat_kind: match chat.kind.as_str() {
            "private" => ConversationKind::Direct,
            "channel" => ConversationKind::Channel,
            _ => ConversationKind::Group,
        },
        chat_title: chat.title.clone(),
        thread: None,
        from: None,
        at: Timestamp::ZERO,
        kind,
    }
}

/// The message that this one answers. The first message of a topic is not meant: every message in the topic "answers"
/// it.
fn answered(message: &Message) -> Option<String> {
    let replied = message.reply_to_message.as_ref()?;
    let is_topic = message.is_topic_message && Some(replied.message_id) == message.message_thread_id;
    (!is_topic).then(|| provider_id(message.chat.id, replied.message_id, replied.ephemeral_message_id))
}

fn person(user: &User) -> Party {
    let name = full_name(&user.first_name, user.last_name.as_deref());
    Party { address: user.id.to_string(), name: Some(name).filter(|name| !name.is_empty()), phone: None }
}

fn as_party(chat: &Chat) -> Party {
    let private = full_name(chat.first_name.as_deref().unwrap_or_default(), chat.last_name.as_deref());
    Party {
        address: chat.id.to_string(),
        name: chat.title.clone().or(Some(private).filter(|name| !name.is_empty())),
        phone: None,
    }
}

fn seconds(unix: i64) -> Timestamp {
    Timestamp::from_micros(unix.saturating_mul(1_000_000))
}
