//! Apps: what a developer registered at a provider. Many accounts use an app's secrets, which are kept in one place, and its
//! one webhook address.

use std::collections::BTreeMap;

use model::{AccountId, Actor, ChannelAppId, Timestamp, WorkspaceId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::accounts::secrets_of;
use crate::audit::INSERT_AUDIT;
use crate::db::{read, statements, transaction, write};
use crate::{Created, Cursor, Idempotency, Page, PageRequest, Sealer, Store, StoreError, nul};

macro_rules! columns {
    () => {
        "id, workspace_id, provider, name, secrets, settings, created_at, updated_at"
    };
}

statements! {
    INSERT = concat!("INSERT INTO channel_apps (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $7)");
    /// By its own workspace, or by any if it is the installation's.
    USABLE = concat!("SELECT ", columns!(), " FROM channel_apps
        WHERE id = $2 AND (workspace_id = $1 OR workspace_id IS NULL) AND deleted_at IS NULL");
    LIST = concat!("SELECT ", columns!(), " FROM channel_apps
        WHERE (workspace_id = $1 OR workspace_id IS NULL) AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3");
    OF_PROVIDER = concat!("SELECT ", columns!(), " FROM channel_apps
        WHERE (workspace_id = $1 OR workspace_id IS NULL) AND provider = $2 AND deleted_at IS NULL ORDER BY id");
    BY_ID = concat!("SELECT ", columns!(), " FROM channel_apps WHERE id = $1 AND deleted_at IS NULL");
    LOCK = concat!("UPDATE channel_apps SET updated_at = $3 WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL
        RETURNING ", columns!());
    CHANGE = concat!("UPDATE channel_apps SET name = COALESCE($3, name), secrets = COALESCE($4, secrets),
        settings = COALESCE($5, settings) WHERE workspace_id = $1 AND id = $2 RETURNING ", columns!());
    USERS = "SELECT count(*) FROM accounts WHERE app_id = $1 AND deleted_at IS NULL";
    ACCOUNTS = "SELECT id FROM accounts WHERE app_id = $1 AND deleted_at IS NULL ORDER BY id";
    DELETE = "UPDATE channel_apps SET deleted_at = $2, secrets = $3 WHERE id = $1";
    KEEP_DEFAULT = "INSERT INTO channel_apps (id, workspace_id, provider, name, secrets, settings, created_at, updated_at)
        VALUES ($1, NULL, $2, $2, $3, $4, $5, $5)
        ON CONFLICT (id) DO UPDATE SET secrets = excluded.secrets, updated_at = excluded.updated_at, deleted_at = NULL";
}

/// An app, without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelApp {
    /// Its id.
    pub id: ChannelAppId,
    /// Whose it is; none: the installation's own, which every workspace may use and none may change.
    pub workspace_id: Option<WorkspaceId>,
    /// Whose app it is: `meta`, `slack`, ….
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// The names of the secrets that are set.
    pub secrets: Vec<String>,
    /// Whatever the workspace wants to remember.
    pub settings: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// An app about to be made.
#[derive(Debug, Clone)]
pub struct NewChannelApp {
    /// Whose app it is.
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// Its secrets, by name.
    pub secrets: BTreeMap<String, String>,
    /// Whatever the workspace wants to remember; an object.
    pub settings: Value,
}

/// What shall change about an app; none leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ChannelAppChange {
    /// What people call it.
    pub name: Option<String>,
    /// Secrets to add or replace.
    pub secrets: BTreeMap<String, String>,
    /// Whatever the workspace wants to remember: all of it.
    pub settings: Option<Value>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Option<Uuid>,
    provider: String,
    name: String,
    secrets: Vec<u8>,
    settings: Json<Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Row {
    fn unseal(self, sealer: &Sealer) -> Result<(ChannelApp, BTreeMap<String, String>), StoreError> {
        let secrets = secrets_of(sealer, self.id, &self.secrets)?;
        let app = ChannelApp {
            id: self.id.into(),
            workspace_id: self.workspace_id.map(WorkspaceId),
            provider: self.provider,
            name: self.name,
            secrets: secrets.keys().cloned().collect(),
            settings: self.settings.0,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        };
        Ok((app, secrets))
    }

    fn open(self, sealer: &Sealer) -> Result<ChannelApp, StoreError> {
        self.unseal(sealer).map(|(app, _)| app)
    }
}

impl ChannelApp {
    /// The id of the installation's own app of a provider: always the same, so that every process finds it and its webhook
    /// address outlives the database.
    pub fn default_of(provider: &str) -> ChannelAppId {
        let digest = Sha256::digest(format!("rookery: the installation's app of {provider}"));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        // Version 8: a UUID by a rule of one's own.
        bytes[6] = (bytes[6] & 0x0F) | 0x80;
        bytes[8] = (bytes[8] & 0x3F) | 0x80;
        ChannelAppId(Uuid::from_bytes(bytes))
    }
}

fn subject(id: ChannelAppId) -> String {
    format!("channel_app:{id}")
}

impl Store {
    /// Makes an app. App, audit entry and idempotency key with its answer (status 201) are committed together.
    pub async fn create_channel_app(
        &self,
        workspace: WorkspaceId,
        new: &NewChannelApp,
        actor: &Actor,
        idempotency: Option<&Idempotency>,
        answer: impl Fn(&ChannelApp) -> Value + Send + Sync,
    ) -> Result<Created<ChannelApp>, StoreError> {
        nul::refuse("name", Some(&new.name))?;
        let now = self.now();
        let app = ChannelApp {
            id: self.id(now),
            workspace_id: Some(workspace),
            provider: new.provider.clone(),
            name: new.name.clone(),
            secrets: new.secrets.keys().cloned().collect(),
            settings: new.settings.clone(),
            created_at: now,
            updated_at: now,
        };
        let sealed = self.seal_secrets(app.id.0, &new.secrets)?;
        let detail = json!({"provider": app.provider, "name": app.name, "credentials": app.secrets});
        transaction!(self.db, tx => {
            sqlx::query(INSERT)
                .bind(app.id.0)
                .bind(Some(workspace.0))
                .bind(&app.provider)
                .bind(&app.name)
                .bind(sealed)
                .bind(Json(&app.settings))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_AUDIT)
                .bind(self.ids.uuid(now))
                .bind(workspace.0)
                .bind(&actor.0)
                .bind("channel_app.created")
                .bind(subject(app.id))
                .bind(Json(detail))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?;
            if let Some(idempotency) = idempotency {
                let kept = sqlx::query(crate::accept::KEEP_ANSWER)
                    .bind(workspace.0)
                    .bind(&idempotency.key)
                    .bind(&idempotency.request_hash)
                    .bind(201_i64)
                    .bind(Json(answer(&app)))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                if kept == 0 {
                    tx.rollback().await?;
                    let before = self.answered_before(workspace, idempotency).await?;
                    return before.ok_or(StoreError::NotFound("idempotency key"));
                }
            }
        });
        Ok(Created::New(Box::new(app)))
    }

    /// An app that a workspace may use: its own, or the installation's.
    pub async fn channel_app(
        &self,
        workspace: WorkspaceId,
        id: ChannelAppId,
    ) -> Result<ChannelApp, StoreError> {
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(USABLE)
            .bind(workspace.0).bind(id.0).fetch_optional(conn).await)?;
        row.ok_or(StoreError::NotFound("app"))?.open(&self.sealer)
    }

    /// The apps that a workspace may use: its own, oldest first, and the installation's.
    pub async fn channel_apps(
        &self,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<ChannelApp>, StoreError> {
        let after = page.cursor.unwrap_or(Cursor::START);
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(workspace.0).bind(after.id).bind(page.probe()).fetch_all(conn).await)?;
        let apps = rows.into_iter().map(|row| row.open(&self.sealer)).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(apps, page, |app| Cursor { at: Timestamp::ZERO, id: app.id.0 }))
    }

    /// The apps of a provider that a workspace may use.
    pub async fn channel_apps_of(
        &self,
        workspace: WorkspaceId,
        provider: &str,
    ) -> Result<Vec<ChannelApp>, StoreError> {
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(OF_PROVIDER)
            .bind(workspace.0).bind(provider).fetch_all(conn).await)?;
        rows.into_iter().map(|row| row.open(&self.sealer)).collect()
    }

    /// An app with its secrets, whatever its workspace: for webhooks and for connecting.
    pub async fn channel_app_secrets(
        &self,
        id: ChannelAppId,
    ) -> Result<Option<(ChannelApp, BTreeMap<String, String>)>, StoreError> {
        let row: Option<Row> =
            read!(self.db, conn => sqlx::query_as(BY_ID).bind(id.0).fetch_optional(conn).await)?;
        row.map(|row| row.unseal(&self.sealer)).transpose()
    }

    /// Changes an app of a workspace. Its accounts use the new secrets from their next call on, in every process.
    pub async fn change_channel_app(
        &self,
        workspace: WorkspaceId,
        id: ChannelAppId,
        change: &ChannelAppChange,
        actor: &Actor,
    ) -> Result<ChannelApp, StoreError> {
        nul::refuse("name", change.name.as_deref())?;
        let now = self.now();
        let row: Row = transaction!(self.db, tx => {
            let before: Option<Row> = sqlx::query_as(LOCK)
                .bind(workspace.0).bind(id.0).bind(now.to_datetime()).fetch_optional(&mut *tx).await?;
            let before = before.ok_or(StoreError::NotFound("app"))?;
            let mut secrets = secrets_of(&self.sealer, id.0, &before.secrets)?;
            secrets.extend(change.secrets.clone());
            let sealed = self.seal_secrets(id.0, &secrets)?;
            let row: Row = sqlx::query_as(CHANGE)
                .bind(workspace.0)
                .bind(id.0)
                .bind(&change.name)
                .bind((!change.secrets.is_empty()).then_some(sealed))
                .bind(change.settings.as_ref().map(Json))
                .fetch_one(&mut *tx)
                .await?;
            let replaced: Vec<&String> = change.secrets.keys().collect();
            let detail = json!({
                "before": {"name": before.name, "settings": before.settings.0},
                "after": {"name": row.name, "settings": row.settings.0},
                "credentials": replaced,
            });
            sqlx::query(INSERT_AUDIT)
                .bind(self.ids.uuid(now))
                .bind(workspace.0)
                .bind(&actor.0)
                .bind("channel_app.changed")
                .bind(subject(id))
                .bind(Json(detail))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?;
            row
        });
        row.open(&self.sealer)
    }

    /// The accounts that use an app.
    pub async fn accounts_of_app(&self, id: ChannelAppId) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<Uuid> =
            read!(self.db, conn => sqlx::query_scalar(ACCOUNTS).bind(id.0).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(AccountId).collect())
    }

    /// Deletes an app of a workspace, and its secrets.
    ///
    /// [`StoreError::Conflict`] while accounts use it.
    pub async fn delete_channel_app(
        &self,
        workspace: WorkspaceId,
        id: ChannelAppId,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let nothing = self.seal_secrets(id.0, &BTreeMap::new())?;
        transaction!(self.db, tx => {
            let before: Option<Row> = sqlx::query_as(LOCK)
                .bind(workspace.0).bind(id.0).bind(now.to_datetime()).fetch_optional(&mut *tx).await?;
            let before = before.ok_or(StoreError::NotFound("app"))?;
            let users: i64 = sqlx::query_scalar(USERS).bind(id.0).fetch_one(&mut *tx).await?;
            if users > 0 {
                return Err(StoreError::Conflict(format!("{users} accounts use it: delete them first")));
            }
            sqlx::query(DELETE).bind(id.0).bind(now.to_datetime()).bind(nothing).execute(&mut *tx).await?;
            sqlx::query(INSERT_AUDIT)
                .bind(self.ids.uuid(now))
                .bind(workspace.0)
                .bind(&actor.0)
                .bind("channel_app.deleted")
                .bind(subject(id))
                .bind(Json(json!({"provider": before.provider, "name": before.name})))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?;
        });
        Ok(())
    }

    /// Makes the installation's own app of a provider, or gives it these secrets. Safe to repeat, by any number of processes.
    pub async fn keep_default_app(
        &self,
        provider: &str,
        secrets: &BTreeMap<String, String>,
    ) -> Result<ChannelAppId, StoreError> {
        let id = ChannelApp::default_of(provider);
        if let Some((_, kept)) = self.channel_app_secrets(id).await?
            && kept == *secrets
        {
            return Ok(id);
        }
        let sealed = self.seal_secrets(id.0, secrets)?;
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(KEEP_DEFAULT)
            .bind(id.0)
            .bind(provider)
            .bind(sealed)
            .bind(Json(json!({})))
            .bind(now)
            .execute(conn).await.map(drop))?;
        Ok(id)
    }
}
