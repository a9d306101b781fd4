//! What a message must look like, as the documentation says.

use serde_json::Value;

use super::answer::Refusal;

/// A file that came with a message.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub name: String,
    pub mime: String,
    pub bytes: bytes::Bytes,
}

const FIELDS: &[&str] = &[
    "content",
    "nonce",
    "enforce_nonce",
    "tts",
    "embeds",
    "allowed_mentions",
    "message_reference",
    "components",
    "sticker_ids",
    "attachments",
    "flags",
    "poll",
];
const IS_VOICE: u64 = 1 << 13;
const IS_COMPONENTS_V2: u64 = 1 << 15;
const MAX_FILE: usize = 10 * 1024 * 1024;

/// Fields that no message has.
pub(crate) fn unknown(body: &Value) -> impl Iterator<Item = String> {
    body.as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .cloned()
}

/// Refuses what Discord refuses.
pub(crate) fn message(body: &Value, files: &[File], is_new: bool) -> Result<(), Refusal> {
    if !body.is_object() {
        return Err(Refusal::new(400, 50_109, "The request body contains invalid JSON."));
    }
    let content = match &body["content"] {
        Value::Null => "",
        Value::String(content) => content,
        _ => {
            return Err(Refusal::invalid("content", "STRING_TYPE_CONVERT", "Could not interpret as string."));
        }
    };
    if content.chars().count() > 2000 {
        return Err(Refusal::invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length."));
    }
    if body["nonce"].as_str().is_some_and(|nonce| nonce.chars().count() > 25) {
        return Err(Refusal::invalid("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length."));
    }
    if body["embeds"].as_array().is_some_and(|embeds| embeds.len() > 10) {
        return Err(Refusal::invalid("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length."));
    }
    if files.iter().any(|file| file.bytes.len() > MAX_FILE) {
        return Err(Refusal::new(413, 40_005, "Request entity too large"));
    }
    let flags = body["flags"].as_u64().unwrap_or_default();
    components(&body["components"], flags & IS_COMPONENTS_V2 != 0)?;
    attachments(body, files, flags)?;
    let is_list = |name: &str| body[name].as_array().is_some_and(|list| !list.is_empty());
    let says = !content.trim().is_empty()
        || ["embeds", "sticker_ids", "components"].into_iter().any(is_list)
        || body["poll"].is_object()
        || body["message_reference"]["type"].as_u64() == Some(1)
        || !files.is_empty();
    if is_new && !says {
        return Err(Refusal::new(400, 50_006, "Cannot send an empty message"));
    }
    Ok(())
}

fn attachments(body: &Value, files: &[File], flags: u64) -> Result<(), Refusal> {
    let told = body["attachments"].as_array().map_or(&[][..], Vec::as_slice);
    if !files.is_empty() && told.len() != files.len() {
        return Err(Refusal::invalid("attachments", "ATTACHMENT_NOT_FOUND", "Unknown attachment"));
    }
    if flags & IS_VOICE == 0 {
        return Ok(());
    }
    if !body["content"].as_str().unwrap_or_default().is_empty() || files.len() != 1 {
        return Err(Refusal::new(400, 50_159, "Voice messages do not support additional content."));
    }
    if !files[0].mime.starts_with("audio/") {
        return Err(Refusal::new(400, 50_160, "Voice messages must have a single audio attachment."));
    }
    let seconds = told[0]["duration_secs"].as_f64().filter(|seconds| *seconds > 0.0);
    if seconds.is_none() || told[0]["waveform"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::new(400, 50_161, "Voice messages must have supporting metadata."));
    }
    Ok(())
}

fn components(given: &Value, is_v2: bool) -> Result<(), Refusal> {
    if given.is_null() || is_v2 {
        return Ok(());
    }
    let wrong = |place: &str, message: &str| Refusal::invalid(place, "COMPONENT_INVALID", message);
    let rows = given.as_array().ok_or_else(|| wrong("components", "Only iterables may be used."))?;
    if rows.len() > 5 {
        return Err(wrong("components", "Must be 5 or fewer in length."));
    }
    let mut seen = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let place = format!("components.{number}");
        let parts = row["components"].as_array().filter(|_| row["type"] == 1);
        let parts = parts.ok_or_else(|| wrong(&place, "Value of field \"type\" must be one of (1,)."))?;
        let width: usize = parts.iter().map(|part| if part["type"] == 2 { 1 } else { 5 }).sum();
        if !(1..=5).contains(&width) {
            return Err(wrong(&format!("{place}.components"), "Must be between 1 and 5 in width."));
        }
        for (column, part) in parts.iter().enumerate() {
            let place = format!("{place}.components.{column}");
            let text = |name: &str| part[name].as_str().map(|text| text.chars().count());
            let custom_id = text("custom_id");
            let is_fine = match part["type"].as_u64() {
                Some(2) if part["style"] == 5 => {
                    custom_id.is_none()
                        && text("url").is_some_and(|length| (1..=512).contains(&length))
                        && text("label").is_some_and(|length| (1..=80).contains(&length))
                }
                Some(2) => {
                    part["style"].as_u64().is_some_and(|style| (1..=4).contains(&style))
                        && custom_id.is_some_and(|length| (1..=100).contains(&length))
                        && text("label").is_some_and(|length| (1..=80).contains(&length))
                        && part.get("url").is_none()
                }
                Some(3) => {
                    let options = part["options"].as_array().map_or(&[][..], Vec::as_slice);
                    let fits = |option: &Value, name: &str| {
                        option[name].as_str().is_some_and(|text| (1..=100).contains(&text.chars().count()))
                    };
                    custom_id.is_some_and(|length| (1..=100).contains(&length))
                        && (1..=25).contains(&options.len())
                        && options.iter().all(|option| fits(option, "label") && fits(option, "value"))
                        && text("placeholder").is_none_or(|length| length <= 150)
                }
                Some(5..=8) => custom_id.is_some(),
                _ => false,
            };
            if !is_fine {
                return Err(wrong(&place, "This component is not as it should be."));
            }
            if let Some(id) = part["custom_id"].as_str() {
                if seen.contains(&id) {
                    let message = "Component custom id cannot be duplicated";
                    return Err(Refusal::invalid(&place, "COMPONENT_CUSTOM_ID_DUPLICATED", message));
                }
                seen.push(id);
            }
        }
    }
    Ok(())
}
