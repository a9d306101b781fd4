//! API keys: shown once, kept as a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{AccountId, ApiKeyId, Timestamp, WorkspaceId};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, write};
use crate::{Store, StoreError};

/// What a key may be allowed to do. `operator` is for the whole instance: queues, workers, dead jobs.
pub const SCOPES: &[&str] = &[
    "messages:read",
    "messages:write",
    "contacts:read",
    "contacts:write",
    "accounts:read",
    "accounts:write",
    "keys:write",
    "operator",
];

statements! {
    INSERT = "INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes, accounts, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    BY_HASH = "SELECT id, workspace_id, name, prefix, scopes, accounts, created_at, revoked_at
        FROM api_keys WHERE hash = $1 AND revoked_at IS NULL";
    LIST = "SELECT id, workspace_id, name, prefix, scopes, accounts, created_at, revoked_at
        FROM api_keys WHERE workspace_id = $1 ORDER BY id";
    REVOKE = "UPDATE api_keys SET revoked_at = $3 WHERE workspace_id = $1 AND id = $2 AND revoked_at IS NULL";
}

/// What a new key shall be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it may do: words of [`SCOPES`].
    pub scopes: Vec<String>,
    /// The accounts it is limited to; none: all of the workspace.
    pub accounts: Option<Vec<AccountId>>,
}

/// A key of the REST API. Its secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The tenant it acts for.
    pub workspace_id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The accounts it is limited to.
    pub accounts: Option<Vec<AccountId>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is void.
    pub revoked_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    name: String,
    prefix: String,
    scopes: Json<Vec<String>>,
    accounts: Option<Json<Vec<Uuid>>>,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes.0,
            accounts: row.accounts.map(|ids| ids.0.into_iter().map(AccountId).collect()),
            created_at: row.created_at.into(),
            revoked_at: row.revoked_at.map(Timestamp::from),
        }
    }
}

impl Store {
    /// Makes a key and gives its secret, `rk_…`: the only time that anybody sees it.
    pub async fn create_api_key(
        &self,
        workspace: WorkspaceId,
        new: NewApiKey,
    ) -> Result<(ApiKey, String), StoreError> {
        let now = self.now();
        let mut secret = [0; 32];
        self.ids.fill(&mut secret);
        let secret = format!("rk_{}", URL_SAFE_NO_PAD.encode(secret));
        let key = ApiKey {
            id: self.id(now),
            workspace_id: workspace,
            name: new.name,
            prefix: secret.chars().take(9).collect(),
            scopes: new.scopes,
            accounts: new.accounts,
            created_at: now,
            revoked_at: None,
        };
        let accounts: Option<Vec<Uuid>> =
            key.accounts.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        write!(self.db, conn => sqlx::query(INSERT)
            .bind(key.id.0)
            .bind(workspace.0)
            .bind(&key.name)
            .bind(&key.prefix)
            .bind(hash(&secret))
            .bind(Json(&key.scopes))
            .bind(accounts.map(Json))
            .bind(now.to_datetime())
            .execute(conn).await.map(drop))?;
        Ok((key, secret))
    }

    /// The key with this secret, if it is valid.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<ApiKey>, StoreError> {
        let row: Option<Row> =
            read!(self.db, conn => sqlx::query_as(BY_HASH).bind(hash(secret)).fetch_optional(conn).await)?;
        Ok(row.map(Into::into))
    }

    /// All keys of a workspace, void ones too.
    pub async fn api_keys(&self, workspace: WorkspaceId) -> Result<Vec<ApiKey>, StoreError> {
        let rows: Vec<Row> =
            read!(self.db, conn => sqlx::query_as(LIST).bind(workspace.0).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Makes a key void.
    pub async fn revoke_api_key(&self, workspace: WorkspaceId, id: ApiKeyId) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        let changed = write!(self.db, conn => sqlx::query(REVOKE)
            .bind(workspace.0).bind(id.0).bind(now).execute(conn).await.map(|done| done.rows_affected()))?;
        if changed == 0 { Err(StoreError::NotFound("API key")) } else { Ok(()) }
    }
}

/// A key has 256 random bits, so one round of a fast hash is enough: there is nothing to guess.
fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}
