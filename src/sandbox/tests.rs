//! The server from outside: over HTTP, with a webhook receiver that can be told to refuse.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::{AccountSettings, InboundEvent, Limit, Sandbox, SandboxConfig, Scope, signature};

const TOKEN: &str = "sandbox-auto-test";

struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Caller {
    fn new(sandbox: &Sandbox) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), base: sandbox.url() }
    }

    /// The status and JSON of the answer; none if the connection was closed instead.
    async fn call(&self, method: Method, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Full::new(body.into()))
            .unwrap();
        let answer = self.client.request(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    async fn send(&self, chat: &str, client_id: &str, text: &str) -> Option<(u16, Value)> {
        let body = json!({"chat": chat, "client_id": client_id, "content": {"type": "text", "text": text}});
        self.call(Method::POST, "/v1/messages", &body).await
    }
}

/// What a receiver took: signature and body.
type Taken = Arc<Mutex<Vec<(String, Bytes)>>>;

/// A webhook receiver that refuses the first `refusals` calls.
async fn receiver(refusals: usize) -> (String, Taken) {
    let taken = Taken::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let kept = Arc::clone(&taken);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        if calls.fetch_add(1, Ordering::SeqCst) < refusals {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let signature = headers["x-sandbox-signature"].to_str().unwrap().to_owned();
        kept.lock().unwrap().push((signature, body));
        StatusCode::OK
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(take))).await });
    (url, taken)
}

fn events(taken: &Taken) -> Vec<Value> {
    let taken = taken.lock().unwrap();
    let bodies = taken.iter().map(|(_, body)| serde_json::from_slice::<Value>(body).unwrap());
    bodies.flat_map(|body| body["events"].as_array().unwrap().clone()).collect()
}

/// Waits until `done` says so; ten seconds are a failure.
async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it happens in time");
}

async fn sandbox() -> (Sandbox, Caller) {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    let caller = Caller::new(&sandbox);
    (sandbox, caller)
}

#[tokio::test]
async fn webhooks_are_signed_in_order_and_repeated_until_taken() {
    let (sandbox, caller) = sandbox().await;
    let (url, taken) = receiver(2).await;
    let (_, answer) = caller.call(Method::POST, "/v1/webhook", &json!({ "url": url })).await.unwrap();
    let secret = answer["secret"].as_str().unwrap();
    let settings = AccountSettings { reply: Some(true), ..AccountSettings::default() };
    sandbox.set_account(TOKEN, settings).unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        let (status, answer) = caller.send("anna", &n.to_string(), &format!("hi #s:{n}")).await.unwrap();
        assert_eq!(status, 200);
        ids.push(answer["id"].clone());
    }
    until(|| sandbox.report().total.webhook_events == 15).await;
    for (given, body) in taken.lock().unwrap().iter() {
        assert_eq!(given, &signature(secret, body));
    }
    let events = events(&taken);
    for status in ["delivered", "read"] {
        let told: Vec<_> = events.iter().filter(|event| event["status"] == status).collect();
        assert_eq!(told.iter().map(|event| event["message_id"].clone()).collect::<Vec<_>>(), ids);
    }
    let replies: Vec<_> = events.iter().filter(|event| event["type"] == "message").collect();
    assert_eq!(replies.iter().map(|event| event["reply_to"].clone()).collect::<Vec<_>>(), ids);
    assert_eq!(replies[4]["content"]["text"], "echo: hi #s:4");
    let report = sandbox.report().total;
    assert_eq!((report.webhook_failures, report.webhook_events, report.events_lost), (2, 15, 0));
    assert_eq!((report.order_inversions, report.duplicates), (0, 0));
    sandbox.stop().await;
}

#[tokio::test]
async fn duplicates_and_inversions_are_found_among_accepted_messages() {
    let (sandbox, caller) = sandbox().await;
    assert_eq!(caller.send("ambiguous-a", "1", "x #s:1").await, None, "taken, not answered");
    caller.send("ambiguous-a", "1", "x #s:1").await.unwrap();
    assert_eq!(caller.send("ambiguous-lost-a", "2", "x #s:2").await, None, "not taken");
    caller.send("ambiguous-lost-a", "2", "x #s:2").await.unwrap();
    let report = sandbox.report();
    let total = &report.total;
    assert_eq!((total.accepted, total.dropped, total.duplicates, total.order_inversions), (3, 2, 1, 0));
    for (client, n) in [("3", 5), ("4", 4), ("5", 5), ("6", 6)] {
        caller.send("anna", client, &format!("x #s:{n}")).await.unwrap();
        caller.send("anna", &format!("other {client}"), &format!("x #t{client}:1")).await.unwrap();
    }
    let report = sandbox.report();
    assert_eq!(report.total.order_inversions, 2);
    assert_eq!(report.order_inversion_examples[0].detail, "#s:4 after #s:5");
    assert_eq!(report.total.duplicates, 1);
}

#[tokio::test]
async fn an_account_that_deduplicates_answers_with_the_first_id() {
    let (sandbox, caller) = sandbox().await;
    let settings = AccountSettings { dedupe: Some(true), ..AccountSettings::default() };
    sandbox.set_account(TOKEN, settings).unwrap();
    assert_eq!(caller.send("ambiguous", "1", "x").await, None);
    let (_, again) = caller.send("ambiguous", "1", "x").await.unwrap();
    let first = sandbox.calls(None, 0, 10)[0].clone();
    assert_eq!(again["id"].as_str(), first.id.as_deref());
    let total = sandbox.report().total;
    assert_eq!((total.accepted, total.duplicates, total.deduplicated), (1, 0, 1));
}

#[tokio::test]
async fn limits_are_counted_at_the_call_and_at_the_answer() {
    let (sandbox, caller) = sandbox().await;
    let limits = vec![
        Limit { count: Some(3), window_ms: Some(3_600_000), ..Limit::default() },
        Limit { scope: Scope::Chat, min_gap_ms: Some(3_600_000), ..Limit::default() },
    ];
    let settings = AccountSettings { limits: Some(limits), ..AccountSettings::default() };
    sandbox.set_account(TOKEN, settings).unwrap();
    for (n, chat) in ["a", "b", "c"].into_iter().enumerate() {
        caller.send(chat, &n.to_string(), "x").await.unwrap();
    }
    assert_eq!(sandbox.report().total.limit_violations, 0);
    caller.send("a", "4", "x").await.unwrap();
    let report = sandbox.report();
    // The fourth in the window, and the second to the chat: each at the call and at the answer.
    assert_eq!(report.total.limit_violations, 4, "{report:?}");
    sandbox.reset();
    assert_eq!(sandbox.report().total.limit_violations, 0);
    caller.send("a", "5", "x").await.unwrap();
    caller.send("a", "6", "x").await.unwrap();
    assert_eq!(sandbox.report().total.limit_violations, 2, "limits outlive a reset");
}

#[tokio::test]
async fn who_was_told_to_wait_and_does_not_breaks_a_limit() {
    let (sandbox, caller) = sandbox().await;
    let (status, answer) = caller.send("rate-limited-60000", "1", "x").await.unwrap();
    assert_eq!((status, answer["error"]["retry_after_ms"].as_u64()), (429, Some(60_000)));
    assert_eq!(sandbox.report().total.limit_violations, 0);
    caller.send("anna", "2", "x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(110)).await;
    let (status, _) = caller.send("rate-limited-60000", "1", "x").await.unwrap();
    assert_eq!((status, sandbox.report().total.limit_violations), (429, 1));
}

#[tokio::test]
async fn new_contacts_and_apps_are_counted() {
    let (sandbox, caller) = sandbox().await;
    let new =
        json!({"scope": "account", "new_contacts": {"count": 2, "day_ms": 864_000_000, "day_starts_us": 0}});
    let shared = json!({"limits": [{"scope": "account", "count": 4, "window_ms": 3_600_000}]});
    let settings = json!({"limits": [new], "app": "shop"});
    for (path, body) in [("apps/shop", &shared), (&*format!("accounts/{TOKEN}"), &settings)] {
        assert_eq!(caller.call(Method::PUT, &format!("/control/{path}"), body).await.unwrap().0, 200);
    }
    let body = json!({"token": TOKEN, "chat": "wrote", "content": {"type": "text", "text": "hi"}});
    caller.call(Method::POST, "/control/inbound", &body).await.unwrap();
    for (n, (chat, violations)) in
        [("a", 0), ("fail-permanent", 0), ("wrote", 0), ("a", 0), ("fail-permanent", 2), ("b", 6)]
            .into_iter()
            .enumerate()
    {
        caller.send(chat, &n.to_string(), "x").await.unwrap();
        let report = sandbox.report();
        assert_eq!(report.total.limit_violations, violations, "{chat}: {report:?}");
    }
    let bad = json!({"limits": [{"scope": "chat", "batch": {"size": 0, "pause_ms": 1}}]});
    for path in ["apps/shop", "accounts/sandbox-auto-test"] {
        let (status, answer) = caller.call(Method::PUT, &format!("/control/{path}"), &bad).await.unwrap();
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("invalid_limit")));
    }
}

#[tokio::test]
async fn who_may_begin_no_conversations_may_reply() {
    let (sandbox, caller) = sandbox().await;
    let wrote = |chat: &str| InboundEvent {
        token: TOKEN.to_owned(),
        chat: chat.to_owned(),
        from: None,
        kind: None,
        fields: serde_json::Map::new(),
    };
    sandbox.inbound(wrote("anna")).unwrap();
    let (status, answer) = caller.send("tier-limited-60000", "1", "x").await.unwrap();
    assert_eq!((status, answer["error"]["code"].as_str()), (429, Some("tier_limited")));
    assert_eq!(answer["error"]["retry_after_ms"].as_u64(), Some(60_000));
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(caller.send("anna", "2", "x").await.unwrap().0, 200);
    assert_eq!(sandbox.report().total.limit_violations, 0);
    assert_eq!(caller.send("bert", "3", "x").await.unwrap().0, 429);
    assert_eq!(sandbox.report().total.limit_violations, 1);
    // Out of its window, the same chat is a new conversation.
    let settings = AccountSettings { reply_window_ms: Some(0), ..AccountSettings::default() };
    sandbox.set_account(TOKEN, settings).unwrap();
    assert_eq!(caller.send("anna", "4", "x").await.unwrap().0, 429);
    assert_eq!(sandbox.report().total.limit_violations, 2);
}

#[tokio::test]
async fn a_stopped_account_waits_and_is_tried_one_call_at_a_time() {
    let (sandbox, caller) = sandbox().await;
    let (_, before) = caller.send("anna", "0", "x").await.unwrap();
    let (status, answer) = caller.send("timelocked-400", "1", "x").await.unwrap();
    let error = &answer["error"];
    assert_eq!((status, error["code"].as_str()), (403, Some("account_timelocked")));
    assert_eq!(error["retry_after_ms"].as_u64(), Some(400));
    let until = tokio::time::Instant::now() + Duration::from_millis(410);
    tokio::time::sleep(Duration::from_millis(110)).await;
    assert_eq!(caller.send("anna", "2", "x").await.unwrap().0, 403);
    let path = format!("/v1/messages/{}", before["id"].as_str().unwrap());
    assert_eq!(caller.call(Method::DELETE, &path, &json!({"chat": "anna"})).await.unwrap().0, 403);
    assert_eq!(sandbox.report().total.limit_violations, 2, "two calls before the time");
    tokio::time::sleep_until(until).await;
    // Two at once, when it may be tried: the second is one too many.
    let (first, second) =
        tokio::join!(caller.send("slow-200-a", "3", "x"), caller.send("slow-200-b", "4", "x"));
    assert_eq!((first.unwrap().0, second.unwrap().0), (200, 200));
    let report = sandbox.report();
    assert_eq!(report.total.limit_violations, 3, "{report:?}");
    // It was taken: the stop is over.
    let (_, _) = tokio::join!(caller.send("slow-200-a", "5", "x"), caller.send("slow-200-b", "6", "x"));
    assert_eq!(caller.send("timelocked-400", "7", "x").await.unwrap().0, 200);
    assert_eq!(sandbox.report().total.limit_violations, 3);
    let (_, answer) = caller.send("campaign-capped-7", "8", "x").await.unwrap();
    assert_eq!(answer["error"]["code"].as_str(), Some("marketing_capped"));
}

#[tokio::test]
async fn updates_wait_for_events_and_forget_what_was_received() {
    let (sandbox, caller) = sandbox().await;
    let poll = |path: String| {
        let caller = &caller;
        async move { caller.call(Method::GET, &path, &Value::Null).await.unwrap().1 }
    };
    let wait = poll("/v1/updates?wait_ms=20000".to_owned());
    let write = async {
        let body = json!({"token": TOKEN, "chat": "anna", "content": {"type": "text", "text": "hi"}});
        caller.call(Method::POST, "/control/inbound", &body).await.unwrap()
    };
    let (first, (status, made)) = tokio::join!(wait, write);
    assert_eq!((status, &first["events"][0]["id"]), (200, &made["event_id"]));
    let cursor = first["cursor"].as_str().unwrap();
    let none = poll(format!("/v1/updates?wait_ms=0&cursor={cursor}")).await;
    assert_eq!((&none["events"], none["cursor"].as_str()), (&json!([]), Some(cursor)));
    // A webhook takes over what waits, and polls are refused.
    caller.call(Method::POST, "/control/inbound", &json!({"token": TOKEN, "chat": "b", "type": "odd"})).await;
    let (url, taken) = receiver(0).await;
    caller.call(Method::POST, "/v1/webhook", &json!({ "url": url })).await.unwrap();
    until(|| events(&taken).len() == 1).await;
    let (status, _) = caller.call(Method::GET, "/v1/updates", &Value::Null).await.unwrap();
    assert_eq!(status, 409);
    sandbox.stop().await;
}

#[tokio::test]
async fn strangers_and_strange_requests_are_refused() {
    let (_sandbox, mut caller) = sandbox().await;
    for (body, code) in [
        (json!({"chat": "a", "content": {"type": "text", "text": " "}}), "invalid_content"),
        (json!({"chat": "a", "content": {"type": "text", "text": "x", "colour": 1}}), "invalid_request"),
        (json!({"chat": "a", "content": {"type": "image", "file": "f1"}}), "unknown_file"),
        (json!({"chat": "a", "content": {"type": "image", "file": "f1", "size": 1}}), "invalid_request"),
        (json!({"chat": "a", "content": {"type": "hologram"}}), "invalid_request"),
        (json!({"chat": "a"}), "invalid_request"),
    ] {
        let (status, answer) = caller.call(Method::POST, "/v1/messages", &body).await.unwrap();
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some(code)), "{body}");
    }
    let (status, _) = caller
        .call(
            Method::PATCH,
            "/v1/messages/m1",
            &json!({"chat": "a", "content": {"type": "text", "text": "x"}}),
        )
        .await
        .unwrap();
    assert_eq!(status, 404);
    let other = Sandbox::start(SandboxConfig::default()).await.unwrap();
    caller.base = other.url();
    let path = "/control/accounts/nobody";
    assert_eq!(caller.call(Method::PUT, path, &json!({})).await.unwrap().0, 400);
}

#[tokio::test]
async fn accounts_outlive_a_restart_and_ids_never_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        SandboxConfig { state: Some(folder.path().join("sandbox.json")), ..SandboxConfig::default() };
    let (url, taken) = receiver(0).await;
    let mut ids = Vec::new();
    for run in 0..3 {
        let sandbox = Sandbox::start(config.clone()).await.unwrap();
        let caller = Caller::new(&sandbox);
        if run == 0 {
            caller.call(Method::POST, "/v1/webhook", &json!({ "url": url })).await.unwrap();
        }
        let (_, answer) = caller.send("anna", "1", "x").await.unwrap();
        ids.push(answer["id"].clone());
        until(|| events(&taken).len() == 2 * (run + 1)).await;
        sandbox.stop().await;
        // A crash in the middle of a line.
        let mut journal =
            std::fs::OpenOptions::new().append(true).open(config.state.as_ref().unwrap()).unwrap();
        journal.write_all(b"{\"token\": \"sandbox-\xc3").unwrap();
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
}
