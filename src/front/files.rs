//! What signed links lead to: a file's bytes, for whoever holds the link. A browser that shows them runs nothing of them.

use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use media::SignedLink;
use model::{MediaFile, MediaId};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::body::{Id, Query};
use crate::problem::{Kind, Problem};

/// What makes a link a link. Read as text: whatever is wrong with them is one answer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Signed {
    /// When it ends, in seconds of Unix time.
    expires: Option<String>,
    /// The proof that we made it.
    signature: Option<String>,
}

/// Gives a file to whoever has a signed link to it (see `GET /v1/media/{id}`). No key is needed.
#[utoipa::path(get, path = "/media/{id}", tag = "media", params(("id" = Uuid, Path), Signed),
    responses(
        (status = 200, description = "Its bytes", body = Vec<u8>, content_type = "*/*"),
        (status = 206, description = "The range of them that was asked for", body = Vec<u8>, content_type = "*/*"),
        (status = 304, description = "The reader has them already"),
        (status = 403, description = "The link was changed or has ended", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 416, description = "There is no such range", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn get_file(
    State(front): State<Front>,
    Id(id): Id<MediaId>,
    Query(signed): Query<Signed>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = front.clock.now();
    let link = match (signed.expires.and_then(|expires| expires.parse().ok()), signed.signature) {
        (Some(expires), Some(signature)) => SignedLink { expires, signature },
        _ => return Err(Problem::new(Kind::Link)),
    };
    if !front.links.is_valid(id, &link, now) {
        return Err(Problem::new(Kind::Link));
    }
    let file = front.store.shared_media(id).await?.ok_or_else(|| Problem::not_found("file"))?;
    let etag = file.sha256.as_ref().map(|hash| format!("\"{hash}\""));
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if etag.is_some() && known == etag.as_deref() {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let size = file.size.unwrap_or(0);
    let range =
        match headers.get(RANGE).and_then(|value| value.to_str().ok()).and_then(|text| range(text, size)) {
            None => None,
            Some(Ok(range)) => Some(range),
            Some(Err(Unsatisfiable)) => {
                let mut response = Problem::new(Kind::Range).into_response();
                put(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
                return Ok(response);
            }
        };
    let reading = front.media.get(&file.key(), range.clone()).await?;
    let length = reading.range.end - reading.range.start;
    let mut response = Response::new(Body::from_stream(reading.bytes));
    if let Some(range) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        put(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    let mime = file.mime.as_deref().unwrap_or("application/octet-stream");
    let lasts = link.expires_at().since(now).as_secs();
    for (name, value) in [
        (CONTENT_TYPE, mime),
        (CONTENT_LENGTH, &length.to_string()),
        (CONTENT_DISPOSITION, &disposition(&file)),
        (ACCEPT_RANGES, "bytes"),
        (CACHE_CONTROL, &format!("private, max-age={lasts}, immutable")),
        (ETAG, etag.as_deref().unwrap_or_default()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        put(&mut response, name, value);
    }
    Ok(response)
}

fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        response.headers_mut().insert(name, value);
    }
}

/// Pictures, films and sound are shown, the rest is saved; a drawing may hold scripts and is saved, too.
fn disposition(file: &MediaFile) -> String {
    let mime = file.mime.as_deref().unwrap_or_default();
    let shown = ["image/", "audio/", "video/"].iter().any(|family| mime.starts_with(family))
        && !mime.starts_with("image/svg");
    let how = if shown { "inline" } else { "attachment" };
    match &file.name {
        None => how.to_owned(),
        Some(name) => {
            let plain: String = name
                .chars()
                .map(|char| {
                    if char == ' ' || char.is_ascii_graphic() && !"\"\\%".contains(char) { char } else { '_' }
                })
                .collect();
            let mut encoded = String::new();
            for byte in name.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    encoded.push(char::from(byte));
                } else {
                    encoded.push('%');
                    encoded.extend(hex_digits(byte));
                }
            }
            format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
        }
    }
}

fn hex_digits(byte: u8) -> [char; 2] {
    [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)]))
}

/// A range that begins behind the end.
#[derive(Debug, PartialEq, Eq)]
struct Unsatisfiable;

/// The one range that is asked for; none for several or for what is not a range: then all bytes are the answer.
fn range(text: &str, size: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    let range = if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        size.saturating_sub(count)..size
    } else {
        let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
        let first: u64 = first.parse().ok()?;
        if first > last {
            return None;
        }
        first..last.saturating_add(1).min(size)
    };
    Some(if range.start < range.end { Ok(range) } else { Err(Unsatisfiable) })
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(get_file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_readers_mean_them() {
        for (text, meant) in [
            ("bytes=0-0", Some(Ok(0..1))),
            ("bytes=2-", Some(Ok(2..10))),
            ("bytes=2-99", Some(Ok(2..10))),
            ("bytes=-3", Some(Ok(7..10))),
            ("bytes=-99", Some(Ok(0..10))),
            ("bytes=10-", Some(Err(Unsatisfiable))),
            ("bytes=-0", Some(Err(Unsatisfiable))),
            ("bytes=5-2", None),
            ("bytes=0-1,4-5", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(range(text, 10), meant, "{text}");
        }
    }
}
