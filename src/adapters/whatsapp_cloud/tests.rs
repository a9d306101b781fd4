//! The channel without a network: what it makes of webhooks, what it refuses, what it writes.

use channel::{
    Channel, Credentials, Login, Method, WebhookError, WebhookRequest, WebhookResponse, signature,
};
use model::{
    Account, Connection, Content, Inbound, InboundKind, NoticeEffect, Receipt, ReceiptKind, Redelivery,
    Sending, Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::WhatsAppCloud;
use crate::AdaptersConfig;

const NUMBER: &str = "106540352242922";

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

#[test]
fn every_kind_of_message_means_what_it_should() {
    let file = |mime: &str| json!({ "id": "77", "mime_type": mime, "sha256": "x" });
    let media = |mime: &str| json!({ "provider_ref": "77", "mime": mime });
    for (kind, body, expected) in [
        ("text", json!({ "body": "hi" }), json!({ "type": "text", "text": "hi" })),
        ("image", file("image/jpeg"), json!({ "type": "image", "media": media("image/jpeg") })),
        ("video", file("video/mp4"), json!({ "type": "video", "media": media("video/mp4") })),
        ("audio", file("audio/mp4"), json!({ "type": "audio", "media": media("audio/mp4") })),
        ("sticker", file("image/webp"), json!({ "type": "sticker", "media": media("image/webp") })),
        (
            "audio",
            json!({ "id": "77", "mime_type": "audio/ogg; codecs=opus", "voice": true }),
            json!({ "type": "voice", "media": media("audio/ogg; codecs=opus") }),
        ),
        (
            "document",
            json!({ "id": "77", "mime_type": "application/pdf", "filename": "a.pdf", "caption": "see" }),
            json!({ "type": "document", "caption": "see",
                "media": { "provider_ref": "77", "mime": "application/pdf", "name": "a.pdf" } }),
        ),
        (
            "location",
            json!({ "latitude": 1.5, "longitude": -2.5, "name": "Here", "url": "https://x" }),
            json!({ "type": "location", "latitude": 1.5, "longitude": -2.5, "name": "Here" }),
        ),
        (
            "contacts",
            json!([{ "name": { "first_name": "Bo", "last_name": "Li" }, "phones": [{ "wa_id": "49" }],
                "emails": [{ "email": "b@x" }] }]),
            json!({ "type": "contacts", "contacts": [{ "name": "Bo Li", "phones": ["49"], "emails": ["b@x"] }] }),
        ),
        (
            "button",
            json!({ "payload": "P", "text": "Press" }),
            json!({ "type": "callback", "data": "P", "title": "Press" }),
        ),
        (
            "interactive",
            json!({ "type": "button_reply", "button_reply": { "id": "b", "title": "B" } }),
            json!({ "type": "callback", "data": "b", "title": "B" }),
        ),
        (
            "interactive",
            json!({ "type": "list_reply", "list_reply": { "id": "r", "title": "R", "description": "D" } }),
            json!({ "type": "callback", "data": "r", "title": "R" }),
        ),
        (
            "interactive",
            json!({ "type": "nfm_reply", "nfm_reply": { "name": "flow", "body": "Sent", "response_json": "{\"a\":1}" } }),
            json!({ "type": "callback", "data": "{\"a\":1}", "title": "Sent" }),
        ),
        (
            "interactive",
            json!({ "type": "hologram", "hologram": {} }),
            json!({ "type": "unsupported", "kind": "interactive", "raw": { "type": "hologram", "hologram": {} } }),
        ),
        (
            "order",
            json!({ "catalog_id": "1" }),
            json!({ "type": "unsupported", "kind": "order", "raw": { "catalog_id": "1" } }),
        ),
        ("image", json!({}), json!({ "type": "unsupported", "kind": "image", "raw": {} })),
        ("dream", json!(7), json!({ "type": "unsupported", "kind": "dream", "raw": 7 })),
    ] {
        assert_eq!(said(kind, &body), content(expected), "{kind} {body}");
    }
}

#[test]
fn what_stands_in_a_messages_place_is_no_message() {
    let kind = |kind: &str, body: Value| one(&message(kind, &body)).kind;
    let id = || "wamid.0".to_owned();
    let reacted = |emoji: &[&str]| InboundKind::Reacted {
        provider_id: id(),
        emoji: emoji.iter().map(|emoji| (*emoji).to_owned()).collect(),
    };
    assert_eq!(kind("reaction", json!({ "message_id": "wamid.0", "emoji": "👍" })), reacted(&["👍"]));
    // It is absent when it is taken back; older payloads had it empty.
    assert_eq!(kind("reaction", json!({ "message_id": "wamid.0" })), reacted(&[]));
    assert_eq!(kind("reaction", json!({ "message_id": "wamid.0", "emoji": "" })), reacted(&[]));
    assert_eq!(
        kind("revoke", json!({ "original_message_id": "wamid.0" })),
        InboundKind::Deleted { provider_id: id() }
    );
    let edit =
        json!({ "original_message_id": "wamid.0", "message": { "type": "text", "text": { "body": "new" } } });
    assert_eq!(kind("edit", edit), InboundKind::Edited { provider_id: id(), content: Content::text("new") });
    let moved = json!({ "body": "…", "wa_id": "12195555358", "type": "user_changed_number" });
    assert_eq!(kind("system", moved), InboundKind::ChatMoved { to: "12195555358".to_owned() });
    let identity = json!({ "body": "…", "type": "customer_identity_changed" });
    assert_eq!(
        kind("system", identity),
        InboundKind::Ignored { what: "system customer_identity_changed".to_owned() }
    );
}

#[test]
fn people_are_known_by_number_or_by_the_business_own_id() {
    let told = one(&message("text", &json!({ "body": "hi" })));
    let from = told.from.unwrap();
    assert_eq!((told.chat.as_str(), told.at), ("16505551234", Timestamp::from_micros(1_749_854_575_000_000)));
    assert_eq!(
        (from.address.as_str(), from.name.as_deref(), from.phone.as_deref()),
        ("16505551234", Some("Ann"), Some("+16505551234"))
    );
    // Without a phone, as people with a user name may be.
    let hidden = json!({
        "contacts": [{ "profile": { "username": "ann.x" }, "user_id": "US.1349" }],
        "messages": [{ "from_user_id": "US.1349", "id": "wamid.2", "timestamp": 1_749_854_575, "type": "text", "text": { "body": "hi" } }],
    });
    let told = one(&delivery(&[("messages", with_metadata(hidden))]));
    let from = told.from.unwrap();
    assert_eq!(told.chat, "US.1349");
    assert_eq!((from.address.as_str(), from.name.as_deref(), from.phone), ("US.1349", Some("ann.x"), None));
    // In a group, the chat is the group's.
    let group = json!({ "messages": [{ "from": "1650", "group_id": "Y2FwaV9", "id": "wamid.3", "timestamp": "1", "type": "text", "text": { "body": "all" } }] });
    let told = one(&delivery(&[("messages", with_metadata(group))]));
    assert_eq!((told.chat.as_str(), told.chat_kind), ("Y2FwaV9", model::ConversationKind::Group));
}

#[test]
fn receipts_tell_what_became_of_a_message_and_why() {
    let status = |status: &str, errors: Value| {
        let status = json!({ "id": "wamid.9", "status": status, "timestamp": "1749854575", "recipient_id": "16505551234",
            "errors": errors, "pricing": { "billable": true, "category": "utility" } });
        understood(&delivery(&[("messages", with_metadata(json!({ "statuses": [status] })))]))
    };
    for (word, kind) in [
        ("sent", ReceiptKind::Sent),
        ("delivered", ReceiptKind::Delivered),
        ("read", ReceiptKind::Read),
        ("played", ReceiptKind::Read),
    ] {
        let told = status(word, Value::Null);
        let expected = Receipt { provider_id: "wamid.9".to_owned(), kind, error: None };
        assert_eq!(told[0].kind, InboundKind::Receipt(expected), "{word}");
        assert_eq!((told.len(), told[0].chat.as_str()), (1, "16505551234"));
    }
    let failed = status(
        "failed",
        json!([{ "code": 131_047, "title": "Re-engagement", "error_data": { "details": "24 h" } }]),
    );
    let InboundKind::Receipt(receipt) = &failed[0].kind else { panic!("{failed:?}") };
    assert_eq!(
        (receipt.kind, receipt.error.as_deref()),
        (ReceiptKind::Failed, Some("131047: Re-engagement: 24 h"))
    );
    let opted_out = status("failed", json!([{ "code": 131_050, "title": "x" }]));
    assert_eq!(opted_out[1].kind, InboundKind::ContactOptedOut { opted_out: true });
    let locked = status("failed", json!([{ "code": 131_031, "title": "Locked" }]));
    let InboundKind::AccountNotice { effect, .. } = &locked[1].kind else { panic!("{locked:?}") };
    assert_eq!(*effect, NoticeEffect::Stopped { reason: "banned".to_owned(), until: None });
    assert_eq!(
        status("warped", Value::Null)[0].kind,
        InboundKind::Ignored { what: "status warped".to_owned() }
    );
}

#[test]
fn what_meta_says_of_an_account_is_a_notice_with_its_effect() {
    let stopped = |reason: &str, until: Option<i64>| NoticeEffect::Stopped {
        reason: reason.to_owned(),
        until: until.map(|seconds| Timestamp::from_micros(seconds * 1_000_000)),
    };
    for (field, value, what, effect) in [
        (
            "account_update",
            json!({ "event": "VERIFIED_ACCOUNT" }),
            "account_update VERIFIED_ACCOUNT",
            NoticeEffect::None,
        ),
        (
            "account_update",
            json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "DISABLE" } }),
            "account_update DISABLED_UPDATE",
            stopped("banned", None),
        ),
        (
            "account_update",
            json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "SCHEDULE_FOR_DISABLE" } }),
            "account_update DISABLED_UPDATE",
            NoticeEffect::None,
        ),
        (
            "account_update",
            json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "REINSTATE" } }),
            "account_update DISABLED_UPDATE",
            NoticeEffect::Restored,
        ),
        (
            "account_update",
            json!({ "event": "ACCOUNT_RESTRICTION", "restriction_info": [{ "restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING" }] }),
            "account_update ACCOUNT_RESTRICTION",
            NoticeEffect::None,
        ),
        (
            "account_update",
            json!({ "event": "ACCOUNT_RESTRICTION", "restriction_info": [
                { "restriction_type": "RESTRICTED_CUSTOMER_INITIATED_MESSAGING", "expiration": 1_800_000_000 }] }),
            "account_update ACCOUNT_RESTRICTION",
            stopped("restricted", Some(1_800_000_000)),
        ),
        (
            "account_update",
            json!({ "event": "PARTNER_REMOVED", "disconnection_info": { "reason": "PRIMARY_INACTIVITY" } }),
            "account_update PARTNER_REMOVED",
            stopped("logged_out", None),
        ),
        (
            "account_update",
            json!({ "event": "ACCOUNT_RECONNECTED" }),
            "account_update ACCOUNT_RECONNECTED",
            NoticeEffect::Restored,
        ),
        (
            "phone_number_quality_update",
            json!({ "display_phone_number": "15550783881", "event": "FLAGGED", "current_limit": "TIER_1K" }),
            "phone_number_quality_update FLAGGED",
            NoticeEffect::None,
        ),
        (
            "message_template_status_update",
            json!({ "event": "REJECTED", "message_template_name": "spring", "reason": "INVALID_FORMAT" }),
            "message_template_status_update REJECTED",
            NoticeEffect::None,
        ),
    ] {
        let told = one(&delivery(&[(field, value.clone())]));
        let InboundKind::AccountNotice { what: named, effect: found, .. } = told.kind else {
            panic!("{value}")
        };
        assert_eq!((named.as_str(), found), (what, effect), "{value}");
        assert!(told.chat.is_empty());
    }
    // The quality of another number of the same business is not this one's.
    let other = json!({ "display_phone_number": "4930111111", "event": "FLAGGED" });
    let told = one(&delivery(&[("phone_number_quality_update", other)]));
    assert!(matches!(told.kind, InboundKind::Ignored { .. }), "{told:?}");
}

#[test]
fn what_the_owner_does_on_the_phone_is_told_as_our_own() {
    let echo = json!({ "message_echoes": [{ "from": "15550783881", "to": "16505551234", "id": "wamid.e", "timestamp": "1",
        "type": "text", "text": { "body": "from the phone" } }] });
    let told = one(&delivery(&[("smb_message_echoes", with_metadata(echo))]));
    assert_eq!(told.chat, "16505551234");
    let InboundKind::Message { provider_id, content, echo, .. } = told.kind else { panic!() };
    assert_eq!((provider_id.as_str(), content, echo), ("wamid.e", Content::text("from the phone"), true));
    for field in ["history", "smb_app_state_sync", "group_lifecycle_update", "hologram"] {
        let value = with_metadata(json!({ "messages": [{ "id": "1" }], "state_sync": [] }));
        assert_eq!(one(&delivery(&[(field, value)])).kind, InboundKind::Ignored { what: field.to_owned() });
    }
    let stop = json!({ "user_preferences": [{ "wa_id": "1650", "category": "marketing_messages", "value": "stop", "timestamp": 1 }] });
    let told = one(&delivery(&[("user_preferences", with_metadata(stop))]));
    assert_eq!((told.chat.as_str(), told.kind), ("1650", InboundKind::ContactOptedOut { opted_out: true }));
}

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

/// Meta's own examples, each as a webhook: none is an error, and what they mean is written beside them.
#[test]
fn metas_examples_mean_what_they_should() {
    let examples: Value = serde_json::from_str(include_str!("fixtures/webhooks.json")).unwrap();
    let mut lines = include_str!("fixtures/webhooks.txt").lines();
    for example in examples["examples"].as_array().unwrap() {
        let name = example["name"].as_str().unwrap();
        for inbound in understood(&example["body"]) {
            let line = format!("{name}: {} {}", inbound.chat, serde_json::to_string(&inbound.kind).unwrap());
            assert_eq!(lines.next(), Some(line.as_str()));
        }
    }
    assert_eq!(lines.next(), None);
}

/// Some thousand ways to break Meta's examples: whatever comes is read or refused.
#[test]
fn broken_payloads_break_nothing() {
    let examples: Value = serde_json::from_str(include_str!("fixtures/webhooks.json")).unwrap();
    let cloud = cloud();
    let spares = [json!(null), json!([]), json!({}), json!("x"), json!(-1), json!(1e300), json!([[{}]])];
    let mut tried = 0;
    for example in examples["examples"].as_array().unwrap() {
        let body = &example["body"];
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

#[test]
fn what_whatsapp_cannot_show_is_refused_before() {
    let button = |title: &str, data: Value, url: Value| json!({ "title": title, "data": data, "url": url });
    let plain = |n: usize| button(&format!("B{n}"), Value::Null, Value::Null);
    let text = |buttons: Vec<Value>| json!({ "type": "text", "text": "x", "buttons": [buttons] });
    let row = |n: usize| json!({ "title": format!("R{n}"), "data": n.to_string() });
    let list = |sections: Value| json!({ "type": "list", "text": "x", "button": "Go", "sections": sections });
    let rows = |n: usize| (0..n).map(row).collect::<Vec<_>>();
    let cloud = cloud();
    for (value, field) in [
        (text((0..4).map(plain).collect()), Some("buttons")),
        (text((0..3).map(plain).collect()), None),
        (text(vec![plain(1), button("Open", Value::Null, json!("https://x"))]), Some("buttons")),
        (text(vec![button("Open", Value::Null, json!("https://x"))]), None),
        (text(vec![plain(1), plain(1)]), Some("buttons.data")),
        (text(vec![button(&"t".repeat(21), Value::Null, Value::Null)]), Some("buttons.title")),
        (text(vec![button("t", json!("d".repeat(257)), Value::Null)]), Some("buttons.data")),
        (json!({ "type": "text", "text": "x".repeat(1025), "buttons": [[plain(1)]] }), Some("text")),
        (list(json!([{ "rows": rows(10) }])), None),
        (list(json!([{ "rows": rows(11) }])), Some("sections")),
        (list(json!([{ "rows": [] }])), Some("sections")),
        (list(json!([{ "title": "A", "rows": [row(1)] }, { "rows": [row(2)] }])), Some("sections.title")),
        (list(json!([{ "rows": [row(1), row(1)] }])), Some("sections.rows.data")),
        (json!({ "type": "contacts", "contacts": [] }), Some("contacts")),
        (json!({ "type": "provider_template", "name": "", "language": "de" }), Some("name")),
        (json!({ "type": "native", "body": { "type": "interactive", "interactive": {} } }), None),
        (json!({ "type": "native", "body": { "interactive": {} } }), Some("body")),
        (
            json!({ "type": "native", "body": { "type": "interactive", "interactive": {}, "to": "1" } }),
            Some("body"),
        ),
    ] {
        let found = cloud.check(&content(value.clone())).err().map(|problem| problem.field);
        assert_eq!(found.as_deref(), field, "{value}");
    }
}
