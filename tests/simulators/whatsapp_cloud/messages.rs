//! `POST /{number}/messages`: every kind of message, seen and typing, each field checked.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::state::{File, Message, Number, Person, State, Template};
use super::{Options, interactive, limits, media};
use crate::simulators::meta::{Call, Core, Grant, Refusal, Reply};

/// Fields that a message may have beside the object of its type.
const FIELDS: &[&str] = &[
    "messaging_product",
    "recipient_type",
    "to",
    "recipient",
    "type",
    "context",
    "biz_opaque_callback_data",
];

pub(super) fn post(
    state: &mut State,
    id: &str,
    call: &Call,
    grant: &Grant,
    fresh: u64,
    at: Instant,
    options: Options,
) -> Reply {
    let (media, templates) = (state.media.clone(), state.templates.clone());
    let number = state.sender(id, grant)?;
    let body = call.body();
    if text(&body, "messaging_product") != Some("whatsapp") {
        return Err(Refusal::parameter("The parameter messaging_product is required."));
    }
    if !number.registered {
        return Err(Refusal::new(400, 133_010, "(#133010) Account not registered"));
    }
    if body.get("status").is_some() {
        return seen(number, &body);
    }
    let kind = text(&body, "type").unwrap_or("text");
    let content = body.get(kind).ok_or_else(|| missing(kind))?;
    if let Some(name) = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .find(|name| *name != kind && !FIELDS.contains(&name.as_str()))
    {
        return Err(Refusal::parameter(format!("Unexpected key \"{name}\" on param")));
    }
    if text(&body, "biz_opaque_callback_data").is_some_and(|data| data.chars().count() > 512) {
        return Err(value("biz_opaque_callback_data", "at most 512 characters"));
    }
    let to = recipient(&body)?;
    let template = check(kind, content, &media, &templates)?;
    let person = number.people.get(&to).cloned().unwrap_or_default();
    reachable(&person, template, &to)?;
    limits::admit(number, &to, at, options)?;
    let message = format!("wamid.out{fresh}");
    number.messages.push(Message { id: message.clone(), to: to.clone(), body: body.clone() });
    let contact = match text(&body, "recipient") {
        Some(user) => json!({ "input": user, "user_id": user }),
        None => json!({ "input": body["to"], "wa_id": to }),
    };
    Ok(json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [{ "id": message }] }))
}

fn seen(number: &mut Number, body: &Value) -> Reply {
    let id = text(body, "message_id").ok_or_else(|| missing("message_id"))?;
    if text(body, "status") != Some("read") || !number.knows(id) {
        return Err(value("message_id", "the message is not there"));
    }
    let typing = match body.get("typing_indicator") {
        None => false,
        Some(typing) if *typing == json!({ "type": "text" }) => true,
        Some(_) => return Err(value("typing_indicator", "its type is text")),
    };
    number.seen.push((id.to_owned(), typing));
    Core::success()
}

/// Whom it goes to, as WhatsApp knows them.
fn recipient(body: &Value) -> Result<String, Refusal> {
    let group = match text(body, "recipient_type") {
        Some("group") => true,
        None | Some("individual") => false,
        Some(_) => return Err(value("recipient_type", "individual or group")),
    };
    match (text(body, "to"), text(body, "recipient")) {
        (Some(to), None) if group => Ok(to.to_owned()),
        (Some(to), None) => {
            let digits: String = to.chars().filter(char::is_ascii_digit).collect();
            let is_phone = to.chars().all(|c| c.is_ascii_digit() || "+ -().".contains(c));
            if is_phone && digits.len() >= 7 { Ok(digits) } else { Err(value("to", "not a phone number")) }
        }
        (None, Some(user)) if user.split_once('.').is_some_and(|(country, _)| country.len() == 2) => {
            Ok(user.to_owned())
        }
        (None, Some(_)) => Err(value("recipient", "not a business-scoped user id")),
        _ => Err(missing("to")),
    }
}

/// Whether a message may go to them now.
fn reachable(person: &Person, template: Option<&Template>, to: &str) -> Result<(), Refusal> {
    if let Some((code, words)) = person.refuses {
        return Err(Refusal::new(400, code, format!("(#{code}) {words}")));
    }
    match template {
        None if !person.window_open => {
            let refusal = Refusal::new(400, 131_047, "(#131047) Re-engagement message");
            Err(refusal.with_details("Message failed to send because more than 24 hours have passed since the customer last replied to this number."))
        }
        Some(template) if template.category == "MARKETING" && person.marketing_capped => {
            let words = "(#131049) This message was not delivered to maintain healthy ecosystem engagement.";
            Err(Refusal::new(400, 131_049, words))
        }
        Some(template) if template.category == "AUTHENTICATION" && to.contains('.') => Err(Refusal::new(
            400,
            131_062,
            "(#131062) Business-scoped User ID recipients are not supported for this message",
        )),
        _ => Ok(()),
    }
}

/// Checks what a message says; answers the template that it uses.
fn check<'a>(
    kind: &str,
    content: &Value,
    files: &std::collections::BTreeMap<String, File>,
    templates: &'a [Template],
) -> Result<Option<&'a Template>, Refusal> {
    match kind {
        "text" => within(content, "body", 4096).map(|()| None),
        "image" | "video" | "audio" | "document" | "sticker" => file(kind, content, files).map(|()| None),
        "location" => {
            for name in ["latitude", "longitude"] {
                content.get(name).and_then(Value::as_f64).ok_or_else(|| missing(name))?;
            }
            Ok(None)
        }
        "contacts" => {
            let cards = content.as_array().filter(|cards| (1..=257).contains(&cards.len()));
            for card in cards.ok_or_else(|| value("contacts", "1 to 257 of them"))? {
                let name = card.get("name").ok_or_else(|| missing("contacts[].name"))?;
                within(name, "formatted_name", 1024)?;
                if ["first_name", "last_name", "middle_name", "suffix", "prefix"]
                    .iter()
                    .all(|part| text(name, part).is_none())
                {
                    return Err(value("contacts[].name", "at least one of its parts is required"));
                }
            }
            Ok(None)
        }
        "reaction" => {
            within(content, "message_id", 1024)?;
            content.get("emoji").and_then(Value::as_str).ok_or_else(|| missing("reaction.emoji"))?;
            Ok(None)
        }
        "interactive" => interactive::check(content).map(|()| None),
        "template" => template(content, templates).map(Some),
        _ => Err(value("type", "not one of the kinds of messages")),
    }
}

fn file(
    kind: &str,
    content: &Value,
    files: &std::collections::BTreeMap<String, File>,
) -> Result<(), Refusal> {
    let allowed: &[&str] = match kind {
        "image" | "video" => &["id", "link", "caption"],
        "document" => &["id", "link", "caption", "filename"],
        "audio" => &["id", "link", "voice"],
        _ => &["id", "link"],
    };
    if let Some(name) = content
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .find(|name| !allowed.contains(&name.as_str()))
    {
        return Err(Refusal::parameter(format!("Unexpected key \"{name}\" on param \"{kind}\"")));
    }
    if content.get("caption").is_some() {
        within(content, "caption", 1024)?;
    }
    match (text(content, "id"), text(content, "link")) {
        (Some(id), None) => {
            let file = files.get(id).ok_or_else(|| value("id", "not a media id of this number"))?;
            if media::fits(kind, &file.mime) {
                Ok(())
            } else {
                Err(Refusal::new(400, 131_053, "Media upload error"))
            }
        }
        (None, Some(link)) if link.starts_with("https://") || link.starts_with("http://") => Ok(()),
        _ => Err(value(kind, "either id or link")),
    }
}

fn template<'a>(content: &Value, templates: &'a [Template]) -> Result<&'a Template, Refusal> {
    let name = text(content, "name").ok_or_else(|| missing("template.name"))?;
    let language = content.get("language").and_then(|language| text(language, "code"));
    let language = language.ok_or_else(|| missing("template.language.code"))?;
    let found = templates.iter().find(|known| known.name == name && known.language == language);
    let found = found.ok_or_else(|| {
        Refusal::new(404, 132_001, "(#132001) Template name does not exist in the translation")
    })?;
    match found.status {
        "APPROVED" => {}
        "PAUSED" => return Err(Refusal::new(400, 132_015, "(#132015) Template is paused")),
        _ => return Err(Refusal::new(400, 132_001, "(#132001) Template is not approved")),
    }
    let components = content.get("components").and_then(Value::as_array).into_iter().flatten();
    let body = components.filter(|component| component["type"] == "body");
    let given: usize = body.filter_map(|component| component["parameters"].as_array().map(Vec::len)).sum();
    if given != found.parameters {
        return Err(Refusal::new(
            400,
            132_000,
            "(#132000) Number of parameters does not match the expected number of params",
        ));
    }
    Ok(found)
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A text that must be there, and not be too long.
pub(super) fn within(object: &Value, name: &str, max: usize) -> Result<(), Refusal> {
    let length = text(object, name).ok_or_else(|| missing(name))?.chars().count();
    if length > max { Err(value(name, &format!("must be at most {max} characters long"))) } else { Ok(()) }
}

pub(super) fn missing(name: &str) -> Refusal {
    Refusal::new(400, 131_008, "(#131008) Required parameter is missing")
        .with_details(format!("Parameter '{name}' is mandatory"))
}

pub(super) fn value(name: &str, why: &str) -> Refusal {
    Refusal::new(400, 131_009, "(#131009) Parameter value is not valid")
        .with_details(format!("{name}: {why}"))
}
