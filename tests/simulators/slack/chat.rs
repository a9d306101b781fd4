//! Messages and reactions.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::methods::{is_ts, text};
use super::state::{Message, Refusal, Reply, Room, State};
use super::{Shared, blocks};

/// A channel takes one message in this time.
const PACE: Duration = Duration::from_secs(1);
/// Slack cuts what is longer; nobody means to send that.
const TEXT_MAX: usize = 40_000;
/// The bot as a user.
pub(super) const BOT: &str = "UBOT00000";

pub(super) fn room<'a>(state: &'a mut State, id: &str) -> Result<&'a mut Room, Refusal> {
    state.rooms.get_mut(id).ok_or_else(|| "channel_not_found".into())
}

pub(super) fn post(shared: &Shared, state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let channel = text(arguments, "channel")?.to_owned();
    let room = room(state, &channel)?;
    if room.archived {
        return Err("is_archived".into());
    }
    let message = said(arguments)?;
    if let Some(thread) = &message.thread_ts
        && !is_ts(thread)
    {
        return Err("invalid_thread_ts".into());
    }
    if shared.options.enforce_limits {
        let now = Instant::now();
        if room.posted.is_some_and(|posted| now.duration_since(posted) < PACE) {
            return Err(Refusal { retry_after: Some(1), ..Refusal::from("ratelimited") });
        }
        room.posted = Some(now);
    }
    let words = message.text.clone();
    let ts = state.post(&channel, message);
    Ok(
        json!({ "channel": channel, "ts": ts, "message": { "type": "message", "text": words, "ts": ts, "user": BOT } }),
    )
}

/// The message in arguments, checked.
fn said(arguments: &Map<String, Value>) -> Result<Message, Refusal> {
    let words = arguments.get("text").and_then(Value::as_str).unwrap_or_default();
    let blocks = match arguments.get("blocks") {
        None => Vec::new(),
        Some(Value::Array(blocks)) => blocks.clone(),
        Some(_) => return Err("invalid_blocks_format".into()),
    };
    if words.is_empty() && blocks.is_empty() && !arguments.contains_key("attachments") {
        return Err("no_text".into());
    }
    if words.chars().count() > TEXT_MAX {
        return Err("msg_too_long".into());
    }
    if let Some(stray) = stray(words) {
        let hint = format!("[SIMULATOR] {stray} stands unescaped in the text");
        return Err(Refusal::with(
            "invalid_arguments",
            json!({ "response_metadata": { "messages": [hint] } }),
        ));
    }
    blocks::check(&blocks).map_err(|hint| {
        Refusal::with(
            "invalid_blocks",
            json!({ "response_metadata": { "messages": [format!("[ERROR] {hint}")] } }),
        )
    })?;
    Ok(Message {
        user: BOT.to_owned(),
        text: words.to_owned(),
        blocks,
        thread_ts: arguments.get("thread_ts").and_then(Value::as_str).map(str::to_owned),
        mrkdwn: arguments.get("mrkdwn") != Some(&Value::Bool(false)),
        ..Message::default()
    })
}

/// A character that has to be escaped and is not: Slack would take it for markup.
pub(super) fn stray(words: &str) -> Option<char> {
    let bare =
        ["&amp;", "&lt;", "&gt;"].iter().fold(words.to_owned(), |text, escaped| text.replace(escaped, ""));
    if bare.contains('&') {
        return Some('&');
    }
    let mut rest = bare.as_str();
    // Only links are written on purpose here.
    while let Some(start) = rest.find(['<', '>']) {
        let is_link = rest[start..].starts_with("<http") || rest[start..].starts_with("<mailto:");
        let end = rest[start..].find('>').filter(|_| is_link);
        let Some(end) = end else { return rest[start..].chars().next() };
        rest = &rest[start + end + 1..];
    }
    None
}

/// A message of the bot's own.
fn own<'a>(
    state: &'a mut State,
    arguments: &Map<String, Value>,
    refusal: &str,
) -> Result<&'a mut Message, Refusal> {
    let (channel, ts) = (text(arguments, "channel")?.to_owned(), text(arguments, "ts")?.to_owned());
    room(state, &channel)?;
    match state.message(&channel, &ts) {
        None => Err("message_not_found".into()),
        Some(message) if message.user != BOT => Err(refusal.into()),
        Some(message) => Ok(message),
    }
}

pub(super) fn update(state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let message = own(state, arguments, "cant_update_message")?;
    let files_only = !message.files.is_empty() && arguments.get("text").is_some_and(|text| text == "");
    let new = if files_only { Message::default() } else { said(arguments)? };
    message.text = new.text;
    // Blocks stay unless they are told to go.
    if arguments.contains_key("blocks") {
        message.blocks = new.blocks;
    }
    let (channel, ts) = (text(arguments, "channel")?, text(arguments, "ts")?);
    Ok(json!({ "channel": channel, "ts": ts, "text": message.text }))
}

pub(super) fn delete(state: &mut State, arguments: &Map<String, Value>) -> Reply {
    own(state, arguments, "cant_delete_message")?;
    let (channel, ts) = (text(arguments, "channel")?.to_owned(), text(arguments, "ts")?);
    room(state, &channel)?.messages.remove(ts);
    Ok(json!({ "channel": channel, "ts": ts }))
}

fn reacted<'a>(state: &'a mut State, arguments: &Map<String, Value>) -> Result<&'a mut Message, Refusal> {
    let (channel, ts) = (text(arguments, "channel")?, text(arguments, "timestamp")?);
    room(state, channel)?;
    state.message(channel, ts).ok_or_else(|| "message_not_found".into())
}

/// Slack's name for a reaction, of those that it has several names for.
fn canonical(name: &str) -> Result<String, Refusal> {
    if name.contains(':') && !name.contains("::skin-tone-") || !name.is_ascii() {
        return Err("invalid_name".into());
    }
    Ok(name.replace("thumbsup", "+1"))
}

pub(super) fn add_reaction(state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let name = canonical(text(arguments, "name")?)?;
    let message = reacted(state, arguments)?;
    if message.reactions.iter().any(|(one, user)| *one == name && user == BOT) {
        return Err("already_reacted".into());
    }
    message.reactions.push((name, BOT.to_owned()));
    Ok(json!({}))
}

pub(super) fn remove_reaction(state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let name = canonical(text(arguments, "name")?)?;
    let message = reacted(state, arguments)?;
    let before = message.reactions.len();
    message.reactions.retain(|(one, user)| *one != name || user != BOT);
    if message.reactions.len() == before { Err("no_reaction".into()) } else { Ok(json!({})) }
}

pub(super) fn reactions(state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let message = reacted(state, arguments)?;
    let mut told: Vec<Value> = Vec::new();
    for (name, user) in &message.reactions {
        match told.iter_mut().find(|one| one["name"] == name.as_str()) {
            Some(one) => one["users"].as_array_mut().into_iter().for_each(|users| users.push(json!(user))),
            None => told.push(json!({ "name": name, "users": [user], "count": 1 })),
        }
    }
    let mut message = json!({ "type": "message", "text": message.text });
    if !told.is_empty() {
        message["reactions"] = told.into();
    }
    Ok(json!({ "type": "message", "message": message }))
}
