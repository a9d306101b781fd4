//! What the Bot API says: yes with a result, or no with a code and words.

use serde_json::{Value, json};

/// A no.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// `error_code`, which is the HTTP status too.
    pub code: u16,
    /// For people, and in practice for programs.
    pub description: String,
    /// `retry_after`, `migrate_to_chat_id`.
    pub parameters: Option<Value>,
}

/// What a method answers.
pub(crate) type Reply = Result<Value, Refusal>;

impl Refusal {
    pub(crate) fn new(code: u16, description: impl Into<String>) -> Self {
        Self { code, description: description.into(), parameters: None }
    }

    pub(crate) fn with_code(self, code: u16) -> Self {
        Self { code, ..self }
    }

    /// Too many requests: come back after `seconds`.
    pub(crate) fn too_many(seconds: u64) -> Self {
        Self {
            parameters: Some(json!({ "retry_after": seconds })),
            ..Self::new(429, format!("Too Many Requests: retry after {seconds}"))
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut body = json!({ "ok": false, "error_code": self.code, "description": self.description });
        if let Some(parameters) = &self.parameters {
            body["parameters"] = parameters.clone();
        }
        body
    }
}

/// A 400 with these words.
pub(crate) fn bad_request(words: &str) -> Refusal {
    Refusal::new(400, format!("Bad Request: {words}"))
}

/// A 403 with these words.
pub(crate) fn forbidden(words: &str) -> Refusal {
    Refusal::new(403, format!("Forbidden: {words}"))
}
