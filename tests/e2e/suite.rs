//! What every installation must do.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::harness::{Installation, until};

use super::{BINARY, at_once, becomes, drained, text, unbroken};

macro_rules! every_installation {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(&tests::harness::Installation::embedded(super::BINARY).await).await; }
        )+ }

        mod fleet { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(installation) = tests::harness::Installation::fleet(super::BINARY).await {
                    super::$name(&installation).await;
                }
            }
        )+ }
    };
}
pub(crate) use every_installation;

every_installation! {
    a_message_travels_both_ways,
    one_key_is_one_message,
    a_batch_is_sent_in_order_whatever_is_refused_in_it,
    repeated_and_shuffled_webhooks_are_messages_once_and_in_order,
    a_webhook_that_is_not_the_providers_leaves_nothing,
    a_recipient_who_must_wait_holds_nobody_else,
    a_reply_overtakes_a_campaign_on_its_own_account,
    what_fails_says_why_and_what_may_be_mended_is_tried_again,
    a_scheduled_message_never_leaves_early_and_a_canceled_one_never,
    pacing_holds_by_the_providers_own_count,
    a_paused_account_sends_nothing_until_it_is_resumed,
    a_request_that_makes_no_sense_changes_nothing,
}

async fn a_message_travels_both_ways(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let sent = api.post("/v1/messages", &text(&account, "alice", "Hello, Alice.", "conversation")).await;
    assert_eq!(sent["status"], "queued");
    let read = becomes(api, sent["id"].as_str().unwrap(), &["read"]).await;
    assert!(read["sent_at"].as_str() <= read["delivered_at"].as_str(), "{read}");
    assert!(read["provider_id"].is_string());

    installation.contact_writes("shop", "alice", "Hello, shop.").await;
    let path = format!("/v1/conversations/{}/messages", sent["conversation_id"].as_str().unwrap());
    let reply = until("the reply is there", async || {
        let page = api.get(&path).await;
        page["data"].as_array()?.iter().find(|message| message["direction"] == "inbound").cloned()
    })
    .await;
    assert_eq!(reply["content"]["text"], "Hello, shop.");
    let conversation =
        api.get(&format!("/v1/conversations/{}", sent["conversation_id"].as_str().unwrap())).await;
    assert_eq!(conversation["unread_count"], 1);
    assert_eq!(conversation["last_message_id"], reply["id"]);
    let contact = api.get(&format!("/v1/contacts/{}", sent["contact_id"].as_str().unwrap())).await;
    assert_eq!(contact["name"], "alice");

    let timeline = api.get(&format!("/v1/messages/{}/timeline", sent["id"].as_str().unwrap())).await;
    assert!(timeline.to_string().contains("\"attempt\""), "{timeline}");
    unbroken(installation).await;
}

async fn one_key_is_one_message(installation: &Installation) {
    let api = installation.api().clone();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let body = text(&account, "bob", "Once.", "transactional");
    let calls = (0..100).map(|_| {
        let (api, body) = (api.clone(), body.clone());
        async move { api.try_post("/v1/messages", &body, &[("Idempotency-Key", "order-17")]).await.unwrap() }
    });
    let answers = at_once(100, calls).await;
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
        assert_eq!(answer.status, 202);
    }
    let other = text(&account, "bob", "Twice.", "transactional");
    let refused = api.try_post("/v1/messages", &other, &[("Idempotency-Key", "order-17")]).await.unwrap();
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(drained(&api, &account).await.len(), 1);
    assert_eq!(installation.report().await["accepted"], 1);
}

async fn a_batch_is_sent_in_order_whatever_is_refused_in_it(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 500.0, json!({})).await;
    let mut messages: Vec<_> = (0..200)
        .map(|n| {
            let words = format!("Text. #transactional:{n}");
            text(&account, &format!("customer-{}", n % 7), &words, "transactional")
        })
        .collect();
    messages[20]["content"]["text"] = json!(5);
    messages[100]["account_id"] = json!("00000000-0000-0000-0000-000000000000");
    messages[199]["to"] = json!({});
    let body = json!({"messages": messages});
    let key = [("Idempotency-Key", "newsletter-1")];
    let calls = (0..5).map(|_| {
        let (api, body) = (api.clone(), body.clone());
        async move { api.try_post("/v1/messages/batch", &body, &key).await.unwrap() }
    });
    let answers = at_once(5, calls).await;
    for answer in &answers {
        assert_eq!((answer.status, answer), (200, &answers[0]));
    }
    let results = answers[0].body["results"].as_array().unwrap();
    assert_eq!(results.len(), 200);
    let mut newest = BTreeMap::new();
    for (n, result) in results.iter().enumerate() {
        let field = match n {
            20 => "content.text",
            100 => "account_id",
            199 => "to",
            _ => {
                assert_eq!(result["status"], 202, "{result}");
                let message = &result["message"];
                assert_eq!(message["content"], messages[n]["content"]);
                let before = newest.insert(message["conversation_id"].to_string(), message["seq"].as_i64());
                assert!(before.unwrap_or_default() < message["seq"].as_i64(), "{result}");
                continue;
            }
        };
        assert_eq!(result["status"], 422, "{result}");
        assert_eq!(result["problem"]["errors"][0]["field"], field, "{result}");
    }
    let sent = drained(api, &account).await;
    assert_eq!(sent.len(), 197);
    assert!(sent.iter().all(|message| message["sent_at"].is_string()), "all were sent");
    unbroken(installation).await;
    let report = installation.report().await;
    assert_eq!((&report["accepted"], &report["duplicates"]), (&json!(197), &json!(0)));
}

fn webhook(n: usize) -> Vec<u8> {
    let event = json!({
        "id": format!("event-{n}"), "type": "message", "at_us": 1_790_000_000_000_000_u64 + n as u64 * 1_000_000,
        "chat": "carol", "from": {"id": "carol"}, "message_id": format!("message-{n}"),
        "content": {"type": "text", "text": format!("number {n}")},
    });
    serde_json::to_vec(&json!({"events": [event]})).unwrap()
}

async fn repeated_and_shuffled_webhooks_are_messages_once_and_in_order(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 1.0, json!({})).await;
    let path = format!("/webhooks/sandbox/{account}");
    let secret = installation.webhook_secret("shop");
    // Every event five times; a step that shares no factor with a hundred visits each once, far from its neighbours.
    for step in 0..100 {
        let body = webhook((step * 37) % 100 / 5);
        let signature = sandbox::signature(&secret, &body);
        let answer = api.post_raw(&path, body, &[("x-sandbox-signature", &signature)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let conversation = until("the conversation is there", async || {
        let page = api.get("/v1/conversations").await;
        let first = page["data"][0]["id"].as_str()?.to_owned();
        (page["data"][0]["unread_count"] == 20).then_some(first)
    })
    .await;
    let mut messages = api.all(&format!("/v1/conversations/{conversation}/messages")).await;
    messages.reverse();
    let texts: Vec<_> = messages.iter().map(|message| message["content"]["text"].as_str().unwrap()).collect();
    let expected: Vec<_> = (0..20).map(|n| format!("number {n}")).collect();
    assert_eq!(texts, expected);
}

async fn a_webhook_that_is_not_the_providers_leaves_nothing(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 1.0, json!({})).await;
    let path = format!("/webhooks/sandbox/{account}");
    let secret = installation.webhook_secret("shop");
    let body = webhook(1);
    let signature = sandbox::signature(&secret, &body);
    let mut changed = body.clone();
    *changed.last_mut().unwrap() = b' ';
    assert_eq!(api.post_raw(&path, changed, &[("x-sandbox-signature", &signature)]).await.status, 401);
    assert_eq!(api.post_raw(&path, body.clone(), &[]).await.status, 401);
    let wrong = sandbox::signature("another secret", &body);
    assert_eq!(api.post_raw(&path, body, &[("x-sandbox-signature", &wrong)]).await.status, 401);
    let huge = vec![b' '; 9 * 1024 * 1024];
    let signature = sandbox::signature(&secret, &huge);
    assert_eq!(api.post_raw(&path, huge, &[("x-sandbox-signature", &signature)]).await.status, 413);
    let queues = api.get("/v1/queues").await;
    assert!(!queues.to_string().contains(r#""waiting":1"#), "{queues}");
    assert_eq!(api.get("/v1/conversations").await["data"], json!([]));
}

async fn a_recipient_who_must_wait_holds_nobody_else(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    // The provider holds this recipient for a minute.
    let held = api.post("/v1/messages", &text(&account, "rate-limited-60000", "1", "transactional")).await;
    let behind = api.post("/v1/messages", &text(&account, "rate-limited-60000", "2", "transactional")).await;
    let other = api.post("/v1/messages", &text(&account, "dave", "3", "transactional")).await;
    becomes(api, other["id"].as_str().unwrap(), &["sent", "delivered", "read"]).await;
    let waiting = until("the held message says why it waits", async || {
        let message = api.get(&format!("/v1/messages/{}", held["id"].as_str().unwrap())).await;
        message["waiting"]["until"].is_string().then_some(message)
    })
    .await;
    assert_eq!(waiting["status"], "queued", "{waiting}");
    assert_eq!(waiting["waiting"]["scope"], "recipient", "{waiting}");
    assert!(waiting["expected_at"].is_string(), "{waiting}");
    let behind = api.get(&format!("/v1/messages/{}", behind["id"].as_str().unwrap())).await;
    assert_eq!(behind["status"], "queued");
    assert!(behind["waiting"].is_object(), "{behind}");
}

async fn a_reply_overtakes_a_campaign_on_its_own_account(installation: &Installation) {
    let api = installation.api().clone();
    let account = installation.connect("shop", 40.0, json!({})).await;
    installation.contact_writes("shop", "erin", "Are you there?").await;
    let calls = (0..1_000).map(|n| {
        let (api, body) = (api.clone(), text(&account, &format!("customer-{n}"), "Offer.", "campaign"));
        async move { api.post("/v1/messages", &body).await }
    });
    at_once(32, calls).await;
    until("the campaign is under way", async || {
        installation.report().await["accepted"].as_u64().filter(|accepted| *accepted > 5)
    })
    .await;
    let before = installation.report().await["accepted"].as_u64().unwrap();
    let reply = api.post("/v1/messages", &text(&account, "erin", "Here I am.", "conversation")).await;
    becomes(&api, reply["id"].as_str().unwrap(), &["sent", "delivered", "read"]).await;
    let record = installation.record().await;
    let sends: Vec<_> =
        record.iter().filter(|call| call["outcome"] == "accepted" && call["chat"].is_string()).collect();
    let sends: Vec<_> = sends.iter().filter(|call| call["content"]["text"].is_string()).collect();
    let place = sends.iter().position(|call| call["chat"] == "erin").expect("the reply was taken") as u64;
    assert!(place <= before + 2, "{} campaign messages went before the reply", place - before);
}

async fn what_fails_says_why_and_what_may_be_mended_is_tried_again(installation: &Installation) {
    let api = installation.api();
    // Slow enough to see the wait for a retry: a second.
    let account = installation.connect("shop", 5.0, json!({})).await;
    let never = api.post("/v1/messages", &text(&account, "fail-permanent", "x", "transactional")).await;
    let twice = api.post("/v1/messages", &text(&account, "fail-once", "x", "transactional")).await;
    let never = becomes(api, never["id"].as_str().unwrap(), &["failed"]).await;
    assert!(never["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{never}");
    let id = twice["id"].as_str().unwrap();
    let waiting = until("the retry says why it waits", async || {
        let message = api.get(&format!("/v1/messages/{id}")).await;
        message["next_attempt_at"].is_string().then_some(message)
    })
    .await;
    assert_eq!(waiting["waiting"]["rule"], "retry", "{waiting}");
    becomes(api, id, &["sent", "delivered", "read"]).await;
    let timeline = api.get(&format!("/v1/messages/{id}/timeline")).await.to_string();
    assert_eq!(timeline.matches("\"attempt\":{").count(), 2, "{timeline}");
    let again =
        api.call("POST", &format!("/v1/messages/{}/retry", never["id"].as_str().unwrap()), &json!({})).await;
    assert!((200..300).contains(&again.status), "{again:?}");
    becomes(api, never["id"].as_str().unwrap(), &["failed"]).await;
}

async fn a_scheduled_message_never_leaves_early_and_a_canceled_one_never(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let now = model::Clock::now(&model::SystemClock);
    let due = now + std::time::Duration::from_millis(1_500);
    let mut body = text(&account, "frank", "On time.", "transactional");
    body["send_at"] = json!(due);
    let timed = api.post("/v1/messages", &body).await;
    assert_eq!(timed["status"], "scheduled");
    body["send_at"] = json!(now + std::time::Duration::from_hours(1));
    let far = api.post("/v1/messages", &body).await;
    let far = far["id"].as_str().unwrap();
    let canceled = api.post(&format!("/v1/messages/{far}/cancel"), &json!({})).await;
    assert_eq!(canceled["status"], "canceled");
    let refused = api.call("POST", &format!("/v1/messages/{far}/cancel"), &json!({})).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let sent = becomes(api, timed["id"].as_str().unwrap(), &["sent", "delivered", "read"]).await;
    let sent_at: model::Timestamp = serde_json::from_value(sent["sent_at"].clone()).unwrap();
    assert!(sent_at >= due, "sent at {sent_at}, due at {due}");
    assert_eq!(installation.report().await["accepted"], 1);
}

async fn pacing_holds_by_the_providers_own_count(installation: &Installation) {
    let api = installation.api().clone();
    // Twenty times as quick: 15 in any 3 s, 300 ms between messages to one recipient, 15 ms between any two.
    let limits = json!([
        {"name": "per minute", "scope": "account", "count": 15, "window_ms": 3_000},
        {"name": "same recipient", "scope": "chat", "min_gap_ms": 300},
        {"name": "gap", "scope": "account", "min_gap_ms": 15},
    ]);
    let token = installation.token("shop");
    installation
        .sandbox()
        .call("PUT", &format!("/control/accounts/{token}"), &json!({"limits": limits}))
        .await;
    let account = installation.connect("shop", 20.0, json!({})).await;
    let calls = (0..60).map(|n| {
        let purpose = ["conversation", "transactional", "campaign"][n % 3];
        let body = text(&account, &format!("customer-{}", n % 7), &format!("Text. #{purpose}:{n}"), purpose);
        (api.clone(), body)
    });
    for (api, body) in calls {
        api.post("/v1/messages", &body).await;
    }
    let messages = drained(&api, &account).await;
    assert_eq!(messages.len(), 60);
    assert!(messages.iter().all(|message| message["sent_at"].is_string()), "all were sent");
    unbroken(installation).await;
    let report = installation.report().await;
    assert_eq!((&report["accepted"], &report["duplicates"]), (&json!(60), &json!(0)));
    let pace = api.get(&format!("/v1/accounts/{account}/pace")).await;
    assert!(pace.to_string().contains("per_minute"), "{pace}");
}

async fn a_paused_account_sends_nothing_until_it_is_resumed(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    api.post(&format!("/v1/accounts/{account}/pause"), &json!({})).await;
    let sent = api.post("/v1/messages", &text(&account, "gina", "Later.", "transactional")).await;
    let id = sent["id"].as_str().unwrap();
    let waiting = until("the message says that it is paused", async || {
        let message = api.get(&format!("/v1/messages/{id}")).await;
        (message["waiting"]["rule"] == "paused").then_some(message)
    })
    .await;
    assert_eq!(waiting["status"], "queued");
    assert_eq!(installation.report().await["accepted"], 0);
    api.post(&format!("/v1/accounts/{account}/resume"), &json!({})).await;
    becomes(api, id, &["sent", "delivered", "read"]).await;
}

async fn a_request_that_makes_no_sense_changes_nothing(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 1.0, json!({})).await;
    let good = text(&account, "hugo", "x", "transactional");
    let with = |path: &[&str], value: Value| {
        let mut body = good.clone();
        let last = path.iter().fold(&mut body, |value, key| &mut value[*key]);
        *last = value;
        body
    };
    let cases: BTreeMap<&str, Value> = BTreeMap::from([
        ("account_id", with(&["account_id"], json!("nonsense"))),
        ("content.text", with(&["content", "text"], json!("x".repeat(5_000)))),
        ("content.type", with(&["content", "type"], json!("telepathy"))),
        ("purpose", with(&["purpose"], json!("spam"))),
        ("surprise", with(&["surprise"], json!(1))),
        ("to", with(&["to"], json!({}))),
        ("send_at", with(&["send_at"], json!("tomorrow"))),
    ]);
    for (field, body) in cases {
        let answer = api.try_post("/v1/messages", &body, &[]).await.unwrap();
        assert_eq!(answer.status, 422, "{field}: {answer:?}");
        let named: Vec<_> = answer.body["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{field}: {answer:?}"))
            .iter()
            .map(|error| error["field"].as_str().unwrap_or_default().to_owned())
            .collect();
        let close = |named: &String| {
            named.starts_with(field) || field.starts_with(named.as_str()) && !named.is_empty()
        };
        assert!(named.iter().any(close), "{field} in {named:?}: {answer:?}");
    }
    assert_eq!(api.get("/v1/messages").await["data"], json!([]));
    assert_eq!(api.try_get("/v1/nothing").await.unwrap().status, 404);
}
