//! What the Graph API says: yes with a result, or no in its envelope.

use serde_json::{Value, json};

use super::Call;

/// What a call is answered with.
pub type Reply = Result<Value, Refusal>;

/// A no.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// `code`
    pub code: i64,
    /// `error_subcode`
    pub subcode: Option<i64>,
    /// `message`
    pub message: String,
    /// `error_data.details`, as WhatsApp has it.
    pub details: Option<String>,
    /// `is_transient`
    pub is_transient: Option<bool>,
    /// Headers that come with it.
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal in these words.
    pub fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), ..Self::default() }
    }

    /// With a subcode.
    #[must_use]
    pub fn with_subcode(self, subcode: i64) -> Self {
        Self { subcode: Some(subcode), ..self }
    }

    /// With what exactly is wrong.
    #[must_use]
    pub fn with_details(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    /// With a header: `Retry-After`, `X-Business-Use-Case-Usage`.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A limit of a business's, with the minutes until calls are welcome again.
    #[must_use]
    pub fn with_regain_minutes(self, minutes: u64) -> Self {
        let usage = json!({ "1": [{ "type": "x", "call_count": 100, "total_cputime": 3, "total_time": 5,
            "estimated_time_to_regain_access": minutes }] });
        self.with_header("X-Business-Use-Case-Usage", usage.to_string())
    }

    /// Whoever showed no good token.
    pub fn token(subcode: Option<i64>) -> Self {
        let refusal = Self::new(401, 190, "Invalid OAuth access token - Cannot parse access token");
        Self { subcode, ..refusal }
    }

    /// A field that is missing or wrong.
    pub fn parameter(details: impl Into<String>) -> Self {
        Self::new(400, 100, "(#100) Invalid parameter").with_details(details)
    }

    /// Something that is not there, or not for this token.
    pub fn unknown(id: &str) -> Self {
        let message = format!(
            "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation"
        );
        Self { subcode: Some(33), ..Self::new(400, 100, message) }
    }

    /// The envelope.
    pub fn to_json(&self) -> Value {
        let mut error = json!({
            "message": self.message,
            "type": "OAuthException",
            "code": self.code,
            "fbtrace_id": "AbCdEf12345",
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        if let Some(details) = &self.details {
            error["error_data"] = json!({ "messaging_product": "whatsapp", "details": details });
        }
        if let Some(transient) = self.is_transient {
            error["is_transient"] = transient.into();
        }
        json!({ "error": error })
    }
}

/// A page of a listing as the call asks for it by `limit` and `after`. The address of the next one holds the token, as
/// Meta's does.
pub fn page(items: &[Value], call: &Call) -> Value {
    let number = |name: &str| call.text(name).and_then(|text| text.parse::<usize>().ok());
    let (from, limit) = (number("after").unwrap_or(0).min(items.len()), number("limit").unwrap_or(25).max(1));
    let to = (from + limit).min(items.len());
    let mut paging = json!({ "cursors": { "before": from.to_string(), "after": to.to_string() } });
    if to < items.len() {
        let token = call.token.as_deref().unwrap_or_default();
        paging["next"] = format!("http://graph/next?access_token={token}&after={to}").into();
    }
    json!({ "data": items[from..to], "paging": paging })
}
