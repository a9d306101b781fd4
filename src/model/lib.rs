//! The words everyone speaks: what a message, an account or a job *is*, without any I/O.
//!
//! Every other part depends on this one and it depends on none, so a name means the same thing in a URL, a row,
//! a queue and a log line.

mod account;
mod action;
mod clock;
mod contact;
mod content;
mod conversation;
mod event;
mod hold;
mod ids;
mod inbound;
mod job;
mod media;
mod message;
mod pace;
mod plain;
mod template;
mod wait;
mod zone;

pub use account::{
    Account, Connection, Intake, PairingKind, PairingStep, Redelivery, Sending, patched_pacing,
};
pub use action::{Action, ActionKind, ActionStatus, Change, Subject};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp, is_timezone};
pub use contact::{Contact, Identity};
pub use content::{Button, ContactCard, Content, ContentKind, Format, ListRow, ListSection, Media};
pub use conversation::{Conversation, ConversationKind, ConversationStatus};
pub use event::{Actor, Event, EventKind};
pub use hold::{Hold, HoldReach};
pub use ids::{
    AccountId, ActionId, ApiKeyId, AttemptId, ChannelAppId, ContactId, ConversationId, EventId, Ids,
    InboundEventId, MediaId, MessageId, OauthLoginId, TemplateId, WorkerId, WorkspaceId,
};
pub use inbound::{Inbound, InboundKind, NoticeEffect, Party, Receipt, ReceiptKind};
pub use job::{Job, Queue, UnknownJob};
pub use media::{MediaFile, MediaState};
pub use message::{Direction, Message, Origin, Reaction, Status};
pub use pace::{Class, Pace, Purpose};
pub use plain::in_plain_words;
pub use template::Template;
pub use wait::{Scope, Wait};
pub use zone::{UnknownZone, Zone};

/// A string outside the closed list that a type admits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {what}; expected one of {expected}")]
pub struct UnknownWord {
    /// What was being read, for example `purpose`.
    pub what: &'static str,
    /// What was found.
    pub value: String,
    /// The words that are admitted, comma separated.
    pub expected: String,
}

/// Declares a closed list of words: an enum whose variants have one spelling in JSON, in rows and in logs.
#[macro_export]
macro_rules! words_of {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling used in JSON, rows and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            fn from_str(value: &str) -> Result<Self, Self::Err> {
                match value {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord {
                        what: $what,
                        value: value.to_owned(),
                        expected: [$($word),+].join(", "),
                    }),
                }
            }
        }
    };
}
pub(crate) use words_of as words;
