//! Files of messages: what is known of them. The row of a received file commits with its message, so that it is fetched
//! whatever happens afterwards.

use std::borrow::Cow;

use model::{Content, Ids, Media, MediaFile, MediaId, Timestamp, WorkspaceId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::{Created, Idempotency, Store, StoreError, nul};

macro_rules! columns {
    () => {
        "f.id, f.workspace_id, f.state, f.reason, f.mime, f.name, f.size, f.sha256, f.account_id, f.message_id,
        f.created_at, f.stored_at"
    };
}
pub(crate) use columns;

statements! {
    ADD = "INSERT INTO media (id, workspace_id, state, mime, name, size, sha256, account_id, message_id, provider_ref,
        tries, created_at, updated_at, stored_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $12)";
    ONE = concat!("SELECT ", columns!(), " FROM media f WHERE f.workspace_id = $1 AND f.id = $2");
    SHARED = concat!("SELECT ", columns!(), " FROM media f WHERE f.id = $1 AND f.state = 'stored'");
    OF_MESSAGE = "SELECT id FROM media WHERE message_id = $1 AND provider_ref = $2";
}

/// What is known of a file whose bytes are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is, by its bytes.
    pub mime: String,
    /// What it is called.
    pub name: Option<String>,
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    workspace_id: Uuid,
    state: String,
    reason: Option<String>,
    mime: Option<String>,
    name: Option<String>,
    size: Option<i64>,
    sha256: Option<Vec<u8>>,
    account_id: Option<Uuid>,
    message_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    stored_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for MediaFile {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            state: row.state.parse()?,
            reason: row.reason,
            mime: row.mime,
            name: row.name,
            size: row.size.and_then(|size| u64::try_from(size).ok()),
            sha256: row.sha256.map(hex::encode),
            account_id: row.account_id.map(Into::into),
            message_id: row.message_id.map(Into::into),
            created_at: row.created_at.into(),
            stored_at: row.stored_at.map(Into::into),
        })
    }
}

/// The content of a received message, with a file of ours in place of one that only the provider has.
pub(crate) fn attach<'a>(
    ids: &Ids,
    now: Timestamp,
    content: &'a Content,
) -> (Cow<'a, Content>, Option<Uuid>) {
    let lies_there = |media: &Media| media.provider_ref.is_some() && media.media_id.is_none();
    if !content.media().is_some_and(lies_there) {
        return (Cow::Borrowed(content), None);
    }
    let id = ids.uuid(now);
    let mut content = content.clone();
    if let Some(media) = content.media_mut() {
        media.media_id = Some(id.into());
    }
    (Cow::Owned(content), Some(id))
}

/// The provider's handle of the file in changed content, if it has one that is not ours yet.
pub(crate) fn handle(content: &Value) -> Option<&str> {
    let media = &content["media"];
    media["provider_ref"].as_str().filter(|_| media["media_id"].is_null())
}

/// Writes the row of a file that [`attach`] put into a message, within a transaction.
macro_rules! receive {
    ($tx:ident, $id:expr, $workspace:expr, $account:expr, $message:expr, $content:expr, $now:expr) => {{
        let media = $content.media();
        sqlx::query(crate::media::ADD)
            .bind($id)
            .bind($workspace)
            .bind(model::MediaState::Pending.as_str())
            .bind(media.and_then(|media| media.mime.clone()))
            .bind(media.and_then(|media| media.name.clone()))
            .bind(media.and_then(|media| media.size).and_then(|size| i64::try_from(size).ok()))
            .bind(None::<Vec<u8>>)
            .bind(Some($account))
            .bind(Some($message))
            .bind(media.and_then(|media| media.provider_ref.clone()))
            .bind($now)
            .bind(None::<DateTime<Utc>>)
            .execute(&mut *$tx)
            .await?;
    }};
}
pub(crate) use receive;

impl Store {
    /// Adds a file that was uploaded; its bytes are stored already. `answer` renders what the caller is told, and will
    /// be told again for the same idempotency key.
    pub async fn add_media(
        &self,
        workspace: WorkspaceId,
        id: MediaId,
        facts: &FileFacts,
        idempotency: Option<&Idempotency>,
        answer: impl Fn(&MediaFile) -> Value + Send + Sync,
    ) -> Result<Created<MediaFile>, StoreError> {
        nul::refuse("name", facts.name.as_deref())?;
        let now = self.now();
        let file = MediaFile {
            id,
            workspace_id: workspace,
            state: model::MediaState::Stored,
            reason: None,
            mime: Some(facts.mime.clone()),
            name: facts.name.clone(),
            size: Some(facts.size),
            sha256: Some(hex::encode(facts.sha256)),
            account_id: None,
            message_id: None,
            created_at: now,
            stored_at: Some(now),
        };
        let mut duplicate = false;
        transaction!(self.db, tx => {
            sqlx::query(ADD)
                .bind(id.0)
                .bind(workspace.0)
                .bind(file.state.as_str())
                .bind(&file.mime)
                .bind(&file.name)
                .bind(i64::try_from(facts.size).ok())
                .bind(Some(facts.sha256.to_vec()))
                .bind(None::<Uuid>)
                .bind(None::<Uuid>)
                .bind(None::<String>)
                .bind(now.to_datetime())
                .bind(Some(now.to_datetime()))
                .execute(&mut *tx)
                .await?;
            if let Some(idempotency) = idempotency {
                let kept = sqlx::query(crate::accept::KEEP_ANSWER)
                    .bind(workspace.0)
                    .bind(&idempotency.key)
                    .bind(&idempotency.request_hash)
                    .bind(201_i64)
                    .bind(Json(answer(&file)))
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
        Ok(Created::New(Box::new(file)))
    }

    /// A file of the workspace.
    pub async fn media_file(&self, workspace: WorkspaceId, id: MediaId) -> Result<MediaFile, StoreError> {
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(ONE)
            .bind(workspace.0).bind(id.0).fetch_optional(conn).await)?;
        row.ok_or(StoreError::NotFound("media"))?.try_into()
    }

    /// A stored file of any workspace, for whoever shows a signed link to it: the link says that they may.
    pub async fn shared_media(&self, id: MediaId) -> Result<Option<MediaFile>, StoreError> {
        let row: Option<Row> =
            read!(self.db, conn => sqlx::query_as(SHARED).bind(id.0).fetch_optional(conn).await)?;
        row.map(MediaFile::try_from).transpose()
    }
}
