//! A provider's webhook on its way in: raw bytes, a verdict, events.

use serde_json::Value;

/// How a webhook's address was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To be asked whether it is the right place (Meta's `hub.challenge`).
    Get,
    /// To be told something.
    Post,
}

/// An HTTP request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// How it was called.
    pub method: Method,
    /// Header names are lower case; the first of several equal ones counts.
    pub headers: &'a [(String, String)],
    /// The query string, without `?`.
    pub query: &'a str,
    /// The body, untouched: signatures are over these bytes.
    pub body: &'a [u8],
}

impl WebhookRequest<'_> {
    /// The value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of the query's parameter `name`, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// One thing that happened, as the provider told it.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookEvent {
    /// The same whenever the provider repeats the event, different for any other event of the account.
    pub dedupe_key: String,
    /// The provider's id of the account it belongs to, when several share one webhook; else none.
    pub account: Option<String>,
    /// The provider's own words.
    pub payload: Value,
}

/// What a verified webhook amounts to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WebhookResponse {
    /// What happened, in the order given.
    pub events: Vec<WebhookEvent>,
    /// What the provider wants to read in the answer (a challenge); else it reads nothing.
    pub answer: Option<WebhookAnswer>,
}

/// What a provider reads in the answer to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// The body's MIME type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl WebhookAnswer {
    /// Plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self { content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    /// JSON.
    pub fn json(body: &Value) -> Self {
        Self { content_type: "application/json", body: body.to_string() }
    }
}

impl WebhookResponse {
    /// Nothing happened; the provider only wants to read this.
    pub const fn answered(answer: WebhookAnswer) -> Self {
        Self { events: Vec::new(), answer: Some(answer) }
    }
}

/// Why a webhook is turned away. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The signature is missing or wrong: 401.
    #[error("the signature is missing or does not fit the body")]
    Signature,
    /// The body is not in the provider's form: 400.
    #[error("the body is not a {0} webhook")]
    Malformed(&'static str),
}
