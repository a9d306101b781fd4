//! Meta's refusals, and what those that all of its channels share mean for the queue.

use std::time::Duration;

use channel::{ChannelError, ErrorClass};
use serde_json::Value;

use super::usage::Usage;

/// What a channel's own codes mean; none leaves a refusal to what holds for all of Meta.
pub(crate) type Classify = fn(&Refusal) -> Option<ErrorClass>;

/// The content of Meta's error envelope.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Refusal {
    /// The HTTP status; 0 where the refusal came by webhook.
    pub status: u16,
    /// What to build on, with the subcode where there is one.
    pub code: i64,
    /// Which sort of it.
    pub subcode: Option<i64>,
    /// Meta's words.
    pub message: String,
    /// More of them: what exactly is wrong.
    pub details: Option<String>,
    /// Whether Meta calls it a bad moment.
    pub is_transient: bool,
    /// By which Meta's support finds the call.
    pub trace: Option<String>,
    /// Until calls are welcome again, where the answer says so.
    pub wait: Option<Duration>,
}

impl Refusal {
    /// The refusal in an answer's body; none if there is none.
    pub fn of(status: u16, body: Option<&Value>, usage: &Usage) -> Option<Self> {
        let error = body?.get("error")?.as_object()?;
        Some(Self { status, wait: usage.wait, ..Self::read(&Value::Object(error.clone())) })
    }

    /// The refusal in an `error` object, or in one of the `errors` that come by webhook.
    pub fn read(error: &Value) -> Self {
        let text = |value: Option<&Value>| {
            value.and_then(Value::as_str).filter(|text| !text.trim().is_empty()).map(str::to_owned)
        };
        let number = |name: &str| {
            let value = error.get(name)?;
            value.as_i64().or_else(|| value.as_str()?.parse().ok())
        };
        let title = text(error.get("title"));
        let data = error.get("error_data");
        Self {
            status: 0,
            // A refusal without a code is not the 0 that speaks of tokens.
            code: number("code").unwrap_or(-1),
            subcode: number("error_subcode").filter(|subcode| *subcode != 0),
            message: text(error.get("message")).or(title).unwrap_or_else(|| "no message".to_owned()),
            details: text(data.and_then(|data| data.get("details")))
                .or_else(|| text(error.get("error_user_msg")))
                .or_else(|| text(data)),
            is_transient: error.get("is_transient").and_then(Value::as_bool).unwrap_or(false),
            trace: text(error.get("fbtrace_id")),
            wait: None,
        }
    }

    /// The code as records and metrics have it: `131056`, or `10/2018278` with a subcode.
    pub fn name(&self) -> String {
        match self.subcode {
            Some(subcode) => format!("{}/{subcode}", self.code),
            None => self.code.to_string(),
        }
    }

    /// Meta's words, all of them.
    pub fn words(&self) -> String {
        let details = self.details.as_deref().filter(|details| *details != self.message);
        let details = details.map(|details| format!(": {details}")).unwrap_or_default();
        let trace = self.trace.as_deref().map(|trace| format!(" (fbtrace_id {trace})")).unwrap_or_default();
        format!("{}{details}{trace}", self.message)
    }

    /// What to do about it: by the channel's own codes, then by those of all of Meta.
    pub fn class(&self, classify: Classify) -> ErrorClass {
        classify(self).unwrap_or_else(|| self.shared_class())
    }

    pub(super) fn into_error(self, classify: Classify) -> ChannelError {
        ChannelError::new(self.class(classify), self.name(), self.words())
    }

    fn shared_class(&self) -> ErrorClass {
        match self.code {
            // Whatever the subcode (app removed, password changed, expired, checkpoint, logged out): a new token is due.
            0 | 102 | 190 | 463 | 467 => stopped("token_revoked"),
            // The app may not do that for this account until somebody allows it, or broke a rule (368).
            3 | 10 | 200..=299 | 368 => stopped("restricted"),
            // Limits of the app, the user, the page, the business.
            4 | 17 | 32 | 341 | 613 | 80_000..=80_014 => ErrorClass::RetryAfter(self.wait),
            1 | 2 => self.bad_moment(),
            _ if self.is_transient => self.bad_moment(),
            _ => by_status(self.status, self.wait).unwrap_or(ErrorClass::Permanent),
        }
    }

    fn bad_moment(&self) -> ErrorClass {
        // The gateway gave up waiting for a server that may have carried the call out.
        if self.status == 504 { ErrorClass::Ambiguous } else { ErrorClass::Retry }
    }
}

/// The account may not send at all, until somebody acts.
pub(crate) const fn stopped(reason: &'static str) -> ErrorClass {
    ErrorClass::AccountStopped { reason, lasting: None }
}

/// What the status alone says; none where it only says that the request was refused.
fn by_status(status: u16, wait: Option<Duration>) -> Option<ErrorClass> {
    Some(match status {
        401 => stopped("token_revoked"),
        429 => ErrorClass::RetryAfter(wait),
        504 => ErrorClass::Ambiguous,
        500..=599 => ErrorClass::Retry,
        _ => return None,
    })
}

/// The error of an answer that is not the Graph API's: something in between spoke.
pub(super) fn gateway(status: u16, usage: &Usage) -> ChannelError {
    let class = by_status(status, usage.wait).unwrap_or(ErrorClass::Permanent);
    ChannelError::new(class, status.to_string(), "an answer that is not the Graph API's")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(error: &Value) -> Refusal {
        Refusal::of(400, Some(&json!({ "error": error })), &Usage::default()).unwrap()
    }

    #[test]
    fn all_that_meta_says_is_kept() {
        let told = refusal(&json!({
            "message": "(#10) outside of window", "type": "OAuthException", "code": 10, "error_subcode": 2_018_278,
            "error_data": { "messaging_product": "whatsapp", "details": "more than 24 hours" }, "fbtrace_id": "Abc",
        }));
        assert_eq!(told.name(), "10/2018278");
        assert_eq!(told.words(), "(#10) outside of window: more than 24 hours (fbtrace_id Abc)");
        let by_webhook = Refusal::read(&json!({ "code": 131_047, "title": "Re-engagement message" }));
        assert_eq!(
            (by_webhook.name().as_str(), by_webhook.words().as_str()),
            ("131047", "Re-engagement message")
        );
    }

    #[test]
    fn what_holds_for_all_of_meta() {
        let wait = Duration::from_mins(7);
        let class = |code: i64, subcode: Option<i64>| {
            Refusal { wait: Some(wait), ..refusal(&json!({ "code": code, "error_subcode": subcode })) }
                .class(|_| None)
        };
        for subcode in [None, Some(458), Some(459), Some(460), Some(463), Some(464), Some(467)] {
            assert_eq!(class(190, subcode), stopped("token_revoked"));
        }
        for (code, expected) in [
            (0, stopped("token_revoked")),
            (102, stopped("token_revoked")),
            (3, stopped("restricted")),
            (10, stopped("restricted")),
            (200, stopped("restricted")),
            (299, stopped("restricted")),
            (368, stopped("restricted")),
            (4, ErrorClass::RetryAfter(Some(wait))),
            (17, ErrorClass::RetryAfter(Some(wait))),
            (32, ErrorClass::RetryAfter(Some(wait))),
            (613, ErrorClass::RetryAfter(Some(wait))),
            (341, ErrorClass::RetryAfter(Some(wait))),
            (80_007, ErrorClass::RetryAfter(Some(wait))),
            (1, ErrorClass::Retry),
            (2, ErrorClass::Retry),
            (100, ErrorClass::Permanent),
            (33, ErrorClass::Permanent),
            (300, ErrorClass::Permanent),
            (987_654, ErrorClass::Permanent),
        ] {
            assert_eq!(class(code, None), expected, "{code}");
        }
    }

    #[test]
    fn a_channel_goes_first_and_the_status_last() {
        let mine: Classify = |refusal| (refusal.code == 190).then_some(ErrorClass::Permanent);
        assert_eq!(refusal(&json!({ "code": 190 })).class(mine), ErrorClass::Permanent);
        let status = |status, error: Value| {
            Refusal::of(status, Some(&json!({ "error": error })), &Usage::default()).unwrap().class(|_| None)
        };
        assert_eq!(status(503, json!({ "code": 77_777 })), ErrorClass::Retry);
        assert_eq!(status(504, json!({ "code": 2 })), ErrorClass::Ambiguous);
        assert_eq!(status(429, json!({ "message": "slow down" })), ErrorClass::RetryAfter(None));
        assert_eq!(status(401, json!({})), stopped("token_revoked"));
        assert_eq!(status(400, json!({})), ErrorClass::Permanent);
        assert_eq!(status(400, json!({ "code": 77_777, "is_transient": true })), ErrorClass::Retry);
        assert_eq!(gateway(502, &Usage::default()).class, ErrorClass::Retry);
        assert_eq!(gateway(404, &Usage::default()).class, ErrorClass::Permanent);
    }
}
