//! How an account fares, by its rows: what its provider said last, what waits, and when its credentials are renewed.

use model::{AccountId, Timestamp};
use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, Utc};

use crate::db::{read, statements};
use crate::{Store, StoreError};

statements! {
    LAST_ERROR = "SELECT error_code, error, ended_at FROM attempts
        WHERE account_id = $1 AND error_code IS NOT NULL AND ended_at IS NOT NULL ORDER BY started_at DESC LIMIT 1";
    LAST_SUCCESS = "SELECT ended_at FROM attempts WHERE account_id = $1 AND outcome = 'accepted'
        ORDER BY started_at DESC LIMIT 1";
    DEPTH = "SELECT count(*) AS depth, min(queued_at) AS oldest FROM messages
        WHERE account_id = $1 AND status IN ('queued', 'sending')";
    RENEWALS = "SELECT refresh_at, refresh_failures FROM accounts WHERE id = $1";
}

/// How an account fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountHealth {
    /// The last call that did not go well.
    pub last_error: Option<LastError>,
    /// When the provider last took something.
    pub last_success_at: Option<Timestamp>,
    /// How many messages are to be sent now.
    pub depth: u64,
    /// When the one that waits longest was queued.
    pub oldest_queued_at: Option<Timestamp>,
    /// When its credentials are renewed next; none: they last, or are not renewed any more.
    pub refresh_at: Option<Timestamp>,
    /// How often in a row that failed.
    pub refresh_failures: u32,
}

/// A call that did not go well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// The provider's code.
    pub code: String,
    /// The provider's words.
    pub words: Option<String>,
    /// When it ended.
    pub at: Timestamp,
}

#[derive(FromRow)]
struct ErrorRow {
    error_code: String,
    error: Option<String>,
    ended_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct QueuedRow {
    depth: i64,
    oldest: Option<DateTime<Utc>>,
}

#[derive(FromRow)]
struct RenewalRow {
    refresh_at: Option<DateTime<Utc>>,
    refresh_failures: i64,
}

impl Store {
    /// How an account fares; its caller made sure that it may be seen.
    pub async fn account_health(&self, id: AccountId) -> Result<AccountHealth, StoreError> {
        let error: Option<ErrorRow> =
            read!(self.db, conn => sqlx::query_as(LAST_ERROR).bind(id.0).fetch_optional(conn).await)?;
        let success: Option<DateTime<Utc>> =
            read!(self.db, conn => sqlx::query_scalar(LAST_SUCCESS).bind(id.0).fetch_optional(conn).await)?;
        let queued: QueuedRow =
            read!(self.db, conn => sqlx::query_as(DEPTH).bind(id.0).fetch_one(conn).await)?;
        let renewals: Option<RenewalRow> =
            read!(self.db, conn => sqlx::query_as(RENEWALS).bind(id.0).fetch_optional(conn).await)?;
        Ok(AccountHealth {
            last_error: error.map(|row| LastError {
                code: row.error_code,
                words: row.error,
                at: row.ended_at.into(),
            }),
            last_success_at: success.map(Timestamp::from),
            depth: u64::try_from(queued.depth).unwrap_or(0),
            oldest_queued_at: queued.oldest.map(Timestamp::from),
            refresh_at: renewals.as_ref().and_then(|row| row.refresh_at).map(Timestamp::from),
            refresh_failures: renewals
                .map_or(0, |row| u32::try_from(row.refresh_failures).unwrap_or(u32::MAX)),
        })
    }
}
