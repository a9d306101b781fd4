//! How deliveries are split, routed and known again; Meta's examples, whole and broken.

use channel::{Channel, Credentials, Method, WebhookRequest, signature};
use model::InboundKind;
use serde_json::{Value, json};

use super::{NUMBER, account, cloud, delivery, login, metas_examples, post, understood, with_metadata};

#[test]
fn a_delivery_is_split_and_routed_and_known_again() {
    let cloud = cloud();
    let text = |id: &str, from: &str| json!({ "from": from, "id": id, "timestamp": "1", "type": "text", "text": { "body": id } });
    let people = json!([{ "wa_id": "1", "profile": { "name": "One" } }, { "wa_id": "2", "profile": { "name": "Two" } }]);
    let status =
        |status: &str| json!({ "id": "wamid.9", "status": status, "timestamp": "1", "recipient_id": "1" });
    let mut other = with_metadata(json!({ "messages": [text("wamid.c", "1")] }));
    other["metadata"]["phone_number_id"] = "999".into();
    let body = delivery(&[
        (
            "messages",
            with_metadata(
                json!({ "contacts": people, "messages": [text("wamid.a", "1"), text("wamid.b", "2")] }),
            ),
        ),
        (
            "messages",
            with_metadata(json!({ "statuses": [status("sent"), status("delivered"), status("sent")] })),
        ),
        ("messages", other),
        ("account_update", json!({ "event": "VERIFIED_ACCOUNT" })),
    ]);
    let app = Credentials::default().with("app_secret", "s3cret");
    let shared = post(&body, |request| cloud.apps().unwrap().receive(&app, request));
    let routed: Vec<_> = shared
        .events
        .iter()
        .map(|event| (event.account.as_deref().unwrap(), event.dedupe_key.as_str()))
        .collect();
    assert_eq!(
        routed[..5],
        [
            (NUMBER, "message:wamid.a"),
            (NUMBER, "message:wamid.b"),
            (NUMBER, "status:wamid.9:sent"),
            (NUMBER, "status:wamid.9:delivered"),
            ("999", "message:wamid.c"),
        ]
    );
    assert_eq!((routed.len(), routed[5].0), (6, "waba:1029"));
    assert!(routed[5].1.starts_with("account_update:"));
    let names: Vec<_> = shared.events[..2]
        .iter()
        .map(|event| cloud.parse(&account(), &event.payload).unwrap()[0].from.clone().unwrap().name.unwrap())
        .collect();
    assert_eq!(names, ["One", "Two"], "each event has its own person");
    assert_eq!(shared.events[0].payload["value"]["contacts"].as_array().unwrap().len(), 1);

    // At an account's own address its events carry no id; another number's do, and mean nothing to it.
    let own = post(&body, |request| cloud.receive(&login(), request));
    let accounts: Vec<_> = own.events.iter().map(|event| event.account.as_deref()).collect();
    assert_eq!(accounts, [None, None, None, None, Some("999"), None]);
    let foreign = cloud.parse(&account(), &own.events[4].payload).unwrap();
    assert_eq!(foreign[0].kind, InboundKind::Ignored { what: "messages of another number".to_owned() });
}

/// What the names of Meta's examples of webhooks begin with.
const WEBHOOK: &str = "post /whatsapp/webhooks req ";

/// Meta's own examples, each as a webhook: none is an error, and what they mean is written beside them.
#[test]
fn metas_examples_mean_what_they_should() {
    let Some(examples) = metas_examples() else { return };
    let mut lines = include_str!("meanings.txt").lines();
    for (name, body) in &examples {
        let Some(name) = name.strip_prefix(WEBHOOK) else { continue };
        for inbound in understood(body) {
            let line = format!("{name}: {} {}", inbound.chat, serde_json::to_string(&inbound.kind).unwrap());
            assert_eq!(lines.next(), Some(line.as_str()));
        }
    }
    assert_eq!(lines.next(), None);
}

/// Some thousand ways to break Meta's examples: whatever comes is read or refused.
#[test]
fn broken_payloads_break_nothing() {
    let Some(examples) = metas_examples() else { return };
    let cloud = cloud();
    let spares = [json!(null), json!([]), json!({}), json!("x"), json!(-1), json!(1e300), json!([[{}]])];
    let mut tried = 0;
    for (_, body) in examples.iter().filter(|(name, _)| name.starts_with(WEBHOOK)) {
        for place in places(body, "") {
            for spare in &spares {
                let mut broken = body.clone();
                *broken.pointer_mut(&place).unwrap() = spare.clone();
                let text = broken.to_string();
                let hex = signature::hmac_sha256_hex(b"s3cret", &[text.as_bytes()]);
                let headers = [("x-hub-signature-256".to_owned(), format!("sha256={hex}"))];
                let request = WebhookRequest {
                    method: Method::Post,
                    headers: &headers,
                    query: "",
                    body: text.as_bytes(),
                };
                for event in cloud.receive(&login(), &request).unwrap_or_default().events {
                    let _ = cloud.parse(&account(), &event.payload);
                }
                let _ = cloud.parse(&account(), &broken);
                tried += 1;
            }
        }
    }
    assert!(tried > 3_000, "{tried}");
}

/// Pointers to everything in a value.
fn places(value: &Value, at: &str) -> Vec<String> {
    let mut all = vec![at.to_owned()];
    match value {
        Value::Array(items) => {
            all.extend(items.iter().enumerate().flat_map(|(n, item)| places(item, &format!("{at}/{n}"))));
        }
        Value::Object(fields) => {
            all.extend(fields.iter().flat_map(|(name, item)| places(item, &format!("{at}/{name}"))));
        }
        _ => {}
    }
    all
}
