//! What the API says: yes with a body or without, or no with a code and words.

use serde_json::{Value, json};

/// A no.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; null is a page of the edge.
    pub body: Value,
    /// `user`, `shared` or `global`, for a 429.
    pub scope: Option<&'static str>,
    /// Seconds, for a 429.
    pub retry_after: Option<f64>,
}

/// What a call is answered with; null has no body.
pub(crate) type Reply = Result<Value, Refusal>;

impl Refusal {
    pub(crate) fn new(status: u16, code: u64, message: &str) -> Self {
        let body = json!({ "message": message, "code": code });
        Self { status, body, scope: None, retry_after: None }
    }

    pub(crate) fn page(status: u16) -> Self {
        Self { body: Value::Null, ..Self::new(status, 0, "") }
    }

    /// Too many requests: come back after `seconds`.
    pub(crate) fn too_many(scope: &'static str, seconds: f64) -> Self {
        let body = json!({
            "message": "You are being rate limited.", "retry_after": seconds, "global": scope == "global",
        });
        Self { status: 429, body, scope: Some(scope), retry_after: Some(seconds) }
    }

    /// A field that is not as it should be.
    pub(crate) fn invalid(place: &str, code: &str, message: &str) -> Self {
        let leaf = json!({ "_errors": [{ "code": code, "message": message }] });
        let errors = place.rsplit('.').fold(leaf, |below, name| json!({ name: below }));
        let body = json!({ "code": 50035, "message": "Invalid Form Body", "errors": errors });
        Self { status: 400, body, scope: None, retry_after: None }
    }
}

pub(crate) fn unauthorized() -> Refusal {
    Refusal::new(401, 0, "401: Unauthorized")
}

pub(crate) fn not_found() -> Refusal {
    Refusal::new(404, 0, "404: Not Found")
}

pub(crate) fn unknown_channel() -> Refusal {
    Refusal::new(404, 10_003, "Unknown Channel")
}

pub(crate) fn unknown_message() -> Refusal {
    Refusal::new(404, 10_008, "Unknown Message")
}
