//! What Discord's refusals mean for the queue.
//!
//! The invalid-request budget (10,000 answers of 401, 403 and 429 in ten minutes, then the address is shut out) is kept by
//! these classes: a 401 stops the account, a 403 ends its message, and a 429 holds whatever it concerns until its own hint
//! is over. So no refusal leads to another of the same kind.

use std::time::Duration;

use channel::{ChannelError, ErrorClass};
use serde_json::Value;

use super::buckets::wait;

/// Where a refusal of a bucket comes without a time.
const SOME_TIME: Duration = Duration::from_secs(5);
/// How long no new direct message is begun where Discord says no more than "too fast".
const NO_NEW_CHATS: Duration = Duration::from_mins(10);
/// How long an address that Discord's edge turned away is left alone, where it does not say.
const SHUT_OUT: Duration = Duration::from_mins(5);

/// An answer that is no yes.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal<'a> {
    pub status: u16,
    /// None where it is not the API's JSON: a page of the edge before it.
    pub body: Option<Value>,
    /// Seconds until the next call is welcome, by the headers.
    pub hint: Option<f64>,
    /// `user`, `global` or `shared`.
    pub scope: Option<&'a str>,
    pub is_global: bool,
    /// Whether the call was about one channel.
    pub in_chat: bool,
}

/// The error behind it.
pub(super) fn refusal(refusal: &Refusal<'_>) -> ChannelError {
    let Some(body) = &refusal.body else { return edge(refusal) };
    let number = body["code"].as_u64().filter(|code| *code != 0);
    let code = number.map_or_else(|| refusal.status.to_string(), |number| number.to_string());
    let message = words(body);
    let hint = body["retry_after"].as_f64().or(refusal.hint).and_then(wait);
    let error = |class| ChannelError::new(class, code.clone(), message.clone());
    match number.unwrap_or_default() {
        // The key of an interaction or webhook, not the bot's: 401 says nothing about the account here.
        50_027 => error(ErrorClass::Permanent),
        40_001 | 50_014 => token_revoked(&code, &message),
        // The account must be verified; the bot was flagged and put aside.
        40_002 | 20_026 => error(ErrorClass::AccountStopped { reason: "restricted", lasting: None }),
        // Direct messages are opened too fast: those that are open go on.
        40_003 => error(ErrorClass::BulkHeld(hint.unwrap_or(NO_NEW_CHATS))),
        // Slow mode, the channel's write limit, edits of old messages.
        20_016 | 20_028 | 30_046 => error(ErrorClass::RecipientHeld(hint.unwrap_or(SOME_TIME))),
        // Overloaded; a resource of theirs that is limited.
        130_000 | 40_062 => hint.map_or_else(
            || error(ErrorClass::Retry),
            |hint| {
                error(if refusal.in_chat {
                    ErrorClass::RecipientHeld(hint)
                } else {
                    ErrorClass::RetryAfter(Some(hint))
                })
            },
        ),
        _ => match refusal.status {
            401 => token_revoked(&code, &message),
            429 => {
                let is_global = refusal.is_global
                    || refusal.scope == Some("global")
                    || body["global"].as_bool() == Some(true);
                error(if is_global || !refusal.in_chat {
                    ErrorClass::RetryAfter(hint)
                } else {
                    ErrorClass::RecipientHeld(hint.unwrap_or(SOME_TIME))
                })
            }
            504 | 524 => error(ErrorClass::Ambiguous),
            408 | 500..=599 => error(ErrorClass::Retry),
            _ => error(ErrorClass::Permanent),
        },
    }
}

/// A page of the edge, which knows neither bots nor channels.
fn edge(refusal: &Refusal<'_>) -> ChannelError {
    let status = refusal.status;
    let message = "an answer that is not the API's";
    let hint = refusal.hint.and_then(wait);
    let class = match status {
        401 => return token_revoked("401", message),
        // Error 1015: too many requests from this address. With 403 it is shut out.
        429 | 403 => ErrorClass::RetryAfter(hint.or((status == 403).then_some(SHUT_OUT))),
        // The edge gave up waiting for a server that may have carried the call out.
        504 | 524 => ErrorClass::Ambiguous,
        408 | 500..=599 => ErrorClass::Retry,
        _ => ErrorClass::Permanent,
    };
    ChannelError::new(class, status.to_string(), message)
}

/// The token is wrong or was reset.
pub(super) fn token_revoked(code: &str, message: &str) -> ChannelError {
    let class = ErrorClass::AccountStopped { reason: "token_revoked", lasting: None };
    let help = "the bot token is wrong or was reset: get the one of today from the Developer Portal";
    ChannelError::new(class, code, format!("{message} ({help})"))
}

/// Discord's words, with the fields of an invalid form behind them.
fn words(body: &Value) -> String {
    let mut words = body["message"].as_str().unwrap_or("no description").to_owned();
    let mut fields = Vec::new();
    collect(&body["errors"], "", &mut fields);
    // Enough to see what is wrong.
    for (number, field) in fields.into_iter().take(5).enumerate() {
        words.push_str(if number == 0 { ": " } else { "; " });
        words.push_str(&field);
    }
    words
}

/// The leaves of the tree of errors, each with its place.
fn collect(errors: &Value, place: &str, found: &mut Vec<String>) {
    let Some(fields) = errors.as_object().filter(|_| found.len() < 20) else { return };
    for (name, below) in fields {
        if name == "_errors" {
            let said = below.as_array().into_iter().flatten().filter_map(|error| error["message"].as_str());
            found.extend(
                said.map(|said| if place.is_empty() { said.to_owned() } else { format!("{place}: {said}") }),
            );
        } else if place.len() < 200 {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            collect(below, &place, found);
        }
    }
}

/// Whether what was to be deleted is gone, with its channel or without.
pub(super) fn is_already_gone(error: &ChannelError) -> bool {
    matches!(error.code.as_str(), "10008" | "10003")
}

/// Whether the channel is not known: it may be a person's id.
pub(super) fn is_no_channel(error: &ChannelError) -> bool {
    error.code == "10003"
}

/// Whether an interaction waits no more: it is over, or was answered.
pub(super) fn is_answered(error: &ChannelError) -> bool {
    matches!(error.code.as_str(), "10062" | "10015" | "10008" | "40060" | "50027")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn api(status: u16, body: Value) -> ChannelError {
        refusal(&Refusal { status, body: Some(body), in_chat: true, ..Refusal::default() })
    }

    fn coded(status: u16, code: u64) -> ErrorClass {
        let error = api(status, json!({"code": code, "message": "words"}));
        assert_eq!(error.code, code.to_string());
        error.class
    }

    #[test]
    fn each_code_of_the_documentation_has_its_class() {
        let stopped = |reason| ErrorClass::AccountStopped { reason, lasting: None };
        for (status, code, class) in [
            (401, 50_014, stopped("token_revoked")),
            (401, 40_001, stopped("token_revoked")),
            (403, 40_002, stopped("restricted")),
            (403, 20_026, stopped("restricted")),
            (403, 50_001, ErrorClass::Permanent),
            (403, 50_013, ErrorClass::Permanent),
            (403, 50_007, ErrorClass::Permanent),
            (403, 50_278, ErrorClass::Permanent),
            (404, 10_003, ErrorClass::Permanent),
            (404, 10_004, ErrorClass::Permanent),
            (404, 10_008, ErrorClass::Permanent),
            (404, 10_013, ErrorClass::Permanent),
            (404, 10_062, ErrorClass::Permanent),
            (400, 40_060, ErrorClass::Permanent),
            (400, 50_006, ErrorClass::Permanent),
            (400, 50_008, ErrorClass::Permanent),
            (400, 50_033, ErrorClass::Permanent),
            (400, 50_035, ErrorClass::Permanent),
            (413, 40_005, ErrorClass::Permanent),
            (400, 50_045, ErrorClass::Permanent),
            (400, 160_002, ErrorClass::Permanent),
            (400, 160_005, ErrorClass::Permanent),
            (400, 200_000, ErrorClass::Permanent),
            (400, 240_000, ErrorClass::Permanent),
            (401, 50_027, ErrorClass::Permanent),
            (429, 40_003, ErrorClass::BulkHeld(NO_NEW_CHATS)),
            (429, 20_016, ErrorClass::RecipientHeld(SOME_TIME)),
            (429, 20_028, ErrorClass::RecipientHeld(SOME_TIME)),
            (429, 30_046, ErrorClass::RecipientHeld(SOME_TIME)),
            (503, 130_000, ErrorClass::Retry),
        ] {
            assert_eq!(coded(status, code), class, "{code}");
        }
        assert_eq!(
            api(401, json!({"message": "401: Unauthorized", "code": 0})).class,
            stopped("token_revoked")
        );
        assert_eq!(api(418, json!({})).class, ErrorClass::Permanent);
        for status in [500, 502, 503] {
            assert_eq!(api(status, json!({"message": "oh", "code": 0})).class, ErrorClass::Retry);
        }
        assert_eq!(api(504, json!({})).class, ErrorClass::Ambiguous);
    }

    #[test]
    fn too_many_requests_hold_what_they_concern_for_as_long_as_said() {
        let body = json!({"message": "You are being rate limited.", "retry_after": 1.5, "global": false});
        let held = Duration::from_millis(1_500);
        assert_eq!(api(429, body.clone()).class, ErrorClass::RecipientHeld(held));
        let shared = Refusal {
            status: 429,
            body: Some(body.clone()),
            scope: Some("shared"),
            in_chat: true,
            ..Refusal::default()
        };
        assert_eq!(refusal(&shared).class, ErrorClass::RecipientHeld(held));
        let of_bot = Refusal { in_chat: false, scope: Some("user"), ..shared.clone() };
        assert_eq!(refusal(&of_bot).class, ErrorClass::RetryAfter(Some(held)));
        let global = Refusal { scope: Some("global"), ..shared };
        assert_eq!(refusal(&global).class, ErrorClass::RetryAfter(Some(held)));
        let told = json!({"message": "You are being rate limited.", "retry_after": 1.5, "global": true});
        assert_eq!(api(429, told).class, ErrorClass::RetryAfter(Some(held)));
        assert_eq!(api(429, json!({})).class, ErrorClass::RecipientHeld(SOME_TIME));
    }

    #[test]
    fn a_page_of_the_edge_concerns_the_whole_bot() {
        let page =
            |status, hint| refusal(&Refusal { status, hint, in_chat: true, ..Refusal::default() }).class;
        assert_eq!(page(429, Some(61.0)), ErrorClass::RetryAfter(Some(Duration::from_secs(61))));
        assert_eq!(page(429, None), ErrorClass::RetryAfter(None));
        assert_eq!(page(403, None), ErrorClass::RetryAfter(Some(SHUT_OUT)));
        assert_eq!(page(502, None), ErrorClass::Retry);
        assert_eq!(page(524, None), ErrorClass::Ambiguous);
    }

    #[test]
    fn an_invalid_form_names_its_fields() {
        let error = api(
            400,
            json!({"code": 50035, "message": "Invalid Form Body", "errors": {"components": {"0": {"components": {
                "1": {"custom_id": {"_errors": [{"code": "BASE_TYPE_REQUIRED", "message": "This field is required"}]}}
            }}}}}),
        );
        assert_eq!(
            error.message,
            "Invalid Form Body: components.0.components.1.custom_id: This field is required"
        );
    }
}
