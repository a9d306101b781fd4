//! Misbehaviour on demand.

use std::time::Duration;

use super::Refusal;

/// What a call meets instead of (or after) being carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A refusal; not carried out.
    Refuse(Refusal),
    /// A gateway's page instead of the Graph API's JSON, with this status; not carried out.
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

impl Fault {
    pub(super) const fn is_carried_out(&self) -> bool {
        match self {
            Self::Refuse(_) | Self::Gateway(_) => false,
            Self::Silence { carried_out } | Self::Hangup { carried_out } => *carried_out,
            Self::Garbled | Self::Slow(_) => true,
        }
    }
}
