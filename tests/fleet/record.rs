//! The sandbox's record, fetched as it grows: it keeps the last hundred thousand calls only.

use std::collections::BTreeMap;

use serde_json::Value;
use tests::harness::Api;

/// What the sandbox saw of messages.
#[derive(Debug, Default)]
pub struct Record {
    after: u64,
    /// By the account's id at the sandbox, in the order of their arrival.
    pub sends: BTreeMap<String, Vec<Send>>,
    /// Outcomes of its calls, by message.
    pub calls: BTreeMap<String, Vec<String>>,
    /// When they arrived, in µs since 1970, by message.
    pub arrived: BTreeMap<String, Vec<u64>>,
}

/// A call that sends a message.
#[derive(Debug)]
pub struct Send {
    pub chat: String,
    /// In µs since the sandbox started.
    pub arrived_us: u64,
}

impl Record {
    /// Fetches what is new.
    pub async fn catch_up(&mut self, sandbox: &Api) {
        loop {
            let page = sandbox.get(&format!("/control/record?after={}&limit=2000", self.after)).await;
            let page = page.as_array().cloned().unwrap_or_default();
            let Some(last) = page.last() else { return };
            self.after = last["n"].as_u64().unwrap();
            for call in &page {
                self.take(call);
            }
        }
    }

    /// How many messages were taken, repetitions included.
    pub fn accepted(&self) -> usize {
        self.calls.values().flatten().filter(|outcome| is_taken(outcome)).count()
    }

    fn take(&mut self, call: &Value) {
        if call["what"] == "send" {
            let words = |field: &str| call[field].as_str().unwrap().to_owned();
            let arrived_us = call["arrived_us"].as_u64().unwrap();
            self.sends.entry(words("account")).or_default().push(Send { chat: words("chat"), arrived_us });
            let arrived_at_us = call["arrived_at_us"].as_u64().unwrap();
            self.arrived.entry(words("client_id")).or_default().push(arrived_at_us);
            self.calls.entry(words("client_id")).or_default().push(words("outcome"));
        }
    }
}

/// Whether a call with this outcome brought the message to its recipient.
pub fn is_taken(outcome: &str) -> bool {
    matches!(outcome, "accepted" | "unanswered")
}
