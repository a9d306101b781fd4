//! A provider's webhook on its way in: raw bytes, a verdict, events.

use serde_json::Value;

/// An HTTP request as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
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
    /// What the provider wants to read in the answer (a challenge); plain text.
    pub answer: Option<String>,
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
