//! A delivery of Meta's, split into events: one for each message, receipt and the like, in Meta's own form with only that
//! one in it. So a payload is a change (`field`, `value`) with the id of its WhatsApp Business Account (`waba`) beside it.
//!
//! Dedupe keys:
//! - `message:<id>` and `echo:<id>`,
//! - `status:<id>:<status>`, and `:<participant>` at its end in groups,
//! - `<field>:<fingerprint>` for whatever has no id: the same words, told of the same account at the same time.

use channel::{Credentials, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse};
use serde_json::{Map, Value, json};

use crate::graph::{Change, challenge, deliveries, fingerprint};

/// What Meta calls a delivery of WhatsApp's.
const OBJECT: &str = "whatsapp_business_account";
/// The lists that are split into their elements.
const LISTS: &[&str] = &["messages", "statuses", "message_echoes", "user_preferences"];

/// Judges and splits a webhook, with the secrets of an app or an account.
pub(super) fn receive(
    credentials: &Credentials,
    request: &WebhookRequest<'_>,
) -> Result<WebhookResponse, WebhookError> {
    if let Some(answer) = challenge(credentials, request) {
        return answer;
    }
    let deliveries = deliveries(credentials, &[], request)?;
    let mut events: Vec<WebhookEvent> = Vec::new();
    for delivery in deliveries.iter().filter(|delivery| delivery["object"] == OBJECT) {
        for change in Change::all(delivery) {
            events.extend(split(&change));
        }
    }
    // One delivery may say a thing twice; it happened once.
    let mut seen = std::collections::BTreeSet::new();
    events.retain(|event| seen.insert((event.account.clone(), event.dedupe_key.clone())));
    Ok(WebhookResponse { events, answer: None })
}

/// The id by which all numbers of a WhatsApp Business Account are meant.
pub(super) fn business(id: &str) -> String {
    format!("waba:{id}")
}

fn split(change: &Change<'_>) -> Vec<WebhookEvent> {
    let Some(fields) = change.value.as_object() else { return vec![whole(change)] };
    // History comes by the thousand and is kept as it is.
    let lists = if change.field == "history" { &[][..] } else { LISTS };
    let elements: Vec<_> = lists
        .iter()
        .filter_map(|list| Some((*list, fields.get(*list)?.as_array()?)))
        .flat_map(|(list, elements)| elements.iter().map(move |element| (list, element)))
        .collect();
    if elements.is_empty() {
        return vec![whole(change)];
    }
    let rest = |list: &str, element: &Value| {
        let mut value: Map<String, Value> =
            fields.iter().filter(|(name, _)| !LISTS.contains(&name.as_str())).map(owned).collect();
        if let Some(contacts) = fields.get("contacts").and_then(Value::as_array) {
            value.insert("contacts".to_owned(), contacts_of(element, contacts));
        }
        value.insert(list.to_owned(), json!([element]));
        Value::Object(value)
    };
    elements
        .into_iter()
        .map(|(list, element)| WebhookEvent {
            dedupe_key: key(change, list, element),
            account: Some(account(change)),
            payload: payload(change, &rest(list, element)),
        })
        .collect()
}

fn whole(change: &Change<'_>) -> WebhookEvent {
    WebhookEvent {
        dedupe_key: unnamed(change, change.value),
        account: Some(account(change)),
        payload: payload(change, change.value),
    }
}

fn payload(change: &Change<'_>, value: &Value) -> Value {
    json!({ "waba": change.owner, "time": change.time, "field": change.field, "value": value })
}

fn account(change: &Change<'_>) -> String {
    let number = change.value.get("metadata").and_then(|metadata| metadata.get("phone_number_id"));
    match number.and_then(Value::as_str).filter(|id| !id.is_empty()) {
        Some(number) => number.to_owned(),
        None => business(change.owner),
    }
}

fn key(change: &Change<'_>, list: &str, element: &Value) -> String {
    let text = |name: &str| element.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (list, text("id"), text("status")) {
        ("messages", Some(id), _) => format!("message:{id}"),
        ("message_echoes", Some(id), _) => format!("echo:{id}"),
        ("statuses", Some(id), Some(status)) => match text("recipient_participant_id") {
            Some(participant) => format!("status:{id}:{status}:{participant}"),
            None => format!("status:{id}:{status}"),
        },
        _ => unnamed(change, element),
    }
}

fn unnamed(change: &Change<'_>, value: &Value) -> String {
    format!("{}:{}", change.field, fingerprint(&[&change.owner.into(), change.time, value]))
}

/// Who is meant by a message or a receipt, of those that the delivery lists.
fn contacts_of(element: &Value, contacts: &[Value]) -> Value {
    let ids = ["from", "from_user_id", "to", "to_user_id", "recipient_id", "recipient_user_id"];
    let ids: Vec<_> = ids.iter().filter_map(|name| element.get(*name)?.as_str()).collect();
    let is_meant = |contact: &&Value| {
        ["wa_id", "user_id"]
            .iter()
            .any(|name| contact.get(*name).and_then(Value::as_str).is_some_and(|id| ids.contains(&id)))
    };
    contacts.iter().filter(is_meant).cloned().collect()
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}
