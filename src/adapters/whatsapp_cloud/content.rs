//! What a message says, by its `type` and the object of that name.

use model::{ContactCard, Content, Media};
use serde_json::Value;

/// What stands in a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Something that is said.
    Content(Content),
    /// Another message says something else now.
    Edited { provider_id: String, content: Content },
    /// Another message is gone.
    Deleted { provider_id: String },
    /// A reaction to another message; none takes it back.
    Reacted { provider_id: String, emoji: Vec<String> },
    /// The person is reached elsewhere from now on.
    Moved { to: String },
    /// Nothing for a conversation.
    Nothing { what: String },
}

/// Reads a message.
pub(super) fn read(message: &Value) -> Said {
    let kind = text(message, "type").unwrap_or_default();
    let body = message.get(kind).unwrap_or(&Value::Null);
    match kind {
        "reaction" => {
            let Some(provider_id) = owned(body, "message_id") else { return nothing("reaction to nothing") };
            Said::Reacted { provider_id, emoji: owned(body, "emoji").into_iter().collect() }
        }
        "revoke" => match owned(body, "original_message_id") {
            Some(provider_id) => Said::Deleted { provider_id },
            None => nothing("revoke of nothing"),
        },
        "edit" => match (owned(body, "original_message_id"), body.get("message").map(read)) {
            (Some(provider_id), Some(Said::Content(content))) => Said::Edited { provider_id, content },
            _ => nothing("edit of nothing"),
        },
        "system" => system(body),
        "request_welcome" => nothing(kind),
        _ => Said::Content(content(kind, body, message)),
    }
}

fn content(kind: &str, body: &Value, message: &Value) -> Content {
    let said = match kind {
        "text" => owned(body, "body").map(Content::text),
        "image" => media(body).map(|media| Content::Image { media, caption: owned(body, "caption") }),
        "video" => media(body).map(|media| Content::Video { media, caption: owned(body, "caption") }),
        "audio" if body.get("voice").and_then(Value::as_bool) == Some(true) => {
            media(body).map(|media| Content::Voice { media })
        }
        "audio" => media(body).map(|media| Content::Audio { media, caption: None }),
        "document" => media(body).map(|media| Content::Document { media, caption: owned(body, "caption") }),
        "sticker" => media(body).map(|media| Content::Sticker { media, emoji: None }),
        "location" => place(body),
        "contacts" => {
            body.as_array().map(|cards| Content::Contacts { contacts: cards.iter().map(card).collect() })
        }
        "button" => owned(body, "payload")
            .or_else(|| owned(body, "text"))
            .map(|data| Content::Callback { data, title: owned(body, "text") }),
        "interactive" => answer(body),
        _ => None,
    };
    said.unwrap_or_else(|| {
        // Whatever comes instead of an object says what is wrong: `errors` of a message that cannot be shown.
        let raw = if body.is_null() { message.get("errors").unwrap_or(body) } else { body };
        Content::Unsupported {
            kind: if kind.is_empty() { "untyped" } else { kind }.to_owned(),
            raw: raw.clone(),
        }
    })
}

/// A button that was pressed, a row that was chosen, a form (flow) that was filled in.
fn answer(body: &Value) -> Option<Content> {
    let kind = text(body, "type")?;
    let given = body.get(kind)?;
    match kind {
        "button_reply" | "list_reply" => {
            Some(Content::Callback { data: owned(given, "id")?, title: owned(given, "title") })
        }
        "nfm_reply" => {
            Some(Content::Callback { data: owned(given, "response_json")?, title: owned(given, "body") })
        }
        _ => None,
    }
}

fn media(body: &Value) -> Option<Media> {
    Some(Media {
        provider_ref: Some(owned(body, "id")?),
        mime: owned(body, "mime_type"),
        name: owned(body, "filename"),
        size: body.get("file_size").and_then(Value::as_u64),
        ..Media::default()
    })
}

fn place(body: &Value) -> Option<Content> {
    let degrees = |name: &str| body.get(name).and_then(Value::as_f64);
    Some(Content::Location {
        latitude: degrees("latitude")?,
        longitude: degrees("longitude")?,
        name: owned(body, "name"),
        address: owned(body, "address"),
    })
}

fn card(card: &Value) -> ContactCard {
    let name = card.get("name").unwrap_or(&Value::Null);
    let parts = || {
        let parts: Vec<_> = ["first_name", "last_name"].iter().filter_map(|part| text(name, part)).collect();
        parts.join(" ")
    };
    let all = |list: &str, of: &[&str]| {
        let items = card.get(list).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| of.iter().find_map(|field| owned(item, field))).collect()
    };
    ContactCard {
        name: owned(name, "formatted_name").unwrap_or_else(parts),
        phones: all("phones", &["phone", "wa_id"]),
        emails: all("emails", &["email"]),
    }
}

/// A person who changed the phone number (or, hidden behind it, the id), or whose phone is another one now.
fn system(body: &Value) -> Said {
    let kind = text(body, "type").unwrap_or("system");
    let to = ["wa_id", "new_wa_id", "user_id"].iter().find_map(|name| owned(body, name));
    match (kind.contains("changed_number") || kind.contains("changed_user_id"), to) {
        (true, Some(to)) => Said::Moved { to },
        _ => nothing(&format!("system {kind}")),
    }
}

fn nothing(what: &str) -> Said {
    Said::Nothing { what: what.to_owned() }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn owned(value: &Value, name: &str) -> Option<String> {
    text(value, name).map(str::to_owned)
}
