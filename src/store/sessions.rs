//! Sessions: what becomes of an account's connection, written by its owner and by nobody else. An owner that lost the
//! account, or whose account a person disconnected meanwhile, writes nothing.

use std::collections::BTreeMap;

use model::{Account, AccountId, Actor, Connection, EventKind, PairingStep, WorkerId};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use crate::accounts::{AccountRow, columns};
use crate::db::{read, statements, transaction};
use crate::events::account_event;
use crate::pins::route;
use crate::{Owned, Store, StoreError};

statements! {
    FENCE = "UPDATE owners SET step = $4, error = NULL WHERE account_id = $1 AND worker = $2 AND generation = $3";
    STEP = "SELECT step FROM owners WHERE account_id = $1";
    LOCK = concat!("UPDATE accounts SET updated_at = $2 WHERE id = $1 AND deleted_at IS NULL AND intake = 'session'
        AND connection NOT IN ('disconnected', 'error') RETURNING ", columns!());
    CHANGE = concat!("UPDATE accounts SET connection = $2, connection_detail = $3,
        credentials = COALESCE($4, credentials), external_id = COALESCE($5, external_id),
        name = CASE WHEN name = channel THEN COALESCE($7, name) ELSE name END,
        first_connected_at = CASE WHEN $2 = 'connected' THEN COALESCE(first_connected_at,
            (SELECT min(o.first_connected_at) FROM accounts o WHERE o.workspace_id = accounts.workspace_id
                AND o.channel = accounts.channel AND o.external_id = $5), $6) ELSE first_connected_at END,
        updated_at = $6 WHERE id = $1 RETURNING ", columns!());
    ROUTE = concat!("SELECT ", route!(), " AS route FROM accounts a WHERE a.id = $1");
}

/// What became of a session.
#[derive(Debug, Clone)]
pub struct SessionChange {
    /// Whether the network can be reached.
    pub connection: Connection,
    /// Why, for a person.
    pub detail: Option<String>,
    /// What a person has to do now, if anything.
    pub step: Option<PairingStep>,
    /// Secrets to keep instead of those before.
    pub credentials: Option<BTreeMap<String, String>>,
    /// Who the account turned out to be at the network.
    pub external_id: Option<String>,
    /// What the network calls it: its name here, unless it was given one.
    pub name: Option<String>,
}

impl SessionChange {
    /// The connection, and nothing else.
    pub fn to(connection: Connection, detail: Option<&str>) -> Self {
        Self {
            connection,
            detail: detail.map(str::to_owned),
            step: None,
            credentials: None,
            external_id: None,
            name: None,
        }
    }
}

impl Store {
    /// Commits what became of a session, and tells it as an event if people see a difference. None when the account is
    /// not this owner's any more, or wants no session: then nothing was written.
    ///
    /// [`StoreError::Conflict`] when the workspace has the login already, as another account.
    pub async fn change_session(
        &self,
        owned: &Owned,
        change: &SessionChange,
    ) -> Result<Option<Account>, StoreError> {
        let at = self.now();
        let (now, event): (_, Uuid) = (at.to_datetime(), self.ids.uuid(at));
        let id = owned.account_id;
        let sealed = match &change.credentials {
            Some(credentials) => Some(self.seal_credentials(id, credentials)?),
            None => None,
        };
        let account = transaction!(self.db, tx => {
            let step: Option<Option<Json<PairingStep>>> =
                sqlx::query_scalar(STEP).bind(id.0).fetch_optional(&mut *tx).await?;
            let held = sqlx::query(FENCE)
                .bind(id.0)
                .bind(owned.worker.0)
                .bind(owned.generation)
                .bind(change.step.as_ref().map(Json))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            let before: Option<AccountRow> = match held {
                0 => None,
                _ => sqlx::query_as(LOCK).bind(id.0).bind(now).fetch_optional(&mut *tx).await?,
            };
            let Some(before) = before else { return Ok(None) };
            let before = Account::try_from(before)?;
            let changed: Result<AccountRow, sqlx::Error> = sqlx::query_as(CHANGE)
                .bind(id.0)
                .bind(change.connection.as_str())
                .bind(&change.detail)
                .bind(sealed)
                .bind(&change.external_id)
                .bind(now)
                .bind(&change.name)
                .fetch_one(&mut *tx)
                .await;
            let account = match changed {
                Ok(row) => Account::try_from(row)?,
                Err(error) if StoreError::is_duplicate(&error) => {
                    let login = change.external_id.as_deref().unwrap_or_default();
                    return Err(StoreError::Conflict(format!(
                        "this workspace already has a {} account for {login}", before.channel
                    )));
                }
                Err(error) => return Err(error.into()),
            };
            let step = step.flatten().map(|step| step.0);
            let seen = (before.connection, &before.connection_detail, &step);
            if seen != (change.connection, &change.detail, &change.step) {
                let data = json!({
                    "connection": change.connection, "detail": change.detail, "step": change.step,
                });
                account_event!(event, EventKind::AccountStatus, of: account.workspace_id, id, by: Actor::system().0, at: at, &data)
                    .execute(&mut *tx)
                    .await?;
            }
            account
        });
        Ok(Some(account))
    }

    /// Where an account's calls have to be made: by the worker that it is pinned to, else by the owner of its session. None
    /// for other accounts, and while nobody has the session. A hint: the worker may be gone.
    pub async fn route(&self, account: AccountId) -> Result<Option<WorkerId>, StoreError> {
        let worker: Option<Option<Uuid>> = read!(self.db, conn => sqlx::query_scalar(ROUTE)
            .bind(account.0).fetch_optional(conn).await)?;
        Ok(worker.flatten().map(WorkerId))
    }
}
