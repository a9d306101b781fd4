//! The channel without a network: what it makes of webhooks, what it refuses.

mod examples;
mod messages;
mod notices;
mod refused;
mod webhooks;

use channel::{
    Channel, Credentials, Login, Method, WebhookError, WebhookRequest, WebhookResponse, signature,
};
use model::{Account, Connection, Content, Inbound, InboundKind, Redelivery, Sending, Timestamp};
use outbound::{Http, HttpConfig};
use serde_json::{Map, Value, json};

use super::WhatsAppCloud;
use crate::AdaptersConfig;

const NUMBER: &str = "106540352242922";

/// The examples of Meta's own description of the API, by method, path, status and name.
fn metas_examples() -> Option<Map<String, Value>> {
    crate::shared_fixtures::examples("whatsapp_cloud/meta-openapi-examples.json")
}

fn cloud() -> WhatsAppCloud {
    WhatsAppCloud::new(&AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap()))
}

fn account() -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: super::NAME.to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(NUMBER.to_owned()),
        settings: json!({ "waba_id": "1029", "display_phone_number": "+1 555-078-3881" }),
        intake: model::Intake::Webhook,
        connection: Connection::Connected,
        connection_detail: None,
        sending: Sending::Active,
        sending_reason: None,
        sending_until: None,
        holds: Vec::new(),
        failures_in_a_row: 0,
        pacing: json!({}),
        registered_at: None,
        campaigns_resumed_at: None,
        pinned_to: None,
        app_id: None,
        timezone: "UTC".to_owned(),
        pace_scale: 1.0,
        redelivery: Redelivery::AtLeastOnce,
        first_connected_at: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

fn login() -> Login {
    Login { account: account(), credentials: Credentials::default().with("app_secret", "s3cret") }
}

fn post(
    body: &Value,
    receive: impl Fn(&WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError>,
) -> WebhookResponse {
    let body = body.to_string();
    let hex = signature::hmac_sha256_hex(b"s3cret", &[body.as_bytes()]);
    let headers = [("x-hub-signature-256".to_owned(), format!("sha256={hex}"))];
    let request =
        WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() };
    receive(&request).unwrap()
}

/// A delivery with these changes of one business.
fn delivery(changes: &[(&str, Value)]) -> Value {
    let changes: Vec<_> =
        changes.iter().map(|(field, value)| json!({ "field": field, "value": value })).collect();
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1029", "time": 1_750_000_000, "changes": changes }] })
}

/// What an account makes of a delivery.
fn understood(body: &Value) -> Vec<Inbound> {
    let cloud = cloud();
    let response = post(body, |request| cloud.receive(&login(), request));
    let events = response.events.iter();
    events.flat_map(|event| cloud.parse(&account(), &event.payload).unwrap()).collect()
}

fn one(body: &Value) -> Inbound {
    let mut all = understood(body);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn with_metadata(mut value: Value) -> Value {
    value["messaging_product"] = "whatsapp".into();
    value["metadata"] = json!({ "display_phone_number": "15550783881", "phone_number_id": NUMBER });
    value
}

fn message(kind: &str, body: &Value) -> Value {
    let mut message =
        json!({ "from": "16505551234", "id": "wamid.1", "timestamp": "1749854575", "type": kind });
    message[kind] = body.clone();
    let contacts = json!([{ "profile": { "name": "Ann" }, "wa_id": "16505551234" }]);
    delivery(&[("messages", with_metadata(json!({ "contacts": contacts, "messages": [message] })))])
}

fn said(kind: &str, body: &Value) -> Content {
    match one(&message(kind, body)).kind {
        InboundKind::Message { content, .. } => content,
        other => panic!("{kind} is no message: {other:?}"),
    }
}

fn content(value: Value) -> Content {
    serde_json::from_value(value).unwrap()
}
