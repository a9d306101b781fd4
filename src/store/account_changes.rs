//! What changes about accounts: by a person, by the provider, by a rule. What decides their pacing is audited.

use std::collections::BTreeMap;

use model::{
    Account, AccountId, Actor, Connection, EventKind, Intake, Redelivery, Sending, Timestamp, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use crate::accounts::{AccountRow, columns};
use crate::audit::INSERT_AUDIT;
use crate::db::{statements, transaction};
use crate::events::account_event;
use crate::holds::lift;
use crate::{Patch, Store, StoreError};

statements! {
    CHANGE = concat!("UPDATE accounts SET name = COALESCE($3, name), credentials = COALESCE($4, credentials),
        settings = COALESCE($5, settings), timezone = COALESCE($6, timezone), pace_scale = COALESCE($7, pace_scale),
        redelivery = COALESCE($8, redelivery), connection = COALESCE($9, connection),
        connection_detail = CASE WHEN $9 = 'connected' THEN NULL ELSE connection_detail END,
        intake = COALESCE($11, intake), pacing = COALESCE($12, pacing),
        registered_at = CASE WHEN $13 THEN $14 ELSE registered_at END,
        campaigns_resumed_at = COALESCE($15, campaigns_resumed_at),
        first_connected_at = CASE WHEN $9 = 'connected' THEN COALESCE(first_connected_at, $10)
            ELSE first_connected_at END, updated_at = $10,
        refresh_at = CASE WHEN $16 THEN $17 ELSE refresh_at END,
        refresh_failures = CASE WHEN $16 THEN 0 ELSE refresh_failures END
        WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING ", columns!());
    /// The row is locked and its former state read: what is written next depends on it.
    LOCK = concat!("UPDATE accounts SET updated_at = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL
        RETURNING ", columns!());
    SET_SENDING = concat!("UPDATE accounts SET sending = $3, sending_reason = $4, sending_until = $5, holds = $6,
        campaigns_resumed_at = $7, stops_in_a_row = 0, updated_at = $8
        WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING ", columns!());
    SET_CONNECTION = concat!("UPDATE accounts SET connection = $3, connection_detail = $4, updated_at = $5
        WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING ", columns!());
}

/// What shall change about an account; none leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct AccountChange {
    /// What people call it.
    pub name: Option<String>,
    /// Its secrets, all of them.
    pub credentials: Option<BTreeMap<String, String>>,
    /// When those are to be renewed.
    pub refresh_at: Patch<Timestamp>,
    /// Its settings.
    pub settings: Option<Value>,
    /// IANA name.
    pub timezone: Option<String>,
    /// What its rules say otherwise than its channel's profile: all of it, see [`model::patched_pacing`].
    pub pacing: Option<Value>,
    /// What `pacing` was made from; if it is another by now, nothing changes: [`StoreError::Changed`].
    pub pacing_was: Option<Value>,
    /// The rules that this makes looser than the profile, for the audit log: somebody accepted the risk.
    pub loosened: Vec<String>,
    /// Divides every time of its pacing profile.
    pub pace_scale: Option<f64>,
    /// When its number was registered at the provider.
    pub registered_at: Patch<Timestamp>,
    /// Campaigns before then do not count for the response rate any more.
    pub campaigns_resumed_at: Option<Timestamp>,
    /// What becomes of calls whose outcome nobody knows.
    pub redelivery: Option<Redelivery>,
    /// How it gets its events.
    pub intake: Option<Intake>,
    /// Whether the provider can be reached.
    pub connection: Option<Connection>,
}

impl Store {
    /// Changes an account. What decides its pacing is written to the audit log, as it was and as it is.
    pub async fn change_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        change: &AccountChange,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let at = self.now();
        let (now, entry) = (at.to_datetime(), self.ids.uuid(at));
        let sealed = match &change.credentials {
            Some(credentials) => Some(self.seal_credentials(id, credentials)?),
            None => None,
        };
        let account = transaction!(self.db, tx => {
            let before: Option<AccountRow> =
                sqlx::query_as(LOCK).bind(workspace.0).bind(id.0).bind(now).fetch_optional(&mut *tx).await?;
            let before = Account::try_from(before.ok_or(StoreError::NotFound("account"))?)?;
            if change.pacing_was.as_ref().is_some_and(|was| *was != before.pacing) {
                return Err(StoreError::Changed);
            }
            let changed: AccountRow = sqlx::query_as(CHANGE)
                .bind(workspace.0)
                .bind(id.0)
                .bind(&change.name)
                .bind(sealed)
                .bind(change.settings.as_ref().map(Json))
                .bind(&change.timezone)
                .bind(change.pace_scale)
                .bind(change.redelivery.map(Redelivery::as_str))
                .bind(change.connection.map(Connection::as_str))
                .bind(now)
                .bind(change.intake.map(Intake::as_str))
                .bind(change.pacing.as_ref().map(Json))
                .bind(change.registered_at.is_change())
                .bind(change.registered_at.value().map(|at| at.to_datetime()))
                .bind(change.campaigns_resumed_at.map(Timestamp::to_datetime))
                .bind(change.refresh_at.is_change())
                .bind(change.refresh_at.value().map(|at| at.to_datetime()))
                .fetch_one(&mut *tx)
                .await?;
            let after = Account::try_from(changed)?;
            let (was, is) = (pacing_of(&before), pacing_of(&after));
            if was != is {
                let detail = json!({"before": was, "after": is, "loosened": change.loosened});
                sqlx::query(INSERT_AUDIT)
                    .bind(entry)
                    .bind(workspace.0)
                    .bind(&actor.0)
                    .bind("account.pacing")
                    .bind(format!("account:{id}"))
                    .bind(Json(detail))
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            after
        });
        Ok(account)
    }

    /// Sets whether messages leave, and tells it as an event. A person who sets it active also lifts the account's holds;
    /// campaigns before then do not count for the response rate if those were among what was held.
    pub async fn set_sending(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        sending: Sending,
        reason: Option<&str>,
        until: Option<Timestamp>,
        actor: &str,
    ) -> Result<Account, StoreError> {
        let now = self.now();
        let event: Uuid = self.ids.uuid(now);
        let row: AccountRow = transaction!(self.db, tx => {
            let before: Option<AccountRow> = sqlx::query_as(LOCK)
                .bind(workspace.0).bind(id.0).bind(now.to_datetime()).fetch_optional(&mut *tx).await?;
            let mut account = Account::try_from(before.ok_or(StoreError::NotFound("account"))?)?;
            if sending == Sending::Active && actor != Actor::system().0 {
                lift(&mut account, &|_| true, actor, now);
            }
            let row: AccountRow = sqlx::query_as(SET_SENDING)
                .bind(workspace.0)
                .bind(id.0)
                .bind(sending.as_str())
                .bind(reason)
                .bind(until.map(Timestamp::to_datetime))
                .bind(Json(&account.holds))
                .bind(account.campaigns_resumed_at.map(Timestamp::to_datetime))
                .bind(now.to_datetime())
                .fetch_one(&mut *tx)
                .await?;
            account_event!(event, EventKind::AccountStatus, of: workspace, id, by: actor, at: now, json!({"sending": sending, "reason": reason, "until": until, "holds": account.holds}))
                .execute(&mut *tx)
                .await?;
            row
        });
        row.try_into()
    }

    /// Sets whether the provider can be reached, with words for a person, and tells it as an event.
    pub async fn set_connection(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        connection: Connection,
        detail: Option<&str>,
        actor: &str,
    ) -> Result<Account, StoreError> {
        let now = self.now();
        let event: Uuid = self.ids.uuid(now);
        let data = json!({"connection": connection, "detail": detail});
        let row: AccountRow = transaction!(self.db, tx => {
            let row: Option<AccountRow> = sqlx::query_as(SET_CONNECTION)
                .bind(workspace.0)
                .bind(id.0)
                .bind(connection.as_str())
                .bind(detail)
                .bind(now.to_datetime())
                .fetch_optional(&mut *tx)
                .await?;
            let row = row.ok_or(StoreError::NotFound("account"))?;
            account_event!(event, EventKind::AccountStatus, of: workspace, id, by: actor, at: now, &data)
                .execute(&mut *tx)
                .await?;
            row
        });
        row.try_into()
    }
}

/// What decides how an account is paced, as the audit log keeps it.
fn pacing_of(account: &Account) -> Value {
    json!({
        "pacing": account.pacing,
        "pace_scale": account.pace_scale,
        "timezone": account.timezone,
        "registered_at": account.registered_at,
        "campaigns_resumed_at": account.campaigns_resumed_at,
    })
}
