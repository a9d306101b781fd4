//! Files: a place to upload to, the bytes, the sharing that comes later, the download.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Shared;
use super::chat::{BOT, room, stray};
use super::methods::text;
use super::state::{File, Message, Refusal, Reply, State};

pub(super) fn place(shared: &Shared, state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let name = text(arguments, "filename")?;
    let length = text(arguments, "length")?.parse::<usize>().ok().filter(|length| *length > 0);
    let length = length.ok_or_else(|| Refusal::from("invalid_arguments"))?;
    let id = state.fresh("F");
    let file = File { length, uploaded: false, ..File::new(name, Bytes::new()) };
    state.files.insert(id.clone(), file);
    Ok(json!({ "upload_url": format!("{}/upload/{id}", shared.base_url), "file_id": id }))
}

/// The bytes came; or the status that says why not.
pub(super) fn uploaded(state: &mut State, id: &str, bytes: Bytes) -> Result<(), u16> {
    let file = state.files.get_mut(id).ok_or(404_u16)?;
    if bytes.len() != file.length {
        return Err(400);
    }
    file.bytes = bytes;
    file.uploaded = true;
    Ok(())
}

pub(super) fn complete(shared: &Shared, state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let Some([told]) = arguments.get("files").and_then(Value::as_array).map(Vec::as_slice) else {
        return Err("invalid_arguments".into());
    };
    let channel = text(arguments, "channel_id")?.to_owned();
    if room(state, &channel)?.archived {
        return Err("posting_to_channel_denied".into());
    }
    let comment = arguments.get("initial_comment").and_then(Value::as_str).unwrap_or_default();
    if stray(comment).is_some() {
        return Err("invalid_arguments".into());
    }
    let id = told["id"].as_str().unwrap_or_default().to_owned();
    let mut message = Message::by(BOT, comment);
    message.thread_ts = arguments.get("thread_ts").and_then(Value::as_str).map(str::to_owned);
    message.files.push(id.clone());
    let file = state.files.get_mut(&id).filter(|file| file.uploaded && file.shared.is_none());
    let file = file.ok_or_else(|| Refusal::from("file_not_found"))?;
    file.shared = Some((channel, message));
    // What is shared is told later.
    let answer = self::told(&shared.base_url, &id, file, false);
    Ok(json!({ "files": [answer] }))
}

pub(super) fn info(shared: &Shared, state: &mut State, arguments: &Map<String, Value>) -> Reply {
    let id = text(arguments, "file")?;
    let file = state.files.get_mut(id).ok_or_else(|| Refusal::from("file_not_found"))?;
    file.asked += 1;
    let due = file.ts.is_none() && file.asked > shared.options.share_after;
    if let Some((channel, message)) = file.shared.clone().filter(|_| due) {
        let ts = state.post(&channel, message);
        state.files.get_mut(id).ok_or("file_not_found")?.ts = Some(ts);
    }
    let file = &state.files[id];
    Ok(json!({ "file": told(&shared.base_url, id, file, true) }))
}

/// A file as Slack tells of it; all of it or, right after the upload, little.
pub(super) fn told(base_url: &str, id: &str, file: &File, whole: bool) -> Value {
    if let Some(told) = &file.told {
        return told.clone();
    }
    let mut answer = json!({ "id": id, "title": file.name, "name": file.name });
    if !whole {
        return answer;
    }
    answer["size"] = file.bytes.len().into();
    answer["mimetype"] = mime(&file.name).into();
    answer["url_private_download"] = format!("{base_url}/files-pri/{id}").into();
    answer["shares"] = match (&file.shared, &file.ts) {
        (Some((channel, _)), Some(ts)) => {
            let reach = if channel.starts_with('C') { "public" } else { "private" };
            json!({ reach: { channel.as_str(): [{ "ts": ts }] } })
        }
        _ => json!({}),
    };
    answer
}

/// What a name's ending tells.
fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("png") => "image/png",
        Some("mp4") => "video/mp4",
        Some("mp3") => "audio/mpeg",
        Some("ogg") => "audio/ogg",
        Some("pdf") => "application/pdf",
        Some("html") => "text/html",
        _ => "application/octet-stream",
    }
}

/// The bytes; to whom may not read them, a page to log in on, as if all were well.
pub(super) fn download(state: &State, id: &str, token: Option<&str>) -> Response {
    let may = token == Some(&state.bot.token) && state.bot.scopes.iter().any(|scope| scope == "files:read");
    match state.files.get(id).filter(|_| may) {
        Some(file) => ([(CONTENT_TYPE, mime(&file.name))], file.bytes.clone()).into_response(),
        None => {
            ([(CONTENT_TYPE, "text/html; charset=utf-8")], "<html>Sign in to Slack</html>").into_response()
        }
    }
}
