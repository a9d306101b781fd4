//! Files of messages: what is known of them, and how far those are that providers still have.
//!
//! The row of a received file commits with its message, so that it is fetched whatever happens afterwards. Tries are
//! counted before they begin: a file that takes its workers down with it is given up like any other.

use std::borrow::Cow;

use model::{
    AccountId, Actor, Content, ConversationId, EventKind, Ids, Media, MediaFile, MediaId, Timestamp,
    WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction, write};
use crate::events::INSERT_EVENT;
use crate::{Created, Idempotency, Store, StoreError, nul};

macro_rules! columns {
    () => {
        "f.id, f.workspace_id, f.state, f.reason, f.mime, f.name, f.size, f.sha256, f.account_id, f.message_id,
        f.created_at, f.stored_at"
    };
}

statements! {
    ADD = "INSERT INTO media (id, workspace_id, state, mime, name, size, sha256, account_id, message_id, provider_ref,
        tries, created_at, updated_at, stored_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $12)";
    ONE = concat!("SELECT ", columns!(), " FROM media f WHERE f.workspace_id = $1 AND f.id = $2");
    SHARED = concat!("SELECT ", columns!(), " FROM media f WHERE f.id = $1 AND f.state = 'stored'");
    TO_FETCH = concat!("SELECT ", columns!(), ", f.provider_ref, f.tries, f.next_try_at, m.conversation_id
        FROM media f JOIN messages m ON m.id = f.message_id WHERE f.id = $1 AND f.state = 'pending'");
    OF_MESSAGE = "SELECT id FROM media WHERE message_id = $1 AND provider_ref = $2";
    DUE = "SELECT id, account_id FROM media WHERE state = 'pending' AND account_id IS NOT NULL
        AND id > $1 AND COALESCE(next_try_at, created_at) <= $2 ORDER BY id LIMIT $3";
    BEGIN = "UPDATE media SET tries = tries + 1, updated_at = $2 WHERE id = $1 AND state = 'pending'";
    POSTPONE = "UPDATE media SET next_try_at = $2, tries = tries - $3, updated_at = $4
        WHERE id = $1 AND state = 'pending'";
    END = "UPDATE media SET state = $2, reason = $3, mime = COALESCE($4, mime), size = COALESCE($5, size), sha256 = $6,
        stored_at = $7, updated_at = $8 WHERE id = $1 AND state = 'pending'";
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

/// A received file that is still to be fetched.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Its row.
    pub file: MediaFile,
    /// The account that received it.
    pub account_id: AccountId,
    /// Where its message is.
    pub conversation_id: ConversationId,
    /// What the provider told of it.
    pub media: Media,
    /// Tries that were begun.
    pub tries: i64,
    /// Not to be tried again before then.
    pub next_try_at: Option<Timestamp>,
}

/// A received file as the queue needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingMedia {
    /// Its id.
    pub media_id: MediaId,
    /// The account that received it.
    pub account_id: AccountId,
}

#[derive(FromRow)]
struct Row {
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

#[derive(FromRow)]
struct FetchRow {
    #[sqlx(flatten)]
    file: Row,
    provider_ref: Option<String>,
    tries: i64,
    next_try_at: Option<DateTime<Utc>>,
    conversation_id: Uuid,
}

#[derive(FromRow)]
struct DueRow {
    id: Uuid,
    account_id: Uuid,
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

    /// A received file that is still to be fetched; none when that is over.
    pub async fn load_fetch(&self, id: MediaId) -> Result<Option<Fetch>, StoreError> {
        let row: Option<FetchRow> =
            read!(self.db, conn => sqlx::query_as(TO_FETCH).bind(id.0).fetch_optional(conn).await)?;
        let Some(row) = row else { return Ok(None) };
        let file = MediaFile::try_from(row.file)?;
        let Some(account_id) = file.account_id else { return Ok(None) };
        let media = Media {
            media_id: Some(id),
            url: None,
            provider_ref: row.provider_ref,
            mime: file.mime.clone(),
            name: file.name.clone(),
            size: file.size,
        };
        Ok(Some(Fetch {
            file,
            account_id,
            conversation_id: row.conversation_id.into(),
            media,
            tries: row.tries,
            next_try_at: row.next_try_at.map(Into::into),
        }))
    }

    /// Counts a try that is about to begin; false when there is nothing to fetch any more.
    pub async fn begin_fetch(&self, id: MediaId) -> Result<bool, StoreError> {
        let now = self.now().to_datetime();
        let begun = write!(self.db, conn => sqlx::query(BEGIN)
            .bind(id.0).bind(now).execute(conn).await.map(|done| done.rows_affected()))?;
        Ok(begun > 0)
    }

    /// A try did not bring the file: the next one comes at `until`. One that counts for nothing, because the whole
    /// account must wait, is given back.
    pub async fn postpone_fetch(
        &self,
        id: MediaId,
        until: Timestamp,
        counts: bool,
    ) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(POSTPONE)
            .bind(id.0)
            .bind(until.to_datetime())
            .bind(i64::from(!counts))
            .bind(now)
            .execute(conn).await.map(drop))?;
        Ok(())
    }

    /// A file was fetched and its bytes are stored: its row and an event say so. The name stays as it was told.
    pub async fn finish_fetch(&self, fetch: &Fetch, facts: &FileFacts) -> Result<(), StoreError> {
        self.end_fetch(fetch, Ok(facts)).await
    }

    /// A file will never be fetched: its row and an event say why.
    pub async fn fail_fetch(&self, fetch: &Fetch, reason: &str) -> Result<(), StoreError> {
        self.end_fetch(fetch, Err(reason)).await
    }

    async fn end_fetch(&self, fetch: &Fetch, how: Result<&FileFacts, &str>) -> Result<(), StoreError> {
        use model::MediaState::{Failed, Stored};
        let now = self.now();
        let event = self.ids.uuid(now);
        let before = &fetch.file;
        let (file, kind) = match how {
            Ok(facts) => (
                MediaFile {
                    state: Stored,
                    mime: Some(facts.mime.clone()),
                    size: Some(facts.size),
                    sha256: Some(hex::encode(facts.sha256)),
                    stored_at: Some(now),
                    ..before.clone()
                },
                EventKind::MediaStored,
            ),
            Err(reason) => (
                MediaFile {
                    state: Failed,
                    reason: Some(nul::without_text(reason.to_owned())),
                    ..before.clone()
                },
                EventKind::MediaFailed,
            ),
        };
        transaction!(self.db, tx => {
            let ended = sqlx::query(END)
                .bind(file.id.0)
                .bind(file.state.as_str())
                .bind(&file.reason)
                .bind(&file.mime)
                .bind(file.size.and_then(|size| i64::try_from(size).ok()))
                .bind(how.ok().map(|facts| facts.sha256.to_vec()))
                .bind(file.stored_at.map(Timestamp::to_datetime))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if ended > 0 {
                sqlx::query(INSERT_EVENT)
                    .bind(event)
                    .bind(file.workspace_id.0)
                    .bind(kind.as_str())
                    .bind(file.account_id.map(|id| id.0))
                    .bind(Some(fetch.conversation_id.0))
                    .bind(file.message_id.map(|id| id.0))
                    .bind(&Actor::system().0)
                    .bind(None::<String>)
                    .bind(None::<String>)
                    .bind(Json(json!({ "media": file })))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// Received files that are to be fetched and were due at `due`, after `after`: what the sweep and recovery push.
    pub async fn pending_media(
        &self,
        due: Timestamp,
        after: Option<MediaId>,
        most: u32,
    ) -> Result<Vec<PendingMedia>, StoreError> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let rows: Vec<DueRow> = read!(self.db, conn => sqlx::query_as(DUE)
            .bind(after).bind(due.to_datetime()).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(rows
            .into_iter()
            .map(|row| PendingMedia { media_id: row.id.into(), account_id: row.account_id.into() })
            .collect())
    }
}
