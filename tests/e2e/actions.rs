//! Edits, deletions and reactions: they reach the provider in order with messages, and none is lost.

use serde_json::{Value, json};
use tests::harness::{Answer, Api, Installation, until};
use tests::servers::{self, Redis};

use super::suite::every_installation;
use super::{BINARY, becomes, drained, text, unbroken};

every_installation! {
    actions_reach_the_provider_in_order_with_messages,
    what_has_not_left_is_changed_in_its_place,
    a_refused_action_says_why,
    changes_come_in_before_their_message_and_after,
    a_contact_who_blocked_the_account_gets_nothing,
    reading_and_typing_are_shown,
}

const SENT: [&str; 3] = ["sent", "delivered", "read"];

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id: {value}")).to_owned()
}

async fn accepted(api: &Api, method: &str, path: &str, body: &Value) -> Value {
    let answer = api.call(method, path, body).await;
    assert_eq!(answer.status, 202, "{method} {path}: {answer:?}");
    answer.body
}

async fn edit(api: &Api, message: &str, words: &str) -> Value {
    let body = json!({"content": {"type": "text", "text": words}});
    accepted(api, "PATCH", &format!("/v1/messages/{message}"), &body).await
}

async fn react(api: &Api, message: &str, emoji: Option<&str>) -> Value {
    accepted(api, "PUT", &format!("/v1/messages/{message}/reaction"), &json!({"emoji": emoji})).await
}

async fn delete(api: &Api, message: &str) -> Value {
    accepted(api, "DELETE", &format!("/v1/messages/{message}"), &json!({})).await
}

/// Waits until the message is as told.
async fn shows(api: &Api, message: &str, what: &str, told: impl Fn(&Value) -> bool) -> Value {
    until(&format!("message {message} shows {what}"), async || {
        let message = api.get(&format!("/v1/messages/{message}")).await;
        told(&message).then_some(message)
    })
    .await
}

/// The end of an action, by its message's timeline.
async fn ended(api: &Api, action: &Value) -> Value {
    let path = format!("/v1/messages/{}/timeline", action["message_id"].as_str().unwrap());
    until("an action ends", async || {
        let timeline = api.get(&path).await;
        let news = timeline["data"].as_array()?.iter().rev();
        let mut news = news.filter(|entry| entry["what"] == "action.status");
        let last = news.find(|entry| entry["data"]["id"] == action["id"])?["data"].clone();
        (!["queued", "sending"].contains(&last["status"].as_str()?)).then_some(last)
    })
    .await
}

/// What the sandbox was asked for in a chat, in order: what, and of which text, emoji or message.
async fn asked(installation: &Installation, chat: &str) -> Vec<(String, String)> {
    let record = installation.record().await.into_iter();
    let record = record.filter(|call| call["chat"] == chat && call["what"] != "typing");
    let told = |call: &Value| {
        let words = call["content"]["text"].as_str().or(call["emoji"].as_str());
        words.unwrap_or_default().to_owned()
    };
    record.map(|call| (call["what"].as_str().unwrap().to_owned(), told(&call))).collect()
}

/// Holds the account while `meanwhile` runs, so that what it asks for waits together.
async fn paused<T>(api: &Api, account: &str, meanwhile: impl AsyncFnOnce() -> T) -> T {
    api.post(&format!("/v1/accounts/{account}/pause"), &json!({})).await;
    let done = meanwhile().await;
    api.post(&format!("/v1/accounts/{account}/resume"), &json!({})).await;
    done
}

async fn actions_reach_the_provider_in_order_with_messages(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let say = async |words: &str| {
        id(&api.post("/v1/messages", &text(&account, "ada", words, "transactional")).await)
    };
    let first = say("one").await;
    becomes(api, &first, &SENT).await;
    let (second, deleted) = paused(api, &account, async || {
        edit(api, &first, "one, corrected").await;
        let second = say("two").await;
        react(api, &first, Some("🙂")).await;
        let deleted = delete(api, &first).await;
        (second, deleted)
    })
    .await;
    becomes(api, &second, &SENT).await;
    assert_eq!(ended(api, &deleted).await["status"], "done");
    let shown = shows(api, &first, "its deletion", |message| message["deleted_at"].is_string()).await;
    assert_eq!(shown["status"].as_str().map(|status| SENT.contains(&status)), Some(true), "{shown}");
    // What the deletion made void before it was begun was not asked for.
    let calls = asked(installation, "ada").await;
    let calls: Vec<_> = calls.iter().map(|(what, told)| (what.as_str(), told.as_str())).collect();
    assert_eq!(calls, [("send", "one"), ("send", "two"), ("delete", "")]);

    let third = say("three").await;
    becomes(api, &third, &SENT).await;
    let (last, reaction) = paused(api, &account, async || {
        edit(api, &third, "three, corrected").await;
        say("four").await;
        let reaction = react(api, &third, Some("🙂")).await;
        (say("five").await, reaction)
    })
    .await;
    becomes(api, &last, &SENT).await;
    assert_eq!(ended(api, &reaction).await["status"], "done");
    let shown = shows(api, &third, "its reaction", |message| message["reactions"] != json!([])).await;
    assert_eq!(shown["content"]["text"], "three, corrected");
    assert_eq!((&shown["reactions"][0]["by"], &shown["reactions"][0]["emoji"]), (&json!("me"), &json!("🙂")));
    let calls = asked(installation, "ada").await;
    let calls: Vec<_> = calls[3..].iter().map(|(what, told)| (what.as_str(), told.as_str())).collect();
    let expected = [
        ("send", "three"),
        ("edit", "three, corrected"),
        ("send", "four"),
        ("react", "🙂"),
        ("send", "five"),
    ];
    assert_eq!(calls, expected);
    let timeline = api.get(&format!("/v1/messages/{third}/timeline")).await.to_string();
    assert!(timeline.contains(&format!(r#""action_id":"{}""#, id(&reaction))), "{timeline}");

    react(api, &third, None).await;
    shows(api, &third, "no reaction", |message| message["reactions"] == json!([])).await;
    unbroken(installation).await;
}

async fn what_has_not_left_is_changed_in_its_place(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let say = async |words: &str| {
        id(&api.post("/v1/messages", &text(&account, "bea", words, "transactional")).await)
    };
    let (edited, deleted) = paused(api, &account, async || {
        let (edited, deleted) = (say("wrong").await, say("never").await);
        assert_eq!(edit(api, &edited, "right").await["status"], "done");
        assert_eq!(delete(api, &deleted).await["status"], "done");
        (edited, deleted)
    })
    .await;
    becomes(api, &edited, &SENT).await;
    assert_eq!(api.get(&format!("/v1/messages/{deleted}")).await["status"], "canceled");
    let never = api.call("PUT", &format!("/v1/messages/{deleted}/reaction"), &json!({"emoji": "🙂"})).await;
    assert_eq!(never.status, 409, "{never:?}");
    drained(api, &account).await;
    assert_eq!(asked(installation, "bea").await, [("send".to_owned(), "right".to_owned())]);
}

async fn a_refused_action_says_why(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let message = api.post("/v1/messages", &text(&account, "cleo", "hello", "transactional")).await;
    let sent = becomes(api, &id(&message), &SENT).await;
    // Somebody deletes it at the provider, and nobody tells us.
    let provider = Api::new(installation.sandbox().base(), installation.token("shop"));
    let path = format!("/v1/messages/{}", sent["provider_id"].as_str().unwrap());
    let gone: Answer = provider.call("DELETE", &path, &json!({"chat": "cleo"})).await;
    assert_eq!(gone.status, 200, "{gone:?}");
    let refused = ended(api, &edit(api, &id(&message), "hello again").await).await;
    assert_eq!(refused["status"], "failed", "{refused}");
    assert!(refused["reason"].as_str().unwrap().starts_with("message_not_found"), "{refused}");
    let shown = api.get(&format!("/v1/messages/{}", id(&message))).await;
    assert_eq!((&shown["content"]["text"], &shown["edited_at"]), (&json!("hello"), &Value::Null));
    // That it is gone already counts as done.
    assert_eq!(ended(api, &delete(api, &id(&message)).await).await["status"], "done");
    // What failed before it left holds nobody behind it.
    let failed = api.post("/v1/messages", &text(&account, "fail-permanent", "x", "transactional")).await;
    becomes(api, &id(&failed), &["failed"]).await;
    let late = api.call("DELETE", &format!("/v1/messages/{}", id(&failed)), &json!({})).await;
    assert_eq!(late.status, 409, "{late:?}");
}

async fn changes_come_in_before_their_message_and_after(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 1.0, json!({})).await;
    let secret = installation.webhook_secret("shop");
    let tell = async |n: u64, seconds: u64, kind: &str, more: Value| {
        let mut event = json!({
            "id": format!("event-{n}"), "type": kind, "at_us": 1_790_000_000_000_000_u64 + seconds * 1_000_000,
            "chat": "dora", "from": {"id": "dora"}, "message_id": "their-1",
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = serde_json::to_vec(&json!({"events": [event]})).unwrap();
        let signature = sandbox::signature(&secret, &body);
        let path = format!("/webhooks/sandbox/{account}");
        let answer = api.post_raw(&path, body, &[("x-sandbox-signature", &signature)]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let says = |words: &str| json!({"content": {"type": "text", "text": words}});
    tell(1, 3, "edited", says("last")).await;
    tell(2, 2, "edited", says("second")).await;
    tell(3, 4, "reaction", json!({"emoji": ["👍"]})).await;
    tell(4, 1, "message", says("first")).await;
    let message = until("the message is there as it was edited", async || {
        let page = api.get("/v1/messages").await;
        let message = page["data"].as_array()?.first()?.clone();
        (message["edited_at"].is_string() && message["reactions"] != json!([])).then_some(message)
    })
    .await;
    assert_eq!(message["content"]["text"], "last", "{message}");
    let left = &message["reactions"][0];
    assert_eq!((&left["by"], &left["emoji"]), (&json!("dora"), &json!("👍")), "{message}");
    tell(5, 5, "reaction", json!({"emoji": []})).await;
    tell(6, 6, "deleted", json!({})).await;
    let gone = shows(api, &id(&message), "its deletion", |message| message["deleted_at"].is_string()).await;
    assert_eq!((&gone["reactions"], &gone["content"]["text"]), (&json!([]), &json!("last")));
    let timeline = api.get(&format!("/v1/messages/{}/timeline", id(&message))).await.to_string();
    for kind in ["message.edited", "message.reaction", "message.deleted"] {
        assert!(timeline.contains(kind), "{kind} in {timeline}");
    }
}

async fn a_contact_who_blocked_the_account_gets_nothing(installation: &Installation) {
    let api = installation.api();
    let account = installation.connect("shop", 50.0, json!({})).await;
    let say = async |words: &str| {
        id(&api.post("/v1/messages", &text(&account, "emil", words, "transactional")).await)
    };
    let first = becomes(api, &say("hello").await, &SENT).await;
    let tell = async |blocked: bool| {
        let event = json!({
            "token": installation.token("shop"), "chat": "emil", "type": "contact_blocked", "blocked": blocked,
        });
        installation.sandbox().post("/control/inbound", &event).await;
        let path = format!("/v1/conversations/{}", first["conversation_id"].as_str().unwrap());
        until("the conversation knows", async || {
            (api.get(&path).await["blocked_at"].is_string() == blocked).then_some(())
        })
        .await;
    };
    tell(true).await;
    let never = becomes(api, &say("anybody?").await, &["failed"]).await;
    assert!(never["reason"].as_str().unwrap().starts_with("blocked"), "{never}");
    tell(false).await;
    becomes(api, &say("welcome back").await, &SENT).await;
    let calls: Vec<_> = asked(installation, "emil").await.into_iter().map(|(_, words)| words).collect();
    assert_eq!(calls, ["hello", "welcome back"]);
}

async fn reading_and_typing_are_shown(installation: &Installation) {
    let api = installation.api();
    installation.connect("shop", 1.0, json!({})).await;
    installation.contact_writes("shop", "fay", "Hello, shop.").await;
    let (chat, last) = until("the conversation is there", async || {
        let page = api.get("/v1/messages").await;
        let message = page["data"].as_array()?.first()?.clone();
        Some((message["conversation_id"].as_str()?.to_owned(), message["provider_id"].clone()))
    })
    .await;
    for (path, body) in [("read", json!({})), ("typing", json!({"on": true}))] {
        let answer = api.call("POST", &format!("/v1/conversations/{chat}/{path}"), &body).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_eq!(api.get(&format!("/v1/conversations/{chat}")).await["unread_count"], 0);
    let call = async |what: &str| {
        until(&format!("{what} reaches the provider"), async || {
            installation.record().await.into_iter().find(|call| call["what"] == what && call["chat"] == "fay")
        })
        .await
    };
    assert_eq!(call("read").await["id"], last);
    call("typing").await;
}

/// Has many edits and reactions wait, disturbs the installation while they go out, and sees that each was done.
async fn all_done(installation: &mut Installation, disturb: impl AsyncFnOnce(&mut Installation)) {
    const MESSAGES: usize = 20;
    let account = installation.connect("shop", 100.0, json!({})).await;
    let api = installation.api().clone();
    let mut sent = Vec::new();
    for n in 0..MESSAGES {
        let body = text(&account, &format!("chat-{}", n % 4), &format!("{n}"), "transactional");
        sent.push(id(&api.post("/v1/messages", &body).await));
    }
    drained(&api, &account).await;
    let actions = paused(&api, &account, async || {
        let mut actions = Vec::new();
        for message in &sent {
            actions.push(edit(&api, message, &format!("{message} edited")).await);
            actions.push(react(&api, message, Some("🙂")).await);
        }
        actions
    })
    .await;
    until("some were done", async || {
        (installation.report().await["other_calls"].as_u64()? >= 8).then_some(())
    })
    .await;
    disturb(installation).await;
    for action in &actions {
        assert_eq!(ended(&api, action).await["status"], "done");
    }
    for message in &sent {
        let shown = api.get(&format!("/v1/messages/{message}")).await;
        assert_eq!(shown["content"]["text"], json!(format!("{message} edited")));
        assert_eq!(shown["reactions"].as_array().map(Vec::len), Some(1), "{shown}");
    }
    unbroken(installation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_no_action_undone() {
    let mut installation = Installation::embedded(BINARY).await;
    let kill = async |installation: &mut Installation| {
        installation.kill("serve");
        installation.restart("serve").await;
    };
    all_done(&mut installation, kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_workers_leave_no_action_undone() {
    let Some(mut installation) = Installation::fleet(BINARY).await else { return };
    let kill = async |installation: &mut Installation| {
        installation.kill("worker");
        installation.restart("worker").await;
    };
    all_done(&mut installation, kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_queue_loses_no_action() {
    if !servers::present("a queue that is lost") {
        return;
    }
    let redis = Redis::start();
    let Some(mut installation) = Installation::fleet_with(BINARY, &[("REDIS_URL", redis.url())]).await else {
        return;
    };
    all_done(&mut installation, async |_| redis.command(&["FLUSHALL"])).await;
}
