//! Files of ours: what was uploaded to be sent, and what was fetched because somebody sent it.

use serde::Serialize;

use crate::{AccountId, MediaId, MessageId, Timestamp, WorkspaceId, words};

words! {
    /// Whether a file can be had.
    MediaState: "state" {
        /// It still lies at the provider.
        Pending = "pending",
        /// It is here.
        Stored = "stored",
        /// It could not be fetched and never will be; the reason says why.
        Failed = "failed",
    }
}

/// A file as its row has it. Nothing but the state changes once it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaFile {
    /// Its id.
    pub id: MediaId,
    /// The tenant it belongs to.
    pub workspace_id: WorkspaceId,
    /// Whether it can be had.
    pub state: MediaState,
    /// Why it failed: the provider's code and words.
    pub reason: Option<String>,
    /// What it is: by its bytes once stored, else as told.
    pub mime: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Bytes: counted once stored, else as told.
    pub size: Option<u64>,
    /// Its SHA-256 in hex, once stored.
    pub sha256: Option<String>,
    /// The account that received it; none for one that was uploaded.
    pub account_id: Option<AccountId>,
    /// The message it came with.
    pub message_id: Option<MessageId>,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When it was stored.
    pub stored_at: Option<Timestamp>,
}

impl MediaFile {
    /// Where its bytes lie in the place of media files.
    pub fn key(&self) -> String {
        format!("{}/{}", self.workspace_id, self.id)
    }
}
