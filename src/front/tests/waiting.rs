//! Every wait has a reason and a time.

use std::time::Duration;

use model::{Clock, Hold, HoldReach, Job, MessageId, Scope, SystemClock, Timestamp, Wait};
use queue::{HoldTarget, JobId, LaneId};
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

#[tokio::test]
async fn a_scheduled_message_of_a_stopped_account_is_expected_when_nobody_can_say() {
    let app = App::new().await;
    let account = app.account("one").await;
    let body = json!({
        "account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": "hi"},
        "send_at": "2099-01-01T00:00:00Z",
    });
    let message = app.post("/v1/messages", body).await.ok(202);
    let path = format!("/v1/messages/{}", message["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.ok(200)["expected_at"], message["send_at"]);
    app.post(&format!("/v1/accounts/{account}/pause"), json!({})).await.ok(200);
    let shown = app.get(&path).await.ok(200);
    assert_eq!((&shown["waiting"]["rule"], &shown["expected_at"]), (&json!("scheduled"), &json!(null)));
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
    // The gaps before it and its own take most of that.
    let waiting = app.get(&format!("/v1/messages/{}", last["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(
        (&waiting["waiting"]["rule"], &waiting["waiting"]["detail"]),
        (
            &json!("gap"),
            &json!(
                "The rule for this account: 2 to 5 s between sends. 20 messages of the account go before it."
            )
        )
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

#[tokio::test]
async fn one_message_goes_next_and_all_others_say_how_many_go_before_them() {
    let app = App::new().await;
    let account = app.account("one").await;
    for n in 0..4 {
        app.text(&account, &format!("contact {n}"), "hi").await;
    }
    let listed = app.get("/v1/messages?status=queued").await.ok(200);
    let waits = listed["data"].as_array().unwrap().iter().map(|message| &message["waiting"]["detail"]);
    let gap = "The rule for this account: 2 to 5 s between sends.";
    // The newest is listed first.
    let expected = [
        format!("{gap} 3 messages of the account go before it."),
        format!("{gap} 2 messages of the account go before it."),
        format!("{gap} 1 message of the account goes before it."),
        "It goes next.".to_owned(),
    ];
    assert_eq!(waits.collect::<Vec<_>>(), expected.each_ref());
}

#[tokio::test]
async fn who_waits_for_another_day_is_told_so_wherever_it_stands() {
    let app = App::new().await;
    let account = app.account("one").await;
    let rules = json!({"pacing": {"new_contacts": {"steps": [{"from_days": 0, "count": 2}]}}});
    app.patch(&format!("/v1/accounts/{account}"), rules).await.ok(200);
    let mut last = Value::Null;
    for n in 0..4 {
        last = app.text(&account, &format!("contact {n}"), "hi").await;
    }
    let shown = app.get(&format!("/v1/messages/{}", last["id"].as_str().unwrap())).await.ok(200);
    let wait = &shown["waiting"];
    assert_eq!((&wait["rule"], &wait["scope"]), (&json!("new_contacts"), &json!("recipient")), "{shown}");
    assert!(
        wait["detail"].as_str().unwrap().ends_with(" 3 messages of the account go before it."),
        "{shown}"
    );
    assert_eq!(wait["until"], shown["expected_at"]);
}

fn job(message: &Value) -> JobId {
    let id: MessageId = message["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap().into();
    Job::SendMessage(id).into()
}

/// What a message is told to wait for.
async fn rule(app: &App, message: &Value) -> String {
    let shown = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    shown["waiting"]["rule"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_waits_for_its_hours_or_its_words_is_asked_anew_when_they_change() {
    let app = App::new().await;
    let account = app.account("one").await;
    let message = app.text(&account, "anna", "hi").await;
    let lane = LaneId::send(account.parse::<uuid::Uuid>().unwrap().into());
    let hold = async |rule: &str| {
        let until = SystemClock.now() + Duration::from_hours(9);
        let target = HoldTarget::Job(lane.clone(), job(&message));
        app.lanes.hold(target, Wait::new(rule, Scope::Job, until)).await.unwrap();
    };
    let contact = format!("/v1/contacts/{}", message["contact_id"].as_str().unwrap());
    hold("quiet_hours").await;
    assert_eq!(rule(&app, &message).await, "quiet_hours");
    app.patch(&contact, json!({"name": "Anna"})).await.ok(200);
    assert_eq!(rule(&app, &message).await, "quiet_hours", "its hours are the same");
    app.patch(&contact, json!({"timezone": "America/Lima"})).await.ok(200);
    assert_eq!(rule(&app, &message).await, "turn");

    hold("identical_text").await;
    assert_eq!(rule(&app, &message).await, "identical_text");
    let words = json!({"content": {"type": "text", "text": "something else"}});
    app.patch(&format!("/v1/messages/{}", message["id"].as_str().unwrap()), words).await.ok(202);
    assert_eq!(rule(&app, &message).await, "turn");
}

#[tokio::test]
async fn a_hold_that_has_ended_is_not_shown() {
    let app = App::new().await;
    let account = app.account("one").await;
    let id = account.parse::<uuid::Uuid>().unwrap().into();
    let now = SystemClock.now();
    let hold = |reach, until| Hold { reach, rule: "provider".to_owned(), until, since: now, detail: None };
    app.store.hold_account(id, hold(HoldReach::Bulk, now + Duration::from_hours(1))).await.unwrap();
    app.store.hold_account(id, hold(HoldReach::Campaigns, now + Duration::from_millis(1))).await.unwrap();
    while SystemClock.now() <= now + Duration::from_millis(1) {
        tokio::task::yield_now().await;
    }
    for path in ["", "/status", "/pace"] {
        let shown = app.get(&format!("/v1/accounts/{account}{path}")).await.ok(200);
        let reaches: Vec<_> = shown["holds"].as_array().unwrap().iter().map(|hold| &hold["reach"]).collect();
        assert_eq!(reaches, ["bulk"], "{path}");
    }
}
