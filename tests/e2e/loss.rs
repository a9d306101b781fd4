//! The queue of a fleet is lost while it works: flushed, then restarted empty. And a worker is killed.

use std::time::Duration;

use serde_json::{Value, json};
use tests::harness::{Installation, until};
use tests::servers::{self, Redis};

use super::{BINARY, at_once, drained, text, unbroken};

const MESSAGES: usize = 300;
const CHATS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_and_a_restarted_redis_lose_nothing_and_break_no_limit() {
    if !servers::present("a queue that is lost") {
        return;
    }
    let mut redis = Redis::start();
    let Some(installation) = Installation::fleet_with(BINARY, &[("REDIS_URL", redis.url())]).await else {
        return;
    };
    let account = campaign(&installation).await;
    let paused = installation.connect("paused", 100.0, json!({})).await;
    let api = installation.api();
    api.post(&format!("/v1/accounts/{paused}/pause"), &json!({})).await;
    api.post("/v1/messages", &text(&paused, "nobody", "Not now.", "transactional")).await;

    let answer = api.call("POST", "/v1/queues/media/pause", &json!({})).await;
    assert_eq!(answer.status, 204, "{answer:?}");

    went_out(&installation, MESSAGES / 6).await;
    redis.command(&["FLUSHALL"]);
    went_out(&installation, MESSAGES / 3).await;
    redis.restart();

    let messages = drained(api, &account).await;
    all_sent(&messages);
    unbroken(&installation).await;
    let record = installation.record().await;
    assert!(record.iter().all(|call| call["chat"] != "nobody"), "a paused account sent something");
    assert!(installation.logs().contains("derived from rows"), "the queue was rebuilt");
    let queues = api.get("/v1/queues").await;
    let media = queues["data"].as_array().unwrap().iter().find(|queue| queue["queue"] == "media").unwrap();
    assert_eq!(media["held"]["rule"], "paused", "{queues}");
    let answer = api.call("POST", "/v1/queues/media/resume", &json!({})).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_jobs_run_again_elsewhere() {
    let Some(mut installation) = Installation::fleet(BINARY).await else { return };
    let account = campaign(&installation).await;
    went_out(&installation, MESSAGES / 6).await;
    installation.kill_a_worker();
    went_out(&installation, MESSAGES / 2).await;
    let messages = drained(installation.api(), &account).await;
    all_sent(&messages);
    unbroken(&installation).await;
    installation.start_killed_workers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_one_after_the_other_leave_no_lane_standing() {
    let Some(mut installation) = Installation::fleet(BINARY).await else { return };
    let account = campaign(&installation).await;
    for kill in 1..=6 {
        went_out(&installation, kill).await;
        installation.kill_a_worker();
        installation.start_killed_workers().await;
        // Whatever the new one has claimed by now dies with it in the next round.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    let messages = drained(installation.api(), &account).await;
    all_sent(&messages);
    unbroken(&installation).await;
}

/// An account that is told the sandbox's limits, with a campaign under way.
async fn campaign(installation: &Installation) -> String {
    let limits = json!([
        {"name": "per minute", "scope": "account", "count": 15, "window_ms": 600},
        {"name": "same recipient", "scope": "chat", "min_gap_ms": 60},
    ]);
    let token = installation.token("shop");
    installation
        .sandbox()
        .call("PUT", &format!("/control/accounts/{token}"), &json!({"limits": limits}))
        .await;
    let account = installation.connect("shop", 100.0, json!({})).await;
    for n in 0..MESSAGES / CHATS {
        let calls = (0..CHATS).map(|chat| {
            let api = installation.api().clone();
            let body = text(
                &account,
                &format!("customer-{chat}"),
                &format!("Text for {chat}. #offers:{n}"),
                "campaign",
            );
            async move { api.post("/v1/messages", &body).await }
        });
        at_once(CHATS, calls).await;
    }
    account
}

async fn went_out(installation: &Installation, least: usize) {
    until(&format!("{least} messages went out"), async || {
        let accepted = installation.report().await["accepted"].as_u64()?;
        (accepted >= least as u64).then_some(())
    })
    .await;
}

fn all_sent(messages: &[Value]) {
    assert_eq!(messages.len(), MESSAGES);
    for message in messages {
        let status = message["status"].as_str().unwrap_or_default();
        assert!(["sent", "delivered", "read"].contains(&status), "{message}");
    }
}
