//! What became of many things that were asked for at once.

use serde::Deserialize;
use utoipa::ToSchema;

use super::Message;
use crate::ProblemDetails;

/// One result a message, in the order of the request.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BatchResults {
    /// The results.
    pub results: Vec<BatchResult>,
}

/// What became of one message of a request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// It is committed.
    Accepted(Box<AcceptedMessage>),
    /// It is not, and nothing of it was stored.
    Refused(RefusedMessage),
}

/// A message that was accepted.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AcceptedMessage {
    /// 202: what `POST /v1/messages` would have answered.
    pub status: u16,
    /// The message.
    pub message: Message,
}

/// A message that was refused.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RefusedMessage {
    /// What `POST /v1/messages` would have answered.
    pub status: u16,
    /// Why.
    pub problem: ProblemDetails,
}

/// What became of dead jobs that were to be tried again.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RetriedJobs {
    /// Those that are queued again, by their ids.
    pub retried: Vec<String>,
    /// Those that cannot be tried again, and stay.
    pub kept: Vec<KeptJob>,
    /// Where to go on; null when there are no more.
    pub next_cursor: Option<String>,
}

/// A dead job that cannot be tried again.
#[derive(Debug, Deserialize, ToSchema)]
pub struct KeptJob {
    /// Its id, `verb-noun:row id`.
    pub job: String,
    /// Why not, and what to do instead.
    pub reason: String,
}
