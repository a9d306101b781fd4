//! What is foretold comes true: a preview is what then happens, and a message leaves when it was said that it would. Real
//! processes; what happened is what the sandbox saw.

mod preview;
mod told;

use std::collections::BTreeMap;

use model::Timestamp;
use serde_json::Value;
use tests::harness::{Api, Installation, until};

use super::suite::every_installation;
use super::{BINARY, at_once, text, unbroken};

every_installation! {
    a_preview_is_what_then_happens,
    what_is_said_of_a_wait_comes_true,
}

/// What is foretold to some per cent is judged where nothing else takes the machine's time: in the long form.
fn is_left_out() -> bool {
    let left_out = std::env::var_os("ROOKERY_LONG").is_none();
    if left_out {
        eprintln!("left out: forecasts are judged by `tests/run --long`");
    }
    left_out
}

async fn a_preview_is_what_then_happens(installation: &Installation) {
    if is_left_out() {
        return;
    }
    preview::come_true(installation).await;
}

async fn what_is_said_of_a_wait_comes_true(installation: &Installation) {
    if is_left_out() {
        return;
    }
    Box::pin(told::come_true(installation)).await;
}

/// When the sandbox got each message; of one that it was sent twice, when it took it.
async fn arrivals(installation: &Installation) -> BTreeMap<String, Timestamp> {
    let record = installation.record().await;
    let sends = record.iter().filter(|call| call["what"] == "send" && call["outcome"] == "accepted");
    let arrival = |call: &Value| {
        let at = call["arrived_at_us"].as_i64().unwrap();
        (call["client_id"].as_str().unwrap().to_owned(), Timestamp::from_micros(at))
    };
    sends.map(arrival).collect()
}

fn time(value: &Value) -> Timestamp {
    serde_json::from_value(value.clone()).unwrap()
}

/// Lets contacts write to an account, and waits until it heard all of them.
async fn write_first(installation: &Installation, account: &str, name: &str, contacts: Vec<String>) {
    let count = contacts.len();
    let sandbox = installation.sandbox();
    let token = installation.token(name);
    let calls = contacts.into_iter().map(|contact| {
        let (sandbox, token) = (sandbox.clone(), token.clone());
        async move {
            let from = serde_json::json!({"id": contact, "name": contact});
            let content = serde_json::json!({"type": "text", "text": "Hello?"});
            let event =
                serde_json::json!({"token": token, "chat": contact, "from": from, "content": content});
            sandbox.post("/control/inbound", &event).await;
        }
    });
    at_once(16, calls).await;
    until("everybody who wrote was heard", async || {
        let rows = installation.api().all(&format!("/v1/conversations?account_id={account}")).await;
        (rows.len() == count).then_some(())
    })
    .await;
}

/// Hands in messages a hundred at a time, and gives their ids.
async fn hand_in(api: &Api, bodies: &[Value]) -> Vec<Value> {
    let mut messages = Vec::new();
    for bodies in bodies.chunks(100) {
        let answer = api.post("/v1/messages/batch", &serde_json::json!({ "messages": bodies })).await;
        for result in answer["results"].as_array().unwrap() {
            assert_eq!(result["status"], 202, "{result}");
            messages.push(result["message"].clone());
        }
    }
    messages
}
