//! What the sandbox saw, as it tells it: the record call by call, and the report in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::Content;

/// One call of the provider API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its number, rising by one a call.
    pub n: u64,
    /// `send`, `edit`, `delete`, `react`, `typing`, `read`, `verify`, `webhook`, `upload`, `download` or `session`.
    pub what: String,
    /// The account's id.
    pub account: String,
    /// The chat, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// A thread within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The message that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The caller's id of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// The emoji of a reaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// The message's id here: given to a new one, or named by the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `accepted`, `deduplicated`, `unanswered` (accepted, connection closed), `lost` (not accepted, connection
    /// closed), or the code of the refusal. Of a session `online`, or how it ended: `closed`, `unheard` (it froze),
    /// `cut`, `replaced`, `logged_out`, `banned`, `stopped`.
    pub outcome: String,
    /// When it arrived, in µs since the sandbox started.
    pub arrived_us: u64,
    /// When the answer went out (or the connection was closed), likewise; none while it is open.
    pub answered_us: Option<u64>,
    /// When it arrived, in µs since 1970.
    pub arrived_at_us: u64,
}

impl Call {
    /// Whether it is a message that was taken, answered or not.
    pub fn is_accepted_send(&self) -> bool {
        self.what == "send" && matches!(self.outcome.as_str(), "accepted" | "unanswered")
    }
}

/// Counters, of everything or of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Calls that send a message, whatever became of them.
    pub calls: u64,
    /// Messages taken, answered or not; a repeated one counts again.
    pub accepted: u64,
    /// Sends refused.
    pub rejected: u64,
    /// Sends whose connection was closed without an answer.
    pub dropped: u64,
    /// Messages taken whose `client_id` was taken before.
    pub duplicates: u64,
    /// Repeated `client_id`s that were answered with the first message's id.
    pub deduplicated: u64,
    /// Breaks of limits, at a call's arrival or at its answer; a call can break several.
    pub limit_violations: u64,
    /// Messages taken whose number in their stream (`… #stream:n`) does not rise.
    pub order_inversions: u64,
    /// Calls that do something else.
    pub other_calls: u64,
    /// Messages that contacts wrote.
    pub inbound: u64,
    /// Events that were made: messages, receipts and all else.
    pub events: u64,
    /// Events that a webhook took.
    pub webhook_events: u64,
    /// Webhook calls that were not answered with 2xx.
    pub webhook_failures: u64,
    /// Events given up: no webhook took them, or nobody polled.
    pub events_lost: u64,
    /// Times that its device came online.
    pub sessions: u64,
    /// Times that it did so while a connection of that device was still there.
    pub session_overlaps: u64,
}

/// Something that should not have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The account's id.
    pub account: String,
    /// The chat.
    pub chat: String,
    /// The call's number in the record.
    pub call: u64,
    /// When, in µs since the sandbox started.
    pub at_us: u64,
    /// What exactly.
    pub detail: String,
}

/// The whole report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Everything together.
    #[serde(flatten)]
    pub total: Counts,
    /// By account id.
    pub accounts: BTreeMap<String, Counts>,
    /// The first few breaks of limits.
    pub limit_violation_examples: Vec<Example>,
    /// The first few inversions.
    pub order_inversion_examples: Vec<Example>,
    /// The first few duplicates.
    pub duplicate_examples: Vec<Example>,
    /// The first few sessions that had two connections.
    pub session_overlap_examples: Vec<Example>,
    /// Entries that were dropped from memory. Calls of the record first; if streams or client ids are among them,
    /// `order_inversions` and `duplicates` may be too low.
    pub forgotten: Forgotten,
}

/// What did not fit in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Calls of the record; the counters still have them.
    pub calls: u64,
    /// Client ids.
    pub client_ids: u64,
    /// Streams.
    pub streams: u64,
    /// Chats; those would count as new ones.
    pub chats: u64,
}
