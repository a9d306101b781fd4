//! Events: the outbox. They commit with the change they tell of, unnumbered; the relay alone numbers them.

use model::{Actor, Event, Timestamp, WorkspaceId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::QueryBuilder;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::{Store, StoreError};

statements! {
    INSERT = "INSERT INTO events (id, workspace_id, kind, account_id, conversation_id, message_id, actor, client_id,
        connection, data, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    UNNUMBERED = "SELECT id FROM events WHERE workspace_id = $1 AND seq IS NULL ORDER BY n LIMIT $2";
    TAKE_NUMBERS = "UPDATE workspaces SET next_event_seq = next_event_seq + $2 WHERE id = $1
        RETURNING next_event_seq";
    AFTER = "SELECT id, workspace_id, seq, kind, account_id, conversation_id, message_id, actor, client_id, connection,
        data, created_at FROM events WHERE workspace_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    LAST = "SELECT next_event_seq FROM workspaces WHERE id = $1";
}
pub(crate) const INSERT_EVENT: &str = INSERT;

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
    /// Numbers up to `most` new events of a workspace. Only one caller at a time can succeed: the workspace's row is
    /// the lock, and numbers are unique.
    pub async fn number_events(&self, workspace: WorkspaceId, most: u32) -> Result<Relayed, StoreError> {
        Ok(transaction!(self.db, tx => {
            // The lock comes before the look, so that two relays never number the same events.
            let before: Option<i64> = sqlx::query_scalar(TAKE_NUMBERS)
                .bind(workspace.0).bind(0_i64).fetch_optional(&mut *tx).await?;
            let Some(before) = before else { return Err(StoreError::NotFound("workspace")) };
            let new: Vec<Uuid> = sqlx::query_scalar(UNNUMBERED)
                .bind(workspace.0).bind(i64::from(most)).fetch_all(&mut *tx).await?;
            let count = i64::try_from(new.len()).unwrap_or(0);
            if count > 0 {
                sqlx::query_scalar::<_, i64>(TAKE_NUMBERS)
                    .bind(workspace.0).bind(count).fetch_one(&mut *tx).await?;
                let mut query = QueryBuilder::new("WITH v (id, seq) AS (");
                query.push_values(new.iter().zip(before + 1..), |mut row, (id, seq)| {
                    row.push_bind(*id).push_bind(seq);
                });
                query.push(") UPDATE events SET seq = v.seq FROM v WHERE events.id = v.id");
                query.build().execute(&mut *tx).await?;
            }
            Relayed { count: new.len(), last: before + count }
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
