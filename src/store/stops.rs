//! Stops that end by themselves. Each change names the stop that it is about by its end: one that a person or another call
//! put in its place meanwhile stays.

use model::{Account, EventKind, Sending, Timestamp};
use serde_json::json;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::events::INSERT_EVENT;
use crate::{Store, StoreError};

statements! {
    END = "UPDATE accounts SET sending = 'active', sending_reason = NULL, sending_until = NULL, updated_at = $3
        WHERE id = $1 AND sending = 'stopped' AND sending_until = $2 AND deleted_at IS NULL";
    PROLONG = "UPDATE accounts SET sending_until = $4, updated_at = $3
        WHERE id = $1 AND sending = 'stopped' AND sending_until = $2 AND deleted_at IS NULL";
    BY_STATE = "SELECT channel, CASE WHEN sending <> 'active' THEN sending
            WHEN connection <> 'connected' THEN 'disconnected'
            WHEN CAST(holds AS TEXT) LIKE '%\"breaker\"%' THEN 'breaker' ELSE 'active' END AS state,
        count(*) AS accounts
        FROM accounts WHERE deleted_at IS NULL GROUP BY channel, state";
}

/// How many accounts of a channel are in one state.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccountsInState {
    /// The channel.
    pub channel: String,
    /// `active`, `paused` or `stopped`; of active ones `disconnected` where the provider cannot be reached, and `breaker`
    /// where calls failed so often that it is only tried now and then.
    pub state: String,
    /// How many.
    pub accounts: i64,
}

impl Store {
    /// Ends a stop whose time is over, since the provider took something, and tells it as an event; false when the account
    /// is not stopped in that way any more. Its holds stay.
    pub async fn end_stop(&self, stopped: &Account) -> Result<bool, StoreError> {
        let data = json!({"sending": Sending::Active, "reason": null, "until": null});
        self.change_stop(stopped, END, None, data).await
    }

    /// Sets another end for a stop, and tells it as an event; false when the account is not stopped in that way any more.
    pub async fn prolong_stop(&self, stopped: &Account, until: Timestamp) -> Result<bool, StoreError> {
        let data = json!({"sending": Sending::Stopped, "reason": stopped.sending_reason, "until": until});
        self.change_stop(stopped, PROLONG, Some(until.to_datetime()), data).await
    }

    async fn change_stop(
        &self,
        stopped: &Account,
        sql: &'static str,
        until: Option<DateTime<Utc>>,
        data: serde_json::Value,
    ) -> Result<bool, StoreError> {
        let Some(end) = stopped.sending_until else { return Ok(false) };
        let now = self.now();
        let event: Uuid = self.ids.uuid(now);
        Ok(transaction!(self.db, tx => {
            let query = sqlx::query(sql).bind(stopped.id.0).bind(end.to_datetime()).bind(now.to_datetime());
            let query = if until.is_some() { query.bind(until) } else { query };
            let changed = query.execute(&mut *tx).await?.rows_affected();
            if changed > 0 {
                sqlx::query(INSERT_EVENT)
                    .bind(event)
                    .bind(stopped.workspace_id.0)
                    .bind(EventKind::AccountStatus.as_str())
                    .bind(Some(stopped.id.0))
                    .bind(None::<Uuid>)
                    .bind(None::<Uuid>)
                    .bind("system")
                    .bind(None::<String>)
                    .bind(None::<String>)
                    .bind(Json(&data))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?;
            }
            changed > 0
        }))
    }

    /// How many accounts there are, by channel and state.
    pub async fn accounts_by_state(&self) -> Result<Vec<AccountsInState>, StoreError> {
        Ok(read!(self.db, conn => sqlx::query_as(BY_STATE).fetch_all(conn).await)?)
    }
}
