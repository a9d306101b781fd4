//! Content as the message that Discord is given.

use channel::{ChannelError, ContentProblem, Outgoing};
use model::{Button, Content, Format, Media, MessageId};
use serde_json::{Value, json};

use super::api::Upload;
use super::limits::TEXT_MAX;
use super::{components, markup, voice};

/// Marks a message as a recording of speech.
const IS_VOICE: u64 = 1 << 13;
/// The fields of a message that are ours to set.
const OURS: &[&str] = &["nonce", "enforce_nonce", "message_reference", "attachments", "tts"];

/// A message and its file, as they are posted.
pub(super) fn message(message: &Outgoing) -> Result<(Value, Option<Upload>), ChannelError> {
    let mut body = fields(&message.content, message.file.is_some())?;
    body["nonce"] = nonce(message.message_id).into();
    body["enforce_nonce"] = true.into();
    if let Some(id) = &message.reply_to {
        // What was answered may be gone by now: the answer goes out all the same.
        body["message_reference"] = json!({ "type": 0, "message_id": id, "fail_if_not_exists": false });
    }
    let upload = match (&message.file, message.content.media()) {
        (Some(bytes), Some(media)) => {
            let (name, mime) = name(media, &message.content);
            let mut attachment = json!({ "id": 0, "filename": name });
            if matches!(message.content, Content::Voice { .. }) {
                attachment["duration_secs"] = voice::seconds(bytes).into();
                attachment["waveform"] = voice::WAVEFORM.into();
            }
            body["attachments"] = json!([attachment]);
            Some(Upload { name, mime, bytes: bytes.clone() })
        }
        _ => None,
    };
    Ok((body, upload))
}

/// What a message says, for a new one or for an edit.
pub(super) fn fields(content: &Content, has_file: bool) -> Result<Value, ChannelError> {
    let mut body = match content {
        Content::Text { text, format, buttons } => text_fields(text, *format, buttons),
        Content::List { text, button, sections } => {
            json!({ "content": markup::escape(text), "components": components::list(button, sections) })
        }
        Content::Voice { .. } if has_file => json!({ "flags": IS_VOICE }),
        Content::Image { media, caption }
        | Content::Video { media, caption }
        | Content::Audio { media, caption }
        | Content::Document { media, caption } => {
            let words = caption.as_deref().map(markup::escape).unwrap_or_default();
            match (&media.url, has_file) {
                (Some(url), false) if matches!(content, Content::Image { .. }) => {
                    json!({ "content": words, "embeds": [{ "image": { "url": url } }] })
                }
                // Discord shows what a link leads to; files themselves it takes from us only.
                (Some(url), false) => json!({ "content": with_link(&words, url) }),
                _ => json!({ "content": words }),
            }
        }
        Content::Native { body: Value::Object(fields), .. } => {
            let mut fields = fields.clone();
            fields.retain(|name, _| !OURS.contains(&name.as_str()));
            Value::Object(fields)
        }
        other => {
            let message = format!("{} cannot be sent", other.kind());
            return Err(ChannelError::permanent("unsupported", message));
        }
    };
    if body.get("allowed_mentions").is_none() {
        // Whoever is named in somebody's words is not called.
        body["allowed_mentions"] = json!({ "parse": [] });
    }
    Ok(body)
}

fn text_fields(text: &str, format: Format, buttons: &[Vec<Button>]) -> Value {
    json!({ "content": written(text, format), "components": components::buttons(buttons) })
}

fn written(text: &str, format: Format) -> String {
    match format {
        Format::Plain => markup::escape(text),
        Format::Markdown => markup::from_markdown(text),
    }
}

fn with_link(words: &str, url: &str) -> String {
    if words.is_empty() { url.to_owned() } else { format!("{words}\n{url}") }
}

/// Refuses what Discord would refuse.
pub(super) fn check(content: &Content) -> Result<(), ContentProblem> {
    let problem =
        |field: &str, code, message: String| Err(ContentProblem { field: field.to_owned(), code, message });
    match content {
        Content::Text { text, format, buttons } => {
            let written = written(text, *format);
            if written.trim().is_empty() {
                return problem("text", "empty", "nothing is left of it without its marks".to_owned());
            }
            fits("text", &written)?;
            components::check_buttons(buttons)
        }
        Content::List { text, button, sections } => {
            if text.trim().is_empty() {
                return problem("text", "empty", "a list needs words above it".to_owned());
            }
            fits("text", &markup::escape(text))?;
            components::check_list(button, sections)
        }
        Content::Voice { media } if media.media_id.is_none() => problem(
            "media.url",
            "unsupported",
            "Discord takes recordings as files only: upload it, or send the link as audio".to_owned(),
        ),
        Content::Image { media, caption }
        | Content::Video { media, caption }
        | Content::Audio { media, caption }
        | Content::Document { media, caption } => {
            let words = caption.as_deref().map(markup::escape).unwrap_or_default();
            match &media.url {
                Some(url) if !["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) => {
                    problem("media.url", "unsupported", "Discord shows http and https links".to_owned())
                }
                Some(url) if !matches!(content, Content::Image { .. }) => {
                    fits("caption", &with_link(&words, url))
                }
                _ => fits("caption", &words),
            }
        }
        Content::Native { body, .. } if !body.is_object() => {
            problem("body", "invalid", "a message of Discord's is a JSON object".to_owned())
        }
        _ => Ok(()),
    }
}

fn fits(field: &str, written: &str) -> Result<(), ContentProblem> {
    let length = written.chars().count();
    if length <= TEXT_MAX {
        return Ok(());
    }
    Err(ContentProblem {
        field: field.to_owned(),
        code: "too_long",
        message: format!(
            "as Discord is told it, with marks escaped, it has {length} characters: over its limit of {TEXT_MAX}"
        ),
    })
}

/// Our id in the 25 characters that Discord takes: 128 bits to the base of 36.
fn nonce(id: MessageId) -> String {
    let mut left = id.0.as_u128();
    let mut digits = Vec::with_capacity(25);
    loop {
        let digit = u32::try_from(left % 36).ok().and_then(|digit| char::from_digit(digit, 36));
        digits.push(digit.unwrap_or('0'));
        left /= 36;
        if left == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// A file's name and type. Discord judges what to show by the name's ending, so one without a name gets a fitting one.
fn name(media: &Media, content: &Content) -> (String, String) {
    let (stem, usual) = match content {
        Content::Image { .. } => ("image", "image/png"),
        Content::Video { .. } => ("video", "video/mp4"),
        Content::Audio { .. } => ("audio", "audio/mpeg"),
        Content::Voice { .. } => ("voice-message", "audio/ogg"),
        _ => ("file", "application/octet-stream"),
    };
    let mime = media.mime.clone().unwrap_or_else(|| usual.to_owned());
    if let Some(name) = media.name.as_deref().filter(|name| !name.trim().is_empty()) {
        return (name.to_owned(), mime);
    }
    let ending = match mime.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "video/quicktime" => "mov",
        "audio/mpeg" => "mp3",
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" => "m4a",
        "audio/ogg" => "ogg",
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        _ => "bin",
    };
    (format!("{stem}.{ending}"), mime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_of_ours_fits_a_nonce() {
        for (id, expected) in [
            ("00000000-0000-0000-0000-000000000000", "0"),
            ("00000000-0000-0000-0000-000000000024", "10"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "f5lxx1zz5pnorynqglhzmsp33"),
        ] {
            let nonce = nonce(id.parse().unwrap());
            assert_eq!(nonce, expected);
            assert!(nonce.len() <= 25);
        }
    }

    #[test]
    fn a_native_message_goes_as_it_is_but_for_what_is_ours() {
        let native = Content::Native {
            body: json!({"embeds": [{"title": "t"}], "nonce": "x", "tts": true}),
            text: None,
        };
        assert_eq!(
            fields(&native, false).unwrap(),
            json!({"embeds": [{"title": "t"}], "allowed_mentions": {"parse": []}})
        );
        let calling = Content::Native { body: json!({"allowed_mentions": {"users": ["1"]}}), text: None };
        assert_eq!(fields(&calling, false).unwrap()["allowed_mentions"], json!({"users": ["1"]}));
    }

    #[test]
    fn what_grows_over_the_limit_by_its_escapes_is_refused_before() {
        assert_eq!(check(&Content::text("x".repeat(2000))), Ok(()));
        let problem = check(&Content::text("*".repeat(1001))).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.code), ("text", "too_long"));
    }

    #[test]
    fn a_link_is_shown_as_what_it_leads_to() {
        let media = || Media { url: Some("https://x.y/a_b".to_owned()), ..Media::default() };
        let image = Content::Image { media: media(), caption: Some("*c*".to_owned()) };
        assert_eq!(
            fields(&image, false).unwrap(),
            json!({"content": "\\*c\\*", "embeds": [{"image": {"url": "https://x.y/a_b"}}],
                "allowed_mentions": {"parse": []}})
        );
        let video = Content::Video { media: media(), caption: Some("c".to_owned()) };
        assert_eq!(fields(&video, false).unwrap()["content"], "c\nhttps://x.y/a_b");
    }
}
