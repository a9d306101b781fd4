//! Content as the body of `POST /{phone number}/messages`.

use channel::{ChannelError, ContentProblem, Outgoing};
use model::{ContactCard, Content, Media};
use serde_json::{Map, Value, json};

use super::{address, interactive, markup};

/// Fields that are ours to fill in, whatever a native message says.
const OURS: &[&str] = &[
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "context",
    "biz_opaque_callback_data",
    "status",
];

/// The body that says a message. `media_id` is the handle of the file that was uploaded for it.
pub(super) fn body(message: &Outgoing, media_id: Option<&str>) -> Result<Value, ChannelError> {
    let mut body = Map::new();
    for (name, value) in said(&message.content, media_id)? {
        body.insert(name, value);
    }
    body.insert("messaging_product".to_owned(), "whatsapp".into());
    // Comes back with each receipt. Those of a person without a phone number may name the number all the same: then only
    // this tells in which chat the message went out.
    let mut data = message.message_id.to_string();
    if address::is_user(&message.chat) {
        data = format!("{data} {}", message.chat);
    }
    body.insert("biz_opaque_callback_data".to_owned(), data.into());
    address::write(&mut body, &message.chat);
    if let Some(quoted) = &message.reply_to {
        body.insert("context".to_owned(), json!({ "message_id": quoted }));
    }
    Ok(Value::Object(body))
}

/// `type` and the object of that name.
fn said(content: &Content, media_id: Option<&str>) -> Result<Map<String, Value>, ChannelError> {
    let file = |media: &Media, caption: Option<&str>| handle(media, media_id, caption);
    let (kind, value) = match content {
        Content::Text { text, format, buttons } => {
            let text = markup::write(text, *format);
            if buttons.is_empty() {
                let has_link = text.contains("https://") || text.contains("http://");
                ("text", json!({ "body": text, "preview_url": has_link }))
            } else {
                ("interactive", interactive::buttons(&text, buttons))
            }
        }
        Content::Image { media, caption } => ("image", file(media, caption.as_deref())?),
        Content::Video { media, caption } => ("video", file(media, caption.as_deref())?),
        Content::Audio { media, .. } => ("audio", file(media, None)?),
        Content::Voice { media } => {
            let mut voice = file(media, None)?;
            voice["voice"] = true.into();
            ("audio", voice)
        }
        Content::Document { media, caption } => {
            let mut document = file(media, caption.as_deref())?;
            if let Some(name) = media.name.as_deref().filter(|name| !name.trim().is_empty()) {
                document["filename"] = name.into();
            }
            ("document", document)
        }
        Content::Sticker { media, .. } => ("sticker", file(media, None)?),
        Content::Location { latitude, longitude, name, address } => {
            let mut place = json!({ "latitude": latitude, "longitude": longitude });
            for (field, words) in [("name", name), ("address", address)] {
                if let Some(words) = words.as_deref().filter(|words| !words.trim().is_empty()) {
                    place[field] = words.into();
                }
            }
            ("location", place)
        }
        Content::Contacts { contacts } => ("contacts", contacts.iter().map(card).collect()),
        Content::List { text, button, sections } => {
            ("interactive", interactive::list(text, button, sections))
        }
        Content::ProviderTemplate { name, language, components } => {
            let mut template = json!({ "name": name, "language": { "code": language } });
            if !components.is_empty() {
                template["components"] = components.as_slice().into();
            }
            ("template", template)
        }
        Content::Native { body, .. } => {
            let problem = |problem: ContentProblem| ChannelError::permanent("native", problem.message);
            check_native(body).map_err(problem)?;
            return Ok(body.as_object().cloned().unwrap_or_default());
        }
        Content::Callback { .. } | Content::Unsupported { .. } => {
            let message = format!("{} cannot be sent", content.kind());
            return Err(ChannelError::permanent("unsupported", message));
        }
    };
    Ok([("type".to_owned(), kind.into()), (kind.to_owned(), value)].into_iter().collect())
}

/// A file: uploaded, or still at Meta from when it was received, or at a link that Meta fetches.
fn handle(media: &Media, uploaded: Option<&str>, caption: Option<&str>) -> Result<Value, ChannelError> {
    let mut value = match (uploaded.or(media.provider_ref.as_deref()), media.url.as_deref()) {
        (Some(id), _) => json!({ "id": id }),
        (None, Some(link)) => json!({ "link": link }),
        (None, None) => {
            let message = "the file has neither bytes, nor a link, nor a handle at Meta";
            return Err(ChannelError::permanent("media", message));
        }
    };
    if let Some(caption) = caption.filter(|caption| !caption.is_empty()) {
        value["caption"] = caption.into();
    }
    Ok(value)
}

fn card(card: &ContactCard) -> Value {
    let phones: Vec<_> = card.phones.iter().map(|phone| json!({ "phone": phone })).collect();
    let emails: Vec<_> = card.emails.iter().map(|email| json!({ "email": email })).collect();
    // Beside the full name one of its parts is required.
    let mut written = json!({ "name": { "formatted_name": card.name, "first_name": card.name } });
    for (field, values) in [("phones", phones), ("emails", emails)] {
        if !values.is_empty() {
            written[field] = values.into();
        }
    }
    written
}

/// A native message is `type` with the object of that name: flows, products, carousels, whatever Meta thinks of next.
pub(super) fn check_native(body: &Value) -> Result<(), ContentProblem> {
    let problem =
        |message: String| Err(ContentProblem { field: "body".to_owned(), code: "invalid", message });
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() || body.get(kind).is_none_or(|value| !value.is_object() && !value.is_array()) {
        return problem("a WhatsApp message has a `type` and an object of that name".to_owned());
    }
    if let Some(field) = OURS.iter().find(|field| body.get(**field).is_some()) {
        return problem(format!("`{field}` is not part of it: it is filled in"));
    }
    Ok(())
}
