//! Conversations: one chat of one account each.

use model::{AccountId, Conversation, ConversationId, ConversationStatus, Timestamp, WorkspaceId};
use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction, write};
use crate::{Cursor, Page, PageRequest, Recipient, Store, StoreError};

/// Since when the other side takes nothing from the account: it said so after it last wrote or said otherwise.
macro_rules! blocked_at {
    ($of:literal) => {
        concat!(
            "CASE WHEN (",
            $of,
            ".unblocked_at IS NULL OR ",
            $of,
            ".unblocked_at < ",
            $of,
            ".blocked_at)
            AND (",
            $of,
            ".last_inbound_at IS NULL OR ",
            $of,
            ".last_inbound_at < ",
            $of,
            ".blocked_at)
            THEN ",
            $of,
            ".blocked_at END AS blocked_at"
        )
    };
}
pub(crate) use blocked_at;

macro_rules! columns {
    () => {
        concat!(
            "id, workspace_id, account_id, contact_id, kind, address, title, unread_count, last_message_id,
        last_message_at, last_inbound_at, assignee, status, held_until, held_rule,
        ",
            blocked_at!("conversations"),
            ", created_at, updated_at"
        )
    };
}

statements! {
    IN_WORKSPACE = concat!("SELECT ", columns!(), " FROM conversations WHERE workspace_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM conversations
        WHERE workspace_id = $1 AND last_message_at IS NOT NULL AND (last_message_at, id) < ($2, $3)
        AND (account_id = $4 OR $4 IS NULL) AND (status = $5 OR $5 IS NULL) AND (contact_id = $6 OR $6 IS NULL)
        ORDER BY last_message_at DESC, id DESC LIMIT $7");
    CHANGE = concat!("UPDATE conversations SET status = COALESCE($3, status), assignee = COALESCE($4, assignee),
        updated_at = $5 WHERE workspace_id = $1 AND id = $2 RETURNING ", columns!());
    WROTE = "SELECT last_inbound_at FROM conversations WHERE workspace_id = $1 AND account_id = $2 AND id = $3";
    WROTE_AS = "SELECT c.last_inbound_at FROM contact_identities i
        JOIN conversations c ON c.account_id = i.account_id AND c.address = i.address
        WHERE i.workspace_id = $1 AND i.account_id = $2 AND i.contact_id = $3 ORDER BY i.created_at LIMIT 1";
    WROTE_AT = "SELECT last_inbound_at FROM conversations WHERE workspace_id = $1 AND account_id = $2 AND address = $3";
    MARK_READ = "UPDATE conversations SET unread_count = 0, updated_at = $3 WHERE workspace_id = $1 AND id = $2";
    RENAME = "UPDATE conversations SET address = $3, updated_at = $4 WHERE account_id = $1 AND address = $2
        AND NOT EXISTS (SELECT 1 FROM conversations x WHERE x.account_id = $1 AND x.address = $3)";
    REDIRECT = "UPDATE conversations SET moved_to = $3, updated_at = $4 WHERE account_id = $1
        AND (address = $2 OR moved_to = $2) AND address <> $3";
    HOLD = "UPDATE conversations SET held_until = $2, held_rule = $3, updated_at = $4
        WHERE id = $1 AND (held_until IS NULL OR held_until < $2)";
}

/// One after the other: the conversation takes the new address, or, where another one has it already (the other side wrote
/// there first), sends there from now on.
pub(crate) const MOVE_CHAT: [&str; 2] = [RENAME, REDIRECT];

/// Which conversations.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// In this status.
    pub status: Option<ConversationStatus>,
    /// With this contact.
    pub contact: Option<model::ContactId>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    account_id: Uuid,
    contact_id: Option<Uuid>,
    kind: String,
    address: String,
    title: Option<String>,
    unread_count: i64,
    last_message_id: Option<Uuid>,
    last_message_at: Option<DateTime<Utc>>,
    last_inbound_at: Option<DateTime<Utc>>,
    assignee: Option<String>,
    status: String,
    held_until: Option<DateTime<Utc>>,
    held_rule: Option<String>,
    blocked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Conversation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            account_id: row.account_id.into(),
            contact_id: row.contact_id.map(Into::into),
            kind: row.kind.parse()?,
            address: row.address,
            title: row.title,
            unread_count: row.unread_count,
            last_message_id: row.last_message_id.map(Into::into),
            last_message_at: row.last_message_at.map(Timestamp::from),
            last_inbound_at: row.last_inbound_at.map(Timestamp::from),
            assignee: row.assignee,
            status: row.status.parse()?,
            held_until: row.held_until.map(Timestamp::from),
            held_rule: row.held_rule,
            blocked_at: row.blocked_at.map(Timestamp::from),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

impl Store {
    /// When the other side of a recipient's conversation last wrote, if anybody knows; none where there is no conversation
    /// yet.
    pub async fn last_inbound(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Result<Option<Option<Timestamp>>, StoreError> {
        let wrote: Option<Option<DateTime<Utc>>> = match recipient {
            Recipient::Conversation(id) => read!(self.db, conn => sqlx::query_scalar(WROTE)
                .bind(workspace.0).bind(account.0).bind(id.0).fetch_optional(conn).await)?,
            Recipient::Contact(id) => read!(self.db, conn => sqlx::query_scalar(WROTE_AS)
                .bind(workspace.0).bind(account.0).bind(id.0).fetch_optional(conn).await)?,
            Recipient::Address(address) => read!(self.db, conn => sqlx::query_scalar(WROTE_AT)
                .bind(workspace.0).bind(account.0).bind(address).fetch_optional(conn).await)?,
        };
        Ok(wrote.map(|at| at.map(Timestamp::from)))
    }

    /// A conversation of a workspace.
    pub async fn conversation(
        &self,
        workspace: WorkspaceId,
        id: ConversationId,
    ) -> Result<Conversation, StoreError> {
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(IN_WORKSPACE)
            .bind(workspace.0).bind(id.0).fetch_optional(conn).await)?;
        row.ok_or(StoreError::NotFound("conversation"))?.try_into()
    }

    /// The conversations of a workspace, those with the newest message first.
    pub async fn conversations(
        &self,
        workspace: WorkspaceId,
        filter: &ConversationFilter,
        page: PageRequest,
    ) -> Result<Page<Conversation>, StoreError> {
        let before = page.cursor.unwrap_or(Cursor::END);
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(workspace.0)
            .bind(before.at.to_datetime())
            .bind(before.id)
            .bind(filter.account.map(|id| id.0))
            .bind(filter.status.map(ConversationStatus::as_str))
            .bind(filter.contact.map(|id| id.0))
            .bind(page.probe())
            .fetch_all(conn).await)?;
        let rows = rows.into_iter().map(Conversation::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(rows, page, |row| Cursor {
            at: row.last_message_at.unwrap_or(Timestamp::ZERO),
            id: row.id.0,
        }))
    }

    /// Changes who works on a conversation and where it stands; none leaves a field as it is.
    pub async fn change_conversation(
        &self,
        workspace: WorkspaceId,
        id: ConversationId,
        status: Option<ConversationStatus>,
        assignee: Option<&str>,
    ) -> Result<Conversation, StoreError> {
        let now = self.now().to_datetime();
        let row: Option<Row> = write!(self.db, conn => sqlx::query_as(CHANGE)
            .bind(workspace.0)
            .bind(id.0)
            .bind(status.map(ConversationStatus::as_str))
            .bind(assignee)
            .bind(now)
            .fetch_optional(conn).await)?;
        row.ok_or(StoreError::NotFound("conversation"))?.try_into()
    }

    /// Sets a conversation's unread count to zero.
    pub async fn mark_read(&self, workspace: WorkspaceId, id: ConversationId) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        let changed = write!(self.db, conn => sqlx::query(MARK_READ)
            .bind(workspace.0).bind(id.0).bind(now).execute(conn).await.map(|done| done.rows_affected()))?;
        if changed == 0 { Err(StoreError::NotFound("conversation")) } else { Ok(()) }
    }

    /// The provider gave a chat another id: what is sent to it goes there from now on.
    pub async fn move_chat(&self, account: AccountId, from: &str, to: &str) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        transaction!(self.db, tx => {
            for sql in MOVE_CHAT {
                sqlx::query(sql).bind(account.0).bind(from).bind(to).bind(now).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }

    /// Records that the provider takes nothing for this recipient for a while; a later hold than this one stays.
    pub async fn hold_recipient(
        &self,
        id: ConversationId,
        until: Timestamp,
        rule: &str,
    ) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(HOLD)
            .bind(id.0).bind(until.to_datetime()).bind(rule).bind(now).execute(conn).await.map(drop))?;
        Ok(())
    }
}
