//! Which lane, key and order each job has: the one place that front, sweep and recovery agree on.

use model::{
    AccountId, Class, ConversationId, Job, MediaId, MessageId, Queue, Subject, Timestamp, WorkerId,
    WorkspaceId,
};

use crate::{JobId, LaneId, Push};

/// How many files of one account are fetched at once.
const FETCHES: u32 = 4;

impl LaneId {
    /// The lane of an account's messages.
    pub fn send(account: AccountId) -> Self {
        Self { queue: Queue::Send, name: account.to_string() }
    }
}

impl Push {
    /// A message that waits to be sent, or an action that waits to be performed. The lane is the account, the key the
    /// conversation, the order its number in it; `width` is what the account's channel allows.
    pub fn send(
        subject: Subject,
        account: AccountId,
        conversation: ConversationId,
        class: Class,
        seq: i64,
        ready_at: Timestamp,
        width: u32,
    ) -> Self {
        Self {
            job: Job::from(subject).into(),
            lane: LaneId::send(account),
            key: conversation.to_string(),
            class,
            order: seq,
            ready_at,
            width,
            route: None,
        }
    }

    /// The same, for one worker alone if there is one: it then is the only one that may claim from the lane.
    #[must_use]
    pub fn routed(self, route: Option<WorkerId>) -> Self {
        Self { route, ..self }
    }

    /// A message whose time comes at `at`: then it takes its number.
    pub fn release_message(message: MessageId, account: AccountId, at: Timestamp) -> Self {
        // A key of its own: that one message's time has come waits for no other's.
        Self {
            key: message.to_string(),
            ready_at: at,
            ..Self::of(Job::ReleaseMessage(message), account.to_string(), 32)
        }
    }

    /// A sign for the other side of a conversation: that it was read, that somebody types or does not any more. Signs of
    /// one kind keep order among themselves by `order`, and wait for nothing else of the account.
    pub fn sign(sign: Job, account: AccountId, conversation: ConversationId, order: i64) -> Self {
        let kind = if matches!(sign, Job::MarkRead(_)) { "read" } else { "typing" };
        Self {
            key: format!("{kind}:{conversation}"),
            class: Class::Interactive,
            order,
            ..Self::of(sign, account.to_string(), 32)
        }
    }

    /// Provider events of an account that wait to be read.
    pub fn ingest_events(account: AccountId) -> Self {
        Self::of(Job::IngestEvents(account), account.to_string(), 1)
    }

    /// A received file that its provider still has. Files wait for one another only while there are too many at once.
    pub fn fetch_media(media: MediaId, account: AccountId) -> Self {
        Self { key: media.to_string(), ..Self::of(Job::FetchMedia(media), account.to_string(), FETCHES) }
    }

    /// Credentials of an account that are to be renewed: never twice at once.
    pub fn refresh_account(account: AccountId) -> Self {
        Self::of(Job::RefreshAccount(account), account.to_string(), 1)
    }

    /// Events of a workspace that wait for a number.
    pub fn relay_events(workspace: WorkspaceId) -> Self {
        Self::of(Job::RelayEvents(workspace), workspace.to_string(), 1)
    }

    fn of(job: Job, name: String, width: u32) -> Self {
        Self {
            job: JobId::from(job),
            lane: LaneId { queue: job.queue(), name: name.clone() },
            key: name,
            class: Class::Normal,
            order: 0,
            ready_at: Timestamp::ZERO,
            width,
            route: None,
        }
    }
}
