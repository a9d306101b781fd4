//! Misbehaviour on demand.

/// What a call meets instead of (or after) being carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A refusal with this word; not carried out.
    Word(&'static str),
    /// 429, with the header `Retry-After` or without; not carried out.
    TooMany(Option<u64>),
    /// A gateway's page with this status; not carried out.
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
}

impl Fault {
    pub(super) const fn carries_out(&self) -> bool {
        match self {
            Self::Word(_) | Self::TooMany(_) | Self::Gateway(_) => false,
            Self::Silence { carried_out } | Self::Hangup { carried_out } => *carried_out,
            Self::Garbled => true,
        }
    }
}
