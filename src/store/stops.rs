//! Stops that end by themselves. Each change names the stop that it is about by its end: one that a person or another call
//! put in its place meanwhile stays.

use std::time::Duration;

use model::{Account, EventKind, Sending, Timestamp};
use serde_json::json;
use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::events::account_event;
use crate::pins::lives;
use crate::{Store, StoreError};

statements! {
    RESTORE = "UPDATE accounts SET sending = 'active', sending_reason = NULL, sending_until = NULL, stops_in_a_row = 0,
        updated_at = $2 WHERE id = $1 AND sending = 'stopped' AND deleted_at IS NULL";
    STOPS = "UPDATE accounts SET updated_at = $2 WHERE id = $1 AND deleted_at IS NULL
        RETURNING sending, sending_until, stops_in_a_row";
    STOP = "UPDATE accounts SET sending = 'stopped', sending_reason = $2, sending_until = $3, stops_in_a_row = $4,
        updated_at = $5 WHERE id = $1";
    END = "UPDATE accounts SET sending = 'active', sending_reason = NULL, sending_until = NULL, stops_in_a_row = 0,
        updated_at = $3
        WHERE id = $1 AND sending = 'stopped' AND sending_until = $2 AND deleted_at IS NULL";
    PROLONG = "UPDATE accounts SET sending_until = $4, updated_at = $3
        WHERE id = $1 AND sending = 'stopped' AND sending_until = $2 AND deleted_at IS NULL";
    BY_STATE = concat!("SELECT channel, CASE WHEN sending <> 'active' THEN sending
            WHEN pinned_to IS NOT NULL AND NOT ", lives!("$1"), " THEN 'unserved'
            WHEN connection <> 'connected' THEN 'disconnected'
            WHEN CAST(holds AS TEXT) LIKE '%\"breaker\"%' THEN 'breaker' ELSE 'active' END AS state,
        count(*) AS accounts
        FROM accounts WHERE deleted_at IS NULL GROUP BY channel, state");
}

/// However often an account was tried in vain, it is tried again after so long, unless its provider asks for more.
const LONGEST: Duration = Duration::from_hours(1);

#[derive(FromRow)]
pub(crate) struct StopsRow {
    pub(crate) sending: String,
    sending_until: Option<DateTime<Utc>>,
    stops_in_a_row: i64,
}

impl StopsRow {
    /// The how-manieth stop in a row a new one is, and when it is over.
    pub(crate) fn next(&self, at: Timestamp, lasting: Option<Duration>) -> (i64, Option<Timestamp>) {
        let ends =
            self.sending_until.map(Timestamp::from).filter(|_| self.sending == Sending::Stopped.as_str());
        match (lasting, ends) {
            (None, _) => (self.stops_in_a_row, None),
            // The call was under way when another one heard of it.
            (Some(lasting), Some(ends)) if ends > at => (self.stops_in_a_row, Some(ends.max(at + lasting))),
            (Some(lasting), ends) => {
                let before = if ends.is_some() { self.stops_in_a_row } else { 0 };
                let doublings = u32::try_from(before.clamp(0, 30)).unwrap_or(0);
                let pause = lasting.saturating_mul(1 << doublings).min(LONGEST.max(lasting));
                (before + 1, Some(at + pause))
            }
        }
    }
}

/// A provider's stop, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// When it is tried whether the stop is over; none: when somebody acts.
    pub until: Option<Timestamp>,
}

/// How many accounts of a channel are in one state.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccountsInState {
    /// The channel.
    pub channel: String,
    /// `active`, `paused` or `stopped`; of active ones `unserved` where the worker that it is pinned to is gone,
    /// `disconnected` where the provider cannot be reached, and `breaker` where calls failed so often that it is only tried
    /// now and then.
    pub state: String,
    /// How many.
    pub accounts: i64,
}

impl Store {
    /// The provider stops an account at `at`, for as long as it says; without an end until somebody acts. When the last stop
    /// was just tried, the pause doubles with each such stop: up to an hour, or what the provider says if that is longer.
    /// Tells it as an event, and answers when it is tried again. None when a person paused it: that stays.
    pub async fn stop_account(
        &self,
        account: &Account,
        reason: &str,
        at: Timestamp,
        lasting: Option<Duration>,
    ) -> Result<Option<Stopped>, StoreError> {
        let now = self.now();
        let event: Uuid = self.ids.uuid(now);
        let id = account.id.0;
        let stopped = transaction!(self.db, tx => {
            let before: Option<StopsRow> =
                sqlx::query_as(STOPS).bind(id).bind(now.to_datetime()).fetch_optional(&mut *tx).await?;
            let Some(before) = before else { return Ok(None) };
            if before.sending == Sending::Paused.as_str() {
                return Ok(None);
            }
            let (stops, until) = before.next(at, lasting);
            sqlx::query(STOP)
                .bind(id)
                .bind(reason)
                .bind(until.map(Timestamp::to_datetime))
                .bind(stops)
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?;
            let data = json!({
                "sending": Sending::Stopped, "reason": reason, "until": until, "holds": account.holds,
            });
            account_event!(event, EventKind::AccountStatus, of: account.workspace_id, account.id, by: "system", at: now, &data)
                .execute(&mut *tx)
                .await?;
            Stopped { until }
        });
        Ok(Some(stopped))
    }

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
                account_event!(event, EventKind::AccountStatus, of: stopped.workspace_id, stopped.id, by: "system", at: now, &data)
                    .execute(&mut *tx)
                    .await?;
            }
            changed > 0
        }))
    }

    /// How many accounts there are, by channel and state.
    pub async fn accounts_by_state(&self) -> Result<Vec<AccountsInState>, StoreError> {
        let now = self.database_now().await?;
        Ok(read!(self.db, conn => sqlx::query_as(BY_STATE).bind(now).fetch_all(conn).await)?)
    }
}
