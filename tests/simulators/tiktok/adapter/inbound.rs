//! A conversation arrives by webhook: for one account, for all of an app, twice, out of order, and in pieces.

use std::collections::BTreeSet;

use bytes::Bytes;
use channel::{Channel, Method, WebhookError, WebhookRequest, WebhookResponse};
use model::{Content, ConversationKind, InboundKind, NoticeEffect, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{NOW, Stage, app_credentials, said, text, to};
use crate::simulators::tiktok::{Notification, TikTok, text as words};

fn request(notification: &Notification) -> WebhookRequest<'_> {
    WebhookRequest {
        method: Method::Post,
        headers: &notification.headers,
        query: "",
        body: &notification.body,
    }
}

fn receive(stage: &Stage, notification: &Notification) -> Result<WebhookResponse, WebhookError> {
    stage.channel.receive(&stage.login, &request(notification))
}

/// A buyer says one of everything.
pub(super) fn everything(server: &TikTok, chat: &str) {
    let picture = server.put_file(Bytes::from_static(b"\xFF\xD8\xFF"));
    server.writes(chat, "TEXT", &words("hello"));
    server.writes(chat, "IMAGE", &json!({ "height": "290", "url": picture, "width": "304" }));
    let film = json!({ "url": picture, "cover": "https://x.y/c", "vid": "v0e", "expire_time": "1681980481", "format": "mp4", "size": 3 });
    server.writes(chat, "VIDEO", &film);
    server.writes(chat, "PRODUCT_CARD", &json!({ "product_id": "12345" }));
    server.writes(chat, "ORDER_CARD", &json!({ "order_id": "23456" }));
    server.writes(chat, "EMOTICONS", &json!({ "url": "https://x.y/e.webp" }));
    server.writes(chat, "EMOTICONS", &words("[smile]"));
    server.writes(chat, "OTHER", &words("cannot be shown"));
    server.writes(chat, "BUYER_ENTER_FROM_PRODUCT", &json!({ "product_id": "12345" }));
    server.says(chat, "SHOP", "TEXT", &words("from Seller Center"));
    server.says(
        chat,
        "CUSTOMER_SERVICE",
        "LOGISTICS_CARD",
        &json!({ "order_id": "23456", "package_id": "7" }),
    );
    server.says(chat, "SYSTEM", "NOTIFICATION", &words("the agent left"));
    server.says(chat, "ROBOT", "TEXT", &words("I am a robot"));
    server.says(chat, "SYSTEM", "ALLOCATED_SERVICE", &words("the agent joined"));
    server.hides(chat, "BUYER", "TEXT", &words("a rating"));
    server.says(chat, "PIGEON", "TEXT", &words("coo"));
}

#[tokio::test]
async fn a_conversation_by_webhook_means_what_it_should() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    everything(&stage.server, &chat);
    let mut keys = BTreeSet::new();
    let mut events = Vec::new();
    for notification in stage.server.notifications(&stage.app.0, &stage.shop) {
        let response = receive(&stage, &notification).unwrap();
        assert_eq!((response.events.len(), response.answer), (1, None));
        assert_eq!(response.events[0].account, None);
        assert!(keys.insert(response.events[0].dedupe_key.clone()));
        events.push(stage.parse(&response.events[0].payload));
    }
    for event in &events {
        assert_eq!((event.chat.as_str(), event.chat_kind), (chat.as_str(), ConversationKind::Direct));
        assert_eq!(event.at, Timestamp::from_micros(NOW * 1_000_000));
    }
    let ignored = |what: &str| InboundKind::Ignored { what: what.to_owned() };
    assert_eq!(events[0].kind, ignored("NEW_CONVERSATION"));
    assert_eq!(said(&events[1]), &Content::text("hello"));
    assert_eq!(events[1].from.as_ref().unwrap().address, "im-user-Ada");
    let Content::Image { media, caption: None } = said(&events[2]) else { panic!("a picture") };
    assert!(media.provider_ref.as_ref().unwrap().contains("/files/"));
    let Content::Video { media, .. } = said(&events[3]) else { panic!("a film") };
    assert_eq!((media.mime.as_deref(), media.size), (Some("video/mp4"), Some(3)));
    let card = json!({ "type": "PRODUCT_CARD", "content": { "product_id": "12345" } });
    assert_eq!(said(&events[4]), &Content::Native { body: card, text: Some("Product 12345".to_owned()) });
    assert_eq!(said(&events[5]).words(), Some("Order 23456"));
    assert!(matches!(said(&events[6]), Content::Sticker { .. }));
    assert_eq!(said(&events[7]), &Content::text("[smile]"));
    assert!(matches!(said(&events[8]), Content::Unsupported { kind, .. } if kind == "OTHER"));
    assert_eq!(events[9].kind, ignored("BUYER BUYER_ENTER_FROM_PRODUCT"));
    for theirs in &events[1..9] {
        assert!(matches!(theirs.kind, InboundKind::Message { echo: false, .. }), "{theirs:?}");
    }
    for ours in &events[10..12] {
        assert!(matches!(ours.kind, InboundKind::Message { echo: true, .. }), "{ours:?}");
    }
    assert_eq!(events[12].kind, ignored("SYSTEM NOTIFICATION"));
    assert_eq!(events[13].kind, ignored("ROBOT TEXT"));
    assert_eq!(events[14].kind, ignored("SYSTEM ALLOCATED_SERVICE"));
    assert_eq!(events[15].kind, ignored("hidden TEXT"));
    assert_eq!(events[16].kind, ignored("PIGEON TEXT"));
    assert_eq!(events.len(), 17);
}

#[tokio::test]
async fn what_we_sent_comes_back_as_an_echo_of_the_same_id() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let sent = stage.send(&to(&chat, text("ours"))).await.unwrap();
    let told = stage.server.notifications(&stage.app.0, &stage.shop).pop().unwrap();
    let echo = stage.parse(&receive(&stage, &told).unwrap().events[0].payload);
    let InboundKind::Message { provider_id, echo: true, .. } = &echo.kind else {
        panic!("an echo: {echo:?}")
    };
    assert_eq!((provider_id, &echo.chat), (&sent.provider_id, &chat));
}

#[tokio::test]
async fn an_address_for_all_of_an_apps_shops_says_whose_an_event_is() {
    let stage = Stage::new().await;
    let (second, _) = stage.server.shop("Another seller", "Second shop");
    let apps = stage.channel.apps().unwrap();
    let app = app_credentials(&stage.app);
    for shop in [&stage.shop, &second] {
        let chat = stage.server.conversation(shop, "Ada");
        stage.server.writes(&chat, "TEXT", &words("hello"));
        for notification in stage.server.notifications(&stage.app.0, shop) {
            let told = apps.receive(&app, &request(&notification)).unwrap();
            assert_eq!(told.events[0].account.as_ref(), Some(shop));
            // The same event at the account's own address has the same key.
            assert_eq!(
                receive(&stage, &notification).unwrap().events[0].dedupe_key,
                told.events[0].dedupe_key
            );
        }
    }
    let (other, other_secret) = stage.server.app();
    let notification = stage.server.notifications(&stage.app.0, &stage.shop).remove(0);
    let error = apps.receive(&app_credentials(&(other, other_secret)), &request(&notification)).unwrap_err();
    assert_eq!(error, WebhookError::Signature);
}

#[tokio::test]
async fn a_notification_that_is_changed_unsigned_or_of_another_key_leaves_nothing() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    stage.server.writes(&chat, "TEXT", &words("hello"));
    let good = stage.server.notifications(&stage.app.0, &stage.shop).pop().unwrap();
    receive(&stage, &good).unwrap();
    let signature = good.headers.iter().find(|(name, _)| name == "authorization").unwrap().1.clone();
    for wrong in
        [String::new(), signature.to_uppercase(), format!("Bearer {signature}"), signature[1..].to_owned()]
    {
        let headers = vec![("authorization".to_owned(), wrong)];
        assert_eq!(receive(&stage, &Notification { headers, ..good.clone() }), Err(WebhookError::Signature));
    }
    // Written anew, the same JSON is not the same bytes.
    let pretty = serde_json::from_slice::<Value>(&good.body).unwrap();
    let body = serde_json::to_vec_pretty(&pretty).unwrap();
    assert_eq!(receive(&stage, &Notification { body, ..good }), Err(WebhookError::Signature));
}

#[tokio::test]
async fn notices_about_the_account_and_types_that_are_none_of_ours() {
    let stage = Stage::new().await;
    let tell = |kind: i64, data: Value| {
        let notification = stage.server.notification(&stage.app.0, &stage.shop, kind, &data);
        let again = receive(&stage, &notification).unwrap();
        let told = receive(&stage, &notification).unwrap();
        assert_eq!(told, again, "a repetition has the same key");
        stage.parse(&told.events[0].payload)
    };
    let ended = tell(6, json!({ "message": "The seller has revoked the authorization." }));
    let InboundKind::AccountNotice { what, detail, effect: NoticeEffect::Stopped { reason, until: None } } =
        ended.kind
    else {
        panic!("the account is stopped");
    };
    assert_eq!((what.as_str(), reason.as_str()), ("SELLER_DEAUTHORIZATION", "token_revoked"));
    assert!(detail.contains("revoked"));
    let soon = tell(7, json!({ "expiration_time": NOW }));
    assert!(matches!(soon.kind, InboundKind::AccountNotice { effect: NoticeEffect::None, .. }));
    assert_eq!(soon.chat, "");
    for kind in [1, 33, 99, -1] {
        assert_eq!(
            tell(kind, json!({ "order_id": "1" })).kind,
            InboundKind::Ignored { what: format!("type {kind}") }
        );
    }
    assert_eq!(tell(99, Value::Null).kind, InboundKind::Ignored { what: "type 99".to_owned() });
}

#[tokio::test]
async fn content_that_is_not_as_documented_is_kept() {
    let stage = Stage::new().await;
    let told = |kind: &str, content: Value| {
        let data = json!({
            "message_id": 7, "conversation_id": 8, "type": kind, "content": content, "create_time": "1795000000",
            "sender": { "im_user_id": 9, "role": "BUYER" },
        });
        stage.parse(&json!({ "type": "14", "data": data }))
    };
    let plain = told("TEXT", json!("just words"));
    assert_eq!(said(&plain), &Content::text("just words"));
    assert_eq!((plain.chat.as_str(), plain.at), ("8", Timestamp::from_micros(NOW * 1_000_000)));
    assert_eq!(
        said(&told("TEXT", json!({ "content": "not in a string" }))),
        &Content::text("not in a string")
    );
    for (kind, content) in [
        ("TEXT", json!("{}")),
        ("IMAGE", json!("{}")),
        ("VIDEO", json!(null)),
        ("EMOTICONS", json!(7)),
        ("PRODUCT_CARD", json!("{}")),
        ("HOLOGRAM", json!("{}")),
        ("", json!("{}")),
    ] {
        let kept = told(kind, content.clone());
        assert_eq!(said(&kept), &Content::Unsupported { kind: kind.to_owned(), raw: content });
    }
    // Without its ids it is no message.
    for payload in
        [json!({ "type": 14, "data": {} }), json!({ "type": 14, "data": { "conversation_id": "8" } })]
    {
        let error = stage.channel.parse(&stage.login.account, &payload).unwrap_err();
        assert!(error.to_string().contains("without"), "{error}");
    }
}

#[tokio::test]
async fn files_are_fetched_from_their_links_and_no_credential_goes_along() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    everything(&stage.server, &chat);
    let told = stage.server.notifications(&stage.app.0, &stage.shop).remove(2);
    let picture = stage.parse(&receive(&stage, &told).unwrap().events[0].payload);
    let media = said(&picture).media().unwrap();
    let fetcher = stage.channel.media_fetcher().unwrap();
    assert_eq!(fetcher.fetch(&stage.login, media, 3).await.unwrap(), &b"\xFF\xD8\xFF"[..]);
    assert_eq!(fetcher.fetch(&stage.login, media, 2).await.unwrap_err().code, "too_large");
    assert!(stage.server.calls().is_empty(), "a link is no call of the API");
}

/// Events with any part of them replaced by anything: read or refused, never a panic.
#[test]
fn no_event_whatever_is_wrong_with_it_ends_the_reader() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stage, events) = runtime.block_on(async {
        let stage = Stage::new().await;
        let chat = stage.server.conversation(&stage.shop, "Ada");
        everything(&stage.server, &chat);
        stage.server.says(&chat, "BUYER", "RETURN_REFUND_CARD", &json!({ "order_id": "1", "sku_id": "2" }));
        stage.server.says(&chat, "BUYER", "COUPON_CARD", &json!({ "coupon_id": "1" }));
        let notifications = stage.server.notifications(&stage.app.0, &stage.shop);
        let mut events: Vec<Value> =
            notifications.iter().map(|told| serde_json::from_slice(&told.body).unwrap()).collect();
        for message in stage.server.messages(&chat) {
            events.push(json!({ "conversation_id": chat, "message": message }));
        }
        for kind in [6, 7] {
            events.push(json!({ "type": kind, "timestamp": NOW, "data": { "message": "m" } }));
        }
        (stage, events)
    });
    let odd = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}])),
        Just(json!("{\"content\":7}")),
        Just(json!("{\"url\":{},\"size\":-1}")),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,8}".prop_map(|text| json!(text)),
    ];
    proptest!(ProptestConfig::with_cases(4_000), |(which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), odd in odd)| {
        let mut event = which.get(&events).clone();
        let mut places = Vec::new();
        pointers(&event, String::new(), &mut places);
        let place: &String = place.get(&places);
        *event.pointer_mut(place).unwrap() = odd;
        let _ = stage.channel.parse(&stage.login.account, &event);
        // The same as a webhook that TikTok signed.
        let body = event.to_string().into_bytes();
        let signature = crate::simulators::tiktok::webhook_signature(&stage.app.0, &stage.app.1, &body);
        let notification = Notification { headers: vec![("authorization".to_owned(), signature)], body };
        if let Ok(told) = receive(&stage, &notification) {
            prop_assert_eq!(told.events.len(), 1);
            prop_assert!(!told.events[0].dedupe_key.is_empty());
        }
    });
}

/// Signed bytes of any form: an event or malformed, never a panic.
#[test]
fn no_bytes_whatever_they_are_end_the_reader() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stage, good) = runtime.block_on(async {
        let stage = Stage::new().await;
        let chat = stage.server.conversation(&stage.shop, "Ada");
        stage.server.writes(&chat, "TEXT", &words("hello \u{1f44b}"));
        let good = stage.server.notifications(&stage.app.0, &stage.shop).pop().unwrap().body;
        (stage, good)
    });
    proptest!(ProptestConfig::with_cases(2_000), |(place in any::<prop::sample::Index>(), cut in any::<bool>(), noise in any::<Vec<u8>>())| {
        let place = place.index(good.len());
        let rest = if cut { &[][..] } else { &good[place + 1..] };
        let body = [&good[..place], &noise, rest].concat();
        let signature = crate::simulators::tiktok::webhook_signature(&stage.app.0, &stage.app.1, &body);
        let notification = Notification { headers: vec![("authorization".to_owned(), signature)], body };
        match receive(&stage, &notification) {
            Ok(told) => drop(stage.channel.parse(&stage.login.account, &told.events[0].payload)),
            Err(error) => prop_assert_eq!(error, WebhookError::Malformed("TikTok Shop")),
        }
    });
}

/// Every place in a JSON value.
pub(super) fn pointers(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, inner)| pointers(inner, format!("{here}/{key}"), all));
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                pointers(inner, format!("{here}/{index}"), all);
            }
        }
        _ => {}
    }
    all.push(here);
}
