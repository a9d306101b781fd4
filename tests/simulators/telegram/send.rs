//! The methods that put a message into a chat.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::answer::{Refusal, Reply, bad_request};
use super::params::Params;
use super::state::Bot;
use super::text::{Entity, Formatted, parse_html};
use super::{Options, files, limits, markup};

/// Carries out a method that sends; none if `method` is none of those.
pub(crate) fn send(
    bot: &mut Bot,
    method: &str,
    params: &Params,
    date: i64,
    now: Instant,
    options: &Options,
) -> Option<Reply> {
    let content: fn(&mut Bot, &Params) -> Result<Value, Refusal> = match method {
        "sendmessage" => |_, params| text(params),
        "sendphoto" => |bot, params| media(bot, params, "photo", true),
        "sendvideo" => |bot, params| media(bot, params, "video", true),
        "sendanimation" => |bot, params| media(bot, params, "animation", true),
        "sendaudio" => |bot, params| media(bot, params, "audio", true),
        "sendvoice" => |bot, params| media(bot, params, "voice", true),
        "senddocument" => |bot, params| media(bot, params, "document", true),
        "sendvideonote" => |bot, params| media(bot, params, "video_note", false),
        "sendsticker" => |bot, params| media(bot, params, "sticker", false),
        "sendlocation" => |_, params| Ok(json!({ "location": location(params)? })),
        "sendvenue" => |_, params| venue(params),
        "sendcontact" => |_, params| contact(params),
        _ => return None,
    };
    Some(deliver(bot, params, date, now, options, content))
}

fn deliver(
    bot: &mut Bot,
    params: &Params,
    date: i64,
    now: Instant,
    options: &Options,
    content: fn(&mut Bot, &Params) -> Result<Value, Refusal>,
) -> Reply {
    let chat = bot.writable(params)?;
    let mut content = content(bot, params)?;
    if let Some(given) = params.json("reply_markup")? {
        markup::check(&given, false)?;
        if given.get("inline_keyboard").is_some() {
            content["reply_markup"] = given;
        }
    }
    if let Some(thread) = params.int("message_thread_id") {
        if !bot.chat(chat).topics.contains(&thread) {
            return Err(bad_request("message thread not found"));
        }
        content["message_thread_id"] = thread.into();
        content["is_topic_message"] = true.into();
    }
    if let Some(quoted) = quoted(bot, chat, params)? {
        content["reply_to_message"] = quoted;
    }
    if options.enforce_limits {
        limits::admit(bot, chat, now, options.time_scale)?;
    }
    let from = bot.as_user();
    Ok(bot.post(chat, &from, date, content))
}

/// The message that is answered; none when it is gone and the bot does not mind.
fn quoted(bot: &mut Bot, chat: i64, params: &Params) -> Result<Option<Value>, Refusal> {
    let Some(reply) = params.json("reply_parameters")? else {
        return Ok(None);
    };
    if !reply.is_object() {
        return Err(bad_request("object expected as reply parameters"));
    }
    if reply.get("ephemeral_message_id").is_some() {
        return Ok(None);
    }
    let Some(id) = reply.get("message_id").and_then(Value::as_i64) else {
        return Err(bad_request("can't find field \"message_id\""));
    };
    let lenient = reply.get("allow_sending_without_reply").and_then(Value::as_bool) == Some(true);
    match bot.chat(chat).messages.get(&id) {
        Some(message) => {
            let mut message = message.clone();
            message.as_object_mut().and_then(|fields| fields.remove("reply_to_message"));
            Ok(Some(message))
        }
        None if lenient => Ok(None),
        None => Err(bad_request("message to be replied not found")),
    }
}

fn text(params: &Params) -> Result<Value, Refusal> {
    let read = formatted(params, "text", 4096, "message is too long")?;
    if read.text.trim().is_empty() {
        return Err(bad_request("message text is empty"));
    }
    Ok(words("text", "entities", &read))
}

/// A text after its markup was read, held against its limit.
pub(crate) fn formatted(
    params: &Params,
    name: &str,
    max: usize,
    too_long: &str,
) -> Result<Formatted, Refusal> {
    let source = params.text(name).unwrap_or_default();
    let read = match params.text("parse_mode").unwrap_or_default().to_lowercase().as_str() {
        "" => Formatted { text: source, entities: Vec::new() },
        "html" => parse_html(&source).map_err(|words| bad_request(&words))?,
        other => {
            return Err(bad_request(&format!(
                "unsupported parse_mode: this simulator judges HTML, not {other}"
            )));
        }
    };
    if read.text.chars().count() > max {
        return Err(bad_request(too_long));
    }
    Ok(read)
}

/// A text and its entities, as a message shows them.
pub(crate) fn words(text: &str, entities: &str, read: &Formatted) -> Value {
    let mut fields = Map::new();
    fields.insert(text.to_owned(), read.text.as_str().into());
    if !read.entities.is_empty() {
        let list: Vec<_> = read.entities.iter().map(shown).collect();
        fields.insert(entities.to_owned(), list.into());
    }
    Value::Object(fields)
}

fn shown(entity: &Entity) -> Value {
    let mut value = json!({ "type": entity.kind, "offset": entity.offset, "length": entity.length });
    if let Some(url) = &entity.url {
        value["url"] = url.as_str().into();
    }
    if let Some(language) = &entity.language {
        value["language"] = language.as_str().into();
    }
    value
}

fn media(bot: &mut Bot, params: &Params, field: &str, captioned: bool) -> Result<Value, Refusal> {
    let caption = formatted(params, "caption", 1024, "message caption is too long")?;
    let (kind, file) = files::take(bot, params, field)?;
    let mut content = json!({ kind.as_str(): file });
    if kind == "animation" {
        // Told twice, for programs that are older than animations.
        content["document"] = content["animation"].clone();
    }
    if kind == "sticker"
        && let Some(emoji) = params.text("emoji")
    {
        content["sticker"]["emoji"] = emoji.into();
    }
    if captioned
        && !caption.text.is_empty()
        && let (Some(content), Value::Object(words)) =
            (content.as_object_mut(), words("caption", "caption_entities", &caption))
    {
        content.extend(words);
    }
    Ok(content)
}

fn location(params: &Params) -> Result<Value, Refusal> {
    let within = |name: &str, max: f64| match params.float(name) {
        None => Err(bad_request(&format!("{name} is empty"))),
        Some(degrees) if degrees.abs() <= max => Ok(degrees),
        Some(_) => Err(bad_request(&format!("wrong {name} specified"))),
    };
    let (latitude, longitude) = (within("latitude", 90.0)?, within("longitude", 180.0)?);
    Ok(json!({ "latitude": latitude, "longitude": longitude }))
}

fn venue(params: &Params) -> Result<Value, Refusal> {
    let place = location(params)?;
    let words = |name: &str| {
        let text = params.text(name).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| bad_request(&format!("{name} must be non-empty")))
    };
    let venue = json!({ "location": place, "title": words("title")?, "address": words("address")? });
    Ok(json!({ "location": place, "venue": venue }))
}

fn contact(params: &Params) -> Result<Value, Refusal> {
    let words = |name: &str| params.text(name).filter(|text| !text.trim().is_empty());
    let phone = words("phone_number").ok_or_else(|| bad_request("phone number must be non-empty"))?;
    let name = words("first_name").ok_or_else(|| bad_request("first name must be non-empty"))?;
    let mut contact = json!({ "phone_number": phone, "first_name": name });
    if let Some(last) = words("last_name") {
        contact["last_name"] = last.into();
    }
    if let Some(vcard) = params.text("vcard") {
        if vcard.len() > 2048 {
            return Err(bad_request("vCard is too long"));
        }
        contact["vcard"] = vcard.into();
    }
    Ok(json!({ "contact": contact }))
}
