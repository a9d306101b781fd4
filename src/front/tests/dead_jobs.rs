//! Dead jobs: tried again where that makes sense, else with the reason why it does not.

use std::time::{Duration, Instant};

use model::{Job, MessageId, Status, Timestamp};
use queue::{JobPlace, LaneId};
use serde_json::{Value, json};
use store::{Ended, OutcomeKind};

use crate::support::App;

/// A message whose job is dead. With a reason, the message failed with it.
async fn dead(app: &App, account: &str, address: &str, reason: Option<&str>) -> (String, String) {
    let message = app.text(account, address, "x").await["id"].as_str().unwrap().to_owned();
    let id: MessageId = message.parse().unwrap();
    if let Some(reason) = reason {
        let view = app.store.load_send(id.into()).await.unwrap().unwrap();
        let ended = Ended {
            attempt_id: None,
            subject: id.into(),
            workspace_id: app.workspace,
            account_id: view.message.account_id,
            conversation_id: view.message.conversation_id,
            chat: view.chat.clone(),
            client_id: None,
            at: Timestamp::from_micros(1_700_000_000_000_000),
            outcome: OutcomeKind::Refused,
            error_code: None,
            error: None,
            provider_id: None,
            status: Status::Failed,
            reason: Some(reason.to_owned()),
            next_attempt_at: None,
        };
        app.store.end_attempt(ended).await.unwrap();
    }
    let job = Job::SendMessage(id).to_string();
    app.store.bury_job(None, &job, "send", account, "3 workers were lost while they had it").await.unwrap();
    (message, job)
}

async fn status(app: &App, message: &str) -> Value {
    app.get(&format!("/v1/messages/{message}")).await.ok(200)["status"].clone()
}

#[tokio::test]
async fn a_message_that_took_its_workers_down_is_queued_again_by_its_job() {
    let app = App::new().await;
    let account = app.account("one").await;
    let (message, job) = dead(&app, &account, "anna", Some("worker_lost: again and again")).await;
    assert_eq!(status(&app, &message).await, "failed");
    let retry = format!("/v1/dead_jobs/{job}/retry");
    app.post(&retry, json!({})).await.ok(204);
    assert_eq!(status(&app, &message).await, "queued");
    let id: MessageId = message.parse().unwrap();
    let lane = LaneId::send(account.parse().unwrap());
    let place = app.lanes.find(Job::SendMessage(id).into(), lane).await.unwrap();
    assert!(matches!(place, JobPlace::Waiting { .. }), "{place:?}");
    assert_eq!(app.get("/v1/dead_jobs").await.ok(200)["data"], json!([]));
    app.post(&retry, json!({})).await.problem(404);
}

#[tokio::test]
async fn what_cannot_be_tried_again_says_why_and_stays() {
    let app = App::new().await;
    let account = app.account("one").await;
    let (message, job) = dead(&app, &account, "anna", Some("blocked: the contact blocked the account")).await;
    let answer = app.post(&format!("/v1/dead_jobs/{job}/retry"), json!({})).await;
    assert!(answer.text.contains("blocked"), "{}", answer.text);
    answer.problem(409);
    assert_eq!(status(&app, &message).await, "failed");
    let (canceled, canceled_job) = dead(&app, &account, "ben", None).await;
    app.post(&format!("/v1/messages/{canceled}/cancel"), json!({})).await.ok(200);
    let answer = app.post(&format!("/v1/dead_jobs/{canceled_job}/retry"), json!({})).await;
    assert!(answer.text.contains("the message is canceled"), "{}", answer.text);
    answer.problem(409);
    app.store.bury_job(None, "mow-lawn:7", "upkeep", "garden", "unknown").await.unwrap();
    app.post("/v1/dead_jobs/mow-lawn:7/retry", json!({})).await.problem(409);
    assert_eq!(app.get("/v1/dead_jobs").await.ok(200)["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn all_that_match_are_tried_again_at_a_bounded_rate() {
    let app = App::new().await;
    let (one, two) = (app.account("one").await, app.account("two").await);
    let mut of_one = Vec::new();
    for n in 0..7 {
        of_one.push(dead(&app, &one, &format!("chat{n}"), Some("worker_lost: x")).await);
    }
    let (_, hopeless) = dead(&app, &one, "anna", Some("blocked: x")).await;
    let (elsewhere, _) = dead(&app, &two, "anna", Some("worker_lost: x")).await;
    app.store.bury_job(None, "mow-lawn:7", "upkeep", &one, "unknown").await.unwrap();

    let (mut retried, mut kept, mut cursor) = (Vec::new(), Vec::new(), Value::Null);
    let started = Instant::now();
    loop {
        let body = json!({"queue": "send", "lane": one, "limit": 3, "cursor": cursor});
        let answer = app.post("/v1/dead_jobs/retry", body).await.ok(200);
        retried.extend(answer["retried"].as_array().unwrap().clone());
        kept.extend(answer["kept"].as_array().unwrap().clone());
        cursor = answer["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(7 * 50));
    let jobs: Vec<_> = of_one.iter().map(|(_, job)| json!(job)).collect();
    assert_eq!(retried, jobs);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["job"], hopeless.as_str());
    for (message, _) in &of_one {
        assert_eq!(status(&app, message).await, "queued");
    }
    assert_eq!(status(&app, &elsewhere).await, "failed");
    let listed = app.get("/v1/dead_jobs").await.ok(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);

    let answer = app.post("/v1/dead_jobs/retry", json!({})).await.ok(200);
    assert_eq!(
        (answer["retried"].as_array().unwrap().len(), answer["kept"].as_array().unwrap().len()),
        (1, 2)
    );
    assert_eq!(app.post("/v1/dead_jobs/retry", json!({"limit": 0})).await.field(), "limit");
    assert_eq!(app.post("/v1/dead_jobs/retry", json!({"queue": "teapots"})).await.field(), "queue");
    let reader = app.key_with(vec!["messages:write".to_owned()], None).await;
    app.post_as(&reader, "/v1/dead_jobs/retry", json!({})).await.problem(403);
}

#[tokio::test]
async fn two_at_once_are_not_twice_as_quick() {
    let app = App::new().await;
    let account = app.account("one").await;
    for n in 0..3 {
        dead(&app, &account, &format!("chat{n}"), Some("worker_lost: x")).await;
    }
    let ask = || app.post("/v1/dead_jobs/retry", json!({}));
    let (first, second) = tokio::join!(ask(), ask());
    let statuses = [first.status.as_u16(), second.status.as_u16()];
    assert!(statuses == [200, 409] || statuses == [409, 200], "{statuses:?}");
}
