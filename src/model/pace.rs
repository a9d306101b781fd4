//! Why a message is sent, how urgent that makes it, and how quickly it may follow the one before.

use crate::{Timestamp, words};

words! {
    /// What a message is for, as its caller says.
    Purpose: "purpose" {
        /// An answer or a chat by a person or a bot. Class interactive.
        Conversation = "conversation",
        /// A notice the contact asked for: a code, a receipt, a reminder. Class normal.
        Transactional = "transactional",
        /// Something the contact did not ask for. Class bulk; campaign rules bind.
        Campaign = "campaign",
    }
}

words! {
    /// Strict priority among the ready keys of a lane: a lower class goes when the higher ones are blocked.
    Class: "class" {
        /// Before all else.
        Interactive = "interactive",
        /// The default.
        Normal = "normal",
        /// May starve behind the others; why-waiting says so.
        Bulk = "bulk",
    }
}

words! {
    /// Which gap lies before a send.
    Pace: "pace" {
        /// An answer to someone who wrote within 24 hours.
        Reply = "reply",
        /// Everything else.
        Bulk = "bulk",
    }
}

impl Purpose {
    /// The class that a message of this purpose has in its lane.
    pub const fn class(self) -> Class {
        match self {
            Self::Conversation => Class::Interactive,
            Self::Transactional => Class::Normal,
            Self::Campaign => Class::Bulk,
        }
    }

    /// The pace of a message of this purpose at `now`, to a contact who last wrote at `last_inbound`.
    pub fn pace(self, last_inbound: Option<Timestamp>, now: Timestamp) -> Pace {
        let day = std::time::Duration::from_hours(24);
        match (self, last_inbound) {
            (Self::Conversation, Some(wrote)) if now.since(wrote) <= day => Pace::Reply,
            _ => Pace::Bulk,
        }
    }
}

impl Class {
    /// 0 for the most urgent; an index into an array with an entry a class.
    pub const fn rank(self) -> usize {
        self as usize
    }
}
