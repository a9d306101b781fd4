//! What becomes of messages after they were sent: edits, deletions and reactions, ours and the other side's.
//!
//! They come in any order: each is dated, and the newest one stands. What is told of a message that is not known yet is
//! parked by the provider's id of it and applied when it comes.

use std::collections::BTreeSet;

use model::{Content, EventKind, Ids, Reaction, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::StoreError;
use crate::db::statements;
use crate::events::INSERT_EVENT;
use crate::media;
use crate::rows::Rows;

statements! {
    FIND = "SELECT id, workspace_id, account_id, conversation_id, client_id FROM messages
        WHERE conversation_id = (SELECT id FROM conversations WHERE account_id = $1 AND address = $2)
        AND provider_id = $3";
    EDIT = "UPDATE messages SET content = $2, edited_at = $3, updated_at = $4
        WHERE id = $1 AND (edited_at IS NULL OR edited_at <= $3)";
    DELETE = "UPDATE messages SET deleted_at = $2, updated_at = $3 WHERE id = $1 AND deleted_at IS NULL";
    /// The row is locked before its list is read, so that two who react at once both stay in it.
    LOCK = "UPDATE messages SET updated_at = $2 WHERE id = $1 RETURNING reactions";
    REACT = "UPDATE messages SET reactions = $2 WHERE id = $1";
    PARK = "INSERT INTO parked_changes (account_id, chat, provider_id, kind, sender, data, at, parked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (account_id, provider_id, chat, kind, sender) DO UPDATE
        SET data = excluded.data, at = excluded.at WHERE parked_changes.at <= excluded.at";
    UNPARK = "DELETE FROM parked_changes WHERE account_id = $1 AND provider_id = $2 AND chat = $3";
}

/// What somebody left on a message. An empty list stays, so that an older reaction does not come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    by: String,
    emoji: Vec<String>,
    at: Timestamp,
}

/// A message's reactions as clients see them.
pub(crate) fn reactions(left: Option<Json<Vec<Left>>>) -> Vec<Reaction> {
    let mut left = left.map(|left| left.0).unwrap_or_default();
    left.sort_by_key(|left| left.at);
    let all = left.into_iter().flat_map(|Left { by, emoji, at }| {
        emoji.into_iter().map(move |emoji| Reaction { by: by.clone(), emoji, at })
    });
    all.collect()
}

/// What happened to a message.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// It says this now.
    Edited(Value),
    /// It was taken back.
    Deleted,
    /// Somebody's reactions are these now.
    Reacted { by: String, emoji: Vec<String> },
}

/// What happened to a message, when, and who did it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) what: What,
    /// When it happened: the newest one stands.
    pub(crate) at: DateTime<Utc>,
    /// When we learned of it.
    pub(crate) now: DateTime<Utc>,
    pub(crate) actor: String,
}

/// The message that something happened to.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Concerned {
    pub(crate) id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) account_id: Uuid,
    pub(crate) conversation_id: Uuid,
    pub(crate) client_id: Option<String>,
}

/// A message by what the provider calls it: its account, its chat, its id there.
pub(crate) type Known<'a> = (Uuid, &'a str, &'a str);

#[derive(FromRow)]
struct Parked {
    account_id: Uuid,
    chat: String,
    provider_id: String,
    kind: String,
    sender: String,
    data: Json<Value>,
    at: DateTime<Utc>,
}

impl What {
    /// As it is parked: its kind, who did it where that matters, and the rest.
    fn parts(&self) -> (&'static str, &str, Value) {
        match self {
            Self::Edited(content) => ("edited", "", content.clone()),
            Self::Deleted => ("deleted", "", Value::Null),
            Self::Reacted { by, emoji } => ("reacted", by, json!(emoji)),
        }
    }

    fn of(parked: &Parked) -> Result<Self, StoreError> {
        match parked.kind.as_str() {
            "edited" => Ok(Self::Edited(parked.data.0.clone())),
            "deleted" => Ok(Self::Deleted),
            _ => {
                let emoji = serde_json::from_value(parked.data.0.clone())
                    .map_err(|error| StoreError::Unreadable(format!("a parked reaction: {error}")))?;
                Ok(Self::Reacted { by: parked.sender.clone(), emoji })
            }
        }
    }
}

/// An event about a message.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(crate) kind: EventKind,
    pub(crate) actor: &'a str,
    pub(crate) connection: Option<&'a str>,
    pub(crate) data: Value,
    pub(crate) now: DateTime<Utc>,
}

/// What a transaction does with changes of messages, on either engine.
pub(crate) trait Changes {
    /// Writes an event about a message.
    async fn tell(&mut self, ids: &Ids, message: &Concerned, news: News<'_>) -> Result<(), StoreError>;

    /// Applies it, and tells it as an event if anything is different now.
    async fn apply(&mut self, ids: &Ids, message: &Concerned, told: &Told) -> Result<(), StoreError>;

    /// Applies what the provider told of a message, or parks it until the message comes.
    async fn apply_or_park(&mut self, ids: &Ids, known: Known<'_>, told: &Told) -> Result<(), StoreError>;

    /// Applies what was parked for messages that have come.
    async fn apply_parked(
        &mut self,
        ids: &Ids,
        known: &BTreeSet<Known<'_>>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;
}

macro_rules! changes_on {
    ($connection:ty) => {
        impl Changes for $connection {
            async fn tell(
                &mut self,
                ids: &Ids,
                message: &Concerned,
                news: News<'_>,
            ) -> Result<(), StoreError> {
                sqlx::query(INSERT_EVENT)
                    .bind(ids.uuid(news.now.into()))
                    .bind(message.workspace_id)
                    .bind(news.kind.as_str())
                    .bind(Some(message.account_id))
                    .bind(Some(message.conversation_id))
                    .bind(Some(message.id))
                    .bind(news.actor)
                    .bind(&message.client_id)
                    .bind(news.connection)
                    .bind(Json(news.data))
                    .bind(news.now)
                    .execute(&mut *self)
                    .await?;
                Ok(())
            }

            async fn apply(&mut self, ids: &Ids, message: &Concerned, told: &Told) -> Result<(), StoreError> {
                let at = Timestamp::from(told.at);
                let (kind, changed, data) = match &told.what {
                    What::Edited(content) => {
                        // A file that the message had stays the same file; another one is to be fetched.
                        let (mut content, mut new) = (content.clone(), None);
                        if let Some(handle) = media::handle(&content).map(str::to_owned) {
                            let known: Option<Uuid> = sqlx::query_scalar(media::OF_MESSAGE)
                                .bind(message.id)
                                .bind(&handle)
                                .fetch_optional(&mut *self)
                                .await?;
                            let file = known.unwrap_or_else(|| *new.insert(ids.uuid(told.now.into())));
                            content["media"]["media_id"] = json!(file);
                        }
                        let query = sqlx::query(EDIT).bind(message.id).bind(Json(&content));
                        let query = query.bind(told.at).bind(told.now);
                        let changed = query.execute(&mut *self).await?.rows_affected();
                        if let Some(file) = new.filter(|_| changed > 0) {
                            let said: Content = serde_json::from_value(content.clone())
                                .map_err(|error| StoreError::Unreadable(format!("an edit: {error}")))?;
                            let (workspace, account) = (message.workspace_id, message.account_id);
                            media::receive!(self, file, workspace, account, message.id, said, told.now);
                        }
                        (EventKind::MessageEdited, changed, json!({"content": content, "edited_at": at}))
                    }
                    What::Deleted => {
                        let query = sqlx::query(DELETE).bind(message.id).bind(told.at).bind(told.now);
                        let changed = query.execute(&mut *self).await?.rows_affected();
                        (EventKind::MessageDeleted, changed, json!({"deleted_at": at}))
                    }
                    What::Reacted { by, emoji } => {
                        let left: Option<Option<Json<Vec<Left>>>> = sqlx::query_scalar(LOCK)
                            .bind(message.id)
                            .bind(told.now)
                            .fetch_optional(&mut *self)
                            .await?;
                        let mut left = left.flatten().map(|left| left.0).unwrap_or_default();
                        let before = left.iter().find(|left| left.by == *by);
                        let newest = before.is_none_or(|before| before.at <= at);
                        let other =
                            before.map_or(!emoji.is_empty(), |before| newest && before.emoji != *emoji);
                        if newest {
                            left.retain(|left| left.by != *by);
                            left.push(Left { by: by.clone(), emoji: emoji.clone(), at });
                            sqlx::query(REACT).bind(message.id).bind(Json(&left)).execute(&mut *self).await?;
                        }
                        let data = json!({"by": by, "emoji": emoji, "at": at});
                        (EventKind::MessageReaction, u64::from(other), data)
                    }
                };
                if changed == 0 {
                    return Ok(());
                }
                let news = News { kind, actor: &told.actor, connection: None, data, now: told.now };
                self.tell(ids, message, news).await
            }

            async fn apply_or_park(
                &mut self,
                ids: &Ids,
                (account, chat, provider_id): Known<'_>,
                told: &Told,
            ) -> Result<(), StoreError> {
                let message: Option<Concerned> = sqlx::query_as(FIND)
                    .bind(account)
                    .bind(chat)
                    .bind(provider_id)
                    .fetch_optional(&mut *self)
                    .await?;
                if let Some(message) = message {
                    return self.apply(ids, &message, told).await;
                }
                let (kind, sender, data) = told.what.parts();
                let query = sqlx::query(PARK).bind(account).bind(chat).bind(provider_id).bind(kind);
                let query = query.bind(sender).bind(Json(data)).bind(told.at).bind(told.now);
                query.execute(&mut *self).await?;
                Ok(())
            }

            async fn apply_parked(
                &mut self,
                ids: &Ids,
                known: &BTreeSet<Known<'_>>,
                now: DateTime<Utc>,
            ) -> Result<(), StoreError> {
                if known.is_empty() {
                    return Ok(());
                }
                let rows = Rows::of(known)
                    .uuid("account_id", |known| known.0)
                    .text("chat", |known| known.1)
                    .text("provider_id", |known| known.2);
                let mut query = rows.query(
                    "SELECT p.account_id, p.chat, p.provider_id, p.kind, p.sender, p.data, p.at
                    FROM parked_changes p JOIN v ON v.account_id = p.account_id AND v.chat = p.chat
                    AND v.provider_id = p.provider_id ORDER BY p.at",
                );
                let parked: Vec<Parked> = query.build_query_as().fetch_all(&mut *self).await?;
                for one in &parked {
                    let told =
                        Told { what: What::of(one)?, at: one.at, now, actor: "contact".to_owned() };
                    let known = (one.account_id, one.chat.as_str(), one.provider_id.as_str());
                    self.apply_or_park(ids, known, &told).await?;
                }
                for one in &parked {
                    let query = sqlx::query(UNPARK).bind(one.account_id).bind(&one.provider_id);
                    query.bind(&one.chat).execute(&mut *self).await?;
                }
                Ok(())
            }
        }
    };
}
changes_on!(PgConnection);
changes_on!(SqliteConnection);
