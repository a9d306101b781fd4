//! A delivery of Meta's, split into events, one for each element of `entry[].messaging[]`, `standby[]` and `changes[]`. A
//! payload is `account` (the page's or Instagram account's id), `time`, and one of `messaging`, `standby` (what another app
//! has to answer), or `field` with `value`. `own_app` beside them marks the echo of what our app sent.
//!
//! Dedupe keys (`standby:` goes before those of the standby channel):
//! - `message:<mid>`, `echo:<mid>`, `deleted:<mid>`, `edit:<mid>:<number>`, `postback:<mid>`,
//! - `reaction:<mid>:<who>:<what>:<time>`, `delivery:<who>:<watermark>`, `read:<who>:<watermark or mid>`,
//! - `<kind>:<fingerprint>` for whatever has no id: the same words, told of the same account.

use std::collections::BTreeSet;

use channel::{Credentials, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse};
use serde_json::{Value, json};

use super::Dialect;
use crate::graph::apps::APP_ID;
use crate::graph::{challenge, deliveries, fingerprint};

/// What every element has beside what happened.
const ENVELOPE: &[&str] = &["sender", "recipient", "timestamp"];
/// What can happen.
const KINDS: &[&str] = &[
    "message",
    "message_edit",
    "postback",
    "reaction",
    "delivery",
    "read",
    "referral",
    "optin",
    "pass_thread_control",
    "take_thread_control",
    "request_thread_control",
    "policy_enforcement",
    "response_feedback",
];

/// Judges and splits a webhook, with the secrets of an app or an account.
pub(super) fn receive(
    dialect: &Dialect,
    credentials: &Credentials,
    request: &WebhookRequest<'_>,
) -> Result<WebhookResponse, WebhookError> {
    if let Some(answer) = challenge(credentials, request) {
        return answer;
    }
    let deliveries = deliveries(credentials, dialect.signers, request)?;
    let mut events: Vec<WebhookEvent> = Vec::new();
    for delivery in deliveries.iter().filter(|delivery| delivery["object"] == dialect.object) {
        for entry in list(delivery, "entry") {
            events.extend(split(entry, credentials.get(APP_ID)));
        }
    }
    // One delivery may say a thing twice; it happened once.
    let mut seen = BTreeSet::new();
    events.retain(|event| seen.insert((event.account.clone(), event.dedupe_key.clone())));
    Ok(WebhookResponse { events, answer: None })
}

/// What an element tells of: a field that is known to be an event, else the first one that is not the envelope's. Meta may
/// put more beside an event (`hop_context`).
pub(super) fn kind(element: &Value) -> &str {
    let known = KINDS.iter().find(|kind| element.get(**kind).is_some());
    let fields = element.as_object().into_iter().flat_map(serde_json::Map::keys);
    let other = || fields.map(String::as_str).find(|name| !ENVELOPE.contains(name));
    known.copied().or_else(other).unwrap_or("nothing")
}

fn split(entry: &Value, own_app: &str) -> Vec<WebhookEvent> {
    let owner = text(entry, "id");
    let time = entry.get("time").unwrap_or(&Value::Null);
    let event = |dedupe_key: String, payload: Value| WebhookEvent {
        dedupe_key,
        account: (!owner.is_empty()).then(|| owner.to_owned()),
        payload,
    };
    let messaging = |element: &Value| {
        let mut payload = json!({ "account": owner, "time": time, "messaging": element });
        if is_of_app(element, own_app) {
            payload["own_app"] = true.into();
        }
        event(key(owner, element), payload)
    };
    let mut events: Vec<_> = list(entry, "messaging").map(messaging).collect();
    events.extend(list(entry, "standby").map(|element| {
        let payload = json!({ "account": owner, "time": time, "standby": element });
        event(format!("standby:{}", key(owner, element)), payload)
    }));
    events.extend(list(entry, "changes").map(|change| {
        let (field, value) = (text(change, "field"), change.get("value").unwrap_or(&Value::Null));
        // Instagram tells some messages in this form.
        if value.get("sender").is_some() && value.get("recipient").is_some() {
            return messaging(value);
        }
        let key = format!("{field}:{}", fingerprint(&[&owner.into(), time, value]));
        event(key, json!({ "account": owner, "time": time, "field": field, "value": value }))
    }));
    events
}

/// Whether our own app sent what this is the echo of.
fn is_of_app(element: &Value, own_app: &str) -> bool {
    let Some(app) = element.get("message").and_then(|message| message.get("app_id")) else { return false };
    let app = app.as_str().map_or_else(|| app.to_string(), str::to_owned);
    !own_app.is_empty() && app == own_app
}

fn key(owner: &str, element: &Value) -> String {
    let kind = kind(element);
    let told = element.get(kind).unwrap_or(&Value::Null);
    let who = element.get("sender").map_or("", |sender| text(sender, "id"));
    let mid = text(told, "mid");
    let has = |flag: &str| told.get(flag).and_then(Value::as_bool) == Some(true);
    let number = |name: &str| told.get(name).and_then(Value::as_i64);
    match (kind, mid.is_empty(), number("watermark")) {
        ("message", false, _) if has("is_deleted") => format!("deleted:{mid}"),
        ("message", false, _) if has("is_echo") => format!("echo:{mid}"),
        ("message" | "postback", false, _) => format!("{kind}:{mid}"),
        ("message_edit", false, _) => format!("edit:{mid}:{}", number("num_edit").unwrap_or_default()),
        ("reaction", false, _) => {
            let time = element.get("timestamp").unwrap_or(&Value::Null);
            format!("reaction:{mid}:{who}:{}:{time}", text(told, "action"))
        }
        ("delivery" | "read", _, Some(watermark)) => format!("{kind}:{who}:{watermark}"),
        ("read", false, None) => format!("read:{who}:{mid}"),
        _ => format!("{kind}:{}", fingerprint(&[&owner.into(), element])),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
