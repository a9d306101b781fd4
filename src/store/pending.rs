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
use crate::heads::read_in_order;
use crate::{Store, StoreError};

/// Unfinished rows of a table as the queue needs to know them.
macro_rules! unfinished {
    ($subject:literal, $table:literal, $where:literal) => {
        concat!(
            "SELECT '",
            $subject,
            "' AS subject, m.id, m.account_id, a.channel, m.conversation_id, m.class, m.seq,
            COALESCE(m.next_attempt_at, m.queued_at) AS ready_at,
            ",
            crate::pins::route!(),
            " AS route
            FROM ",
            $table,
            " m JOIN accounts a ON a.id = m.account_id
            WHERE m.status IN ('queued', 'sending') AND ",
            $where
        )
    };
}

pub(crate) use unfinished;

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
    SCHEDULED = "SELECT m.id, m.account_id, m.conversation_id, m.send_at, a.pinned_to
        FROM messages m JOIN accounts a ON a.id = m.account_id
        WHERE m.status = 'scheduled' AND m.send_at <= $1 ORDER BY m.send_at LIMIT $2";
    MESSAGE = unfinished!("message", "messages", "m.id = $1");
    ACTION = unfinished!("action", "actions", "m.id = $1");
    RELEASE = "UPDATE messages SET status = 'queued', queued_at = $2, updated_at = $2
        WHERE id = $1 AND status = 'scheduled' RETURNING workspace_id, account_id, conversation_id, actor, client_id";
    NEXT_SEQ = "UPDATE conversations SET next_seq = next_seq + 1,
        last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $2 ELSE last_message_id END,
        last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $3 ELSE last_message_at END,
        updated_at = $3 WHERE id = $1 RETURNING next_seq";
    SET_SEQ = "UPDATE messages SET seq = $2 WHERE id = $1";
    WITH_INBOUND = "SELECT e.account_id, a.pinned_to FROM (SELECT DISTINCT account_id FROM inbound_events
        WHERE processed_at IS NULL AND account_id IS NOT NULL AND received_at <= $1 LIMIT $2) AS e
        JOIN accounts a ON a.id = e.account_id";
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
    /// The only worker that may do it: the one that its account is pinned to, or the owner of the account's session.
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
    /// The only worker that works for its account, if it is pinned.
    pub pinned_to: Option<WorkerId>,
}

/// An account whose provider events wait to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingInbound {
    /// The account.
    pub account_id: AccountId,
    /// The only worker that works for it, if it is pinned.
    pub pinned_to: Option<WorkerId>,
}

#[derive(FromRow)]
pub(crate) struct Row {
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
    pinned_to: Option<Uuid>,
}

#[derive(FromRow)]
struct InboundRow {
    account_id: Uuid,
    pinned_to: Option<Uuid>,
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
        let rows: Vec<Row> = read_in_order!(self.db, conn => sqlx::query_as(OF_CLASS)
            .bind(class.as_str()).bind(after).bind(i64::from(most)).fetch_all(conn).await)?;
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
                pinned_to: row.pinned_to.map(WorkerId),
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
    ) -> Result<Vec<PendingInbound>, StoreError> {
        let rows: Vec<InboundRow> = read!(self.db, conn => sqlx::query_as(WITH_INBOUND)
            .bind(before.to_datetime()).bind(i64::from(most)).fetch_all(conn).await)?;
        let pending = |row: InboundRow| PendingInbound {
            account_id: row.account_id.into(),
            pinned_to: row.pinned_to.map(WorkerId),
        };
        Ok(rows.into_iter().map(pending).collect())
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
