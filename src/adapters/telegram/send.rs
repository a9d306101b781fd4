//! Content as the Bot API call that says it.

use channel::{ChannelError, Outgoing};
use model::{Button, ContactCard, Content, Format, Media};
use serde_json::{Value, json};

use super::api::{Call, Upload};
use super::ids::{self, chat_id};
use super::{html, keyboard, vcard};

/// The call that sends a message.
pub(super) fn call(message: &Outgoing) -> Result<Call, ChannelError> {
    let call = match &message.content {
        Content::Text { text, format, buttons } => text_call("sendMessage", text, *format, buttons),
        Content::Image { media, caption } => {
            // As a photo, a GIF would lose its motion.
            let (method, field) = if media.mime.as_deref() == Some("image/gif") {
                ("sendAnimation", "animation")
            } else {
                ("sendPhoto", "photo")
            };
            file_call(method, field, media, caption.as_deref(), message)?
        }
        Content::Video { media, caption } => {
            file_call("sendVideo", "video", media, caption.as_deref(), message)?
                .with("supports_streaming", true)
        }
        Content::Audio { media, caption } => {
            file_call("sendAudio", "audio", media, caption.as_deref(), message)?
        }
        Content::Document { media, caption } => {
            file_call("sendDocument", "document", media, caption.as_deref(), message)?
        }
        Content::Voice { media } => file_call("sendVoice", "voice", media, None, message)?,
        Content::Sticker { media, emoji } => {
            let call = file_call("sendSticker", "sticker", media, None, message)?;
            // Only a new sticker takes an emoji; a known one has its own.
            let emoji = emoji.as_deref().filter(|_| call.upload.is_some());
            call.with_some("emoji", emoji)
        }
        Content::Location { latitude, longitude, name, address } => {
            location(*latitude, *longitude, name.as_deref(), address.as_deref())
        }
        Content::Contacts { contacts } => contact(contacts)?,
        Content::List { .. }
        | Content::ProviderTemplate { .. }
        | Content::Native { .. }
        | Content::Callback { .. }
        | Content::Unsupported { .. } => {
            let kind = message.content.kind();
            return Err(ChannelError::permanent("unsupported", format!("{kind} cannot be sent")));
        }
    };
    Ok(call
        .with("chat_id", chat_id(&message.chat))
        .with_some("message_thread_id", thread_id(message.thread.as_deref())?)
        .with_some("reply_parameters", reply(&message.chat, message.reply_to.as_deref()))
        .once())
}

/// A call with a text and its buttons: sending one or changing one.
pub(super) fn text_call(method: &'static str, text: &str, format: Format, buttons: &[Vec<Button>]) -> Call {
    let call = Call::new(method);
    let call = match format {
        Format::Plain => call.with("text", text),
        Format::Markdown => call.with("text", html::from_markdown(text)).with("parse_mode", "HTML"),
    };
    call.with_some("reply_markup", keyboard::markup(buttons))
}

fn thread_id(thread: Option<&str>) -> Result<Option<i64>, ChannelError> {
    thread
        .map(str::parse)
        .transpose()
        .map_err(|_| ChannelError::permanent("thread", "a Telegram topic's id is a number"))
}

/// The quote. What was quoted may be gone by now, or be out of reach: the answer goes out all the same.
fn reply(chat: &str, reply_to: Option<&str>) -> Option<Value> {
    let id = reply_to?;
    let (field, id) = match ids::ephemeral(id) {
        Some(id) => ("ephemeral_message_id", id),
        None => ("message_id", ids::number(chat, id)?),
    };
    Some(json!({ field: id, "allow_sending_without_reply": true }))
}

/// A call with a file: uploaded if we have its bytes, else by Telegram's own handle, else by a link that Telegram
/// fetches.
fn file_call(
    method: &'static str,
    field: &'static str,
    media: &Media,
    caption: Option<&str>,
    message: &Outgoing,
) -> Result<Call, ChannelError> {
    let call = Call::new(method).with_some("caption", caption.filter(|caption| !caption.is_empty()));
    if let Some(bytes) = &message.file {
        let mime = media.mime.clone().unwrap_or_else(|| {
            let mime = match field {
                "photo" => "image/jpeg",
                "video" => "video/mp4",
                "audio" => "audio/mpeg",
                "voice" => "audio/ogg",
                "sticker" => "image/webp",
                _ => "application/octet-stream",
            };
            mime.to_owned()
        });
        let upload = Upload { field, name: file_name(media, field, &mime), mime, bytes: bytes.clone() };
        return Ok(Call { upload: Some(upload), ..call });
    }
    let handle = media.provider_ref.as_ref().or(media.url.as_ref()).ok_or_else(|| {
        ChannelError::permanent("media", "the file has neither bytes, nor a link, nor a handle at Telegram")
    })?;
    // Telegram fetches a link before it answers.
    let patience = std::time::Duration::from_secs(if media.provider_ref.is_none() { 60 } else { 0 });
    Ok(Call { patience, ..call }.with(field, handle.as_str()))
}

/// Telegram judges some kinds by the name's ending, so a file without a name gets a fitting one.
fn file_name(media: &Media, field: &str, mime: &str) -> String {
    if let Some(name) = media.name.as_deref().filter(|name| !name.trim().is_empty()) {
        return name.to_owned();
    }
    let ending = match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "audio/mpeg" => "mp3",
        "audio/mp4" | "audio/x-m4a" | "audio/m4a" => "m4a",
        "audio/ogg" => "ogg",
        "application/pdf" => "pdf",
        "application/x-tgsticker" => "tgs",
        _ => "bin",
    };
    format!("{field}.{ending}")
}

/// A place; one with words is a venue, which wants both a title and an address.
fn location(latitude: f64, longitude: f64, name: Option<&str>, address: Option<&str>) -> Call {
    let named = |words: Option<&str>| words.filter(|words| !words.trim().is_empty()).map(str::to_owned);
    let (name, address) = (named(name), named(address));
    let place = |method| Call::new(method).with("latitude", latitude).with("longitude", longitude);
    match (name, address) {
        (None, None) => place("sendLocation"),
        (name, address) => {
            let title = name.or_else(|| address.clone()).unwrap_or_default();
            let address = address.unwrap_or_else(|| format!("{latitude}, {longitude}"));
            place("sendVenue").with("title", title).with("address", address)
        }
    }
}

fn contact(contacts: &[ContactCard]) -> Result<Call, ChannelError> {
    let [card] = contacts else {
        return Err(ChannelError::permanent("contacts", "Telegram takes one address card a message"));
    };
    let phone = card
        .phones
        .first()
        .ok_or_else(|| ChannelError::permanent("contacts", "Telegram's address cards need a phone number"))?;
    let extra = card.phones.len() > 1 || !card.emails.is_empty();
    Ok(Call::new("sendContact")
        .with("phone_number", phone.as_str())
        .with("first_name", card.name.as_str())
        .with_some("vcard", extra.then(|| vcard::write(card))))
}
