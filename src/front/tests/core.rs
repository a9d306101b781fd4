//! Messages and webhooks: what is acknowledged is committed, what is not right stores nothing.

use axum::body::Body;
use axum::http::{Method, Request};
use futures::future::join_all;
use model::{Job, Queue};
use queue::{JobPlace, LaneId};
use serde_json::json;

use crate::support::{App, SECRET};

#[tokio::test]
async fn a_message_is_committed_and_pushed() {
    let app = App::new().await;
    let account = app.account("one").await;
    let message = app.text(&account, "anna", "hello").await;
    assert_eq!(message["status"], "queued");
    assert_eq!(message["purpose"], "transactional");
    assert_eq!(message["seq"], 1);

    let id: model::MessageId = message["id"].as_str().unwrap().parse().unwrap();
    let lane = LaneId::send(account.parse().unwrap());
    let place = app.lanes.find(Job::SendMessage(id).into(), lane).await.unwrap();
    assert!(matches!(place, JobPlace::Waiting { behind: 0, .. }), "{place:?}");
    assert!(app.lanes.inspect(Queue::Notify, 1).await.unwrap().waiting > 0);

    let shown = app.get(&format!("/v1/messages/{id}")).await.ok(200);
    assert_eq!(shown["waiting"]["rule"], "turn");
    assert!(shown["expected_at"].is_string());
    let listed = app.get(&format!("/v1/messages?account_id={account}&status=queued")).await.ok(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn mistakes_name_their_field_and_store_nothing() {
    let app = App::new().await;
    let account = app.account("one").await;
    let text = json!({"type": "text", "text": "hi"});
    let to = json!({"address": "anna"});
    for (body, field) in [
        (json!({"to": to, "content": text}), "account_id"),
        (json!({"account_id": 5, "to": to, "content": text}), "account_id"),
        (json!({"account_id": uuid::Uuid::nil(), "to": to, "content": text}), "account_id"),
        (json!({"account_id": account, "to": {}, "content": text}), "to"),
        (json!({"account_id": account, "to": {"adress": "x"}, "content": text}), "to.adress"),
        (json!({"account_id": account, "to": {"address": ""}, "content": text}), "to.address"),
        (
            json!({"account_id": account, "to": {"contact_id": uuid::Uuid::nil()}, "content": text}),
            "to.contact_id",
        ),
        (
            json!({"account_id": account, "to": {"conversation_id": uuid::Uuid::nil()}, "content": text}),
            "to.conversation_id",
        ),
        (json!({"account_id": account, "to": to, "content": text, "colour": "red"}), "colour"),
        (json!({"account_id": account, "to": to, "content": text, "purpose": "fun"}), "purpose"),
        (json!({"account_id": account, "to": to, "content": text, "purpose": 1}), "purpose"),
        (json!([account, to, text]), ""),
        (json!({"account_id": account, "to": to, "content": text, "send_at": "soon"}), "send_at"),
        (
            json!({"account_id": account, "to": to, "content": text, "reply_to": uuid::Uuid::nil()}),
            "reply_to",
        ),
        (json!({"account_id": account, "to": to, "content": {"type": "text", "text": 1}}), "content.text"),
        (json!({"account_id": account, "to": to, "content": {"type": "text", "text": " "}}), "content.text"),
        (
            json!({"account_id": account, "to": to, "content": {"type": "text", "text": "x".repeat(101)}}),
            "content.text",
        ),
        (
            json!({"account_id": account, "to": to, "content": {"type": "voice", "media": {"url": "u"}}}),
            "content.type",
        ),
        (
            json!({"account_id": account, "to": to, "content": {"type": "location", "latitude": 91, "longitude": 0}}),
            "content.latitude",
        ),
    ] {
        assert_eq!(app.post("/v1/messages", body.clone()).await.field(), field, "{body}");
    }
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"], json!([]));
    assert_eq!(app.get("/v1/messages?limit=0").await.field(), "limit");
    assert_eq!(app.get("/v1/messages?limit=many").await.field(), "limit");
    assert_eq!(app.get("/v1/messages?colour=red").await.field(), "colour");
    assert_eq!(app.get("/v1/messages?cursor=@").await.field(), "cursor");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let app = App::new().await;
    let send = async |content_type: Option<&str>, body: String| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/v1/messages")
            .header("authorization", format!("Bearer {}", app.key));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        app.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = Some("application/json");
    assert_eq!(send(json, "{".to_owned()).await.problem(400).0, "/problems/malformed");
    assert_eq!(send(json, "{} {}".to_owned()).await.problem(422).0, "/problems/validation");
    assert_eq!(send(None, "{}".to_owned()).await.problem(415).0, "/problems/media-type");
    assert_eq!(send(Some("text/plain"), "{}".to_owned()).await.problem(415).0, "/problems/media-type");
    assert_eq!(send(json, "x".repeat(1_100_000)).await.problem(413).0, "/problems/too-large");
    assert_eq!(app.get("/v1/nothing").await.problem(404).0, "/problems/not-found");
    assert_eq!(app.delete("/v1/messages").await.problem(405).0, "/problems/method-not-allowed");
    assert_eq!(app.get("/v1/messages/nonsense").await.problem(404).0, "/problems/not-found");
}

#[tokio::test]
async fn one_key_a_hundred_times_at_once_is_one_message() {
    let app = App::new().await;
    let account = app.account("one").await;
    let body = json!({"account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": "once"}});
    let calls = (0..100).map(|_| app.post_keyed("k-1", "/v1/messages", body.clone()));
    let answers = join_all(calls).await;
    for answer in &answers {
        assert_eq!(answer.status, 202);
        assert_eq!(answer.json(), answers[0].json());
    }
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"].as_array().unwrap().len(), 1);

    let mut other = body.clone();
    other["content"]["text"] = json!("twice");
    let (kind, _) = app.post_keyed("k-1", "/v1/messages", other.clone()).await.problem(422);
    assert_eq!(kind, "/problems/idempotency-key-reused");
    app.post_keyed("k-2", "/v1/messages", other.clone()).await.ok(202);
    assert_eq!(app.post_keyed("has space", "/v1/messages", other).await.field(), "Idempotency-Key");
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let app = App::new().await;
    let given = app.call(Method::GET, "/healthz", None, &[("x-request-id", "abc-1")]).await;
    assert_eq!(given.headers["x-request-id"], "abc-1");
    let drawn = app.call(Method::GET, "/healthz", None, &[("x-request-id", "a b")]).await;
    assert!(uuid::Uuid::parse_str(drawn.headers["x-request-id"].to_str().unwrap()).is_ok());
    assert_eq!(app.get("/readyz").await.ok(200)["status"], "ok");
}

async fn hook(app: &App, account: &str, secret: &str, path: &str, body: String) -> crate::support::Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/webhooks/fake/{account}{path}"))
        .header("X-Fake-Secret", secret);
    app.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_webhook_is_verified_committed_once_and_pushed() {
    let app = App::new().await;
    let account = app.account("one").await;
    let id: model::AccountId = account.parse().unwrap();
    let secret = format!("hook-one:{SECRET}");
    let pending = async || app.store.unprocessed_events(id, 100).await.unwrap().len();

    assert_eq!(
        hook(&app, &account, "wrong", "", r#"{"id":1}"#.into()).await.problem(401).0,
        "/problems/unauthorized"
    );
    assert_eq!(
        hook(&app, &account, &secret, "", "nonsense".into()).await.problem(400).0,
        "/problems/malformed"
    );
    assert_eq!(
        hook(&app, &account, &secret, "", "x".repeat(9_000_000)).await.problem(413).0,
        "/problems/too-large"
    );
    assert_eq!(pending().await, 0);
    assert_eq!(app.lanes.inspect(Queue::Ingest, 1).await.unwrap().waiting, 0);

    for _ in 0..5 {
        let answer = hook(&app, &account, &secret, "?challenge=42", r#"{"id":1}"#.into()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "42"));
    }
    assert_eq!(pending().await, 1);
    assert_eq!(app.lanes.inspect(Queue::Ingest, 1).await.unwrap().waiting, 1);

    let nobody = uuid::Uuid::nil().to_string();
    hook(&app, &nobody, &secret, "", r#"{"id":2}"#.into()).await.problem(404);
    hook(&app, "nonsense", &secret, "", r#"{"id":2}"#.into()).await.problem(404);
    let wrong_channel = Request::builder().method(Method::POST).uri(format!("/webhooks/other/{account}"));
    app.send(wrong_channel.body(Body::empty()).unwrap()).await.problem(404);
}

#[tokio::test]
async fn what_a_channel_cannot_do_is_not_accepted() {
    let app = App::new().await;
    let body = json!({"channel": "plain", "credentials": {"token": "one:x"}});
    let account = app.post("/v1/accounts", body).await.ok(201)["id"].clone();
    let body =
        json!({"account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": "hi"}});
    let message = app.post("/v1/messages", body).await.ok(202);
    let at = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    let edit = json!({"content": {"type": "text", "text": "ho"}});
    app.call(Method::PATCH, &at, Some(edit), &[]).await.problem(422);
    app.call(Method::DELETE, &at, None, &[]).await.problem(422);
    let react = json!({"emoji": "🙂"});
    app.call(Method::PUT, &format!("{at}/reaction"), Some(react), &[]).await.problem(422);
    let chat = format!("/v1/conversations/{}/typing", message["conversation_id"].as_str().unwrap());
    app.post(&chat, json!({"on": true})).await.problem(422);
    assert_eq!(app.get(&at).await.ok(200)["status"], "queued");
}
