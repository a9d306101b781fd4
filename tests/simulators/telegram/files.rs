//! Files in calls: a new one, one that Telegram has, or one on the web; and what Telegram takes each for.

use serde_json::{Value, json};

use super::answer::{Refusal, bad_request};
use super::params::{Params, Upload};
use super::state::{Bot, StoredFile};

const MB: u64 = 1024 * 1024;

/// Reads the file in the parameter `field`, keeps it, and answers how it stands in the message: key and value.
pub(crate) fn take(bot: &mut Bot, params: &Params, field: &str) -> Result<(String, Value), Refusal> {
    let upload = params.uploads.get(field).cloned();
    let (file_id, file) = match (upload, params.text(field).filter(|text| !text.is_empty())) {
        (Some(upload), _) => {
            let file = uploaded(field, &upload)?;
            (keep(bot, file.clone()), file)
        }
        (None, None) => return Err(bad_request(&format!("there is no {field} in the request"))),
        (None, Some(text)) => match text.strip_prefix("attach://") {
            Some(part) => {
                let upload = params
                    .uploads
                    .get(part)
                    .ok_or_else(|| bad_request(&format!("there is no {field} in the request")))?;
                let file = uploaded(field, upload)?;
                (keep(bot, file.clone()), file)
            }
            None if text.starts_with("http://") || text.starts_with("https://") => {
                let file = from_web(bot, field, &text)?;
                (keep(bot, file.clone()), file)
            }
            None => {
                let file = bot.files.get(&text).cloned();
                let file = file.ok_or_else(|| bad_request("wrong file identifier/HTTP URL specified"))?;
                if file.kind != field {
                    let words = format!("can't use file of type {} as {field}", file.kind);
                    return Err(bad_request(&words));
                }
                (text, file)
            }
        },
    };
    Ok((file.kind.clone(), describe(&file_id, &file)))
}

/// Keeps a file and gives it an id.
pub(crate) fn keep(bot: &mut Bot, file: StoredFile) -> String {
    let number = bot.fresh();
    let id = format!("{}-{}-{number}", file.kind, bot.id);
    bot.files.insert(id.clone(), file);
    id
}

/// A file as a message shows it.
pub(crate) fn describe(id: &str, file: &StoredFile) -> Value {
    let mut value = json!({ "file_id": id, "file_unique_id": format!("u{id}"), "file_size": file.size });
    let with_mime = !matches!(file.kind.as_str(), "photo" | "sticker" | "video_note");
    if with_mime {
        value["mime_type"] = file.mime.as_str().into();
    }
    if let Some(name) = file.name.as_deref().filter(|_| with_mime && file.kind != "voice") {
        value["file_name"] = name.into();
    }
    match file.kind.as_str() {
        "photo" => {
            let mut small = value.clone();
            small["file_id"] = format!("{id}-small").into();
            small["file_size"] = (file.size / 10).into();
            for (size, (width, height)) in [(&mut small, (90, 60)), (&mut value, (800, 533))] {
                size["width"] = width.into();
                size["height"] = height.into();
            }
            return json!([small, value]);
        }
        "sticker" => {
            value["type"] = "regular".into();
            value["is_animated"] = (file.mime == "application/x-tgsticker").into();
            value["is_video"] = (file.mime == "video/webm").into();
            value["width"] = 512.into();
            value["height"] = 512.into();
        }
        "video" | "animation" => {
            value["width"] = 640.into();
            value["height"] = 480.into();
            value["duration"] = 3.into();
        }
        "video_note" => {
            value["length"] = 240.into();
            value["duration"] = 3.into();
        }
        "audio" | "voice" => value["duration"] = 3.into(),
        _ => {}
    }
    value
}

/// What Telegram makes of an upload: the kind asked for if the content fits, else a document, else a refusal.
fn uploaded(field: &str, upload: &Upload) -> Result<StoredFile, Refusal> {
    let size = upload.bytes.len() as u64;
    if size == 0 {
        return Err(bad_request("file must be non-empty"));
    }
    let max = if field == "photo" { 10 * MB } else { 50 * MB };
    if size > max {
        return Err(Refusal::new(413, "Request Entity Too Large"));
    }
    let found = sniff(&upload.bytes);
    let kind = match field {
        "photo" if !found.starts_with("image/") => return Err(bad_request("IMAGE_PROCESS_FAILED")),
        "sticker" if !["image/webp", "application/x-tgsticker", "video/webm"].contains(&found) => "document",
        "voice" if !matches!(found, "audio/ogg" | "audio/mpeg" | "video/mp4") => "document",
        "audio" if !matches!(found, "audio/mpeg" | "video/mp4") => "document",
        "video" if found != "video/mp4" => "document",
        "animation" if !matches!(found, "image/gif" | "video/mp4") => "document",
        kind => kind,
    };
    let mime = if kind == "sticker" || upload.mime.is_empty() { found } else { &upload.mime };
    Ok(stored(kind, mime, Some(upload.name.clone()), upload.bytes.clone(), size))
}

fn from_web(bot: &Bot, field: &str, url: &str) -> Result<StoredFile, Refusal> {
    let max = if field == "photo" { 5 * MB } else { 20 * MB };
    let name = url.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
    let file = match bot.web.get(url) {
        Some(file) => file.clone(),
        None if url.contains(".invalid/") => return Err(bad_request("failed to get HTTP URL content")),
        // Nothing is fetched: what the test said nothing about is a small file of the right type.
        None => stored(field, default_mime(field), name, bytes::Bytes::from_static(b"from the web"), 1_000),
    };
    if file.size > max {
        return Err(bad_request("failed to get HTTP URL content"));
    }
    if field == "sticker" && file.mime != "image/webp" {
        return Err(bad_request("animated sticker must be uploaded as an InputFile"));
    }
    if field == "photo" && !file.mime.starts_with("image/") {
        return Err(bad_request("wrong type of the web page content"));
    }
    Ok(file)
}

pub(crate) fn stored(
    kind: &str,
    mime: &str,
    name: Option<String>,
    bytes: bytes::Bytes,
    size: u64,
) -> StoredFile {
    StoredFile { path: String::new(), bytes, size, kind: kind.to_owned(), mime: mime.to_owned(), name }
}

/// The type of a file by its first bytes.
fn sniff(bytes: &[u8]) -> &'static str {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    match () {
        () if at(0, b"\xFF\xD8\xFF") => "image/jpeg",
        () if at(0, b"\x89PNG\r\n\x1A\n") => "image/png",
        () if at(0, b"GIF8") => "image/gif",
        () if at(0, b"RIFF") && at(8, b"WEBP") => "image/webp",
        () if at(0, b"\x1F\x8B") => "application/x-tgsticker",
        () if at(0, b"\x1A\x45\xDF\xA3") => "video/webm",
        () if at(4, b"ftyp") => "video/mp4",
        () if at(0, b"OggS") => "audio/ogg",
        () if at(0, b"ID3") || at(0, b"\xFF\xFB") => "audio/mpeg",
        () => "application/octet-stream",
    }
}

/// The type that a file of a kind usually has.
pub(crate) fn default_mime(kind: &str) -> &'static str {
    match kind {
        "photo" => "image/jpeg",
        "video" | "animation" | "video_note" => "video/mp4",
        "audio" => "audio/mpeg",
        "voice" => "audio/ogg",
        "sticker" => "image/webp",
        _ => "application/octet-stream",
    }
}
