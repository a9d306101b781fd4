//! The answers of every route match the OpenAPI document, and none of them shows a secret.

use axum::body::Body;
use axum::http::{Method, Request};
use futures::StreamExt;
use model::{
    AttemptId, Connection, ConversationKind, Inbound, InboundKind, Job, MessageId, Pace, PairingKind,
    PairingStep, Party, Scope, Status, Timestamp, Wait,
};
use serde_json::{Value, json};
use store::{Ended, Ingested, NewAttempt, OutcomeKind, SessionChange};
use tower::ServiceExt;

use crate::support::document::Document;
use crate::support::{Answer, App, SECRET, logs};

struct Tour {
    app: App,
    document: Document,
    texts: Vec<String>,
}

impl Tour {
    async fn call(&mut self, method: Method, pattern: &str, path: &str, body: Option<Value>) -> Answer {
        let answer = self.app.call(method.clone(), path, body, &[]).await;
        self.take(&method, pattern, &answer);
        answer
    }

    fn take(&mut self, method: &Method, pattern: &str, answer: &Answer) {
        self.document.check(&method.as_str().to_lowercase(), pattern, answer);
        self.texts.push(format!("{:?} {}", answer.headers, answer.text));
    }

    async fn get(&mut self, pattern: &str, path: &str) -> Value {
        self.call(Method::GET, pattern, path, None).await.ok(200)
    }

    async fn post(&mut self, pattern: &str, path: &str, body: Option<Value>, status: u16) -> Value {
        self.call(Method::POST, pattern, path, body).await.ok(status)
    }

    async fn delete(&mut self, pattern: &str, path: &str) {
        self.call(Method::DELETE, pattern, path, None).await.ok(204);
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// One attempt with a wait before it and an end that nobody knows.
async fn attempt(app: &App, message: &Value) {
    let sent = app.store.load_send(id(message).parse::<MessageId>().unwrap().into()).await.unwrap().unwrap();
    let now = Timestamp::from_micros(1_700_000_000_000_000);
    let attempt_id: AttemptId = uuid::Uuid::from_u128(9).into();
    let opened = app
        .store
        .open_attempt(NewAttempt {
            id: attempt_id,
            subject: sent.subject(),
            revision: sent.revision,
            n: 1,
            workspace_id: app.workspace,
            account_id: sent.account.id,
            conversation_id: sent.message.conversation_id,
            worker: uuid::Uuid::from_u128(8).into(),
            pace: Pace::Bulk,
            purpose: sent.message.purpose,
            is_new: true,
            text_hash: None,
            granted_at: now,
            started_at: now,
            waits: vec![Wait { rule: "gap".to_owned(), scope: Scope::Class, until: Some(now), detail: None }],
        })
        .await
        .unwrap();
    assert!(opened);
    app.store
        .end_attempt(Ended {
            attempt_id: Some(attempt_id),
            subject: sent.subject(),
            workspace_id: app.workspace,
            account_id: sent.account.id,
            conversation_id: sent.message.conversation_id,
            chat: sent.chat,
            client_id: None,
            at: now,
            outcome: OutcomeKind::Ambiguous,
            error_code: Some("timeout".to_owned()),
            error: Some("no answer".to_owned()),
            provider_id: None,
            status: Status::Unknown,
            reason: Some("ambiguous: no answer".to_owned()),
            next_attempt_at: None,
        })
        .await
        .unwrap();
}

async fn inbound(app: &App, account: &str) {
    let (account, _) = app.store.login(account.parse().unwrap()).await.unwrap().unwrap();
    let event = app.store.unprocessed_events(account.id, 1).await.unwrap().remove(0);
    let meaning = vec![Inbound {
        chat: "anna".to_owned(),
        chat_kind: ConversationKind::Direct,
        chat_title: None,
        thread: None,
        from: Some(Party { address: "anna".to_owned(), name: Some("Anna".to_owned()), phone: None }),
        at: Timestamp::from_micros(1_700_000_000_000_000),
        kind: InboundKind::Message {
            provider_id: "p1".to_owned(),
            content: model::Content::text("hello"),
            reply_to: None,
            echo: false,
        },
    }];
    app.store.apply_inbound(&account, &[Ingested { id: event.id, meaning: Ok(meaning) }]).await.unwrap();
}

#[tokio::test]
async fn every_route_answers_as_documented_and_tells_no_secret() {
    let mut tour = Tour { app: App::new().await, document: Document::new(), texts: Vec::new() };
    let t = &mut tour;

    let account = accounts(t).await;
    webhooks(t, &account).await;
    apps(t).await;
    let waiting = messages(t, &account).await;
    templates(t, &account).await;
    conversations_and_contacts(t).await;
    files(t).await;
    keys(t, &account).await;
    queues(t, &account, &waiting).await;
    machines(t).await;
    events(t).await;
    t.delete("/v1/accounts/{id}", &format!("/v1/accounts/{account}")).await;

    let missing: Vec<_> = t.document.operations().difference(&t.document.seen).cloned().collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");
    let logged = logs::text();
    assert!(logged.contains("/v1/accounts/{id}/pace"), "nothing was logged");
    t.texts.push(logged);
    for text in &t.texts {
        assert!(!text.contains(SECRET) && !text.contains("hook-one"), "{text}");
        assert!(!text.contains(t.app.key.as_str()), "{text}");
    }
}

/// Gives the id of an account that stays.
async fn accounts(t: &mut Tour) -> String {
    t.get("/v1/channels", "/v1/channels").await;
    let body = json!({"channel": "fake", "credentials": {"token": format!("one:{SECRET}")}, "timezone": "Asia/Tokyo"});
    let account = id(&t.post("/v1/accounts", "/v1/accounts", Some(body.clone()), 201).await);
    t.post("/v1/accounts", "/v1/accounts", Some(body), 409).await;
    let refused = json!({"channel": "fake", "credentials": {"token": format!("refused:{SECRET}")}});
    t.post("/v1/accounts", "/v1/accounts", Some(refused), 422).await;
    let at = |rest: &str| format!("/v1/accounts/{account}{rest}");
    t.get("/v1/accounts", "/v1/accounts").await;
    t.get("/v1/accounts/{id}", &at("")).await;
    let change = json!({"credentials": {"token": format!("one:{SECRET}2")}, "settings": {"region": "eu"}});
    t.call(Method::PATCH, "/v1/accounts/{id}", &at(""), Some(change)).await.ok(200);
    t.get("/v1/accounts/{id}/pace", &at("/pace")).await;
    let preview = json!({"account_id": account, "messages": 30, "new_contacts": 10});
    t.post("/v1/pace/preview", "/v1/pace/preview", Some(preview), 200).await;
    let preview = json!({"account_id": account, "messages": 0});
    t.post("/v1/pace/preview", "/v1/pace/preview", Some(preview), 422).await;
    t.post("/v1/accounts/{id}/pause", &at("/pause"), Some(json!({"reason": "lunch"})), 200).await;
    t.get("/v1/accounts/{id}/status", &at("/status")).await;
    let health = t.get("/v1/accounts/{id}/health", &at("/health")).await;
    assert_eq!((&health["sending"], &health["provider"]), (&json!("paused"), &Value::Null));
    t.post("/v1/accounts/{id}/resume", &at("/resume"), None, 200).await;
    t.post("/v1/accounts/{id}/disconnect", &at("/disconnect"), None, 200).await;
    t.post("/v1/accounts/{id}/connect", &at("/connect"), None, 200).await;
    t.post("/v1/accounts/{id}/restart", &at("/restart"), None, 409).await;
    polled_account(t).await;
    device(t).await;
    account
}

/// An account with a session, with its owner.
async fn device(t: &mut Tour) {
    let account = id(&t.post("/v1/accounts", "/v1/accounts", Some(json!({"channel": "device"})), 201).await);
    let at = |rest: &str| format!("/v1/accounts/{account}{rest}");
    let hour = std::time::Duration::from_hours(1);
    let worker = uuid::Uuid::from_u128(9).into();
    let owned = t.app.store.take_accounts(worker, hour, false).await.unwrap().accounts.remove(0);
    let step = PairingStep {
        kind: PairingKind::Code,
        code: "ABCD-1234".to_owned(),
        expires_at: Timestamp::from_micros(4_000_000_000_000_000),
    };
    let change = SessionChange { step: Some(step), ..SessionChange::to(Connection::QrRequired, None) };
    t.app.store.change_session(&owned, &change).await.unwrap();
    t.post("/v1/accounts/{id}/connect", &at("/connect"), None, 202).await;
    t.get("/v1/accounts/{id}/status", &at("/status")).await;
    t.app.store.change_session(&owned, &SessionChange::to(Connection::Connected, None)).await.unwrap();
    let control = t.app.hints.control().clone();
    let mut orders = control.orders();
    let confirming = tokio::spawn(async move {
        loop {
            if let events::Order::LogOut(_, receipt) = orders.next().await {
                return control.confirm(receipt);
            }
        }
    });
    t.post("/v1/accounts/{id}/logout", &at("/logout"), None, 200).await;
    confirming.await.unwrap();
    t.delete("/v1/accounts/{id}", &at("")).await;
}

/// An account with an owner, which confirms what it is told.
async fn polled_account(t: &mut Tour) {
    let body =
        json!({"channel": "fake", "credentials": {"token": format!("polled:{SECRET}")}, "intake": "poll"});
    let account = id(&t.post("/v1/accounts", "/v1/accounts", Some(body), 201).await);
    let at = |rest: &str| format!("/v1/accounts/{account}{rest}");
    t.post("/v1/accounts/{id}/restart", &at("/restart"), None, 503).await;
    let worker = uuid::Uuid::from_u128(8).into();
    t.app.store.take_accounts(worker, std::time::Duration::from_hours(1), false).await.unwrap();
    t.get("/v1/accounts/{id}/status", &at("/status")).await;
    let control = t.app.hints.control().clone();
    let mut orders = control.orders();
    let owner = tokio::spawn(async move {
        loop {
            if let events::Order::Restart(_, receipt) = orders.next().await {
                return control.confirm(receipt);
            }
        }
    });
    t.post("/v1/accounts/{id}/restart", &at("/restart"), None, 202).await;
    owner.await.unwrap();
    t.delete("/v1/accounts/{id}", &at("")).await;
}

async fn webhooks(t: &mut Tour, account: &str) {
    let hook = |secret: &str, text: &str| {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/webhooks/fake/{account}"))
            .header("x-fake-secret", secret);
        request.body(Body::from(text.to_owned())).unwrap()
    };
    for (secret, text) in [("wrong", "{}"), (&*format!("hook-one:{SECRET}2"), "{}")] {
        let answer = t.app.send(hook(secret, text)).await;
        t.take(&Method::POST, "/webhooks/{channel}/{account_id}", &answer);
    }
    let answer = t.app.send(hook(&format!("hook-one:{SECRET}2"), r#"{"id":1}"#)).await;
    t.take(&Method::POST, "/webhooks/{channel}/{account_id}", &answer);
    inbound(&t.app, account).await;
    let request = Request::builder().uri(format!("/webhooks/fake/{account}?challenge=42"));
    let request = request.header("x-fake-secret", format!("hook-one:{SECRET}2"));
    let answer = t.app.send(request.body(Body::from(r#"{"id":2}"#)).unwrap()).await;
    t.take(&Method::GET, "/webhooks/{channel}/{account_id}", &answer);
}

/// An app, an account of it, and its webhooks.
async fn apps(t: &mut Tour) {
    let pattern = "/v1/channel_apps";
    let credentials = json!({"app_id": "7", "app_secret": SECRET, "app_verify_token": SECRET});
    let body = json!({"provider": "bazaar", "credentials": credentials});
    let made = t.post(pattern, pattern, Some(body), 201).await;
    t.post(pattern, pattern, Some(json!({"provider": "pigeon", "credentials": {}})), 422).await;
    t.get(pattern, pattern).await;
    let (one, at) = ("/v1/channel_apps/{id}", format!("/v1/channel_apps/{}", id(&made)));
    t.get(one, &at).await;
    t.call(Method::PATCH, one, &at, Some(json!({"name": "ours"}))).await.ok(200);
    let body = json!({"channel": "mall", "credentials": {"token": format!("page:{SECRET}")}});
    let account = id(&t.post("/v1/accounts", "/v1/accounts", Some(body), 201).await);
    t.call(Method::DELETE, one, &at, None).await.problem(409);

    let body = json!({"channel": "mall"});
    let begun = t.post("/v1/oauth/start", "/v1/oauth/start", Some(body), 201).await;
    let state = begun["url"].as_str().unwrap().rsplit_once("state=").unwrap().1.to_owned();
    for status in [200, 400] {
        let returned = format!("/oauth/mall/callback?code=one&state={state}");
        let answer = t.call(Method::GET, "/oauth/{channel}/callback", &returned, None).await;
        assert_eq!(answer.status, status);
    }
    t.get("/v1/oauth/{id}", &format!("/v1/oauth/{}", id(&begun))).await;

    let pattern = "/webhooks/{channel}/app/{app_id}";
    let address = format!("/webhooks/mall/app/{}", id(&made));
    for secret in ["wrong", SECRET] {
        let request = Request::builder().method(Method::POST).uri(&address).header("x-fake-secret", secret);
        let answer = t.app.send(request.body(Body::from(r#"{"events":[]}"#)).unwrap()).await;
        t.take(&Method::POST, pattern, &answer);
        let asked = format!("{address}?challenge=42&verify_token={secret}");
        let answer = t.app.get(&asked).await;
        t.take(&Method::GET, pattern, &answer);
    }
    t.delete("/v1/accounts/{id}", &format!("/v1/accounts/{account}")).await;
    t.delete(one, &at).await;
}

/// Gives a message that waits.
async fn messages(t: &mut Tour, account: &str) -> Value {
    let body = |text: &str| json!({"account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": text}});
    let first = t.post("/v1/messages", "/v1/messages", Some(body("one")), 202).await;
    let second = t.post("/v1/messages", "/v1/messages", Some(body("two")), 202).await;
    t.post("/v1/messages", "/v1/messages", Some(json!({})), 422).await;
    batch(t, account).await;
    let mut later = body("three");
    later["send_at"] = json!("2099-01-01T00:00:00Z");
    let later = t.post("/v1/messages", "/v1/messages", Some(later), 202).await;
    let message = |message: &Value, rest: &str| format!("/v1/messages/{}{rest}", id(message));
    let rule = t.get("/v1/messages/{id}", &message(&second, "")).await["waiting"]["rule"].clone();
    assert!(rule == "gap" || rule == "same_recipient", "whichever ends last: {rule}");
    assert_eq!(t.get("/v1/messages/{id}", &message(&later, "")).await["waiting"]["rule"], "scheduled");
    t.get("/v1/messages", "/v1/messages?limit=2").await;
    attempt(&t.app, &first).await;
    let timeline = t.get("/v1/messages/{id}/timeline", &message(&first, "/timeline")).await;
    assert!(timeline["data"].as_array().unwrap().iter().any(|entry| entry["what"] == "attempt"));
    let health = t.get("/v1/accounts/{id}/health", &format!("/v1/accounts/{account}/health")).await;
    let error = (&health["last_error"]["code"], &health["last_error"]["words"]);
    assert_eq!(error, (&json!("timeout"), &json!("no answer")));
    assert!(health["queue"]["depth"].as_u64() >= Some(1), "{health}");
    let unknown = t.get("/v1/messages/{id}", &message(&first, "")).await;
    assert_eq!((&unknown["status"], &unknown["waiting"]), (&json!("unknown"), &Value::Null));
    t.post("/v1/messages/{id}/resolve", &message(&first, "/resolve"), Some(json!({"as": "failed"})), 200)
        .await;
    t.post("/v1/messages/{id}/resolve", &message(&first, "/resolve"), Some(json!({"as": "resend"})), 409)
        .await;
    t.post("/v1/messages/{id}/retry", &message(&first, "/retry"), None, 200).await;
    t.post("/v1/messages/{id}/cancel", &message(&later, "/cancel"), None, 200).await;
    t.post("/v1/messages/{id}/cancel", &message(&later, "/cancel"), None, 409).await;
    actions(t, account, &second).await;
    second
}

async fn batch(t: &mut Tour, account: &str) {
    let body = |text: &str| json!({"account_id": account, "to": {"address": "carl"}, "content": {"type": "text", "text": text}});
    let pattern = "/v1/messages/batch";
    let mixed = json!({"messages": [body("one"), {"to": 5}, body("two"), body(&"x".repeat(101))]});
    let answer = t.post(pattern, pattern, Some(mixed.clone()), 200).await;
    let statuses: Vec<_> = (0..4).map(|n| answer["results"][n]["status"].clone()).collect();
    assert_eq!(json!(statuses), json!([202, 422, 202, 422]));
    t.post(pattern, pattern, Some(json!({"messages": []})), 422).await;
    let keyed = t.app.post_keyed("tour", pattern, mixed).await;
    t.take(&Method::POST, pattern, &keyed);
    let other = t.app.post_keyed("tour", pattern, json!({"messages": [body("three")]})).await;
    t.take(&Method::POST, pattern, &other);
    other.problem(422);
}

async fn templates(t: &mut Tour, account: &str) {
    let body = json!({"name": "hello", "text": "{hi|hello} {{ n }}", "variants": {"fake": "{hi|hello} you"}});
    let made = t.post("/v1/templates", "/v1/templates", Some(body.clone()), 201).await;
    t.post("/v1/templates", "/v1/templates", Some(body), 409).await;
    t.post("/v1/templates", "/v1/templates", Some(json!({"name": "x", "text": "{|"})), 422).await;
    t.get("/v1/templates", "/v1/templates").await;
    let at = format!("/v1/templates/{}", id(&made));
    t.get("/v1/templates/{id}", &at).await;
    let change = json!({"text": "x {{ n }}"});
    t.call(Method::PATCH, "/v1/templates/{id}", &at, Some(change)).await.ok(200);
    let preview = json!({"account_id": account, "samples": 2});
    t.post("/v1/templates/{id}/preview", &format!("{at}/preview"), Some(preview), 200).await;
    let message = json!({"account_id": account, "to": {"address": "dora"}, "template_id": made["id"]});
    t.post("/v1/messages", "/v1/messages", Some(message), 202).await;
    t.delete("/v1/templates/{id}", &at).await;
    t.call(Method::DELETE, "/v1/templates/{id}", &at, None).await.problem(404);
}

/// On a message that waits.
async fn actions(t: &mut Tour, account: &str, waiting: &Value) {
    let at = format!("/v1/messages/{}", id(waiting));
    let edit = |text: &str| Some(json!({"content": {"type": "text", "text": text}}));
    let edited = t.call(Method::PATCH, "/v1/messages/{id}", &at, edit("zwei")).await.ok(202);
    assert_eq!((&edited["status"], &edited["seq"]), (&json!("done"), &Value::Null), "it had not left");
    let shown = t.get("/v1/messages/{id}", &at).await;
    assert_eq!((&shown["content"]["text"], &shown["edited_at"]), (&json!("zwei"), &edited["done_at"]));
    t.call(Method::PATCH, "/v1/messages/{id}", &at, edit(&"x".repeat(101))).await.problem(422);
    let emoji = |emoji: Value| Some(json!({"emoji": emoji}));
    let pattern = "/v1/messages/{id}/reaction";
    t.call(Method::PUT, pattern, &format!("{at}/reaction"), emoji(json!("🙂"))).await.problem(409);
    t.call(Method::PUT, pattern, &format!("{at}/reaction"), emoji(json!(""))).await.problem(422);
    let received = t.get("/v1/messages", &format!("/v1/messages?account_id={account}&status=received")).await;
    let received = format!("/v1/messages/{}", id(&received["data"][0]));
    let reaction = t.call(Method::PUT, pattern, &format!("{received}/reaction"), emoji(json!("🙂"))).await;
    assert_eq!(reaction.ok(202)["status"], "queued");
    t.call(Method::PATCH, "/v1/messages/{id}", &received, edit("mine")).await.problem(409);
    let body =
        json!({"account_id": account, "to": {"address": "ben"}, "content": {"type": "text", "text": "x"}});
    let unsent = t.post("/v1/messages", "/v1/messages", Some(body), 202).await;
    let at = format!("/v1/messages/{}", id(&unsent));
    t.call(Method::DELETE, "/v1/messages/{id}", &at, None).await.ok(202);
    assert_eq!(t.get("/v1/messages/{id}", &at).await["status"], "canceled");
    t.call(Method::DELETE, "/v1/messages/{id}", &at, None).await.problem(409);
    let nowhere = format!("/v1/messages/{}", uuid::Uuid::nil());
    t.call(Method::DELETE, "/v1/messages/{id}", &nowhere, None).await.problem(404);
}

async fn conversations_and_contacts(t: &mut Tour) {
    let listed = t.get("/v1/conversations", "/v1/conversations").await["data"].clone();
    let anna = |conversation: &&Value| conversation["address"] == "anna";
    let conversation = listed.as_array().unwrap().iter().find(anna).unwrap().clone();
    assert_eq!(conversation["unread_count"], 1);
    let at = |rest: &str| format!("/v1/conversations/{}{rest}", id(&conversation));
    t.get("/v1/conversations/{id}", &at("")).await;
    let messages = t.get("/v1/conversations/{id}/messages", &at("/messages?limit=2")).await;
    let cursor = messages["next_cursor"].as_str().unwrap().to_owned();
    let older = t.get("/v1/conversations/{id}/messages", &at(&format!("/messages?before={cursor}"))).await;
    assert_eq!(older["data"].as_array().unwrap().len(), 2);
    t.get("/v1/conversations/{id}/messages", &at(&format!("/messages?after={cursor}"))).await;
    let change = json!({"status": "closed", "assignee": "ben"});
    t.call(Method::PATCH, "/v1/conversations/{id}", &at(""), Some(change)).await.ok(200);
    t.post("/v1/conversations/{id}/read", &at("/read"), None, 204).await;
    t.post("/v1/conversations/{id}/typing", &at("/typing"), Some(json!({"on": true})), 204).await;
    assert_eq!(t.get("/v1/conversations/{id}", &at("")).await["unread_count"], 0);
    let contact = t.get("/v1/contacts", "/v1/contacts?name=ann").await["data"][0].clone();
    let at = |rest: &str| format!("/v1/contacts/{}{rest}", id(&contact));
    t.get("/v1/contacts/{id}", &at("")).await;
    t.get("/v1/contacts/{id}/messages", &at("/messages")).await;
    let change = json!({"phone": "+49 30 1", "attributes": {"vip": true}});
    t.call(Method::PATCH, "/v1/contacts/{id}", &at(""), Some(change)).await.ok(200);
    assert_ne!(t.get("/v1/audit", "/v1/audit").await["data"], json!([]));
}

async fn keys(t: &mut Tour, account: &str) {
    let body = json!({"name": "reader", "scopes": ["messages:read"], "accounts": [account]});
    let key = t.app.post("/v1/api_keys", body).await;
    t.document.check("post", "/v1/api_keys", &key);
    let key = key.ok(201);
    let secret = key["secret"].as_str().unwrap().to_owned();
    t.app.get_as(&secret, "/v1/messages").await.ok(200);
    t.get("/v1/api_keys", "/v1/api_keys").await;
    t.delete("/v1/api_keys/{id}", &format!("/v1/api_keys/{}", id(&key))).await;
    t.app.get_as(&secret, "/v1/messages").await.problem(401);
}

async fn queues(t: &mut Tour, account: &str, waiting: &Value) {
    t.get("/v1/queues", "/v1/queues").await;
    t.get("/v1/queues/{queue}/lanes", "/v1/queues/send/lanes").await;
    let lane = format!("/v1/queues/send/lanes/{account}/jobs");
    assert!(
        !t.get("/v1/queues/{queue}/lanes/{lane}/jobs", &lane).await["data"].as_array().unwrap().is_empty()
    );
    t.post("/v1/queues/{queue}/pause", "/v1/queues/send/pause", None, 204).await;
    t.get("/v1/queues", "/v1/queues").await;
    t.post("/v1/queues/{queue}/resume", "/v1/queues/send/resume", None, 204).await;
    t.post("/v1/queues/{queue}/pause", "/v1/queues/teapots/pause", None, 404).await;
    let dead: MessageId = id(waiting).parse().unwrap();
    let job = Job::SendMessage(dead).to_string();
    for _ in 0..2 {
        t.app.store.bury_job(Some(t.app.workspace), &job, "send", account, "it broke").await.unwrap();
        t.get("/v1/dead_jobs", "/v1/dead_jobs?limit=1").await;
        t.post("/v1/dead_jobs/{job}/retry", &format!("/v1/dead_jobs/{job}/retry"), None, 204).await;
    }
    t.app.store.bury_job(None, &job, "send", account, "it broke").await.unwrap();
    t.app.store.bury_job(None, "mow-lawn:7", "send", account, "it is unknown").await.unwrap();
    let pattern = "/v1/dead_jobs/retry";
    let matching = json!({"queue": "send", "lane": account, "limit": 1});
    let answer = t.post(pattern, pattern, Some(matching), 200).await;
    assert_eq!(answer["kept"][0]["job"], "mow-lawn:7");
    let answer = t.post(pattern, pattern, Some(json!({"cursor": answer["next_cursor"]})), 200).await;
    assert_eq!(answer["retried"], json!([job]));
    t.post(pattern, pattern, Some(json!({"limit": 201})), 422).await;
    t.call(Method::POST, "/v1/dead_jobs/{job}/retry", "/v1/dead_jobs/mow-lawn:7/retry", None)
        .await
        .problem(409);
    t.app.store.bury_job(None, &job, "send", account, "it broke").await.unwrap();
    t.delete("/v1/dead_jobs/{job}", &format!("/v1/dead_jobs/{job}")).await;
    t.call(Method::DELETE, "/v1/dead_jobs/{job}", &format!("/v1/dead_jobs/{job}"), None).await.problem(404);
}

async fn machines(t: &mut Tour) {
    t.get("/healthz", "/healthz").await;
    t.get("/readyz", "/readyz").await;
    let metrics = t.call(Method::GET, "/metrics", "/metrics", None).await;
    assert_eq!(metrics.text, "up 1\n");
}

async fn files(t: &mut Tour) {
    let request = Request::builder().method(Method::POST).uri("/v1/media?name=a.txt");
    let request = request.header("authorization", format!("Bearer {}", t.app.key));
    let request = request.header("content-type", "text/plain").body(Body::from("hello")).unwrap();
    let answer = t.app.send(request).await;
    t.take(&Method::POST, "/v1/media", &answer);
    let path = format!("/v1/media/{}", id(&answer.ok(201)));
    let file = t.get("/v1/media/{id}", &path).await;
    let link = file["url"].as_str().unwrap().replace("https://rookery.example", "");
    let shown = t.call(Method::GET, "/media/{id}", &link, None).await;
    assert_eq!(shown.text, "hello");
    t.call(Method::GET, "/media/{id}", &format!("{link}0"), None).await.problem(403);
}

async fn events(t: &mut Tour) {
    t.app.store.number_events(t.app.workspace, 1_000).await.unwrap();
    let request =
        Request::builder().uri("/v1/events?after=0").header("authorization", format!("Bearer {}", t.app.key));
    let response = t.app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    t.document.seen.insert(("get".to_owned(), "/v1/events".to_owned()));
    let first = response.into_body().into_data_stream().next().await.unwrap().unwrap();
    let text = String::from_utf8(first.to_vec()).unwrap();
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: front::schema::Event = serde_json::from_str(data).unwrap();
    assert_eq!(event.seq, 1);
    t.texts.push(text);
}

#[tokio::test]
async fn the_document_is_served_and_its_page_needs_no_network() {
    let app = App::new().await;
    let document = app.get("/openapi.json").await.ok(200);
    assert_eq!(document["openapi"], "3.1.0");
    let page = app.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("https://") && !page.text.contains("http://"), "{}", page.text);
}
