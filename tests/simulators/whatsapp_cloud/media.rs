//! Files: taken by kind and size, found by id, handed out behind a token.

use serde_json::json;

use super::state::{File, State};
use crate::simulators::meta::{Call, Core, Grant, Refusal, Reply};

const KB: usize = 1024;
const MB: usize = 1024 * KB;

/// What is taken, with the largest of each.
const TAKEN: &[(&str, usize)] = &[
    ("audio/aac", 16 * MB),
    ("audio/amr", 16 * MB),
    ("audio/mpeg", 16 * MB),
    ("audio/mp4", 16 * MB),
    ("audio/ogg", 16 * MB),
    ("image/jpeg", 5 * MB),
    ("image/png", 5 * MB),
    ("image/webp", 500 * KB),
    ("video/mp4", 16 * MB),
    ("video/3gpp", 16 * MB),
    ("text/plain", 100 * MB),
    ("application/pdf", 100 * MB),
];

/// Whether a file of this MIME type may be sent as `kind`.
pub(super) fn fits(kind: &str, mime: &str) -> bool {
    match kind {
        "audio" => mime.starts_with("audio/"),
        "video" => mime.starts_with("video/"),
        "image" => matches!(mime, "image/jpeg" | "image/png"),
        "sticker" => mime == "image/webp",
        _ => true,
    }
}

/// `POST /{number}/media`
pub(super) fn upload(state: &mut State, number: &str, call: &Call, grant: &Grant, fresh: u64) -> Reply {
    state.sender(number, grant)?;
    if call.text("messaging_product") != Some("whatsapp") {
        return Err(Refusal::parameter("Parameter messaging_product is required"));
    }
    let file = call.uploads.iter().find(|file| file.field == "file");
    let file = file.ok_or_else(|| Refusal::parameter("Param file must be a file"))?;
    let mime =
        call.text("type").unwrap_or(&file.mime).split(';').next().unwrap_or_default().trim().to_owned();
    let Some((_, max)) = TAKEN.iter().find(|(taken, _)| *taken == mime) else {
        let types: Vec<_> = TAKEN.iter().map(|(taken, _)| *taken).collect();
        let details = format!(
            "Param file must be a file with one of the following types: {}. Received file of type '{mime}'.",
            types.join(", ")
        );
        return Err(Refusal::parameter(details));
    };
    if file.bytes.len() > *max {
        return Err(Refusal::new(400, 131_053, "Media upload error").with_details("the file is too large"));
    }
    let id = fresh.to_string();
    state.media.insert(id.clone(), File { number: number.to_owned(), mime, bytes: file.bytes.clone() });
    Ok(json!({ "id": id }))
}

/// `GET /{media}`: where the file lies for the next five minutes.
pub(super) fn locate(state: &State, core: &Core, id: &str, call: &Call, grant: &Grant) -> Reply {
    let file = &state.media[id];
    let allowed = state
        .numbers
        .get(&file.number)
        .is_some_and(|number| grant.allows("whatsapp_business_messaging", &number.business));
    let is_asked = call.text("phone_number_id").is_none_or(|number| number == file.number);
    if !allowed || !is_asked {
        return Err(Refusal::unknown(id));
    }
    let url = state.files_at.clone().unwrap_or_else(|| core.put_file(file.bytes.clone(), &file.mime, true));
    Ok(json!({
        "messaging_product": "whatsapp", "url": url, "mime_type": file.mime, "sha256": "x",
        "file_size": file.bytes.len().to_string(), "id": id,
    }))
}
