//! Files, as the OpenAPI document shows them.

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MediaState, Timestamp};

/// A file of ours.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MediaFile {
    /// Its id: what a message names to carry it.
    pub id: Uuid,
    /// The tenant it belongs to.
    pub workspace_id: Uuid,
    /// Whether it can be had.
    pub state: MediaState,
    /// Why it failed.
    pub reason: Option<String>,
    /// What it is: by its bytes once stored, else as told.
    pub mime: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// Bytes: counted once stored, else as told.
    pub size: Option<u64>,
    /// Its SHA-256 in hex, once stored.
    pub sha256: Option<String>,
    /// The account that received it; null for one that was uploaded.
    pub account_id: Option<Uuid>,
    /// The message it came with.
    pub message_id: Option<Uuid>,
    /// When it was made known.
    pub created_at: Timestamp,
    /// When it was stored.
    pub stored_at: Option<Timestamp>,
}

/// A file of ours, with a link to it.
#[derive(Debug, Deserialize, ToSchema)]
pub struct LinkedMedia {
    /// The file.
    #[serde(flatten)]
    pub file: MediaFile,
    /// Where its bytes are, for anybody, until the link ends; null while it is not stored. Relative to this API where
    /// the service knows no address of its own.
    pub url: Option<String>,
    /// When the link ends.
    pub expires_at: Option<Timestamp>,
}
