//! Files that providers still have, and how far they are. Tries are counted before they begin: a file that takes its
//! workers down with it is given up like any other.

use model::{
    AccountId, Actor, ConversationId, EventKind, Media, MediaFile, MediaId, MediaState, Timestamp, WorkerId,
};
use serde_json::json;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction, write};
use crate::events::INSERT_EVENT;
use crate::media::{FileFacts, Row, columns};
use crate::pins::route;
use crate::{Store, StoreError, nul};

statements! {
    TO_FETCH = concat!("SELECT ", columns!(), ", f.provider_ref, f.tries, f.next_try_at, m.conversation_id
        FROM media f JOIN messages m ON m.id = f.message_id WHERE f.id = $1 AND f.state = 'pending'");
    DUE = concat!("SELECT f.id, f.account_id, ", route!(), " AS route FROM media f JOIN accounts a ON a.id = f.account_id
        WHERE f.state = 'pending' AND f.id > $1 AND COALESCE(f.next_try_at, f.created_at) <= $2 ORDER BY f.id LIMIT $3");
    BEGIN = "UPDATE media SET tries = tries + 1, updated_at = $2 WHERE id = $1 AND state = 'pending'";
    POSTPONE = "UPDATE media SET next_try_at = $2, tries = tries - $3, updated_at = $4
        WHERE id = $1 AND state = 'pending'";
    END = "UPDATE media SET state = $2, reason = $3, mime = COALESCE($4, mime), size = COALESCE($5, size), sha256 = $6,
        stored_at = $7, updated_at = $8 WHERE id = $1 AND state = 'pending'";
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
    /// The only worker that may fetch it: as of [`crate::PendingSend`].
    pub route: Option<WorkerId>,
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
    route: Option<Uuid>,
}

impl Store {
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
        let now = self.now();
        let event = self.ids.uuid(now);
        let before = &fetch.file;
        let (file, kind) = match how {
            Ok(facts) => (
                MediaFile {
                    state: MediaState::Stored,
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
                    state: MediaState::Failed,
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
            .map(|row| PendingMedia {
                media_id: row.id.into(),
                account_id: row.account_id.into(),
                route: row.route.map(WorkerId),
            })
            .collect())
    }
}
