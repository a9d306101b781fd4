//! Workspaces: the tenants.

use model::WorkspaceId;

use crate::db::{read, statements, write};
use crate::{Store, StoreError};

statements! {
    FIRST = "SELECT id FROM workspaces ORDER BY id LIMIT 1";
    INSERT_FIRST = "INSERT INTO workspaces (id, name, created_at) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO NOTHING";
    INSERT = "INSERT INTO workspaces (id, name, created_at) VALUES ($1, $2, $3)";
}

const FIRST_ID: uuid::Uuid = uuid::Uuid::from_u128(1);

impl Store {
    /// The oldest workspace, made if there is none: what a single-tenant installation works in.
    pub async fn default_workspace(&self) -> Result<WorkspaceId, StoreError> {
        if let Some(id) =
            read!(self.db, conn => sqlx::query_scalar::<_, uuid::Uuid>(FIRST).fetch_optional(conn).await)?
        {
            return Ok(id.into());
        }
        // Processes that start together must agree, so the id of the first one is given.
        let now = self.now();
        write!(self.db, conn => sqlx::query(INSERT_FIRST)
            .bind(FIRST_ID).bind("default").bind(now.to_datetime()).execute(conn).await.map(drop))?;
        Ok(FIRST_ID.into())
    }

    /// Makes a workspace.
    pub async fn create_workspace(&self, name: &str) -> Result<WorkspaceId, StoreError> {
        let now = self.now();
        let id: WorkspaceId = self.id(now);
        write!(self.db, conn => sqlx::query(INSERT).bind(id.0).bind(name).bind(now.to_datetime()).execute(conn).await.map(drop))?;
        Ok(id)
    }
}
