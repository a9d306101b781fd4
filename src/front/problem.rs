//! What a caller is told when something goes wrong: problem details (RFC 9457), one form for every route.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

/// The media type of a problem.
const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $word:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, by what a caller can do about it. The word is the last part of the problem's `type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$meta])* $name),+ }

        impl Kind {
            const fn describe(self) -> (&'static str, StatusCode, &'static str) {
                match self { $(Self::$name => (concat!("/problems/", $word), StatusCode::$status, $title)),+ }
            }
        }
    };
}

kinds! {
    Malformed = "malformed", BAD_REQUEST, "The request cannot be read";
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid API key is needed";
    Forbidden = "forbidden", FORBIDDEN, "This API key may not do that";
    NotFound = "not-found", NOT_FOUND, "There is no such thing here";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This address does not take that method";
    Conflict = "conflict", CONFLICT, "Its state does not allow that";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    Range = "range", RANGE_NOT_SATISFIABLE, "The file has no such range";
    Link = "link", FORBIDDEN, "This link was changed or has ended";
    MediaType = "media-type", UNSUPPORTED_MEDIA_TYPE, "The body has the wrong media type";
    Validation = "validation", UNPROCESSABLE_ENTITY, "Some fields are not right";
    KeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "This Idempotency-Key was used for another request";
    RateLimited = "rate-limited", TOO_MANY_REQUESTS, "Too many requests";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something broke on our side";
    Provider = "provider", BAD_GATEWAY, "The provider did not answer as it should";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Not available at the moment";
    Timeout = "timeout", GATEWAY_TIMEOUT, "It took too long";
}

/// One field that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Its path in the request, for example `content.text`.
    pub field: String,
    /// A stable word: `required`, `unknown_field`, `invalid_type`, `invalid`, `too_long`, `unsupported`, …
    pub code: String,
    /// For a person.
    pub message: String,
}

/// Why a request was not done, as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemDetails {
    /// A stable address that names the kind of problem, for example `/problems/validation`.
    pub r#type: String,
    /// The kind of problem, for a person.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The fields that are not right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// A problem on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: Kind,
    detail: Option<String>,
    errors: Vec<FieldProblem>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of this kind.
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, detail: None, errors: Vec::new(), retry_after: None }
    }

    /// There is no such thing, or it is not the caller's: the answer is the same.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound).because(format!("there is no such {what}"))
    }

    /// A field is not right.
    pub(crate) fn field(field: impl Into<String>, code: &str, message: impl fmt::Display) -> Self {
        Self::new(Kind::Validation).and(field, code, message)
    }

    /// The same, with what happened this time.
    pub(crate) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same, with one more field that is not right.
    pub(crate) fn and(mut self, field: impl Into<String>, code: &str, message: impl fmt::Display) -> Self {
        self.errors.push(FieldProblem {
            field: field.into(),
            code: code.to_owned(),
            message: message.to_string(),
        });
        self
    }

    /// The same, with the time after which it may be tried again.
    pub(crate) const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Whether it says that there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// Ok when no field was found wrong.
    pub(crate) fn or_ok(self) -> Result<(), Self> {
        if self.errors.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<Problem> for ProblemDetails {
    fn from(problem: Problem) -> Self {
        let (r#type, status, title) = problem.kind.describe();
        Self {
            r#type: r#type.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: problem.detail,
            errors: problem.errors,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _) = self.kind.describe();
        let retry_after = self.retry_after;
        let mut response = (status, axum::Json(ProblemDetails::from(self))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::Conflict(why) => Self::new(Kind::Conflict).because(why),
            StoreError::Invalid { field, message } => Self::field(field, "invalid", message),
            error @ StoreError::Changed => Self::new(Kind::Conflict).because(error.to_string()),
            StoreError::KeyReused => Self::new(Kind::KeyReused),
            StoreError::Unavailable(error) => {
                tracing::error!(%error, "the store did not answer");
                Self::new(Kind::Unavailable)
                    .because("the database does not answer")
                    .after(Duration::from_secs(1))
            }
            error => {
                tracing::error!(%error, "the store cannot do what was asked");
                Self::new(Kind::Internal)
            }
        }
    }
}

impl From<queue::QueueError> for Problem {
    fn from(error: queue::QueueError) -> Self {
        tracing::warn!(%error, "the queue did not answer");
        Self::new(Kind::Unavailable)
            .because(match error {
                queue::QueueError::Rebuilding => "the queue is being rebuilt from the store",
                queue::QueueError::Unreachable(_) => "the queue does not answer",
            })
            .after(Duration::from_secs(1))
    }
}
