//! Messenger and Instagram without a network: what they make of webhooks.

use channel::{Channel, Credentials, Login, Method, WebhookRequest, WebhookResponse, signature};
use model::{
    Account, Connection, Content, Inbound, InboundKind, NoticeEffect, Receipt, ReceiptKind, Redelivery,
    Sending, Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use crate::AdaptersConfig;

const OWN: &str = "1906385232743451";
const ANNA: &str = "6504021234567890";
const AT: i64 = 1_458_692_752_478;

fn channels() -> [Box<dyn Channel>; 2] {
    let config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap());
    [Box::new(crate::messenger::Messenger::new(&config)), Box::new(crate::instagram::Instagram::new(&config))]
}

fn login(channel: &dyn Channel) -> Login {
    let account = Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: channel.name().to_owned(),
        name: "Shop".to_owned(),
        external_id: Some(OWN.to_owned()),
        settings: json!({}),
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
    };
    Login { account, credentials: Credentials::default().with("app_secret", "s3cret").with("app_id", "77") }
}

fn receive(channel: &dyn Channel, body: &Value) -> WebhookResponse {
    let body = body.to_string();
    let hex = signature::hmac_sha256_hex(b"s3cret", &[body.as_bytes()]);
    let headers = [("x-hub-signature-256".to_owned(), format!("sha256={hex}"))];
    let request =
        WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() };
    channel.receive(&login(channel), &request).unwrap_or_default()
}

fn understood(channel: &dyn Channel, body: &Value) -> Vec<Inbound> {
    let account = login(channel).account;
    let events = receive(channel, body).events;
    events.iter().flat_map(|event| channel.parse(&account, &event.payload).unwrap()).collect()
}

fn entry(channel: &dyn Channel, list: &str, elements: &[Value]) -> Value {
    let object = if channel.name() == "messenger" { "page" } else { "instagram" };
    let mut entry = json!({ "id": OWN, "time": AT });
    entry[list] = elements.into();
    json!({ "object": object, "entry": [entry] })
}

fn by(who: &str, kind: &str, body: &Value) -> Value {
    let other = if who == OWN { ANNA } else { OWN };
    json!({ "sender": { "id": who }, "recipient": { "id": other }, "timestamp": AT, kind: body })
}

fn message(content: Content) -> InboundKind {
    part("m_1", content)
}

fn part(id: &str, content: Content) -> InboundKind {
    InboundKind::Message { provider_id: id.to_owned(), content, reply_to: None, echo: false }
}

fn ignored(what: &str) -> InboundKind {
    InboundKind::Ignored { what: what.to_owned() }
}

fn content(value: Value) -> Content {
    serde_json::from_value(value).unwrap()
}

fn callback(data: &str, title: Option<&str>) -> Content {
    Content::Callback { data: data.to_owned(), title: title.map(str::to_owned) }
}

fn anna(kind: &str, body: Value) -> Value {
    let mut element = by(ANNA, kind, &Value::Null);
    element[kind] = body;
    element
}

fn said(mut body: Value) -> Value {
    body["mid"] = "m_1".into();
    anna("message", body)
}

fn file(kind: &str) -> Value {
    json!([{ "type": kind, "payload": { "url": "https://cdn.fbsbx.com/1" } }])
}

fn media() -> Value {
    json!({ "provider_ref": "https://cdn.fbsbx.com/1" })
}

/// What people write, with what it means to both channels.
fn written() -> Vec<(Value, Vec<InboundKind>)> {
    let mut table = vec![
        (said(json!({ "text": "hi", "commands": [] })), vec![message(Content::text("hi"))]),
        (
            said(json!({ "text": "hi", "reply_to": { "mid": "m_0", "is_self_reply": true } })),
            vec![InboundKind::Message {
                provider_id: "m_1".to_owned(),
                content: Content::text("hi"),
                reply_to: Some("m_0".to_owned()),
                echo: false,
            }],
        ),
        (
            said(json!({ "text": "Yes", "quick_reply": { "payload": "y" } })),
            vec![message(callback("y", Some("Yes")))],
        ),
        (
            said(json!({ "attachments": file("sticker") })),
            vec![message(content(json!({ "type": "sticker", "media": media() })))],
        ),
        (
            said(
                json!({ "attachments": [{ "type": "image", "payload": { "url": "https://cdn.fbsbx.com/1", "sticker_id": 369 } }] }),
            ),
            vec![message(content(json!({ "type": "sticker", "media": media() })))],
        ),
        (
            said(json!({ "attachments": [{ "type": "like_heart" }] })),
            vec![message(Content::text("\u{2764}\u{fe0f}"))],
        ),
        (
            said(json!({ "text": "both", "attachments": [file("image")[0], file("video")[0]] })),
            vec![
                message(content(json!({ "type": "image", "media": media(), "caption": "both" }))),
                part("m_1#1", content(json!({ "type": "video", "media": media() }))),
            ],
        ),
        (
            said(json!({ "text": "see", "attachments": file("sticker") })),
            vec![
                message(Content::text("see")),
                part("m_1#1", content(json!({ "type": "sticker", "media": media() }))),
            ],
        ),
        (
            said(json!({ "text": "https://a.example", "attachments": file("fallback") })),
            vec![message(Content::text("https://a.example"))],
        ),
    ];
    for (kind, ours) in [("image", "image"), ("video", "video"), ("audio", "audio"), ("file", "document")] {
        let expected = content(json!({ "type": ours, "media": media() }));
        table.push((said(json!({ "attachments": file(kind) })), vec![message(expected)]));
    }
    table
}

/// What they share, press and answer.
fn shared() -> Vec<(Value, Vec<InboundKind>)> {
    let shared = json!({ "type": "ig_reel", "payload": { "title": "Look", "url": "https://i.example/r" } });
    let mention = json!({ "type": "story_mention", "payload": { "url": "https://cdn.fbsbx.com/s" } });
    let story =
        json!({ "mid": "m_1", "text": "nice!", "reply_to": { "story": { "id": "9", "url": "https://s" } } });
    vec![
        (
            said(json!({ "attachments": [shared] })),
            vec![message(Content::Native {
                body: shared.clone(),
                text: Some("Look https://i.example/r".to_owned()),
            })],
        ),
        (
            said(json!({ "attachments": [mention] })),
            vec![message(Content::Native {
                body: mention.clone(),
                text: Some("https://cdn.fbsbx.com/s".to_owned()),
            })],
        ),
        (
            anna("message", story.clone()),
            vec![message(Content::Native { body: story, text: Some("nice!".to_owned()) })],
        ),
        (
            said(
                json!({ "attachments": [{ "type": "location", "payload": { "coordinates": { "lat": 1.5, "long": 2.5 } } }] }),
            ),
            vec![message(content(json!({ "type": "location", "latitude": 1.5, "longitude": 2.5 })))],
        ),
        (
            said(json!({ "attachments": [{ "type": "hologram" }] })),
            vec![message(Content::Unsupported {
                kind: "hologram".to_owned(),
                raw: json!({ "type": "hologram" }),
            })],
        ),
        (
            said(json!({ "is_unsupported": true })),
            vec![message(Content::Unsupported {
                kind: "unsupported".to_owned(),
                raw: json!({ "mid": "m_1", "is_unsupported": true }),
            })],
        ),
    ]
}

/// What else happens.
fn happened() -> Vec<(Value, Vec<InboundKind>)> {
    let receipt =
        |id: &str, kind| InboundKind::Receipt(Receipt { provider_id: id.to_owned(), kind, error: None });
    let until = Timestamp::from_micros(AT * 1000);
    let reacted = |emoji: &[&str]| InboundKind::Reacted {
        provider_id: "m_1".to_owned(),
        emoji: emoji.iter().map(|emoji| (*emoji).to_owned()).collect(),
    };
    let notice = |action: &str, effect| InboundKind::AccountNotice {
        what: format!("policy_enforcement {action}"),
        detail: "spam".to_owned(),
        effect,
    };
    let stopped = NoticeEffect::Stopped { reason: "restricted".to_owned(), until: None };
    vec![
        (anna("message", json!({ "text": "x" })), vec![ignored("message without an id")]),
        (
            anna("postback", json!({ "mid": "m_1", "title": "Go", "payload": "go" })),
            vec![message(callback("go", Some("Go")))],
        ),
        (
            anna("postback", json!({ "title": "Go" })),
            vec![part(&format!("postback:{AT}"), callback("Go", Some("Go")))],
        ),
        (
            anna("referral", json!({ "ref": "spring", "source": "SHORTLINK", "type": "OPEN_THREAD" })),
            vec![part(&format!("referral:{AT}"), callback("spring", None))],
        ),
        (anna("referral", json!({ "source": "ADS", "ad_id": "7" })), vec![ignored("referral ADS")]),
        (
            anna(
                "reaction",
                json!({ "mid": "m_1", "action": "react", "emoji": "\u{1f389}", "reaction": "other" }),
            ),
            vec![reacted(&["\u{1f389}"])],
        ),
        (
            anna("reaction", json!({ "mid": "m_1", "action": "react", "reaction": "like" })),
            vec![reacted(&["\u{1f44d}"])],
        ),
        (anna("reaction", json!({ "mid": "m_1", "action": "unreact" })), vec![reacted(&[])]),
        (
            anna("reaction", json!({ "mid": "m_1", "action": "react", "reaction": "other" })),
            vec![ignored("reaction without an emoji")],
        ),
        (
            anna("message_edit", json!({ "mid": "m_1", "text": "better", "num_edit": 2 })),
            vec![InboundKind::Edited { provider_id: "m_1".to_owned(), content: Content::text("better") }],
        ),
        (
            anna("delivery", json!({ "watermark": AT })),
            vec![InboundKind::ReceiptUpTo { reached: ReceiptKind::Delivered, until }],
        ),
        (
            anna("delivery", json!({ "mids": ["m_8", "m_9"] })),
            vec![receipt("m_8", ReceiptKind::Delivered), receipt("m_9", ReceiptKind::Delivered)],
        ),
        (
            anna("read", json!({ "watermark": AT })),
            vec![InboundKind::ReceiptUpTo { reached: ReceiptKind::Read, until }],
        ),
        (anna("read", json!({ "mid": "m_1" })), vec![receipt("m_1", ReceiptKind::Read)]),
        (anna("read", json!({})), vec![ignored("read of nothing")]),
        (
            anna(
                "optin",
                json!({ "type": "notification_messages", "notification_messages_status": "STOP_NOTIFICATIONS" }),
            ),
            vec![InboundKind::ContactOptedOut { opted_out: true }],
        ),
        (anna("optin", json!({ "type": "one_time_notif_req" })), vec![ignored("optin one_time_notif_req")]),
        (
            anna("pass_thread_control", json!({ "new_owner_app_id": "1" })),
            vec![ignored("pass_thread_control")],
        ),
        (anna("take_thread_control", json!({})), vec![ignored("take_thread_control")]),
        (anna("request_thread_control", json!({})), vec![ignored("request_thread_control")]),
        (
            anna("response_feedback", json!({ "feedback": "Good response" })),
            vec![ignored("response_feedback")],
        ),
        (
            anna("policy_enforcement", json!({ "action": "block", "reason": "spam" })),
            vec![notice("block", stopped)],
        ),
        (
            anna("policy_enforcement", json!({ "action": "unblock", "reason": "spam" })),
            vec![notice("unblock", NoticeEffect::Restored)],
        ),
        (
            anna("policy_enforcement", json!({ "action": "warning", "reason": "spam" })),
            vec![notice("warning", NoticeEffect::None)],
        ),
    ]
}

/// Every kind that is documented for either channel, with what it means to both.
fn table() -> Vec<(Value, Vec<InboundKind>)> {
    [written(), shared(), happened()].concat()
}

#[test]
fn every_kind_of_event_means_what_it_should() {
    for channel in &channels() {
        for (element, expected) in table() {
            let told = understood(
                channel.as_ref(),
                &entry(channel.as_ref(), "messaging", std::slice::from_ref(&element)),
            );
            let kinds: Vec<_> = told.iter().map(|inbound| inbound.kind.clone()).collect();
            assert_eq!(kinds, expected, "{element}");
            let is_notice = matches!(expected[0], InboundKind::AccountNotice { .. });
            for inbound in &told {
                assert_eq!(inbound.chat, if is_notice { "" } else { ANNA }, "{element}");
                assert_eq!(inbound.at.as_micros(), AT * 1000);
            }
        }
    }
}

#[test]
fn what_was_taken_back_is_gone_with_all_its_parts() {
    let [_, instagram] = &channels();
    let element = by(ANNA, "message", &json!({ "mid": "m_1", "is_deleted": true }));
    let told = understood(instagram.as_ref(), &entry(instagram.as_ref(), "messaging", &[element]));
    let deleted = |id: &str| InboundKind::Deleted { provider_id: id.to_owned() };
    assert_eq!((told.len(), &told[0].kind, &told[9].kind), (10, &deleted("m_1"), &deleted("m_1#9")));
}

#[test]
fn echoes_are_messages_unless_they_are_our_own() {
    for channel in &channels() {
        let echo = |more: Value| {
            let mut body = json!({ "mid": "m_1", "text": "hi", "is_echo": true });
            body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            let element = by(OWN, "message", &body);
            understood(channel.as_ref(), &entry(channel.as_ref(), "messaging", &[element])).remove(0)
        };
        for ours in [json!({ "app_id": 77 }), json!({ "app_id": "77" }), json!({ "metadata": "rookery:1" })] {
            assert_eq!(echo(ours).kind, ignored("echo of our own message"));
        }
        for others in [json!({}), json!({ "app_id": 78 }), json!({ "metadata": "theirs" })] {
            let told = echo(others);
            assert_eq!(told.chat, ANNA);
            assert!(matches!(told.kind, InboundKind::Message { echo: true, .. }), "{told:?}");
        }
        assert_eq!(echo(json!({ "is_self": true })).kind, ignored("message to oneself"));
    }
}

#[test]
fn what_another_app_has_to_answer_is_not_ours() {
    for channel in &channels() {
        let elements = [
            by(ANNA, "message", &json!({ "mid": "m_1", "text": "hi" })),
            by(ANNA, "postback", &json!({ "title": "Go" })),
            by(ANNA, "read", &json!({ "watermark": AT })),
        ];
        let told = understood(channel.as_ref(), &entry(channel.as_ref(), "standby", &elements));
        assert_eq!(
            (&told[0].kind, &told[1].kind),
            (&ignored("standby message"), &ignored("standby postback"))
        );
        assert!(matches!(told[2].kind, InboundKind::ReceiptUpTo { .. }));
        let changes = [json!({ "field": "comments", "value": { "id": "1", "text": "nice" } })];
        let told = understood(channel.as_ref(), &entry(channel.as_ref(), "changes", &changes));
        assert_eq!((told[0].chat.as_str(), &told[0].kind), ("", &ignored("comments")));
        // Some messages come in that form.
        let value = by(ANNA, "message", &json!({ "mid": "m_2", "text": "hi" }));
        let changes = [json!({ "field": "messages", "value": value })];
        let told = understood(channel.as_ref(), &entry(channel.as_ref(), "changes", &changes));
        assert_eq!(told[0].kind, part("m_2", Content::text("hi")));
    }
}

#[test]
fn a_delivery_is_split_and_routed_and_known_again() {
    let [messenger, instagram] = &channels();
    let text = |mid: &str| by(ANNA, "message", &json!({ "mid": mid, "text": "x" }));
    let mut body = entry(
        messenger.as_ref(),
        "messaging",
        &[
            text("m_1"),
            text("m_2"),
            text("m_1"),
            by(ANNA, "message_edit", &json!({ "mid": "m_1", "text": "y", "num_edit": 1 })),
            by(ANNA, "read", &json!({ "watermark": AT })),
            by(ANNA, "reaction", &json!({ "mid": "m_1", "action": "react", "emoji": "x" })),
        ],
    );
    let other = json!({ "id": "999", "time": AT, "messaging": [text("m_1")] });
    body["entry"].as_array_mut().unwrap().push(other);
    let events = receive(messenger.as_ref(), &body).events;
    let keys: Vec<_> =
        events.iter().map(|event| (event.account.as_deref(), event.dedupe_key.as_str())).collect();
    assert_eq!(
        keys,
        [
            (None, "message:m_1"),
            (None, "message:m_2"),
            (None, "edit:m_1:1"),
            (None, format!("read:{ANNA}:{AT}").as_str()),
            (None, format!("reaction:m_1:{ANNA}:react:{AT}").as_str()),
            (Some("999"), "message:m_1"),
        ]
    );
    let account = login(messenger.as_ref()).account;
    let foreign = messenger.parse(&account, &events[5].payload).unwrap();
    assert_eq!(foreign[0].kind, ignored("message of another account"));
    // An app's one address gets both; each channel takes its own.
    assert!(receive(instagram.as_ref(), &body).events.is_empty());
    // The root may stand in an array.
    assert_eq!(receive(messenger.as_ref(), &json!([body])).events.len(), 6);
}

/// Some thousand ways to break what Meta tells: whatever comes is read or refused.
#[test]
fn broken_payloads_break_nothing() {
    let spares = [json!(null), json!([]), json!({}), json!("x"), json!(-1), json!(1e300), json!([[{}]])];
    let mut tried = 0;
    for channel in &channels() {
        let account = login(channel.as_ref()).account;
        for (element, _) in table() {
            let body = entry(channel.as_ref(), "messaging", &[element]);
            for place in places(&body, "") {
                for spare in &spares {
                    let mut broken = body.clone();
                    *broken.pointer_mut(&place).unwrap() = spare.clone();
                    for event in receive(channel.as_ref(), &broken).events {
                        let _ = channel.parse(&account, &event.payload);
                    }
                    let _ = channel.parse(&account, &broken);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
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
