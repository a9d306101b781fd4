//! Every wait has a reason and a time.

use std::time::Duration;

use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::support::App;

#[tokio::test]
async fn a_paused_account_says_so_in_each_wait() {
    let app = App::new().await;
    let account = app.account("one").await;
    let message = app.text(&account, "anna", "hi").await;
    app.post(&format!("/v1/accounts/{account}/pause"), json!({"reason": "lunch"})).await.ok(200);
    let shown = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(
        shown["waiting"],
        json!({"rule": "paused", "scope": "lane", "until": null, "detail": "lunch"})
    );
    assert_eq!(shown["expected_at"], json!(null));
    let status = app.get(&format!("/v1/accounts/{account}/status")).await.ok(200);
    assert_eq!((&status["sending"], &status["lane"]["waiting"]), (&json!("paused"), &json!(1)));
    app.post(&format!("/v1/accounts/{account}/resume"), json!({})).await.ok(200);
    let shown = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(shown["waiting"]["rule"], "turn");
}

async fn expected(app: &App, message: &Value) -> Timestamp {
    let shown = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    serde_json::from_value(shown["expected_at"].clone()).unwrap()
}

#[tokio::test]
async fn who_stands_behind_others_is_told_when_it_is_their_turn() {
    let app = App::new().await;
    let account = app.account("one").await;
    let send = async |purpose: &str, to: &str| {
        let body = json!({
            "account_id": account, "to": {"address": to}, "purpose": purpose,
            "content": {"type": "text", "text": "hi"},
        });
        app.post("/v1/messages", body).await.ok(202)
    };
    let now = SystemClock.now();
    let mut last = Value::Null;
    for n in 0..21 {
        last = send("campaign", &format!("contact {n}")).await;
    }
    // Fifteen a minute are four seconds each.
    let turn = expected(&app, &last).await;
    assert!(turn >= now + Duration::from_secs(80), "{turn}");
    assert!(turn <= SystemClock.now() + Duration::from_secs(90), "{turn}");

    let reply = send("conversation", "somebody else").await;
    assert!(expected(&app, &reply).await <= SystemClock.now() + Duration::from_secs(1));

    // Six seconds between messages to one recipient.
    let mut same = Value::Null;
    for _ in 0..3 {
        same = send("conversation", "one and the same").await;
    }
    let turn = expected(&app, &same).await;
    assert!(turn >= now + Duration::from_secs(12), "{turn}");
}
