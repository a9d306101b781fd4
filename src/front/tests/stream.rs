//! Realtime events: resumed by number, without the sender's own, limited by the key, ended when the service stops.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request};
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::App;

struct Stream(BodyDataStream);

impl Stream {
    async fn open(app: &App, key: &str, query: &str, last: Option<&str>) -> Self {
        let mut request = Request::builder()
            .uri(format!("/v1/events{query}"))
            .header("authorization", format!("Bearer {key}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(response.into_body().into_data_stream())
    }

    /// The next event; none when the stream ended.
    async fn next(&mut self) -> Option<Value> {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let bytes = self.0.next().await?.unwrap();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Some(serde_json::from_str(data).unwrap());
                }
            }
        });
        waited.await.expect("an event within 20 s")
    }
}

async fn relay(app: &App) {
    let relayed = app.store.number_events(app.workspace, 1_000).await.unwrap();
    app.hints.announce(app.workspace, relayed.last);
}

#[tokio::test]
async fn a_reader_resumes_where_it_stopped_and_hears_what_is_new() {
    let app = App::new().await;
    let account = app.account("one").await;
    for n in 0..3 {
        app.text(&account, "anna", &format!("{n}")).await;
    }
    relay(&app).await;
    let mut all = Stream::open(&app, &app.key, "?after=0", None).await;
    let mut seqs = Vec::new();
    for _ in 0..4 {
        seqs.push(all.next().await.unwrap()["seq"].as_i64().unwrap());
    }
    assert_eq!(seqs, [1, 2, 3, 4]);
    let mut resumed = Stream::open(&app, &app.key, "?after=0", Some("3")).await;
    assert_eq!(resumed.next().await.unwrap()["seq"], 4);

    let mut fresh = Stream::open(&app, &app.key, "", None).await;
    app.text(&account, "anna", "new").await;
    relay(&app).await;
    let event = fresh.next().await.unwrap();
    assert_eq!((&event["kind"], &event["seq"]), (&json!("message.created"), &json!(5)));
    assert_eq!(event["data"]["content"]["text"], "new");

    app.front.close();
    assert!(fresh.next().await.is_none());
    app.call(Method::GET, "/v1/events", None, &[("last-event-id", "x")]).await.problem(422);
}

#[tokio::test]
async fn the_sender_and_other_accounts_are_left_out() {
    let app = App::new().await;
    let (mine, other) = (app.account("one").await, app.account("two").await);
    let send = async |account: &str, text: &str, socket: &str| {
        let body = json!({
            "account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": text}
        });
        app.call(Method::POST, "/v1/messages", Some(body), &[("x-socket-id", socket)]).await.ok(202);
    };
    relay(&app).await;
    let scopes = vec!["messages:read".to_owned()];
    let limited = app.key_with(scopes, Some(vec![mine.parse().unwrap()])).await;
    let mut stream = Stream::open(&app, &limited, "?connection=tab-1", None).await;
    send(&mine, "by myself", "tab-1").await;
    send(&other, "on another account", "tab-2").await;
    send(&mine, "by somebody else", "tab-2").await;
    relay(&app).await;
    assert_eq!(stream.next().await.unwrap()["data"]["content"]["text"], "by somebody else");
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let app = App::new().await;
    let key = json!({"name": "short", "scopes": ["messages:read"]});
    let key = app.post("/v1/api_keys", key).await.ok(201);
    let mut stream = Stream::open(&app, key["secret"].as_str().unwrap(), "", None).await;
    app.delete(&format!("/v1/api_keys/{}", key["id"].as_str().unwrap())).await.ok(204);
    app.hints.announce(app.workspace, 0);
    assert!(stream.next().await.is_none());
}
