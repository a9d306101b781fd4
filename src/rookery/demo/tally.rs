//! What the demo learned from events: the state of every message.

use std::collections::BTreeMap;

use serde_json::Value;

/// Everything that was told so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// The newest event's number.
    pub(super) seq: i64,
    /// What was accepted, by id.
    pub(super) messages: BTreeMap<String, Sent>,
    /// What came in.
    pub(super) received: Vec<Received>,
}

/// A message of ours.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) account_id: String,
    pub(super) status: String,
}

/// A message of theirs.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) id: String,
    pub(super) account_id: String,
    pub(super) conversation_id: String,
}

impl Tally {
    /// Takes in an event.
    pub(super) fn take(&mut self, event: &Value) {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let seq = event["seq"].as_i64().unwrap_or(0);
        if seq <= self.seq {
            return;
        }
        self.seq = seq;
        let (id, account_id) = (text("message_id"), text("account_id"));
        match event["kind"].as_str() {
            Some("message.created") => {
                self.messages.insert(id, Sent { account_id, status: "queued".to_owned() });
            }
            Some("message.status") => {
                if let (Some(message), Some(status)) =
                    (self.messages.get_mut(&id), event["data"]["status"].as_str())
                {
                    status.clone_into(&mut message.status);
                }
            }
            Some("message.received") => {
                self.received.push(Received { id, account_id, conversation_id: text("conversation_id") });
            }
            _ => {}
        }
    }

    /// The message that was accepted last of those that wait.
    pub(super) fn newest_queued(&self) -> Option<String> {
        self.messages.iter().rev().find(|(_, message)| message.status == "queued").map(|(id, _)| id.clone())
    }

    /// Whether so many messages were accepted and all of them ended: read, or failed.
    pub(super) fn is_done(&self, expected: usize) -> bool {
        self.messages.len() >= expected
            && self.messages.values().all(|message| matches!(message.status.as_str(), "read" | "failed"))
    }
}
