//! Housekeeping: what has served its time goes, a bounded number of rows at a time.

use model::Timestamp;

use crate::db::{statements, write};
use crate::{Store, StoreError};

statements! {
    KEYS = "DELETE FROM idempotency_keys WHERE (workspace_id, key) IN
        (SELECT workspace_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)";
    INBOUND = "DELETE FROM inbound_events WHERE id IN
        (SELECT id FROM inbound_events WHERE (processed_at < $1 AND error IS NULL)
        OR (account_id IS NULL AND received_at < $1) LIMIT $2)";
    OAUTH = "DELETE FROM oauth_logins WHERE id IN (SELECT id FROM oauth_logins WHERE expires_at < $1 LIMIT $2)";
    PARKED = "DELETE FROM parked_changes WHERE (account_id, provider_id, chat, kind, sender) IN
        (SELECT account_id, provider_id, chat, kind, sender FROM parked_changes WHERE parked_at < $1 LIMIT $2)";
    EVENTS = "DELETE FROM events WHERE n IN
        (SELECT n FROM events WHERE seq IS NOT NULL AND created_at < $1 LIMIT $2)";
}

/// How many rows went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Idempotency keys.
    pub keys: u64,
    /// Provider events that were read, or that are nobody's.
    pub inbound: u64,
    /// Changes of messages that never came.
    pub changes: u64,
    /// Visits to pages of providers that are over.
    pub visits: u64,
    /// Events that were told.
    pub events: u64,
}

impl Store {
    /// Deletes idempotency keys from before `keys`, read or unroutable provider events and changes of unknown messages from
    /// before `inbound`, and told events from before `events`, at most `most` rows of each.
    pub async fn purge(
        &self,
        keys: Timestamp,
        inbound: Timestamp,
        events: Timestamp,
        most: u32,
    ) -> Result<Purged, StoreError> {
        Ok(Purged {
            keys: self.purge_one(KEYS, keys, most).await?,
            inbound: self.purge_one(INBOUND, inbound, most).await?,
            changes: self.purge_one(PARKED, inbound, most).await?,
            visits: self.purge_one(OAUTH, self.now(), most).await?,
            events: self.purge_one(EVENTS, events, most).await?,
        })
    }

    async fn purge_one(&self, sql: &'static str, before: Timestamp, most: u32) -> Result<u64, StoreError> {
        Ok(write!(self.db, conn => sqlx::query(sql)
            .bind(before.to_datetime()).bind(i64::from(most)).execute(conn).await.map(|done| done.rows_affected()))?)
    }
}
