//! Content between our words and the sandbox's.

use channel::ChannelError;
use model::{Button, ContactCard, Content, Format, Media};
use serde_json::{Map, Value, json};

/// Our content in the sandbox's words; `file` is the id of the uploaded file.
pub(super) fn outgoing(content: &Content, file: Option<String>) -> Result<Value, ChannelError> {
    let mut out = match content {
        Content::Text { text, format, buttons } => {
            let rows: Vec<Vec<Value>> = buttons.iter().map(|row| row.iter().map(button).collect()).collect();
            json!({"text": text, "format": format, "buttons": rows})
        }
        Content::Image { media, caption }
        | Content::Video { media, caption }
        | Content::Audio { media, caption }
        | Content::Document { media, caption } => {
            let mut out = attached(media, file)?;
            out["caption"] = json!(caption);
            out
        }
        Content::Voice { media } => attached(media, file)?,
        Content::Sticker { media, emoji } => {
            let mut out = attached(media, file)?;
            out["emoji"] = json!(emoji);
            out
        }
        Content::Location { latitude, longitude, name, address } => {
            json!({"latitude": latitude, "longitude": longitude, "name": name, "address": address})
        }
        Content::Contacts { contacts } => {
            let cards: Vec<Value> = contacts
                .iter()
                .map(|card| json!({"name": card.name, "phones": card.phones, "emails": card.emails}))
                .collect();
            json!({ "contacts": cards })
        }
        Content::List { .. }
        | Content::ProviderTemplate { .. }
        | Content::Native { .. }
        | Content::Callback { .. }
        | Content::Unsupported { .. } => {
            return Err(ChannelError::permanent("unsupported", "the sandbox takes no such content"));
        }
    };
    out["type"] = content.kind().as_str().into();
    Ok(out)
}

fn button(button: &Button) -> Value {
    json!({"title": button.title, "data": button.data, "url": button.url})
}

fn attached(media: &Media, file: Option<String>) -> Result<Value, ChannelError> {
    let mut out = match (file, &media.url) {
        (Some(file), _) => json!({ "file": file }),
        (None, Some(url)) => json!({ "url": url }),
        (None, None) => return Err(ChannelError::permanent("file_missing", "the file is not at hand")),
    };
    out["name"] = json!(media.name);
    out["mime"] = json!(media.mime);
    Ok(out)
}

/// The sandbox's content in our words. What is not known, or not as expected, is kept as it is.
pub(super) fn incoming(content: &Value) -> Content {
    let kind = content["type"].as_str().unwrap_or("");
    known(kind, content)
        .unwrap_or_else(|| Content::Unsupported { kind: kind.to_owned(), raw: content.clone() })
}

fn known(kind: &str, content: &Value) -> Option<Content> {
    let fields = content.as_object()?;
    let media = || Media {
        provider_ref: string(fields, "file"),
        url: string(fields, "url"),
        mime: string(fields, "mime"),
        name: string(fields, "name"),
        size: fields.get("size").and_then(Value::as_u64),
        media_id: None,
    };
    let attached = || Some(media()).filter(|media| media.provider_ref.is_some() || media.url.is_some());
    let caption = string(fields, "caption");
    Some(match kind {
        "text" => Content::Text {
            text: string(fields, "text")?,
            format: match fields.get("format").and_then(Value::as_str) {
                Some("markdown") => Format::Markdown,
                _ => Format::Plain,
            },
            buttons: Vec::new(),
        },
        "image" => Content::Image { media: attached()?, caption },
        "video" => Content::Video { media: attached()?, caption },
        "audio" => Content::Audio { media: attached()?, caption },
        "document" => Content::Document { media: attached()?, caption },
        "voice" => Content::Voice { media: attached()? },
        "sticker" => Content::Sticker { media: attached()?, emoji: string(fields, "emoji") },
        "location" => Content::Location {
            latitude: fields.get("latitude")?.as_f64()?,
            longitude: fields.get("longitude")?.as_f64()?,
            name: string(fields, "name"),
            address: string(fields, "address"),
        },
        "contacts" => Content::Contacts {
            contacts: fields.get("contacts")?.as_array()?.iter().map(card).collect::<Option<_>>()?,
        },
        "callback" => Content::Callback { data: string(fields, "data")?, title: string(fields, "title") },
        _ => return None,
    })
}

fn card(card: &Value) -> Option<ContactCard> {
    let fields = card.as_object()?;
    Some(ContactCard {
        name: string(fields, "name")?,
        phones: strings(fields, "phones"),
        emails: strings(fields, "emails"),
    })
}

pub(super) fn string(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name)?.as_str().map(str::to_owned)
}

pub(super) fn strings(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    let list = fields.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use channel::conformance::samples;

    use super::*;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        for kind in super::super::capabilities().sends {
            let (mut content, file) = samples::content(kind).unwrap();
            let told = outgoing(&content, file.map(|_| "f7".to_owned())).unwrap();
            match &mut content {
                Content::Image { media, .. }
                | Content::Video { media, .. }
                | Content::Audio { media, .. }
                | Content::Voice { media }
                | Content::Document { media, .. }
                | Content::Sticker { media, .. } => {
                    media.media_id = None;
                    media.size = None;
                    media.provider_ref = Some("f7".to_owned());
                }
                _ => {}
            }
            assert_eq!(incoming(&told), content);
        }
    }

    #[test]
    fn what_is_not_as_expected_is_kept_as_it_is() {
        for content in [
            json!({"type": "image"}),
            json!({"type": "text", "text": 5}),
            json!({"type": "location", "latitude": "north"}),
            json!({"type": "contacts", "contacts": [{"phones": []}]}),
            json!({"type": "hologram"}),
            json!(null),
        ] {
            let Content::Unsupported { raw, .. } = incoming(&content) else { panic!("{content}") };
            assert_eq!(raw, content);
        }
    }
}
