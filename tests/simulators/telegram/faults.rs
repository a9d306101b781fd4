//! Misbehaviour on demand.

use std::time::Duration;

/// What a call meets instead of (or after) being carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A refusal with this code and description; not carried out.
    Refuse(u16, &'static str),
    /// 429 with `retry_after` in seconds; not carried out.
    TooMany(u64),
    /// A gateway's page instead of the Bot API's JSON, with this status; not carried out.
    Gateway(u16),
    /// The request is read whole and never answered.
    Silence {
        /// Whether it is carried out all the same.
        carried_out: bool,
    },
    /// The request is read whole and the connection closed without an answer.
    Hangup {
        /// Whether it is carried out all the same.
        carried_out: bool,
    },
    /// Carried out, answered with 200 and half of the JSON.
    Garbled,
    /// Carried out and answered, but only after a while.
    Slow(Duration),
}
