//! The audit log: who changed what decides about others. Entries are only ever added.

use model::{Actor, WorkspaceId};
use serde_json::Value;
use sqlx::types::Json;

use crate::db::{statements, write};
use crate::{Store, StoreError};

statements! {
    INSERT = "INSERT INTO audit_log (id, workspace_id, actor, action, subject, detail, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
}
pub(crate) const INSERT_AUDIT: &str = INSERT;

impl Store {
    /// Adds an entry: `actor` did `action` (`account.pacing`, …) to `subject` (`account:<id>`, …).
    pub async fn audit(
        &self,
        workspace: WorkspaceId,
        actor: &Actor,
        action: &str,
        subject: &str,
        detail: &Value,
    ) -> Result<(), StoreError> {
        let now = self.now();
        write!(self.db, conn => sqlx::query(INSERT)
            .bind(self.ids.uuid(now))
            .bind(workspace.0)
            .bind(&actor.0)
            .bind(action)
            .bind(subject)
            .bind(Json(detail))
            .bind(now.to_datetime())
            .execute(conn).await.map(drop))?;
        Ok(())
    }
}
