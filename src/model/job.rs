//! Jobs: everything that can be asked of the fleet. A job is a pointer to a row; its payload is an id.
//!
//! A wire name is `verb-noun` and is never renamed: jobs of an older release may still be queued.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{AccountId, ActionId, ConversationId, MediaId, MessageId, Subject, WorkspaceId, words};

words! {
    /// A queue: jobs of one kind of work, so that one kind never waits for another.
    Queue: "queue" {
        /// Messages and actions on their way out. Lane: the account. Key: the conversation.
        Send = "send",
        /// Provider events on their way in. Lane and key: the account.
        Ingest = "ingest",
        /// What happens at a time or for a moment: scheduled messages, signs of reading and typing. Lane: the account.
        Automate = "automate",
        /// Event numbering and outbound webhooks. Lane and key: the workspace.
        Notify = "notify",
        /// Files on their way from providers. Lane: the account.
        Media = "media",
        /// Housekeeping. Lane and key of what is done for an account: the account.
        Upkeep = "upkeep",
    }
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// Deliver one queued message through its account's channel.
    SendMessage(MessageId),
    /// Do to a message what was asked: edit it, delete it, react to it.
    PerformAction(ActionId),
    /// Show the other side that a conversation was read. It has no row: what is late is dropped.
    MarkRead(ConversationId),
    /// Show the other side that somebody types. It has no row: what is late is dropped.
    ShowTyping(ConversationId),
    /// Show that nobody types any more. It has no row: what is late is dropped.
    HideTyping(ConversationId),
    /// Queue a scheduled message whose time has come.
    ReleaseMessage(MessageId),
    /// Turn an account's unprocessed provider events into contacts, conversations, messages and receipts.
    IngestEvents(AccountId),
    /// Fetch a received file from its provider and store it.
    FetchMedia(MediaId),
    /// Renew an account's credentials before they end.
    RefreshAccount(AccountId),
    /// Number a workspace's new events and announce them.
    RelayEvents(WorkspaceId),
}

/// A job name or payload that this release does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job of this release")]
pub struct UnknownJob(pub String);

impl Job {
    /// The wire names of all jobs.
    pub const NAMES: &'static [&'static str] = &[
        "send-message",
        "perform-action",
        "mark-read",
        "show-typing",
        "hide-typing",
        "release-message",
        "ingest-events",
        "fetch-media",
        "refresh-account",
        "relay-events",
    ];

    /// The wire name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SendMessage(_) => "send-message",
            Self::PerformAction(_) => "perform-action",
            Self::MarkRead(_) => "mark-read",
            Self::ShowTyping(_) => "show-typing",
            Self::HideTyping(_) => "hide-typing",
            Self::ReleaseMessage(_) => "release-message",
            Self::IngestEvents(_) => "ingest-events",
            Self::FetchMedia(_) => "fetch-media",
            Self::RefreshAccount(_) => "refresh-account",
            Self::RelayEvents(_) => "relay-events",
        }
    }

    /// The queue it runs in.
    pub const fn queue(&self) -> Queue {
        match self {
            Self::SendMessage(_) | Self::PerformAction(_) => Queue::Send,
            Self::ReleaseMessage(_) | Self::MarkRead(_) | Self::ShowTyping(_) | Self::HideTyping(_) => {
                Queue::Automate
            }
            Self::IngestEvents(_) => Queue::Ingest,
            Self::FetchMedia(_) => Queue::Media,
            Self::RefreshAccount(_) => Queue::Upkeep,
            Self::RelayEvents(_) => Queue::Notify,
        }
    }

    /// The row it points to.
    pub const fn row(&self) -> Uuid {
        match self {
            Self::SendMessage(id) | Self::ReleaseMessage(id) => id.0,
            Self::PerformAction(id) => id.0,
            Self::MarkRead(id) | Self::ShowTyping(id) | Self::HideTyping(id) => id.0,
            Self::IngestEvents(id) | Self::RefreshAccount(id) => id.0,
            Self::FetchMedia(id) => id.0,
            Self::RelayEvents(id) => id.0,
        }
    }
}

impl From<Subject> for Job {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Message(id) => Self::SendMessage(id),
            Subject::Action(id) => Self::PerformAction(id),
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name(), self.row())
    }
}

impl FromStr for Job {
    type Err = UnknownJob;

    fn from_str(id: &str) -> Result<Self, UnknownJob> {
        let unknown = || UnknownJob(id.to_owned());
        let (name, row) = id.split_once(':').ok_or_else(unknown)?;
        let row = Uuid::parse_str(row).map_err(|_| unknown())?;
        match name {
            "send-message" => Ok(Self::SendMessage(row.into())),
            "perform-action" => Ok(Self::PerformAction(row.into())),
            "mark-read" => Ok(Self::MarkRead(row.into())),
            "show-typing" => Ok(Self::ShowTyping(row.into())),
            "hide-typing" => Ok(Self::HideTyping(row.into())),
            "release-message" => Ok(Self::ReleaseMessage(row.into())),
            "ingest-events" => Ok(Self::IngestEvents(row.into())),
            "refresh-account" => Ok(Self::RefreshAccount(row.into())),
            "fetch-media" => Ok(Self::FetchMedia(row.into())),
            "relay-events" => Ok(Self::RelayEvents(row.into())),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_its_wire_form() {
        for job in [
            Job::SendMessage(Uuid::from_u128(1).into()),
            Job::PerformAction(Uuid::from_u128(5).into()),
            Job::MarkRead(Uuid::from_u128(6).into()),
            Job::ShowTyping(Uuid::from_u128(6).into()),
            Job::HideTyping(Uuid::from_u128(6).into()),
            Job::ReleaseMessage(Uuid::from_u128(4).into()),
            Job::IngestEvents(Uuid::from_u128(2).into()),
            Job::FetchMedia(Uuid::from_u128(7).into()),
            Job::RefreshAccount(Uuid::from_u128(8).into()),
            Job::RelayEvents(Uuid::from_u128(3).into()),
        ] {
            assert_eq!(job.to_string().parse(), Ok(job));
            assert!(Job::NAMES.contains(&job.name()));
        }
        assert!("send-message:nonsense".parse::<Job>().is_err());
        assert!("mow-lawn:00000000-0000-0000-0000-000000000001".parse::<Job>().is_err());
    }
}
