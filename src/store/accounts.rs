//! Accounts: logins on channels, their states and their sealed credentials.

use std::collections::BTreeMap;

use model::{
    Account, AccountId, Actor, ChannelAppId, Connection, EventKind, Hold, Intake, Redelivery, Sending,
    Timestamp, WorkerId, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::events::account_event;
use crate::gathered::{Find, Found};
use crate::{Created, Cursor, Idempotency, Page, PageRequest, Sealer, Store, StoreError};

macro_rules! own_columns {
    () => {
        "id, workspace_id, channel, name, external_id, credentials, settings, intake, connection, connection_detail, sending,
        sending_reason, sending_until, holds, failures_in_a_row, timezone, pacing, pace_scale, redelivery,
        first_connected_at, registered_at, campaigns_resumed_at, pinned_to, created_at, updated_at, app_id"
    };
}

/// An account's columns and its app's secrets: read with every account, so that a change of them counts at once everywhere.
macro_rules! columns {
    () => {
        concat!(
            crate::accounts::own_columns!(),
            ", (SELECT p.secrets FROM channel_apps p WHERE p.id = accounts.app_id) AS app_secrets"
        )
    };
}
pub(crate) use {columns, own_columns};

statements! {
    INSERT = concat!("INSERT INTO accounts (", own_columns!(), ", stops_in_a_row, refresh_at, refresh_failures)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $16, $8, $9, $10, NULL, NULL, $17, 0, $11, $18, $12, $13,
        COALESCE((SELECT min(o.first_connected_at) FROM accounts o
            WHERE o.workspace_id = $2 AND o.channel = $3 AND o.external_id = $5), $14), $19, NULL, NULL, $15, $15, $20, 0, $21, 0)
        RETURNING first_connected_at");
    USE_APP = "UPDATE channel_apps SET updated_at = updated_at
        WHERE id = $1 AND (workspace_id = $2 OR workspace_id IS NULL) AND deleted_at IS NULL";
    LIST = concat!("SELECT ", columns!(), " FROM accounts
        WHERE workspace_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3");
    BY_EXTERNAL_ID = "SELECT id FROM accounts WHERE workspace_id = $1 AND channel = $2 AND external_id = $3
        AND deleted_at IS NULL";
    DELETE = "UPDATE accounts SET deleted_at = $3, updated_at = $3, connection = 'disconnected', sending = 'stopped',
        sending_reason = 'deleted' WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL";
    CANCEL_ALL = "UPDATE messages SET status = 'canceled', reason = 'account deleted', updated_at = $2
        WHERE account_id = $1 AND status IN ('scheduled', 'queued')";
}

pub(crate) const BY_IDS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM accounts JOIN v ON v.account = accounts.id WHERE deleted_at IS NULL"
);

/// The rows of accounts with these ids, which must be one at least and none twice.
macro_rules! rows {
    ($connection:expr, $ids:expr) => {{
        let rows = crate::rows::Rows::of($ids).uuid("account", |id| *id);
        let mut query = rows.query(crate::accounts::BY_IDS);
        let rows: Result<Vec<crate::accounts::AccountRow>, sqlx::Error> =
            query.build_query_as().fetch_all($connection).await;
        rows
    }};
}
pub(crate) use rows;

/// Looks up accounts, whatever their workspaces.
#[derive(Debug)]
pub(crate) struct ById;

impl Find for ById {
    type Key = Uuid;
    type Value = AccountRow;

    async fn find(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
    ) -> Result<Found<Uuid, AccountRow>, StoreError> {
        let rows: Vec<AccountRow> = rows!(&mut *connection, keys)?;
        Ok(rows.into_iter().map(|row| (row.id, Ok(row))).collect())
    }
}

/// An account as it is, and its secrets with those of its app.
pub(crate) fn unseal(
    sealer: &Sealer,
    row: AccountRow,
) -> Result<(Account, BTreeMap<String, String>), StoreError> {
    let mut secrets = match (row.app_id, &row.app_secrets) {
        (Some(app), Some(bytes)) => secrets_of(sealer, app, bytes)?,
        _ => BTreeMap::new(),
    };
    // An account's own secret of the same name goes first.
    secrets.extend(secrets_of(sealer, row.id, &row.credentials)?);
    Ok((row.try_into()?, secrets))
}

/// What was sealed for a row.
pub(crate) fn secrets_of(
    sealer: &Sealer,
    row: Uuid,
    bytes: &[u8],
) -> Result<BTreeMap<String, String>, StoreError> {
    let plain = sealer.open(row, bytes)?;
    serde_json::from_slice(&plain).map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// An account about to be made. It is connected: its credentials were checked.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The channel's name.
    pub channel: String,
    /// What people call it.
    pub name: String,
    /// Who it is at the provider.
    pub external_id: Option<String>,
    /// The app whose secrets it uses beside its own.
    pub app_id: Option<ChannelAppId>,
    /// Its own secrets, by name.
    pub credentials: BTreeMap<String, String>,
    /// When those are to be renewed; none: they last.
    pub refresh_at: Option<Timestamp>,
    /// Its settings, without secrets.
    pub settings: Value,
    /// How it gets its events.
    pub intake: Intake,
    /// Whether the provider can be reached.
    pub connection: Connection,
    /// IANA name.
    pub timezone: String,
    /// What its rules say otherwise than its channel's profile, by rule; an object.
    pub pacing: Value,
    /// Divides every time of its pacing profile.
    pub pace_scale: f64,
    /// When its number was registered at the provider.
    pub registered_at: Option<Timestamp>,
    /// What becomes of calls whose outcome nobody knows.
    pub redelivery: Redelivery,
}

#[derive(Clone, FromRow)]
pub(crate) struct AccountRow {
    pub(crate) id: Uuid,
    workspace_id: Uuid,
    channel: String,
    name: String,
    external_id: Option<String>,
    app_id: Option<Uuid>,
    app_secrets: Option<Vec<u8>>,
    pub(crate) credentials: Vec<u8>,
    settings: Json<Value>,
    intake: String,
    connection: String,
    connection_detail: Option<String>,
    sending: String,
    sending_reason: Option<String>,
    sending_until: Option<DateTime<Utc>>,
    holds: Json<Vec<Hold>>,
    failures_in_a_row: i64,
    timezone: String,
    pacing: Json<Value>,
    pace_scale: f64,
    redelivery: String,
    first_connected_at: Option<DateTime<Utc>>,
    registered_at: Option<DateTime<Utc>>,
    campaigns_resumed_at: Option<DateTime<Utc>>,
    pinned_to: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            channel: row.channel,
            name: row.name,
            external_id: row.external_id,
            app_id: row.app_id.map(ChannelAppId),
            settings: row.settings.0,
            intake: row.intake.parse()?,
            connection: row.connection.parse()?,
            connection_detail: row.connection_detail,
            sending: row.sending.parse()?,
            sending_reason: row.sending_reason,
            sending_until: row.sending_until.map(Timestamp::from),
            holds: row.holds.0,
            failures_in_a_row: u32::try_from(row.failures_in_a_row).unwrap_or(u32::MAX),
            timezone: row.timezone,
            pacing: row.pacing.0,
            pace_scale: row.pace_scale,
            redelivery: row.redelivery.parse()?,
            first_connected_at: row.first_connected_at.map(Timestamp::from),
            registered_at: row.registered_at.map(Timestamp::from),
            campaigns_resumed_at: row.campaigns_resumed_at.map(Timestamp::from),
            pinned_to: row.pinned_to.map(WorkerId),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

impl NewAccount {
    /// The account that this makes.
    fn at(&self, id: AccountId, workspace: WorkspaceId, now: Timestamp) -> Account {
        Account {
            id,
            workspace_id: workspace,
            channel: self.channel.clone(),
            name: self.name.clone(),
            external_id: self.external_id.clone(),
            app_id: self.app_id,
            settings: self.settings.clone(),
            intake: self.intake,
            connection: self.connection,
            connection_detail: None,
            sending: Sending::Active,
            sending_reason: None,
            sending_until: None,
            holds: Vec::new(),
            failures_in_a_row: 0,
            timezone: self.timezone.clone(),
            pacing: self.pacing.clone(),
            pace_scale: self.pace_scale,
            redelivery: self.redelivery,
            first_connected_at: (self.connection == Connection::Connected).then_some(now),
            registered_at: self.registered_at,
            campaigns_resumed_at: None,
            pinned_to: None,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Store {
    /// Makes an account. An identity that was connected here before keeps its age.
    ///
    /// [`StoreError::Conflict`] when the workspace has one with the same external id.
    pub async fn create_account(
        &self,
        workspace: WorkspaceId,
        new: &NewAccount,
    ) -> Result<Account, StoreError> {
        let id = self.id(self.now());
        match self.create_account_as(workspace, id, new, &Actor::system(), None, |_| Value::Null).await? {
            Created::New(account) => Ok(*account),
            Created::Before { .. } => Err(StoreError::NotFound("idempotency key")),
        }
    }

    /// Makes an account with an id that was drawn before it was connected, since its webhooks name it. Account, event
    /// and the idempotency key with its answer (status 201) are committed together.
    ///
    /// [`StoreError::Conflict`] when the workspace has one with the same external id; [`StoreError::KeyReused`] when
    /// the key came before with another request.
    pub async fn create_account_as(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        new: &NewAccount,
        actor: &Actor,
        idempotency: Option<&Idempotency>,
        answer: impl Fn(&Account) -> Value + Send + Sync,
    ) -> Result<Created<Account>, StoreError> {
        let now = self.now();
        let event = self.ids.uuid(now);
        let sealed = self.seal_credentials(id, &new.credentials)?;
        let mut account = new.at(id, workspace, now);
        let mut duplicate = false;
        transaction!(self.db, tx => {
            if let Some(app) = new.app_id {
                // Its row is locked: it cannot be deleted while it gets an account.
                let used = sqlx::query(USE_APP).bind(app.0).bind(workspace.0).execute(&mut *tx).await?;
                if used.rows_affected() == 0 {
                    return Err(StoreError::invalid("app_id", "there is no such app"));
                }
            }
            let inserted: Result<Option<DateTime<Utc>>, sqlx::Error> = sqlx::query_scalar(INSERT)
                .bind(id.0)
                .bind(workspace.0)
                .bind(&account.channel)
                .bind(&account.name)
                .bind(&account.external_id)
                .bind(&sealed)
                .bind(Json(&account.settings))
                .bind(account.connection.as_str())
                .bind(None::<String>)
                .bind(account.sending.as_str())
                .bind(&account.timezone)
                .bind(account.pace_scale)
                .bind(account.redelivery.as_str())
                .bind(account.first_connected_at.map(Timestamp::to_datetime))
                .bind(now.to_datetime())
                .bind(account.intake.as_str())
                .bind(Json(&account.holds))
                .bind(Json(&account.pacing))
                .bind(account.registered_at.map(Timestamp::to_datetime))
                .bind(account.app_id.map(|app| app.0))
                .bind(new.refresh_at.map(Timestamp::to_datetime))
                .fetch_one(&mut *tx)
                .await;
            match inserted {
                Ok(first_connected_at) => {
                    account.first_connected_at = first_connected_at.map(Timestamp::from);
                }
                Err(error) if StoreError::is_duplicate(&error) => {
                    tx.rollback().await?;
                    // It may be this very request that was faster.
                    if let Some(idempotency) = idempotency
                        && let Some(before) = self.answered_before(workspace, idempotency).await?
                    {
                        return Ok(before);
                    }
                    return Err(StoreError::Conflict(format!(
                        "this workspace already has a {} account for {}",
                        new.channel,
                        new.external_id.as_deref().unwrap_or("this login"),
                    )));
                }
                Err(error) => return Err(error.into()),
            }
            account_event!(event, EventKind::AccountStatus, of: workspace, id, by: &actor.0, at: now, json!({"connection": account.connection, "sending": account.sending}))
                .execute(&mut *tx)
                .await?;
            if let Some(idempotency) = idempotency {
                let kept = sqlx::query(crate::accept::KEEP_ANSWER)
                    .bind(workspace.0)
                    .bind(&idempotency.key)
                    .bind(&idempotency.request_hash)
                    .bind(201_i64)
                    .bind(Json(answer(&account)))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                duplicate = kept == 0;
            }
            if duplicate {
                tx.rollback().await?;
                let Some(idempotency) = idempotency else { return Err(StoreError::NotFound("idempotency key")) };
                return self
                    .answered_before(workspace, idempotency)
                    .await?
                    .ok_or(StoreError::NotFound("idempotency key"));
            }
        });
        Ok(Created::New(Box::new(account)))
    }

    /// The account of a workspace that is this login at its provider.
    pub async fn account_by_external_id(
        &self,
        workspace: WorkspaceId,
        channel: &str,
        external_id: &str,
    ) -> Result<Option<AccountId>, StoreError> {
        let id: Option<Uuid> = read!(self.db, conn => sqlx::query_scalar(BY_EXTERNAL_ID)
            .bind(workspace.0).bind(channel).bind(external_id).fetch_optional(conn).await)?;
        Ok(id.map(AccountId))
    }

    /// An account of a workspace.
    pub async fn account(&self, workspace: WorkspaceId, id: AccountId) -> Result<Account, StoreError> {
        let row = self.account_row(id).await?.filter(|row| row.workspace_id == workspace.0);
        row.ok_or(StoreError::NotFound("account"))?.try_into()
    }

    /// An account with its secrets and those of its app, whatever its workspace: for webhooks and workers.
    pub async fn login(
        &self,
        id: AccountId,
    ) -> Result<Option<(Account, BTreeMap<String, String>)>, StoreError> {
        self.account_row(id).await?.map(|row| self.unseal(row)).transpose()
    }

    /// The secrets that an account has of its own, without those of its app.
    pub async fn own_secrets(&self, id: AccountId) -> Result<BTreeMap<String, String>, StoreError> {
        let row = self.account_row(id).await?.ok_or(StoreError::NotFound("account"))?;
        secrets_of(&self.sealer, row.id, &row.credentials)
    }

    async fn account_row(&self, id: AccountId) -> Result<Option<AccountRow>, StoreError> {
        if let Some(reads) = &self.reads {
            return reads.accounts.get(id.0).await;
        }
        let ids = [id.0];
        Ok(read!(self.db, conn => rows!(conn, &ids))?.pop())
    }

    pub(crate) fn unseal(&self, row: AccountRow) -> Result<(Account, BTreeMap<String, String>), StoreError> {
        unseal(&self.sealer, row)
    }

    /// The accounts of a workspace, oldest first.
    pub async fn accounts(
        &self,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Account>, StoreError> {
        let after = page.cursor.unwrap_or(Cursor::START);
        let rows: Vec<AccountRow> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(workspace.0).bind(after.id).bind(page.probe()).fetch_all(conn).await)?;
        let rows = rows.into_iter().map(Account::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(rows, page, |row| Cursor { at: Timestamp::ZERO, id: row.id.0 }))
    }

    /// Deletes an account: it disappears from listings, what it had queued is canceled, its history stays.
    pub async fn delete_account(&self, workspace: WorkspaceId, id: AccountId) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        transaction!(self.db, tx => {
            let deleted = sqlx::query(DELETE)
                .bind(workspace.0).bind(id.0).bind(now).execute(&mut *tx).await?.rows_affected();
            if deleted == 0 {
                return Err(StoreError::NotFound("account"));
            }
            sqlx::query(CANCEL_ALL).bind(id.0).bind(now).execute(&mut *tx).await?;
        });
        Ok(())
    }

    pub(crate) fn seal_credentials(
        &self,
        id: AccountId,
        credentials: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, StoreError> {
        self.seal_secrets(id.0, credentials)
    }

    /// Seals secrets for a row.
    pub(crate) fn seal_secrets(
        &self,
        row: Uuid,
        secrets: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = serde_json::to_vec(secrets).map_err(|error| StoreError::Unreadable(error.to_string()))?;
        Ok(self.sealer.seal(&self.ids, row, &plain)?)
    }
}
