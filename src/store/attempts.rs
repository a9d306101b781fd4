//! The send ledger: each call to a provider, committed before it is made and again when it ended.
//!
//! It is the evidence, the pacing log, the crash counter and what a person reads as the timeline.

use model::{
    AccountId, ActionId, AttemptId, ConversationId, Pace, Purpose, Status, Subject, Timestamp, Wait,
    WorkerId, WorkspaceId, words_of,
};
use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::writer::Write;
use crate::{Store, StoreError, nul};

words_of! {
    /// How a call ended.
    OutcomeKind: "outcome" {
        /// The provider took the message or did what the action asks.
        Accepted = "accepted",
        /// The provider will never take it.
        Refused = "refused",
        /// The provider did not take it this time.
        Retry = "retry",
        /// The provider asked to wait: no failure, however often.
        Held = "held",
        /// Nobody knows.
        Ambiguous = "ambiguous",
        /// Its worker died; nobody knows.
        Lost = "lost",
    }
}

/// A call about to be made.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Its id.
    pub id: AttemptId,
    /// What it is made for.
    pub subject: Subject,
    /// The message's revision that it carries; an action's is 0 for ever.
    pub revision: i64,
    /// The how-manieth call for it, from 1.
    pub n: i64,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// The account.
    pub account_id: AccountId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Who makes it.
    pub worker: WorkerId,
    /// Which gap lay before it.
    pub pace: Pace,
    /// What its message is for.
    pub purpose: Purpose,
    /// Whether the chat is a new contact until now: no earlier call for it is known to have been taken.
    pub is_new: bool,
    /// A hash of the words that it sends, of a campaign: see [`text_hash`](crate::text_hash).
    pub text_hash: Option<u64>,
    /// When pacing granted it.
    pub granted_at: Timestamp,
    /// When the call starts.
    pub started_at: Timestamp,
    /// The waits before it.
    pub waits: Vec<Wait>,
}

/// The end of a call, and what it means for its message or action.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The attempt; none when the message ends without a call (a rule refused it, its content is unreadable).
    pub attempt_id: Option<AttemptId>,
    /// What the call was made for.
    pub subject: Subject,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// The account.
    pub account_id: AccountId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The provider's id of the chat: receipts that came early are found by it.
    pub chat: String,
    /// The caller's own id of the message, for its event.
    pub client_id: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: OutcomeKind,
    /// The provider's code.
    pub error_code: Option<String>,
    /// The provider's words.
    pub error: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// What the message is now: sent, failed, queued (to be tried again), unknown or skipped. An action that was taken
    /// (`sent`) is done, one that a rule refused (`skipped`) has failed.
    pub status: Status,
    /// Why, if it is not sent.
    pub reason: Option<String>,
    /// When it is tried again.
    pub next_attempt_at: Option<Timestamp>,
}

/// A call to a provider, as its timeline shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The action it was made for; none: the message itself.
    pub action_id: Option<ActionId>,
    /// The how-manieth for its message or action.
    pub n: i64,
    /// Who made it.
    pub worker: WorkerId,
    /// Which gap lay before it.
    pub pace: String,
    /// When pacing granted it.
    pub granted_at: Timestamp,
    /// When the call started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The provider's code.
    pub error_code: Option<String>,
    /// The provider's words.
    pub error: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// The waits before it.
    pub waits: Vec<Wait>,
}

#[derive(FromRow)]
pub(crate) struct AttemptRow {
    id: Uuid,
    action_id: Option<Uuid>,
    n: i64,
    worker: Uuid,
    pace: String,
    granted_at: DateTime<Utc>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    outcome: Option<String>,
    error_code: Option<String>,
    error: Option<String>,
    provider_id: Option<String>,
    waits: Json<Vec<Wait>>,
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            id: row.id.into(),
            action_id: row.action_id.map(Into::into),
            n: row.n,
            worker: row.worker.into(),
            pace: row.pace,
            granted_at: row.granted_at.into(),
            started_at: row.started_at.into(),
            ended_at: row.ended_at.map(Timestamp::from),
            outcome: row.outcome,
            error_code: row.error_code,
            error: row.error,
            provider_id: row.provider_id,
            waits: row.waits.0,
        }
    }
}

impl Store {
    /// Commits that a call is about to be made. False when the message or action is not to be called for as it was
    /// loaded (it was canceled or ended otherwise, or the message was edited): then nothing was written and the call must not be made. [`StoreError::Conflict`] when another
    /// worker opened the attempt of this number. Safe to repeat.
    pub async fn open_attempt(&self, attempt: NewAttempt) -> Result<bool, StoreError> {
        self.writer.write(|answer| Write::Open(Box::new(attempt), answer)).await
    }

    /// Commits how a call ended: attempt, message and event together. A provider's yes is always recorded, however
    /// late; anything else changes only what is still unfinished, and only by an attempt that was still
    /// open. Safe to repeat.
    pub async fn end_attempt(&self, ended: Ended) -> Result<(), StoreError> {
        let ended = Ended {
            error_code: ended.error_code.map(nul::without_text),
            error: ended.error.map(nul::without_text),
            provider_id: ended.provider_id.map(nul::without_text),
            reason: ended.reason.map(nul::without_text),
            ..ended
        };
        self.writer.write(|answer| Write::End(Box::new(ended), answer)).await
    }
}
