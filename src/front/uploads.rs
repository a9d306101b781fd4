//! Files: upload, show, and check before a message may name one. Bytes pass through to their place; none is kept here.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use channel::Channel;
use futures::{Stream, TryStreamExt};
use media::{MediaError, PutError, Stored};
use model::{Content, MediaFile, MediaId, MediaState};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{Created, FileFacts, Idempotency, StoreError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Query};
use crate::problem::{Kind, Problem};
use crate::{Front, idempotency, schema};

/// Where files are uploaded to.
pub(crate) const PATH: &str = "/v1/media";
/// Longest name of a file.
const NAME_MAX: usize = 255;
/// What a form says beside its file.
const FORM: u64 = 64 * 1024;

/// About the file in the body.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct About {
    /// What it is called; at most 255 characters. A form says so itself.
    name: Option<String>,
}

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is read piece by piece; this is how the document shows it")]
struct UploadForm {
    /// The file; its name and type are taken from here.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Stores a file, so that messages can carry it. Send its bytes as the body with their `Content-Type`, or a form
/// (`multipart/form-data`) with a field `file`. What it is is seen from its bytes.
#[utoipa::path(post, path = "/v1/media", tag = "media",
    params(About, ("Idempotency-Key" = Option<String>, Header, description = "Equal uploads with one key are one upload.")),
    request_body(content((Vec<u8> = "application/octet-stream"), (UploadForm = "multipart/form-data")),
        description = "The file, or a form with it"),
    responses((status = 201, description = "Stored", body = schema::MediaFile)))]
async fn upload_media(
    State(front): State<Front>,
    caller: Caller,
    Query(about): Query<About>,
    request: Request,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    let key = idempotency::key(request.headers())?;
    let id: MediaId = front.ids.id(front.clock.now());
    let place = format!("{}/{id}", caller.workspace);
    let (told, stored) = receive(&front, &place, about.name, request).await?;
    let done = add(&front, &caller, id, &told, &stored, key).await;
    if !matches!(done, Ok(Created::New(_)))
        && let Err(error) = front.media.delete(&place).await
    {
        tracing::warn!(%error, media.id = %id, "the bytes of a file that is not kept are left behind");
    }
    match done? {
        Created::New(file) => Ok((StatusCode::CREATED, axum::Json(file)).into_response()),
        Created::Before { status, answer } => Ok(replay(status, answer)),
    }
}

/// What the sender says about a file.
#[derive(Debug, Default)]
struct Told {
    mime: Option<String>,
    name: Option<String>,
}

async fn receive(
    front: &Front,
    place: &str,
    name: Option<String>,
    request: Request,
) -> Result<(Told, Stored), Problem> {
    let mime = header(request.headers(), CONTENT_TYPE.as_str()).map(str::to_owned);
    let is_form =
        mime.as_ref().is_some_and(|mime| mime.to_ascii_lowercase().starts_with("multipart/form-data"));
    let length =
        header(request.headers(), CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
    let limit = front.config.upload_limit;
    if length.is_some_and(|length| length > limit.saturating_add(if is_form { FORM } else { 0 })) {
        return Err(too_large(limit));
    }
    let name = name.map(|name| checked_name(&name)).transpose()?;
    if !is_form {
        let source = request.into_body().into_data_stream();
        let stored = put(front, place, mime.as_deref(), source).await?;
        return Ok((Told { mime, name }, stored));
    }
    let broken = |error: MultipartError| Problem::new(Kind::Malformed).because(error.body_text());
    let mut form = Multipart::from_request(request, front)
        .await
        .map_err(|rejection| Problem::new(Kind::Malformed).because(rejection.body_text()))?;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("file") {
            let mime = field.content_type().map(str::to_owned);
            let name = name.or_else(|| field.file_name().and_then(last_part));
            let stored = put::<MultipartError>(front, place, mime.as_deref(), pieces(field)).await?;
            return Ok((Told { mime, name }, stored));
        }
    }
    Err(Problem::field("file", "required", "the form has no field `file`"))
}

fn pieces(field: Field<'_>) -> impl Stream<Item = Result<Bytes, MultipartError>> + Send {
    field.into_stream()
}

async fn put<E: std::error::Error>(
    front: &Front,
    place: &str,
    mime: Option<&str>,
    source: impl Stream<Item = Result<Bytes, E>> + Send,
) -> Result<Stored, Problem> {
    match front.media.put(place, mime, front.config.upload_limit, source).await {
        Ok(stored) if stored.size == 0 => {
            front.media.delete(place).await?;
            Err(Problem::field("file", "empty", "a file needs at least one byte"))
        }
        Ok(stored) => Ok(stored),
        Err(PutError::Source(_)) => Err(Problem::new(Kind::Malformed).because("the body broke off")),
        Err(PutError::Media(error)) => Err(error.into()),
    }
}

async fn add(
    front: &Front,
    caller: &Caller,
    id: MediaId,
    told: &Told,
    stored: &Stored,
    key: Option<String>,
) -> Result<Created<MediaFile>, StoreError> {
    let facts = FileFacts {
        mime: stored.mime.clone(),
        name: told.name.clone(),
        size: stored.size,
        sha256: stored.sha256,
    };
    // The same file told in the same way is the same request, however it was packed.
    let mut hash = Sha256::new();
    for part in
        ["POST", PATH, told.mime.as_deref().unwrap_or_default(), told.name.as_deref().unwrap_or_default()]
    {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(stored.sha256);
    let idempotency = key.map(|key| Idempotency { key, request_hash: hash.finalize().to_vec() });
    front.store.add_media(caller.workspace, id, &facts, idempotency.as_ref(), |file| json!(file)).await
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn checked_name(name: &str) -> Result<String, Problem> {
    let fits = (1..=NAME_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned()).ok_or_else(|| {
        Problem::field("name", "invalid", format!("1 to {NAME_MAX} characters, none of control"))
    })
}

/// The name that a form gives, without folders and what cannot be seen.
fn last_part(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|char| !char.is_control()).take(NAME_MAX).collect();
    (!name.is_empty()).then_some(name)
}

fn too_large(limit: u64) -> Problem {
    Problem::new(Kind::TooLarge).because(format!("a file may have {limit} bytes"))
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::NotFound => Self::not_found("file"),
            MediaError::TooLarge { limit } => too_large(limit),
            error => {
                tracing::error!(%error, "the place of media files did not do its work");
                Self::new(Kind::Unavailable)
                    .because("the place of media files does not answer")
                    .after(std::time::Duration::from_secs(5))
            }
        }
    }
}

/// Shows a file, with a link that anybody may follow until it ends.
#[utoipa::path(get, path = "/v1/media/{id}", tag = "media", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The file", body = schema::LinkedMedia)))]
async fn show_media(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MediaId>,
) -> Result<axum::Json<Value>, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let file = front.seen_media(&caller, id).await?;
    let mut answer = json!(file);
    let (mut url, mut expires_at) = (Value::Null, Value::Null);
    if file.state == MediaState::Stored {
        let now = front.clock.now();
        let link = front.links.sign(id, now, front.config.link_lasting);
        let base = front.config.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
        url = json!(format!("{base}/media/{id}?expires={}&signature={}", link.expires, link.signature));
        expires_at = json!(link.expires_at());
    }
    answer["url"] = url;
    answer["expires_at"] = expires_at;
    Ok(axum::Json(answer))
}

impl Front {
    /// A file that the caller sees: one that was uploaded, or that came to an account of the caller's.
    async fn seen_media(&self, caller: &Caller, id: MediaId) -> Result<MediaFile, Problem> {
        let file = self.store.media_file(caller.workspace, id).await?;
        if let Some(account) = file.account_id {
            caller.must_see(account, "media")?;
        }
        Ok(file)
    }

    /// Refuses content whose file the caller may not send, is not here, or is not what the channel takes; and writes
    /// into it what is known of the file. A link must be one that a provider can follow.
    pub(crate) async fn check_media(
        &self,
        caller: &Caller,
        channel: &dyn Channel,
        content: &mut Content,
    ) -> Result<(), Problem> {
        let kind = content.kind();
        let Some(given) = content.media_mut() else { return Ok(()) };
        let wrong = |field: &str, code, message: String| {
            Problem::field(format!("content.media.{field}"), code, message)
        };
        if given.provider_ref.is_some() {
            let message = "a provider's own handle is only ever received; give `media_id` or `url`";
            return Err(wrong("provider_ref", "unsupported", message.to_owned()));
        }
        if let Some(url) = &given.url
            && let Err(error) = self.config.check_link(url)
        {
            return Err(wrong("url", "invalid", error));
        }
        let Some(id) = given.media_id else { return Ok(()) };
        let file = self.seen_media(caller, id).await.map_err(|problem| {
            if problem.is_not_found() {
                wrong("media_id", "not_found", "there is no such file".to_owned())
            } else {
                problem
            }
        })?;
        match file.state {
            MediaState::Stored => {}
            MediaState::Pending => {
                let message = "the file is still being fetched from where it was received";
                return Err(wrong("media_id", "not_stored", message.to_owned()));
            }
            MediaState::Failed => {
                let reason = file.reason.unwrap_or_default();
                return Err(wrong(
                    "media_id",
                    "not_stored",
                    format!("the file could not be fetched: {reason}"),
                ));
            }
        }
        if let (Some(mime), Some(size)) = (&file.mime, file.size) {
            channel.capabilities().check_file(kind, mime, size)?;
        }
        given.mime = file.mime;
        given.size = file.size;
        given.name = given.name.take().or(file.name);
        Ok(channel.check(content)?)
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(upload_media))
        // Counted while it passes through; what is counted here would have to be held first.
        .layer(DefaultBodyLimit::disable())
        .routes(routes!(show_media))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        for (given, name) in [
            ("a.png", Some("a.png")),
            ("C:\\x\\a.png", Some("a.png")),
            ("../../a\n.png", Some("a.png")),
            ("x/", None),
        ] {
            assert_eq!(last_part(given).as_deref(), name, "{given}");
        }
        assert!(
            checked_name("").is_err() && checked_name("a\u{7}").is_err() && checked_name("Ä b.pdf").is_ok()
        );
    }
}
