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
            "content": {"type": "text", "text": format!("hi {to}")},
        });
        app.post("/v1/messages", body).await.ok(202)
    };
    let now = SystemClock.now();
    let mut last = Value::Null;
    for n in 0..21 {
        last = send("campaign", &format!("contact {n}")).await;
    }
    // Fifteen in any minute, and gaps of two to five seconds between the rest.
    let turn = expected(&app, &last).await;
    assert!(turn >= now + Duration::from_secs(70), "{turn}");
    assert!(turn <= SystemClock.now() + Duration::from_secs(95), "{turn}");
    let waiting = app.get(&format!("/v1/messages/{}", last["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(
        (&waiting["waiting"]["rule"], &waiting["waiting"]["detail"]),
        (&json!("turn"), &json!("20 messages of the account go first"))
    );
    assert_eq!(waiting["waiting"]["until"], waiting["expected_at"]);
    let listed = app.get("/v1/messages?status=queued").await.ok(200);
    assert!(listed["data"].as_array().unwrap().iter().all(|message| message["expected_at"].is_string()));

    let reply = send("conversation", "somebody else").await;
    // It overtakes all of them; it is only typed.
    assert!(expected(&app, &reply).await <= SystemClock.now() + Duration::from_secs(3));

    // Six seconds between messages to one recipient.
    let mut same = Value::Null;
    for _ in 0..3 {
        same = send("conversation", "one and the same").await;
    }
    let turn = expected(&app, &same).await;
    assert!(turn >= now + Duration::from_secs(12), "{turn}");
}
