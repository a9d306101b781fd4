//! What Meta says of an account itself: its quality, its limits, its templates, its end.

use model::{Inbound, InboundKind, NoticeEffect, Timestamp};
use serde_json::{Map, Value};

use super::parse::seconds;
use crate::graph::Refusal;

/// What a change of this field means; none if it is no notice.
pub(super) fn notice(field: &str, value: &Map<String, Value>) -> Option<InboundKind> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let (what, detail) = match field {
        "account_update" => {
            return Some(told(&named(field, text("event")), &detail(value, &[]), account_effect(value)));
        }
        "phone_number_quality_update" => (
            text("event"),
            detail(
                value,
                &[
                    "display_phone_number",
                    "current_limit",
                    "old_limit",
                    "max_daily_conversations_per_business",
                ],
            ),
        ),
        "message_template_status_update" => {
            (text("event"), detail(value, &["message_template_name", "message_template_language", "reason"]))
        }
        "message_template_quality_update" => (
            text("new_quality_score"),
            detail(value, &["message_template_name", "message_template_language", "previous_quality_score"]),
        ),
        "template_category_update" => (
            text("new_category"),
            detail(value, &["message_template_name", "message_template_language", "previous_category"]),
        ),
        "phone_number_name_update" => {
            (text("decision"), detail(value, &["requested_verified_name", "rejection_reason"]))
        }
        "account_alerts" => {
            (text("alert_type"), detail(value, &["alert_severity", "alert_description", "alert_status"]))
        }
        "account_review_update" => (text("decision"), String::new()),
        "business_capability_update" => (
            "",
            detail(
                value,
                &[
                    "max_daily_conversation_per_phone",
                    "max_daily_conversations_per_business",
                    "max_phone_numbers_per_business",
                ],
            ),
        ),
        "security" => (text("event"), detail(value, &["display_phone_number", "requester"])),
        _ => return None,
    };
    Some(told(&named(field, what), &detail, NoticeEffect::None))
}

/// An error that belongs to no message.
pub(super) fn problem(error: &Value, at: Timestamp) -> Inbound {
    let refusal = Refusal::read(error);
    let kind = told(&named("error", &refusal.name()), &refusal.words(), NoticeEffect::None);
    Inbound {
        chat: String::new(),
        chat_kind: model::ConversationKind::Direct,
        chat_title: None,
        thread: None,
        from: None,
        at,
        kind,
    }
}

/// What a change of the account means for its sending.
fn account_effect(value: &Map<String, Value>) -> NoticeEffect {
    let within = |object: &str, name: &str| {
        value
            .get(object)
            .and_then(|object| object.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let stopped = |reason: &str| NoticeEffect::Stopped { reason: reason.to_owned(), until: None };
    match value.get("event").and_then(Value::as_str).unwrap_or_default() {
        "DISABLED_UPDATE" | "ACCOUNT_BANNED" => match within("ban_info", "waba_ban_state").as_str() {
            "REINSTATE" => NoticeEffect::Restored,
            // It is announced for a later day, and may be averted.
            "SCHEDULE_FOR_DISABLE" => NoticeEffect::None,
            _ => stopped("banned"),
        },
        "ACCOUNT_RESTRICTION" => restriction(value),
        "PARTNER_REMOVED" | "ACCOUNT_OFFBOARDED" | "ACCOUNT_DELETED" | "PARTNER_APP_UNINSTALLED" => {
            stopped("logged_out")
        }
        "ACCOUNT_RECONNECTED" | "PARTNER_ADDED" => NoticeEffect::Restored,
        _ => NoticeEffect::None,
    }
}

/// Only who may not even answer is stopped: that nobody may be written to first comes back with each such message.
fn restriction(value: &Map<String, Value>) -> NoticeEffect {
    let all = value.get("restriction_info").and_then(Value::as_array).into_iter().flatten();
    let answers = |one: &&Value| {
        let kind = one.get("restriction_type").and_then(Value::as_str).unwrap_or_default();
        kind.contains("CUSTOMER_INITIATED") || kind.contains("USER_INITIATED")
    };
    match all.clone().find(answers) {
        Some(one) => NoticeEffect::Stopped {
            reason: "restricted".to_owned(),
            until: one.get("expiration").map(seconds).filter(|until| *until > Timestamp::ZERO),
        },
        None => NoticeEffect::None,
    }
}

fn told(what: &str, detail: &str, effect: NoticeEffect) -> InboundKind {
    InboundKind::AccountNotice { what: what.to_owned(), detail: detail.to_owned(), effect }
}

fn named(field: &str, what: &str) -> String {
    format!("{field} {what}").trim_end().to_owned()
}

/// These fields of a change for a person to read; without any, all that it has.
fn detail(value: &Map<String, Value>, fields: &[&str]) -> String {
    let shown = |(name, value): (&String, &Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}: {text}")
    };
    let meant = |name: &str| if fields.is_empty() { name != "event" } else { fields.contains(&name) };
    let all: Vec<_> =
        value.iter().filter(|(name, value)| meant(name) && !value.is_null()).map(shown).collect();
    all.join(", ")
}
