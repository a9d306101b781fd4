//! Misbehaviour on demand.

use std::time::Duration;

/// What a call meets instead of (or after) being carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A refusal with this status, code and words; not carried out.
    Refuse(u16, u64, &'static str),
    /// 429 of this scope (`user`, `shared` or `global`), with a time in seconds; not carried out.
    TooMany(&'static str, f64),
    /// The edge's page instead of the API's JSON, with this status; not carried out.
    Page(u16),
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
