//! Reading requests so that every mistake is answered with the field it is in.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use store::Patch;
use uuid::Uuid;

use crate::Front;
use crate::problem::{Kind, Problem};

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Front> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, front: &Front) -> Result<Self, Problem> {
        let bytes = json_bytes(request, front).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Front> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, front: &Front) -> Result<Self, Problem> {
        let says_json = request.headers().contains_key(CONTENT_TYPE);
        let bytes = if says_json { json_bytes(request, front).await? } else { bytes(request, front).await? };
        if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

/// The bytes of a body that says that it is JSON.
pub(crate) async fn json_bytes(request: Request, front: &Front) -> Result<Bytes, Problem> {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(is_json) {
        return Err(Problem::new(Kind::MediaType).because("send `Content-Type: application/json`"));
    }
    bytes(request, front).await
}

/// The bytes of a body.
pub(crate) async fn bytes(request: Request, front: &Front) -> Result<Bytes, Problem> {
    Bytes::from_request(request, front).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::new(Kind::TooLarge)
        }
        _ => Problem::new(Kind::Malformed).because("the body broke off"),
    })
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// Reads JSON; what is not JSON at all is malformed, what is JSON of another form names its field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take a list for an object, field by field.
    if bytes.trim_ascii_start().first() == Some(&b'[') && is_valid_json(bytes) {
        return Err(Problem::field(String::new(), "invalid_type", "expected an object, not a list"));
    }
    let reader = &mut serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut *reader).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            wrong_field(&path, &error.to_string())
        } else if is_valid_json(bytes) {
            // serde_json calls it a mistake of form when it finds, say, a number where a word should be.
            Problem::field(path.trim_matches('.'), "invalid_type", "not of the type that is expected here")
        } else {
            Problem::new(Kind::Malformed).because(format!("the body is not JSON: {error}"))
        }
    })?;
    reader
        .end()
        .map_err(|error| Problem::new(Kind::Malformed).because(format!("the body is not JSON: {error}")))?;
    Ok(value)
}

fn is_valid_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

/// What serde found wrong at `path`, as a problem.
pub(crate) fn wrong_field(path: &str, message: &str) -> Problem {
    let message = message.split(" at line ").next().unwrap_or(message);
    // serde quotes what it found.
    let quotes_a_secret = path.starts_with("credentials");
    let named = message.split('`').nth(1);
    let path = path.trim_matches('.');
    let within = |field: &str| {
        let last = path.rsplit('.').next().unwrap_or_default();
        match path {
            "" | "?" => field.to_owned(),
            _ if last == field => path.to_owned(),
            _ => format!("{path}.{field}"),
        }
    };
    let (field, code) = match (message, named) {
        (text, Some(field)) if text.starts_with("unknown field") => (within(field), "unknown_field"),
        (text, Some(field)) if text.starts_with("missing field") => (within(field), "required"),
        (text, Some(field)) if text.starts_with("duplicate field") => (within(field), "duplicate"),
        (text, _) if text.starts_with("invalid type") => (path.to_owned(), "invalid_type"),
        _ => (path.to_owned(), "invalid"),
    };
    let message = model::in_plain_words(message);
    Problem::field(field, code, if quotes_a_secret { "not of the right form" } else { &message })
}

/// A field that may be left out, null or something: `#[serde(default, deserialize_with = "patch")]`.
pub(crate) fn patch<'de, T, D>(from: D) -> Result<Patch<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.map_or(Patch::Clear, Patch::To))
}

/// The query string.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Front> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Front) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text.rsplit("query string: ").next().unwrap_or(&text);
                Err(match text.split_once(": ") {
                    Some((path, message)) if !path.contains(' ') => wrong_field(path, message),
                    _ => wrong_field("", text),
                })
            }
        }
    }
}

/// The `{id}` in a path. One that is no id names nothing: 404.
#[derive(Debug)]
pub(crate) struct Id<I>(pub(crate) I);

impl<I: From<Uuid>> FromRequestParts<Front> for Id<I> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Problem> {
        axum::extract::Path::<Uuid>::from_request_parts(parts, front)
            .await
            .map(|axum::extract::Path(id)| Self(id.into()))
            .map_err(|_| Problem::not_found("id"))
    }
}
