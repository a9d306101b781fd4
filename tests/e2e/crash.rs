//! The all-in-one process is killed in the middle of its work and started again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::harness::{Installation, until};

use super::{BINARY, at_once, becomes, drained, text, unbroken};

const MESSAGES: usize = 500;
const CHATS: usize = 25;
/// A killed process's work goes on within this time. The open call of a process that is gone delays nothing: nobody else can
/// have the database.
const RESUMED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_and_second_calls_are_only_for_open_attempts() {
    let (installation, messages) = killed_in_the_middle("at_least_once").await;
    for message in &messages {
        let status = message["status"].as_str().unwrap();
        assert!(["sent", "delivered", "read"].contains(&status), "{message}");
    }
    let open = with_lost_attempts(&installation, &messages).await;
    let calls = calls_by_message(&installation).await;
    for (id, count) in calls.iter().filter(|(_, count)| **count > 1) {
        assert!(open.contains(id), "{id} was called {count} times without an open attempt");
    }
    assert_eq!(calls.len(), MESSAGES, "every message reached the provider");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_once_never_calls_twice() {
    let (installation, messages) = killed_in_the_middle("at_most_once").await;
    for message in &messages {
        let status = message["status"].as_str().unwrap();
        assert!(["sent", "delivered", "read", "unknown"].contains(&status), "{message}");
    }
    let calls = calls_by_message(&installation).await;
    assert!(calls.values().all(|count| *count == 1), "{calls:?}");
    assert_eq!(installation.report().await["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_three_processes_down_is_unknown_and_not_called_again() {
    let mut installation = Installation::embedded(BINARY).await;
    let account = installation.connect("shop", 200.0, json!({"redelivery": "at_least_once"})).await;
    let message =
        installation.api().post("/v1/messages", &text(&account, "slow-5000", "x", "transactional")).await;
    for call in 1..=3 {
        until("the provider was called", async || {
            (installation.report().await["accepted"].as_u64()? >= call).then_some(())
        })
        .await;
        installation.kill("serve");
        installation.restart("serve").await;
    }
    let message = becomes(installation.api(), message["id"].as_str().unwrap(), &["unknown", "failed"]).await;
    assert_eq!(message["status"], "unknown", "{message}");
    assert_eq!(installation.report().await["accepted"], 3);
}

/// Accepts 500 messages in 25 chats, kills the process at about a third of them, three times, and drains.
async fn killed_in_the_middle(redelivery: &str) -> (Installation, Vec<Value>) {
    let mut installation = Installation::embedded(BINARY).await;
    let account = installation.connect("shop", 200.0, json!({"redelivery": redelivery})).await;
    let api = installation.api().clone();
    for n in 0..MESSAGES / CHATS {
        let calls = (0..CHATS).map(|chat| {
            let purpose = if n % 2 == 0 { "campaign" } else { "transactional" };
            let body = text(
                &account,
                &format!("slow-20-{chat}"),
                &format!("Text for {chat}. #{purpose}:{n}"),
                purpose,
            );
            let api = api.clone();
            async move { api.post("/v1/messages", &body).await }
        });
        at_once(CHATS, calls).await;
    }
    for part in 1..=3 {
        until("some messages went out", async || {
            let accepted = installation.report().await["accepted"].as_u64()?;
            (accepted >= part * 40).then_some(())
        })
        .await;
        installation.kill("serve");
        let before = installation.report().await["accepted"].as_u64().unwrap();
        installation.restart("serve").await;
        let ready = Instant::now();
        until("sending goes on", async || {
            (installation.report().await["accepted"].as_u64()? > before).then_some(())
        })
        .await;
        assert!(ready.elapsed() < RESUMED, "it stood still for {:?}", ready.elapsed());
    }
    let messages = drained(installation.api(), &account).await;
    assert_eq!(messages.len(), MESSAGES);
    unbroken(&installation).await;
    (installation, messages)
}

async fn with_lost_attempts(installation: &Installation, messages: &[Value]) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    for message in messages {
        let id = message["id"].as_str().unwrap();
        let timeline = installation.api().get(&format!("/v1/messages/{id}/timeline")).await.to_string();
        if timeline.contains(r#""outcome":"lost""#) {
            lost.insert(id.to_owned());
        }
    }
    lost
}

async fn calls_by_message(installation: &Installation) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in installation.record().await {
        if let Some(id) = call["client_id"].as_str() {
            *calls.entry(id.to_owned()).or_default() += 1;
        }
    }
    calls
}
