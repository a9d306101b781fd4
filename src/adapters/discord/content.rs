//! What a received message says. Discord puts words, files, stickers, a poll and previews into one message; with us a file is a
//! message of its own, the first of them with the words.

use model::{Content, Media};
use serde_json::Value;

use super::snowflake::id;

/// A recording of speech.
const IS_VOICE: u64 = 1 << 13;
/// A message that another one is handed on in.
const FORWARD: u64 = 1;
/// Where stickers lie, and those that move as GIF.
const STICKERS: &str = "https://cdn.discordapp.com/stickers";
const MOVING_STICKERS: &str = "https://media.discordapp.net/stickers";

/// What `message` says: one thing for each file, at least one.
pub(super) fn read(message: &Value) -> Vec<Content> {
    let forwarded = &message["message_snapshots"][0]["message"];
    if message["message_reference"]["type"].as_u64() == Some(FORWARD) && forwarded.is_object() {
        return said(forwarded, message);
    }
    said(message, message)
}

/// What stands in `fields`, whose files are found again by `message`.
fn said(fields: &Value, message: &Value) -> Vec<Content> {
    let words = words(fields);
    let has_words = !words.trim().is_empty();
    let files = list(&fields["attachments"]).iter().filter_map(|file| attachment(file, fields, message));
    let mut said: Vec<_> = files.chain(list(&fields["sticker_items"]).iter().filter_map(sticker)).collect();
    let carries = |content: &mut Content| match content {
        Content::Image { caption, .. }
        | Content::Video { caption, .. }
        | Content::Audio { caption, .. }
        | Content::Document { caption, .. } => {
            *caption = Some(words.clone());
            true
        }
        _ => false,
    };
    if has_words && !said.first_mut().is_some_and(carries) {
        said.insert(0, Content::text(words));
    }
    if !said.is_empty() {
        return said;
    }
    // Words come first; what cannot be shown counts where there is nothing else.
    for (field, kind) in [("poll", "poll"), ("components", "components"), ("embeds", "embed")] {
        let raw = &fields[field];
        if raw.is_object() || raw.as_array().is_some_and(|list| !list.is_empty()) {
            return vec![Content::Unsupported { kind: kind.to_owned(), raw: raw.clone() }];
        }
    }
    // Nothing at all: Discord keeps the words from bots without the message content intent.
    vec![Content::Unsupported { kind: "message_content".to_owned(), raw: Value::Null }]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn attachment(file: &Value, fields: &Value, message: &Value) -> Option<Content> {
    let url = file["url"].as_str()?;
    let (channel, of) = (id(&message["channel_id"])?, id(&message["id"])?);
    // Its link ends within a day: by the message it is found again.
    let provider_ref = format!("{channel}/{of}/{} {url}", id(&file["id"])?);
    let mime = file["content_type"].as_str();
    let media = Media {
        provider_ref: Some(provider_ref),
        mime: mime.map(str::to_owned),
        name: file["filename"].as_str().map(str::to_owned),
        size: file["size"].as_u64(),
        ..Media::default()
    };
    let is_voice = fields["flags"].as_u64().is_some_and(|flags| flags & IS_VOICE != 0);
    Some(match mime.and_then(|mime| mime.split('/').next()) {
        Some("image") => Content::Image { media, caption: None },
        Some("video") => Content::Video { media, caption: None },
        Some("audio") if is_voice => Content::Voice { media },
        Some("audio") => Content::Audio { media, caption: None },
        _ => Content::Document { media, caption: None },
    })
}

fn sticker(sticker: &Value) -> Option<Content> {
    let id = id(&sticker["id"])?;
    let (place, ending, mime) = match sticker["format_type"].as_u64() {
        Some(2) => (STICKERS, "png", "image/apng"),
        Some(3) => (STICKERS, "json", "application/json"),
        Some(4) => (MOVING_STICKERS, "gif", "image/gif"),
        _ => (STICKERS, "png", "image/png"),
    };
    let media = Media {
        provider_ref: Some(format!("{place}/{id}.{ending}")),
        mime: Some(mime.to_owned()),
        name: sticker["name"].as_str().map(str::to_owned),
        ..Media::default()
    };
    Some(Content::Sticker { media, emoji: None })
}

/// The words, with people and emoji by their names: `<@123>` tells a reader nothing.
fn words(fields: &Value) -> String {
    let text = fields["content"].as_str().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let named = rest.find('>').and_then(|end| Some((name(&rest[1..end], fields)?, end + 1)));
        if let Some((name, end)) = named {
            out.push_str(&name);
            rest = &rest[end..];
        } else {
            out.push('<');
            rest = &rest[1..];
        }
    }
    out + rest
}

/// What stands between `<` and `>`, if it names somebody or an emoji.
fn name(inner: &str, fields: &Value) -> Option<String> {
    if let Some(person) = inner.strip_prefix("@!").or_else(|| inner.strip_prefix('@')) {
        let found = list(&fields["mentions"]).iter().find(|user| user["id"] == person)?;
        return Some(format!("@{}", known_as(found)?));
    }
    if let Some(channel) = inner.strip_prefix('#') {
        let found = list(&fields["mention_channels"]).iter().find(|known| known["id"] == channel)?;
        return Some(format!("#{}", found["name"].as_str()?));
    }
    let (name, id) = inner.strip_prefix('a').unwrap_or(inner).strip_prefix(':')?.split_once(':')?;
    let is_emoji = !name.is_empty() && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_emoji.then(|| format!(":{name}:"))
}

/// What a user is called.
pub(super) fn known_as(user: &Value) -> Option<String> {
    let name = |field: &str| user[field].as_str().filter(|name| !name.is_empty());
    name("global_name").or_else(|| name("username")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(id: &str, mime: &str) -> Value {
        json!({"id": id, "filename": "f", "size": 3, "url": format!("https://cdn.discordapp.com/{id}"), "content_type": mime})
    }

    #[expect(clippy::needless_pass_by_value, reason = "written where it is called")]
    fn message(fields: Value) -> Value {
        let mut message = json!({"id": "7", "channel_id": "5", "content": ""});
        message.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
        message
    }

    #[test]
    fn each_file_is_a_message_and_the_first_has_the_words() {
        let said = read(&message(json!({
            "content": "look", "attachments": [file("1", "image/png"), file("2", "application/pdf")]
        })));
        assert_eq!(said.len(), 2);
        assert_eq!(said[0].words(), Some("look"));
        assert_eq!(
            said[0].media().unwrap().provider_ref.as_deref(),
            Some("5/7/1 https://cdn.discordapp.com/1")
        );
        assert!(matches!(&said[1], Content::Document { caption: None, .. }));
    }

    #[test]
    fn words_are_kept_where_the_first_cannot_carry_them() {
        let said = read(&message(
            json!({"content": "hi", "sticker_items": [{"id": "3", "name": "Wave", "format_type": 4}]}),
        ));
        assert_eq!(said[0], Content::text("hi"));
        assert!(matches!(&said[1], Content::Sticker { media, .. }
            if media.provider_ref.as_deref() == Some("https://media.discordapp.net/stickers/3.gif")));
        let voice = read(&message(json!({"flags": 8192, "attachments": [file("1", "audio/ogg")]})));
        assert!(matches!(&voice[..], [Content::Voice { .. }]));
    }

    #[test]
    fn what_cannot_be_shown_is_named() {
        for (fields, kind) in [
            (json!({"poll": {"question": {"text": "?"}}}), "poll"),
            (json!({"embeds": [{"title": "t"}]}), "embed"),
            (json!({"components": [{"type": 1}]}), "components"),
            (json!({}), "message_content"),
        ] {
            assert!(
                matches!(&read(&message(fields))[..], [Content::Unsupported { kind: found, .. }] if found == kind)
            );
        }
    }

    #[test]
    fn a_forwarded_message_says_what_it_hands_on() {
        let said = read(&message(json!({
            "message_reference": {"type": 1, "message_id": "1"},
            "message_snapshots": [{"message": {"content": "news", "attachments": [file("9", "video/mp4")]}}],
        })));
        assert_eq!(said[0].words(), Some("news"));
        assert_eq!(
            said[0].media().unwrap().provider_ref.as_deref(),
            Some("5/7/9 https://cdn.discordapp.com/9")
        );
    }

    #[test]
    fn people_and_emoji_are_told_by_their_names() {
        let said = read(&message(json!({
            "content": "<@1> <@!2> <@9> <:ok:55> <a:go:56> <#3> a < b <",
            "mentions": [{"id": "1", "username": "ann", "global_name": "Ann"}, {"id": "2", "username": "bob"}],
            "mention_channels": [{"id": "3", "name": "news"}],
        })));
        assert_eq!(said, [Content::text("@Ann @bob <@9> :ok: :go: #news a < b <")]);
    }
}
