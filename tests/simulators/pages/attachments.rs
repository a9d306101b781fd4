//! Files: uploaded for later, or at a link.

use serde_json::{Value, json};

use super::business::node;
use super::messages::scope;
use super::state::{Attachment, State};
use crate::simulators::meta::{Call, Grant, Refusal, Reply};

const MB: usize = 1024 * 1024;

/// `POST /{node}/message_attachments`, with a file.
pub(super) fn upload(state: &mut State, place: &str, call: &Call, grant: &Grant, fresh: u64) -> Reply {
    node(state, place, grant, scope(state))?;
    if (call.text("platform") == Some("instagram")) != state.is_instagram() {
        return Err(Refusal::parameter("`platform` says for which of both it is"));
    }
    let message = match call.params.get("message") {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
        Some(other) => other.clone(),
        None => Value::Null,
    };
    let attachment = &message["attachment"];
    let kind = attachment["type"].as_str().unwrap_or_default();
    let largest = match kind {
        "image" if state.is_instagram() => 8 * MB,
        "image" | "video" | "audio" | "file" => 25 * MB,
        _ => return Err(Refusal::parameter("message[attachment][type] must be image, video, audio or file")),
    };
    let [file] = call.uploads.as_slice() else {
        return Err(Refusal::parameter("one file is needed in `filedata`"));
    };
    if file.field != "filedata" || attachment["payload"]["is_reusable"] != true {
        return Err(Refusal::parameter("`filedata`, and a payload that is reusable"));
    }
    if file.bytes.len() > largest {
        return Err(Refusal::new(400, 100, "(#100) Attachment is too large").with_subcode(2_018_109));
    }
    let fits = match kind {
        "file" if state.is_instagram() => file.mime == "application/pdf",
        "file" => true,
        family => file.mime.starts_with(&format!("{family}/")),
    };
    if !fits {
        return Err(Refusal::new(400, 100, "(#100) Upload type mismatch").with_subcode(2_018_047));
    }
    let id = fresh.to_string();
    state.attachments.insert(id.clone(), Attachment { kind: kind.to_owned(), bytes: file.bytes.clone() });
    Ok(json!({ "attachment_id": id }))
}

/// Judges the attachment of a message.
pub(super) fn check(state: &State, attachment: &Value) -> Result<(), Refusal> {
    let kind = attachment["type"].as_str().unwrap_or_default();
    let payload = &attachment["payload"];
    match kind {
        "template" => return template(payload),
        "like_heart" | "MEDIA_SHARE" if state.is_instagram() => return Ok(()),
        "image" | "video" | "audio" | "file" => {}
        _ => return Err(Refusal::parameter(format!("message[attachment][type] is `{kind}`"))),
    }
    if let Some(id) = payload["attachment_id"].as_str() {
        let known = state.attachments.get(id);
        let known = known
            .ok_or_else(|| Refusal::new(400, 100, "(#100) Invalid attachment id").with_subcode(2_018_074))?;
        if known.kind != kind {
            return Err(Refusal::new(400, 100, "(#100) Upload type mismatch").with_subcode(2_018_047));
        }
        return Ok(());
    }
    let url = payload["url"].as_str().unwrap_or_default();
    if !url.starts_with("https://") && !url.starts_with("http://") {
        let words = "(#100) Failed to fetch the file from the url";
        return Err(Refusal::new(400, 100, words).with_subcode(2_018_008));
    }
    Ok(())
}

fn template(payload: &Value) -> Result<(), Refusal> {
    let count = |name: &str| payload[name].as_array().map_or(0, Vec::len);
    match payload["template_type"].as_str() {
        Some("button") => {
            let text = payload["text"].as_str().unwrap_or_default();
            if text.is_empty() || text.chars().count() > 640 || !(1..=3).contains(&count("buttons")) {
                return Err(Refusal::parameter("a button template has a text and 1 to 3 buttons"));
            }
            let buttons = payload["buttons"].as_array().into_iter().flatten();
            for button in buttons {
                let whole = match button["type"].as_str() {
                    Some("web_url") => button["url"].is_string(),
                    Some("postback") => button["payload"].is_string(),
                    _ => false,
                };
                if !whole || button["title"].as_str().is_none_or(str::is_empty) {
                    return Err(Refusal::parameter("a button is not whole"));
                }
            }
            Ok(())
        }
        Some("generic") if (1..=10).contains(&count("elements")) => Ok(()),
        _ => Err(Refusal::parameter("template_type is not known, or the template is not whole")),
    }
}
