//! What is still to be done, from rows alone: what recovery and the sweep push again.

use model::{
    AccountId, Class, ConversationId, EventKind, MessageId, Subject, Timestamp, WorkerId, WorkspaceId,
};
use serde_json::json;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::events::INSERT_EVENT;
use crate::{Store, StoreError};

/// Unfinished rows of a table as the queue needs to know them.
macro_rules! unfinished {
    ($subject:literal, $table:literal, $where:literal) => {
        concat!(
            "SELECT '",
            $subject,
            "' AS subject, m.id, m.account_id, a.channel, m.conversation_id, m.class, m.seq,
            COALESCE(m.next_attempt_at, m.queued_at) AS ready_at,
            CASE WHEN a.intake = 'session' THEN (SELECT o.worker FROM owners o WHERE o.account_id = a.id) END AS route
            FROM ",
            $table,
            " m JOIN accounts a ON a.id = m.account_id
            WHERE m.status IN ('queued', 'sending') AND ",
            $where
        )
    };
}

/// Of messages and of actions, each in the order of making; the first so many of both together.
macro_rules! both {
    ($where:literal, $most:literal) => {
        concat!(
            "SELECT * FROM (",
            unfinished!("message", "messages", $where),
            " ORDER BY m.id LIMIT ",
            $most,
            ") AS messages_part UNION ALL SELECT * FROM (",
            unfinished!("action", "actions", $where),
            " ORDER BY m.id LIMIT ",
            $most,
            ") AS actions_part ORDER BY 2 LIMIT ",
            $most
        )
    };
}

statements! {
    OF_ACCOUNT = both!("m.account_id = $1", "$2");
    OF_CLASS = both!("m.class = $1 AND m.id > $2", "$3");
    HEADS = both!("m.class = $1 AND m.id > $2 AND COALESCE(m.next_attempt_at, m.queued_at) <= $3
        AND NOT EXISTS (SELECT 1 FROM messages e WHERE e.conversation_id = m.conversation_id AND e.class = m.class
            AND e.status IN ('queued', 'sending') AND e.seq < m.seq)
        AND NOT EXISTS (SELECT 1 FROM actions e WHERE e.conversation_id = m.conversation_id AND e.class = m.class
            AND e.status IN ('queued', 'sending') AND e.seq < m.seq)", "$4");
    SCHEDULED = "SELECT id, account_id, conversation_id, send_at FROM messages
        WHERE status = 'scheduled' AND send_at <= $1 ORDER BY send_at LIMIT $2";
    MESSAGE = unfinished!("message", "messages", "m.id = $1");
    ACTION = unfinished!("action", "actions", "m.id = $1");
    RELEASE = "UPDATE messages SET status = 'queued', queued_at = $2, updated_at = $2
        WHERE id = $1 AND status = 'scheduled' RETURNING workspace_id, account_id, conversation_id, actor, client_id";
    NEXT_SEQ = "UPDATE conversations SET next_seq = next_seq + 1,
        last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $2 ELSE last_message_id END,
        last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $3 ELSE last_message_at END,
        updated_at = $3 WHERE id = $1 RETURNING next_seq";
    SET_SEQ = "UPDATE messages SET seq = $2 WHERE id = $1";
    WITH_INBOUND = "SELECT DISTINCT account_id FROM inbound_events WHERE processed_at IS NULL
        AND account_id IS NOT NULL AND received_at <= $1 LIMIT $2";
    WITH_EVENTS = "SELECT DISTINCT workspace_id FROM events WHERE seq IS NULL AND created_at <= $1 LIMIT $2";
}

/// A message that waits to be sent or an action that waits to be performed, as the queue needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSend {
    /// Which one.
    pub subject: Subject,
    /// Its lane.
    pub account_id: AccountId,
    /// The account's channel.
    pub channel: String,
    /// Its key.
    pub conversation_id: ConversationId,
    /// Its class.
    pub class: Class,
    /// Its order.
    pub seq: i64,
    /// It is not tried before then.
    pub ready_at: Timestamp,
    /// The only worker that can do it: the owner of the account's session.
    pub route: Option<WorkerId>,
}

/// A message whose time is near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledSend {
    /// The message.
    pub message_id: MessageId,
    /// Its account.
    pub account_id: AccountId,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// Its time.
    pub send_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    subject: String,
    id: Uuid,
    account_id: Uuid,
    channel: String,
    conversation_id: Uuid,
    class: String,
    seq: Option<i64>,
    ready_at: Option<DateTime<Utc>>,
    route: Option<Uuid>,
}

#[derive(FromRow)]
struct ScheduledRow {
    id: Uuid,
    account_id: Uuid,
    conversation_id: Uuid,
    send_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct ReleasedRow {
    workspace_id: Uuid,
    account_id: Uuid,
    conversation_id: Uuid,
    actor: String,
    client_id: Option<String>,
}

impl TryFrom<Row> for PendingSend {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            subject: if row.subject == "action" {
                Subject::Action(row.id.into())
            } else {
                Subject::Message(row.id.into())
            },
            account_id: row.account_id.into(),
            channel: row.channel,
            conversation_id: row.conversation_id.into(),
            class: row.class.parse()?,
            seq: row.seq.unwrap_or(0),
            ready_at: row.ready_at.map_or(Timestamp::ZERO, Timestamp::from),
            route: row.route.map(WorkerId),
        })
    }
}

impl Store {
    /// All unfinished sends of a class, in order of making, after `after`: what recovery loads.
    pub async fn unfinished_sends(
        &self,
        class: Class,
        after: Option<Subject>,
        most: u32,
    ) -> Result<Vec<PendingSend>, StoreError> {
        let after = after.map_or(Uuid::nil(), Subject::id);
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(OF_CLASS)
            .bind(class.as_str()).bind(after).bind(i64::from(most)).fetch_all(conn).await)?;
        rows.into_iter().map(PendingSend::try_from).collect()
    }

    /// The first unfinished send of each (conversation, class) that was due at `due`, after `after`: what the sweep
    /// looks at.
    pub async fn due_heads(
        &self,
        class: Class,
        due: Timestamp,
        after: Option<Subject>,
        most: u32,
    ) -> Result<Vec<PendingSend>, StoreError> {
        let after = after.map_or(Uuid::nil(), Subject::id);
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(HEADS)
            .bind(class.as_str())
            .bind(after)
            .bind(due.to_datetime())
            .bind(i64::from(most))
            .fetch_all(conn).await)?;
        rows.into_iter().map(PendingSend::try_from).collect()
    }

    /// One message or action as the queue needs to know it; none when it does not wait.
    pub async fn pending_send(&self, subject: Subject) -> Result<Option<PendingSend>, StoreError> {
        let sql = match subject {
            Subject::Message(_) => MESSAGE,
            Subject::Action(_) => ACTION,
        };
        let row: Option<Row> =
            read!(self.db, conn => sqlx::query_as(sql).bind(subject.id()).fetch_optional(conn).await)?;
        row.map(PendingSend::try_from).transpose()
    }

    /// One of an account's unfinished sends, if there is any.
    pub async fn any_pending(&self, account: AccountId) -> Result<Option<PendingSend>, StoreError> {
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(OF_ACCOUNT)
            .bind(account.0).bind(1_i64).fetch_optional(conn).await)?;
        row.map(PendingSend::try_from).transpose()
    }

    /// Messages whose time comes before `until`.
    pub async fn scheduled_sends(
        &self,
        until: Timestamp,
        most: u32,
    ) -> Result<Vec<ScheduledSend>, StoreError> {
        let rows: Vec<ScheduledRow> = read!(self.db, conn => sqlx::query_as(SCHEDULED)
            .bind(until.to_datetime()).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(rows
            .into_iter()
            .map(|row| ScheduledSend {
                message_id: row.id.into(),
                account_id: row.account_id.into(),
                conversation_id: row.conversation_id.into(),
                send_at: row.send_at.into(),
            })
            .collect())
    }

    /// Queues a scheduled message whose time has come: now it takes its number. Does nothing when it is not scheduled
    /// any more.
    pub async fn release_message(&self, id: MessageId) -> Result<(), StoreError> {
        let at = self.now();
        let event = self.ids.uuid(at);
        let now = at.to_datetime();
        transaction!(self.db, tx => {
            // The message comes first: of two who release it, one finds nothing to do and takes no number.
            let released: Option<ReleasedRow> =
                sqlx::query_as(RELEASE).bind(id.0).bind(now).fetch_optional(&mut *tx).await?;
            if let Some(row) = released {
                let seq: i64 = sqlx::query_scalar(NEXT_SEQ)
                    .bind(row.conversation_id).bind(id.0).bind(now).fetch_one(&mut *tx).await?;
                sqlx::query(SET_SEQ).bind(id.0).bind(seq).execute(&mut *tx).await?;
                sqlx::query(INSERT_EVENT)
                    .bind(event)
                    .bind(row.workspace_id)
                    .bind(EventKind::MessageStatus.as_str())
                    .bind(Some(row.account_id))
                    .bind(Some(row.conversation_id))
                    .bind(Some(id.0))
                    .bind(&row.actor)
                    .bind(&row.client_id)
                    .bind(None::<String>)
                    .bind(Json(json!({"status": "queued", "reason": null})))
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// Accounts with provider events that came before `before` and were not read yet.
    pub async fn accounts_with_inbound(
        &self,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<Uuid> = read!(self.db, conn => sqlx::query_scalar(WITH_INBOUND)
            .bind(before.to_datetime()).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(AccountId).collect())
    }

    /// Workspaces with events that were made before `before` and have no number yet.
    pub async fn workspaces_with_events(
        &self,
        before: Timestamp,
        most: u32,
    ) -> Result<Vec<WorkspaceId>, StoreError> {
        let ids: Vec<Uuid> = read!(self.db, conn => sqlx::query_scalar(WITH_EVENTS)
            .bind(before.to_datetime()).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(WorkspaceId).collect())
    }
}
