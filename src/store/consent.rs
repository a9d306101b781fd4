//! Whether contacts want campaigns: they say so themselves, or a person says it for them. Each change is told and audited.

use model::{ContactId, EventKind, Ids, Timestamp, WorkspaceId};
use serde_json::json;
use sqlx::types::Json;
use sqlx::{PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::StoreError;
use crate::audit::INSERT_AUDIT;
use crate::db::statements;
use crate::events::INSERT_EVENT;

statements! {
    /// What they said first stands: saying it again changes nothing.
    SET = "UPDATE contacts SET opted_out_at = $3, updated_at = $4 WHERE workspace_id = $1 AND id = $2
        AND (opted_out_at IS NOT NULL) <> $5";
}

/// What a contact wants from now on, and where that was said.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) contact: ContactId,
    /// The account and the conversation in which it was said.
    pub(crate) said_in: Option<(Uuid, Uuid)>,
    /// Since when it wants no campaigns; none: it wants them.
    pub(crate) opted_out_at: Option<Timestamp>,
    pub(crate) actor: &'a str,
    pub(crate) now: Timestamp,
}

/// What a transaction does with wishes, on either engine.
pub(crate) trait Consent {
    /// Writes a wish; false when it is the present one already.
    async fn respect(&mut self, ids: &Ids, wish: &Wish<'_>) -> Result<bool, StoreError>;
}

macro_rules! consent_on {
    ($connection:ty) => {
        impl Consent for $connection {
            async fn respect(&mut self, ids: &Ids, wish: &Wish<'_>) -> Result<bool, StoreError> {
                let now = wish.now.to_datetime();
                let changed = sqlx::query(SET)
                    .bind(wish.workspace.0)
                    .bind(wish.contact.0)
                    .bind(wish.opted_out_at.map(Timestamp::to_datetime))
                    .bind(now)
                    .bind(wish.opted_out_at.is_some())
                    .execute(&mut *self)
                    .await?
                    .rows_affected();
                if changed == 0 {
                    return Ok(false);
                }
                let data = json!({
                    "contact_id": wish.contact,
                    "opted_out": wish.opted_out_at.is_some(),
                    "opted_out_at": wish.opted_out_at,
                });
                sqlx::query(INSERT_EVENT)
                    .bind(ids.uuid(wish.now))
                    .bind(wish.workspace.0)
                    .bind(EventKind::ContactOptedOut.as_str())
                    .bind(wish.said_in.map(|(account, _)| account))
                    .bind(wish.said_in.map(|(_, conversation)| conversation))
                    .bind(None::<Uuid>)
                    .bind(wish.actor)
                    .bind(None::<String>)
                    .bind(None::<String>)
                    .bind(Json(&data))
                    .bind(now)
                    .execute(&mut *self)
                    .await?;
                sqlx::query(INSERT_AUDIT)
                    .bind(ids.uuid(wish.now))
                    .bind(wish.workspace.0)
                    .bind(wish.actor)
                    .bind(EventKind::ContactOptedOut.as_str())
                    .bind(format!("contact:{}", wish.contact))
                    .bind(Json(&data))
                    .bind(now)
                    .execute(&mut *self)
                    .await?;
                Ok(true)
            }
        }
    };
}
consent_on!(PgConnection);
consent_on!(SqliteConnection);
