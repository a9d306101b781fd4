//! The audit log: who changed what decides about others. Entries are only ever added.

use model::{AccountId, Actor, Timestamp, WorkspaceId};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, write};
use crate::{Cursor, Page, PageRequest, Store, StoreError};

statements! {
    INSERT = "INSERT INTO audit_log (id, workspace_id, actor, action, subject, detail, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    LIST = "SELECT id, actor, action, subject, detail, created_at FROM audit_log
        WHERE workspace_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    OF_SUBJECT = "SELECT id, actor, action, subject, detail, created_at FROM audit_log
        WHERE workspace_id = $1 AND id < $2 AND subject = $4 ORDER BY id DESC LIMIT $3";
}
pub(crate) const INSERT_AUDIT: &str = INSERT;

/// Somebody did something that decides about others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its id; they rise with time.
    pub id: Uuid,
    /// Who: `api_key:<id>`, `contact`, `system`, ….
    pub actor: Actor,
    /// What: `account.pacing`, `contact.changed`, ….
    pub action: String,
    /// To whom: `account:<id>`, `contact:<id>`.
    pub subject: String,
    /// How it was and how it is.
    pub detail: Value,
    /// When.
    pub created_at: Timestamp,
}

impl AuditEntry {
    /// The account that it is about, if it is about one.
    pub fn account(&self) -> Option<AccountId> {
        self.subject.strip_prefix("account:")?.parse().ok()
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    actor: String,
    action: String,
    subject: String,
    detail: Json<Value>,
    created_at: DateTime<Utc>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            actor: Actor(row.actor),
            action: row.action,
            subject: row.subject,
            detail: row.detail.0,
            created_at: row.created_at.into(),
        }
    }
}

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

    /// A workspace's entries, newest first; of one account, if it is named.
    pub async fn audit_log(
        &self,
        workspace: WorkspaceId,
        account: Option<AccountId>,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let before = page.cursor.unwrap_or(Cursor::END).id;
        let subject = account.map(|account| format!("account:{account}"));
        let rows: Vec<Row> = read!(self.db, conn => {
            let sql = if subject.is_some() { OF_SUBJECT } else { LIST };
            let query = sqlx::query_as(sql).bind(workspace.0).bind(before).bind(page.probe());
            let query = if let Some(subject) = &subject { query.bind(subject) } else { query };
            query.fetch_all(conn).await
        })?;
        let entries = rows.into_iter().map(AuditEntry::from).collect();
        Ok(Page::of(entries, page, |entry: &AuditEntry| Cursor { at: entry.created_at, id: entry.id }))
    }
}
