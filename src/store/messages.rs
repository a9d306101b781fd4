//! Messages as clients see them: one, many, their timeline, and what a person may still change.

use model::{
    AccountId, Actor, ContactId, ConversationId, EventKind, Message, MessageId, Status, Timestamp, Wait,
    WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::attempts::Attempt;
use crate::changes::{self, Left};
use crate::db::{read, statements, transaction};
use crate::events::INSERT_EVENT;
use crate::{Cursor, Page, PageRequest, Store, StoreError};

/// All columns of a message, by the name that its table has there: `RETURNING` knows no alias in `SQLite`.
macro_rules! columns {
    ($of:literal) => {
        crate::messages::columns!(
            $of: id workspace_id account_id conversation_id contact_id direction status reason purpose class seq origin
            actor client_id sender content thread reply_to provider_id inbound_event_id send_at queued_at
            next_attempt_at sent_at delivered_at read_at provider_at edited_at deleted_at reactions shown_at created_at
            updated_at
        )
    };
    ($of:literal: $first:ident $($column:ident)*) => {
        concat!($of, ".", stringify!($first) $(, ", ", $of, ".", stringify!($column))*)
    };
}
pub(crate) use columns;

statements! {
    IN_WORKSPACE = concat!("SELECT ", columns!("m"), " FROM messages m WHERE m.workspace_id = $1 AND m.id = $2");
    LIST = concat!("SELECT ", columns!("m"), " FROM messages m WHERE m.workspace_id = $1 AND m.id < $2
        AND (m.account_id = $3 OR $3 IS NULL) AND (m.contact_id = $4 OR $4 IS NULL)
        AND (m.status = $5 OR $5 IS NULL) AND (m.client_id = $6 OR $6 IS NULL)
        AND (m.conversation_id = $7 OR $7 IS NULL) ORDER BY m.id DESC LIMIT $8");
    BEFORE = concat!("SELECT ", columns!("m"), " FROM messages m WHERE m.workspace_id = $1 AND m.conversation_id = $2
        AND (m.shown_at, m.id) < ($3, $4) ORDER BY m.shown_at DESC, m.id DESC LIMIT $5");
    AFTER = concat!("SELECT ", columns!("m"), " FROM messages m WHERE m.workspace_id = $1 AND m.conversation_id = $2
        AND (m.shown_at, m.id) > ($3, $4) ORDER BY m.shown_at, m.id LIMIT $5");
    ATTEMPTS = "SELECT t.id, x.id AS action_id, t.n, t.worker, t.pace, t.granted_at, t.started_at, t.ended_at, t.outcome,
        t.error_code, t.error, t.provider_id, t.waits FROM attempts t LEFT JOIN actions x ON x.id = t.subject_id
        WHERE t.subject_id = $1 OR t.subject_id IN (SELECT a.id FROM actions a WHERE a.message_id = $1) ORDER BY t.id";
    HISTORY = "SELECT kind, actor, data, created_at FROM events WHERE workspace_id = $1 AND message_id = $2
        ORDER BY n";
    CANCEL = concat!("UPDATE messages SET status = 'canceled', updated_at = $3
        WHERE workspace_id = $1 AND id = $2 AND status IN ('scheduled', 'queued') RETURNING ", columns!("messages"));
    RETRY = concat!("UPDATE messages SET status = 'queued', reason = NULL, next_attempt_at = NULL, updated_at = $3,
        forgiven = (SELECT COALESCE(max(t.n), 0) FROM attempts t WHERE t.subject_id = messages.id)
        WHERE workspace_id = $1 AND id = $2 AND status IN ('failed', 'unknown') AND direction = 'outbound'
        AND seq IS NOT NULL RETURNING ", columns!("messages"));
    RESOLVE = concat!("UPDATE messages SET status = $3, reason = 'resolved by a person', updated_at = $4,
        sent_at = CASE WHEN $3 = 'sent' THEN COALESCE(sent_at, $4) ELSE sent_at END
        WHERE workspace_id = $1 AND id = $2 AND status = 'unknown' RETURNING ", columns!("messages"));
    CHANNEL = "SELECT channel FROM accounts WHERE id = $1";
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this conversation.
    pub conversation: Option<ConversationId>,
    /// With this contact, in all its conversations.
    pub contact: Option<ContactId>,
    /// In this status.
    pub status: Option<Status>,
    /// With this id of the caller's.
    pub client_id: Option<String>,
}

#[derive(FromRow)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    workspace_id: Uuid,
    pub(crate) account_id: Uuid,
    conversation_id: Uuid,
    contact_id: Option<Uuid>,
    direction: String,
    status: String,
    reason: Option<String>,
    purpose: String,
    class: String,
    seq: Option<i64>,
    origin: String,
    actor: String,
    client_id: Option<String>,
    sender: Option<String>,
    content: Json<Value>,
    thread: Option<String>,
    reply_to: Option<Uuid>,
    provider_id: Option<String>,
    inbound_event_id: Option<Uuid>,
    send_at: Option<DateTime<Utc>>,
    queued_at: Option<DateTime<Utc>>,
    next_attempt_at: Option<DateTime<Utc>>,
    sent_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    read_at: Option<DateTime<Utc>>,
    provider_at: Option<DateTime<Utc>>,
    edited_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    reactions: Option<Json<Vec<Left>>>,
    shown_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl MessageRow {
    fn cursor(&self) -> Cursor {
        Cursor { at: self.shown_at.into(), id: self.id }
    }
}

impl TryFrom<MessageRow> for Message {
    type Error = StoreError;

    fn try_from(row: MessageRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            account_id: row.account_id.into(),
            conversation_id: row.conversation_id.into(),
            contact_id: row.contact_id.map(Into::into),
            direction: row.direction.parse()?,
            status: row.status.parse()?,
            reason: row.reason,
            purpose: row.purpose.parse()?,
            class: row.class.parse()?,
            seq: row.seq,
            origin: row.origin.parse()?,
            actor: Actor(row.actor),
            client_id: row.client_id,
            sender: row.sender,
            content: serde_json::from_value(row.content.0)
                .map_err(|error| StoreError::Unreadable(format!("content of message {}: {error}", row.id)))?,
            thread: row.thread,
            reply_to: row.reply_to.map(Into::into),
            provider_id: row.provider_id,
            inbound_event_id: row.inbound_event_id.map(Into::into),
            send_at: row.send_at.map(Timestamp::from),
            queued_at: row.queued_at.map(Timestamp::from),
            next_attempt_at: row.next_attempt_at.map(Timestamp::from),
            sent_at: row.sent_at.map(Timestamp::from),
            delivered_at: row.delivered_at.map(Timestamp::from),
            read_at: row.read_at.map(Timestamp::from),
            provider_at: row.provider_at.map(Timestamp::from),
            edited_at: row.edited_at.map(Timestamp::from),
            deleted_at: row.deleted_at.map(Timestamp::from),
            reactions: changes::reactions(row.reactions),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

#[derive(FromRow)]
struct HistoryRow {
    kind: String,
    actor: String,
    data: Json<Value>,
    created_at: DateTime<Utc>,
}

impl Store {
    /// A message of a workspace.
    pub async fn message(&self, workspace: WorkspaceId, id: MessageId) -> Result<Message, StoreError> {
        let row: Option<MessageRow> = read!(self.db, conn => sqlx::query_as(IN_WORKSPACE)
            .bind(workspace.0).bind(id.0).fetch_optional(conn).await)?;
        row.ok_or(StoreError::NotFound("message"))?.try_into()
    }

    /// The messages of a workspace, newest first.
    pub async fn messages(
        &self,
        workspace: WorkspaceId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let before = page.cursor.unwrap_or(Cursor::END);
        let rows: Vec<MessageRow> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(workspace.0)
            .bind(before.id)
            .bind(filter.account.map(|id| id.0))
            .bind(filter.contact.map(|id| id.0))
            .bind(filter.status.map(Status::as_str))
            .bind(&filter.client_id)
            .bind(filter.conversation.map(|id| id.0))
            .bind(page.probe())
            .fetch_all(conn).await)?;
        page_of(rows, page)
    }

    /// The messages of a conversation, newest first and before the cursor; with `rising`, oldest first and after it.
    pub async fn conversation_messages(
        &self,
        workspace: WorkspaceId,
        conversation: ConversationId,
        rising: bool,
        page: PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let (sql, edge) = if rising { (AFTER, Cursor::START) } else { (BEFORE, Cursor::END) };
        let edge = page.cursor.unwrap_or(edge);
        let rows: Vec<MessageRow> = read!(self.db, conn => sqlx::query_as(sql)
            .bind(workspace.0)
            .bind(conversation.0)
            .bind(edge.at.to_datetime())
            .bind(edge.id)
            .bind(page.probe())
            .fetch_all(conn).await)?;
        page_of(rows, page)
    }

    /// The attempts of a message and of the actions on it, oldest first.
    pub async fn attempts(&self, id: MessageId) -> Result<Vec<Attempt>, StoreError> {
        let rows: Vec<crate::attempts::AttemptRow> =
            read!(self.db, conn => sqlx::query_as(ATTEMPTS).bind(id.0).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// What happened to a message: its attempts with their waits, and its events, in order of time.
    pub async fn timeline(&self, workspace: WorkspaceId, id: MessageId) -> Result<Vec<Value>, StoreError> {
        self.message(workspace, id).await?;
        let history: Vec<HistoryRow> = read!(self.db, conn => sqlx::query_as(HISTORY)
            .bind(workspace.0).bind(id.0).fetch_all(conn).await)?;
        let mut entries: Vec<(Timestamp, Value)> = history
            .into_iter()
            .map(|row| {
                let at = Timestamp::from(row.created_at);
                (at, json!({"at": at, "what": row.kind, "actor": row.actor, "data": row.data.0}))
            })
            .collect();
        let mut told: Vec<Wait> = Vec::new();
        for attempt in self.attempts(id).await? {
            // Waits travel with the job, so those before an earlier attempt come again with the next one.
            for wait in attempt.waits.iter().filter(|wait| !told.contains(wait)) {
                // What was lifted early ended when the message went.
                let at = wait.until.unwrap_or(attempt.granted_at).min(attempt.granted_at);
                let wait = Wait { until: Some(at), ..wait.clone() };
                let entry = (at, json!({"at": at, "what": "waited", "wait": wait}));
                // One that was told with several ends was lifted once.
                if !entries.contains(&entry) {
                    entries.push(entry);
                }
            }
            told.clone_from(&attempt.waits);
            entries.push((
                attempt.started_at,
                json!({"at": attempt.started_at, "what": "attempt", "attempt": attempt}),
            ));
        }
        entries.sort_by_key(|(at, _)| *at);
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Withdraws a message that has not left yet.
    pub async fn cancel_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        actor: &Actor,
    ) -> Result<Message, StoreError> {
        self.change_status(
            CANCEL,
            workspace,
            id,
            None,
            actor,
            "only a scheduled or queued message can be canceled",
        )
        .await
    }

    /// Queues a failed or unknown message again, at its old place. What failed before does not count any more.
    pub async fn retry_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        actor: &Actor,
    ) -> Result<Message, StoreError> {
        self.change_status(
            RETRY,
            workspace,
            id,
            None,
            actor,
            "only a failed or unknown message can be tried again",
        )
        .await
    }

    /// Says what became of an unknown message.
    pub async fn resolve_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        status: Status,
        actor: &Actor,
    ) -> Result<Message, StoreError> {
        self.change_status(
            RESOLVE,
            workspace,
            id,
            Some(status),
            actor,
            "only an unknown message can be resolved",
        )
        .await
    }

    /// The channel of an account, whatever its workspace.
    pub async fn channel_of(&self, account: AccountId) -> Result<Option<String>, StoreError> {
        Ok(read!(self.db, conn => sqlx::query_scalar(CHANNEL).bind(account.0).fetch_optional(conn).await)?)
    }

    async fn change_status(
        &self,
        sql: &'static str,
        workspace: WorkspaceId,
        id: MessageId,
        status: Option<Status>,
        actor: &Actor,
        otherwise: &str,
    ) -> Result<Message, StoreError> {
        let now = self.now();
        let event = self.ids.uuid(now);
        let row: Option<MessageRow> = transaction!(self.db, tx => {
            let mut query = sqlx::query_as(sql).bind(workspace.0).bind(id.0);
            if let Some(status) = status {
                query = query.bind(status.as_str());
            }
            let row: Option<MessageRow> = query.bind(now.to_datetime()).fetch_optional(&mut *tx).await?;
            if let Some(row) = &row {
                sqlx::query(INSERT_EVENT)
                    .bind(event)
                    .bind(workspace.0)
                    .bind(EventKind::MessageStatus.as_str())
                    .bind(Some(row.account_id))
                    .bind(Some(row.conversation_id))
                    .bind(Some(row.id))
                    .bind(&actor.0)
                    .bind(&row.client_id)
                    .bind(None::<String>)
                    .bind(Json(json!({"status": row.status, "reason": row.reason})))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?;
            }
            row
        });
        if let Some(row) = row {
            return row.try_into();
        }
        let message = self.message(workspace, id).await?;
        Err(StoreError::Conflict(format!("the message is {}: {otherwise}", message.status)))
    }
}

fn page_of(rows: Vec<MessageRow>, request: PageRequest) -> Result<Page<Message>, StoreError> {
    let page = Page::of(rows, request, MessageRow::cursor);
    let data = page.data.into_iter().map(Message::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(Page { data, next_cursor: page.next_cursor })
}
