//! End to end: real processes, driven through the front door, judged by the sandbox's own record.
//!
//! One suite, and each installation passes it: one process on `SQLite` and memory, and a fleet on Postgres and Redis.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod actions;
mod crash;
mod feedback;
mod loss;
mod media;
mod outages;
mod pace_simulate;
mod polling;
mod roles;
mod secrets;
mod sessions;
mod suite;
mod telegram;
mod tiktok;
mod whatsapp_cloud;

use serde_json::Value;
use tests::harness::{Api, at_once, text, unbroken, until};

const BINARY: &str = env!("CARGO_BIN_EXE_rookery");

/// Waits until a message has one of these statuses, and gives it.
async fn becomes(api: &Api, id: &str, statuses: &[&str]) -> Value {
    until(&format!("message {id} becomes one of {statuses:?}"), async || {
        let message = api.get(&format!("/v1/messages/{id}")).await;
        statuses.contains(&message["status"].as_str().unwrap_or_default()).then_some(message)
    })
    .await
}

/// Waits until no outbound message of an account is unfinished, and gives all of them.
async fn drained(api: &Api, account: &str) -> Vec<Value> {
    until("an account has nothing left to send", async || {
        for status in ["scheduled", "queued", "sending"] {
            let page = api.get(&format!("/v1/messages?account_id={account}&status={status}&limit=1")).await;
            if page["data"].as_array().is_none_or(|rows| !rows.is_empty()) {
                return None;
            }
        }
        Some(())
    })
    .await;
    let mut messages = api.all(&format!("/v1/messages?account_id={account}")).await;
    messages.retain(|message| message["direction"] == "outbound");
    messages
}
