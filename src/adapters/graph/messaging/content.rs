//! What stands in a message that came: words, files, stickers, and what is shared or mentioned.

use model::{Content, Media};
use serde_json::Value;

/// Shown by its link or its card; what is behind it ends at some time.
const CARDS: &[&str] = &[
    "share",
    "post",
    "ig_post",
    "reel",
    "ig_reel",
    "story",
    "ig_story",
    "story_mention",
    "media",
    "template",
    "fallback",
    "appointment_booking",
];

/// All that a message says, in its order: each file is a message of its own to us, and the words go with the first one that
/// can carry them.
pub(super) fn read(message: &Value) -> Vec<Content> {
    let words = owned(message, "text");
    if message.get("is_unsupported").and_then(Value::as_bool) == Some(true) {
        return vec![Content::Unsupported { kind: "unsupported".to_owned(), raw: message.clone() }];
    }
    if let Some(data) = message.get("quick_reply").and_then(|reply| owned(reply, "payload")) {
        return vec![Content::Callback { data, title: words }];
    }
    let attachments = message.get("attachments").and_then(Value::as_array).into_iter().flatten();
    // A fallback beside words is the preview of a link in them.
    let is_preview = |attachment: &Value| words.is_some() && text(attachment, "type") == Some("fallback");
    let mut all: Vec<Content> =
        attachments.filter(|attachment| !is_preview(attachment)).map(attachment).collect();
    if let Some(words) = words {
        if let Some(place) = all.first_mut().and_then(place_for_words) {
            *place = Some(words);
        } else if all.is_empty() && answers_story(message) {
            all.push(Content::Native { body: message.clone(), text: Some(words) });
        } else {
            all.insert(0, Content::text(words));
        }
    }
    if all.is_empty() {
        all.push(Content::Unsupported { kind: "message".to_owned(), raw: message.clone() });
    }
    all
}

/// Whether it answers a story: no message of ours, so the whole of it is kept to show what it is about.
fn answers_story(message: &Value) -> bool {
    message.get("reply_to").and_then(|quoted| quoted.get("story")).is_some_and(Value::is_object)
}

fn place_for_words(content: &mut Content) -> Option<&mut Option<String>> {
    match content {
        Content::Image { caption, .. }
        | Content::Video { caption, .. }
        | Content::Audio { caption, .. }
        | Content::Document { caption, .. } => Some(caption),
        Content::Native { text, .. } => Some(text),
        _ => None,
    }
}

fn attachment(attachment: &Value) -> Content {
    let kind = text(attachment, "type").unwrap_or_default();
    let payload = attachment.get("payload").unwrap_or(&Value::Null);
    let file = || media(payload);
    let said = match kind {
        // Stickers came as pictures until August 2026.
        "image" if payload.get("sticker_id").is_some_and(|id| !id.is_null()) => {
            file().map(|media| Content::Sticker { media, emoji: None })
        }
        "image" => file().map(|media| Content::Image { media, caption: None }),
        "video" => file().map(|media| Content::Video { media, caption: None }),
        "audio" => file().map(|media| Content::Audio { media, caption: None }),
        "file" => file().map(|media| Content::Document { media, caption: None }),
        "sticker" | "like_heart" => match file() {
            Some(media) => Some(Content::Sticker { media, emoji: None }),
            None if kind == "like_heart" => Some(Content::text("\u{2764}\u{fe0f}")),
            None => None,
        },
        "location" => place(payload),
        kind if CARDS.contains(&kind) => {
            let words: Vec<_> = ["title", "url"].iter().filter_map(|name| text(payload, name)).collect();
            let words = (!words.is_empty()).then(|| words.join(" "));
            Some(Content::Native { body: attachment.clone(), text: words })
        }
        _ => None,
    };
    said.unwrap_or_else(|| Content::Unsupported {
        kind: if kind.is_empty() { "untyped" } else { kind }.to_owned(),
        raw: attachment.clone(),
    })
}

/// A file by its address, which is signed and ends.
fn media(payload: &Value) -> Option<Media> {
    let url = owned(payload, "url")?;
    Some(Media { provider_ref: Some(url), name: owned(payload, "title"), ..Media::default() })
}

fn place(payload: &Value) -> Option<Content> {
    let degrees = |name: &str| payload.get("coordinates")?.get(name)?.as_f64();
    let (latitude, longitude) = (degrees("lat")?, degrees("long")?);
    Some(Content::Location { latitude, longitude, name: owned(payload, "title"), address: None })
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

pub(super) fn owned(value: &Value, name: &str) -> Option<String> {
    text(value, name).map(str::to_owned)
}
