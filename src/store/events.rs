//! Events: the outbox. They commit with the change they tell of, unnumbered; the relay alone numbers them.

use model::{Actor, Event, Timestamp, WorkspaceId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::{Store, StoreError};

statements! {
    INSERT = "INSERT INTO events (id, workspace_id, kind, account_id, conversation_id, message_id, actor, client_id,
        connection, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    TAKE_NUMBERS = "INSERT INTO event_counters (workspace_id, last) SELECT id, $2 FROM workspaces WHERE id = $1
        ON CONFLICT (workspace_id) DO UPDATE SET last = event_counters.last + $2 RETURNING last";
    NUMBER = "UPDATE events SET seq = $3 + new.place FROM (SELECT u.n, row_number() OVER (ORDER BY u.n) AS place FROM
            (SELECT n FROM events WHERE workspace_id = $1 AND seq IS NULL ORDER BY n LIMIT $2) AS u) AS new
        WHERE events.n = new.n";
    AFTER = "SELECT id, workspace_id, seq, kind, account_id, conversation_id, message_id, actor, client_id, connection,
        data, created_at FROM events WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    LAST = "SELECT COALESCE((SELECT c.last FROM event_counters c WHERE c.workspace_id = w.id), 0) FROM workspaces w
        WHERE w.id = $1";
}
pub(crate) const INSERT_EVENT: &str = INSERT;

/// The query that tells something of an account: who did it, when, and what is so now.
macro_rules! account_event {
    ($id:expr, $kind:expr, of: $workspace:expr, $account:expr, by: $actor:expr, at: $now:expr, $data:expr) => {
        sqlx::query(crate::events::INSERT_EVENT)
            .bind($id)
            .bind($workspace.0)
            .bind($kind.as_str())
            .bind(Some($account.0))
            .bind(None::<uuid::Uuid>)
            .bind(None::<uuid::Uuid>)
            .bind($actor)
            .bind(None::<String>)
            .bind(None::<String>)
            .bind(sqlx::types::Json($data))
            .bind($now.to_datetime())
    };
}
pub(crate) use account_event;

/// What a round of numbering did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relayed {
    /// How many events got a number.
    pub count: usize,
    /// The newest number of the workspace.
    pub last: i64,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    seq: i64,
    kind: String,
    account_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    message_id: Option<Uuid>,
    actor: String,
    client_id: Option<String>,
    connection: Option<String>,
    data: Json<Value>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Event {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            seq: row.seq,
            kind: row.kind.parse()?,
            account_id: row.account_id.map(Into::into),
            conversation_id: row.conversation_id.map(Into::into),
            message_id: row.message_id.map(Into::into),
            actor: Actor(row.actor),
            client_id: row.client_id,
            connection: row.connection,
            data: row.data.0,
            created_at: row.created_at.into(),
        })
    }
}

impl Store {
    /// Numbers up to `most` new events of a workspace. Only one caller at a time can succeed: the workspace's counter
    /// is the lock, and numbers are unique.
    pub async fn number_events(&self, workspace: WorkspaceId, most: u32) -> Result<Relayed, StoreError> {
        Ok(transaction!(self.db, tx => {
            // The lock comes before the look, so that two relays never number the same events.
            let before: Option<i64> = sqlx::query_scalar(TAKE_NUMBERS)
                .bind(workspace.0).bind(0_i64).fetch_optional(&mut *tx).await?;
            let Some(before) = before else { return Err(StoreError::NotFound("workspace")) };
            let count = sqlx::query(NUMBER)
                .bind(workspace.0).bind(i64::from(most)).bind(before).execute(&mut *tx).await?.rows_affected();
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let last = before + i64::try_from(count).unwrap_or(i64::MAX);
            if count > 0 {
                sqlx::query_scalar::<_, i64>(TAKE_NUMBERS)
                    .bind(workspace.0).bind(last - before).fetch_one(&mut *tx).await?;
            }
            Relayed { count, last }
        }))
    }

    /// A workspace's numbered events after `seq`, in order.
    pub async fn events_after(
        &self,
        workspace: WorkspaceId,
        seq: i64,
        most: u32,
    ) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(AFTER)
            .bind(workspace.0).bind(seq).bind(i64::from(most)).fetch_all(conn).await)?;
        rows.into_iter().map(Event::try_from).collect()
    }

    /// The newest number of a workspace's events; 0 when there is none.
    pub async fn last_event(&self, workspace: WorkspaceId) -> Result<i64, StoreError> {
        let last: Option<i64> =
            read!(self.db, conn => sqlx::query_scalar(LAST).bind(workspace.0).fetch_optional(conn).await)?;
        last.ok_or(StoreError::NotFound("workspace"))
    }

    /// Writes an event by itself, for changes that have no other row.
    pub async fn record_event(&self, event: &Event) -> Result<(), StoreError> {
        crate::db::write!(self.db, conn => sqlx::query(INSERT)
            .bind(event.id.0)
            .bind(event.workspace_id.0)
            .bind(event.kind.as_str())
            .bind(event.account_id.map(|id| id.0))
            .bind(event.conversation_id.map(|id| id.0))
            .bind(event.message_id.map(|id| id.0))
            .bind(&event.actor.0)
            .bind(&event.client_id)
            .bind(&event.connection)
            .bind(Json(&event.data))
            .bind(Timestamp::to_datetime(event.created_at))
            .execute(conn).await.map(drop))?;
        Ok(())
    }
}
