//! Messages: written, changed, taken back. What kind of event it is stands in its `subtype`.

use model::{Content, Inbound, InboundKind, Media, Party};
use serde_json::Value;

use super::blocks::{self, array};
use super::parse::{Told, ignored, in_chat, person, text};
use super::{ids, mrkdwn};

/// Subtypes of messages that somebody wrote. All others tell what happened to the channel.
const WRITTEN: &[&str] = &["", "bot_message", "file_share", "me_message", "thread_broadcast"];

pub(super) fn read(told: Told<'_>) -> Vec<Inbound> {
    let event = told.event;
    let subtype = text(event, "subtype").unwrap_or_default();
    match subtype {
        "message_changed" => changed(told),
        "message_deleted" => deleted(event),
        written if WRITTEN.contains(&written) => written_by(told),
        other => vec![ignored(event, &format!("message {other}"))],
    }
}

fn written_by(told: Told<'_>) -> Vec<Inbound> {
    let event = told.event;
    let (Some(channel), Some(ts)) = (text(event, "channel"), text(event, "ts")) else {
        return vec![ignored(event, "message without a place")];
    };
    if told.is_ours(event) {
        return vec![ignored(event, "own message")];
    }
    let thread = thread(event);
    let contents = contents(event).into_iter();
    let inbound = contents.map(|(provider_id, content)| Inbound {
        thread: thread.clone(),
        from: author(event),
        at: ids::time(ts),
        ..in_chat(
            channel,
            text(event, "channel_type"),
            // Slack's answers have no other aim than the thread's first message.
            InboundKind::Message { provider_id, content, reply_to: thread.clone(), echo: false },
        )
    });
    inbound.collect()
}

/// The thread that a message stands in; its first message stands outside.
fn thread(message: &Value) -> Option<String> {
    let thread = text(message, "thread_ts").filter(|thread| !thread.is_empty())?;
    (text(message, "ts") != Some(thread)).then(|| thread.to_owned())
}

fn author(message: &Value) -> Option<Party> {
    let user = text(message, "user").filter(|user| !user.is_empty());
    let profile = message.get("user_profile").unwrap_or(&Value::Null);
    let bot = message.get("bot_profile").unwrap_or(&Value::Null);
    let name = [
        text(message, "username"),
        text(profile, "display_name"),
        text(profile, "real_name"),
        text(bot, "name"),
    ];
    let name = name.into_iter().flatten().find(|name| !name.is_empty());
    let id = user.or_else(|| text(message, "bot_id").filter(|bot| !bot.is_empty()))?;
    Some(person(id, name))
}

/// What a message says: its words, or each of its files with the words under the first. The further files go by names of
/// their own, for a message here holds one.
fn contents(message: &Value) -> Vec<(String, Content)> {
    let ts = text(message, "ts").unwrap_or_default();
    let said = text(message, "text").unwrap_or_default();
    let mut caption = Some(mrkdwn::words(said)).filter(|words| !words.trim().is_empty());
    let files: Vec<_> = array(message, "files").iter().filter(|file| file.is_object()).collect();
    if !files.is_empty() {
        let names = names(ts, files.iter().copied());
        let contents = files.iter().map(|file| content_of(file, caption.take()));
        return names.into_iter().zip(contents).collect();
    }
    let from_blocks = said.trim().is_empty().then(|| blocks::words(message));
    let words = from_blocks.as_deref().unwrap_or(said);
    let content = if words.trim().is_empty() {
        Content::Unsupported { kind: "empty message".to_owned(), raw: message.clone() }
    } else if text(message, "subtype") == Some("me_message") {
        mrkdwn::content(&format!("_{words}_"))
    } else {
        mrkdwn::content(words)
    };
    vec![(ts.to_owned(), content)]
}

/// What the files of a message are called, the first by the message itself.
fn names<'a>(ts: &str, files: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let name = |(at, file): (usize, &Value)| match text(file, "id") {
        _ if at == 0 => ts.to_owned(),
        Some(id) => format!("{ts}:{id}"),
        None => format!("{ts}:{at}"),
    };
    files.enumerate().map(name).collect()
}

fn content_of(file: &Value, caption: Option<String>) -> Content {
    let field = |key: &str| text(file, key).filter(|value| !value.is_empty());
    let name = field("name").or_else(|| field("title"));
    if file.get("is_external") == Some(&Value::Bool(true)) {
        // Somewhere else (a drive, a wiki), where we have no login: the link is all there is.
        let link = field("external_url").or_else(|| field("url_private")).unwrap_or_default();
        let words = [caption.as_deref(), name, Some(link)];
        return Content::text(words.into_iter().flatten().collect::<Vec<_>>().join("\n"));
    }
    let gone = matches!(field("mode"), Some("tombstone" | "hidden_by_limit"));
    let Some(id) = field("id").filter(|_| !gone) else {
        return match caption {
            Some(words) => Content::text(words),
            None => Content::Unsupported { kind: "file that is gone".to_owned(), raw: file.clone() },
        };
    };
    let media = Media {
        provider_ref: Some(id.to_owned()),
        mime: field("mimetype").map(str::to_owned),
        name: name.map(str::to_owned),
        size: file.get("size").and_then(Value::as_u64),
        ..Media::default()
    };
    let family = field("mimetype").and_then(|mime| mime.split('/').next()).unwrap_or_default();
    match (family, field("subtype"), &caption) {
        // Recordings of ours carry no words; theirs may, and words must not be lost.
        (_, Some("slack_audio"), None) => Content::Voice { media },
        (_, Some("slack_audio"), _) | ("audio", ..) => Content::Audio { media, caption },
        (_, Some("slack_video"), _) | ("video", ..) => Content::Video { media, caption },
        ("image", ..) => Content::Image { media, caption },
        _ => Content::Document { media, caption },
    }
}

/// Slack also calls a message changed when it shows a preview of a link, or counts the answers in its thread.
fn changed(told: Told<'_>) -> Vec<Inbound> {
    let event = told.event;
    let none = Value::Null;
    let (now, before) = (
        event.get("message").unwrap_or(&none),
        event.get("previous_message").filter(|before| before.is_object()),
    );
    let (Some(channel), Some(ts)) = (text(event, "channel"), text(now, "ts")) else {
        return vec![ignored(event, "message_changed")];
    };
    if text(now, "subtype") == Some("tombstone") {
        // Taken back while there were answers in its thread.
        return vec![gone(event, channel, ts.to_owned(), None)];
    }
    if told.is_ours(now) {
        return vec![ignored(event, "own message changed")];
    }
    let edited_at = |message: &Value| text(message.get("edited")?, "ts").map(str::to_owned);
    let news = match before {
        Some(before) => text(before, "text") != text(now, "text") || edited_at(before) != edited_at(now),
        None => edited_at(now).is_some(),
    };
    if !news {
        return vec![ignored(event, "message_changed without a change")];
    }
    let at = edited_at(now).or_else(|| text(event, "event_ts").map(str::to_owned));
    let Some((provider_id, content)) = contents(now).into_iter().next() else {
        return vec![ignored(event, "message_changed")];
    };
    vec![Inbound {
        thread: thread(now),
        from: author(now),
        at: ids::time(&at.unwrap_or_default()),
        ..in_chat(channel, text(event, "channel_type"), InboundKind::Edited { provider_id, content })
    }]
}

fn deleted(event: &Value) -> Vec<Inbound> {
    let before = event.get("previous_message").unwrap_or(&Value::Null);
    let ts = text(event, "deleted_ts").or_else(|| text(before, "ts"));
    let (Some(channel), Some(ts)) = (text(event, "channel"), ts) else {
        return vec![ignored(event, "message_deleted")];
    };
    let mut names = names(ts, array(before, "files").iter().filter(|file| file.is_object()));
    if names.is_empty() {
        names.push(ts.to_owned());
    }
    names.into_iter().map(|name| gone(event, channel, name, thread(before))).collect()
}

fn gone(event: &Value, channel: &str, provider_id: String, thread: Option<String>) -> Inbound {
    Inbound {
        thread,
        at: text(event, "event_ts").map_or(model::Timestamp::ZERO, ids::time),
        ..in_chat(channel, text(event, "channel_type"), InboundKind::Deleted { provider_id })
    }
}
