//! Contacts, with the identities under which accounts know them.

use std::collections::HashMap;

use model::{Actor, Contact, ContactId, EventKind, Identity, Timestamp, WorkspaceId};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::audit::INSERT_AUDIT;
use crate::consent::{Consent as _, Wish};
use crate::db::{read, statements, transaction};
use crate::events::INSERT_EVENT;
use crate::{Cursor, Page, PageRequest, Patch, Store, StoreError};

macro_rules! columns {
    () => {
        "id, workspace_id, name, phone, attributes, timezone, opted_out_at, created_at, updated_at"
    };
}

statements! {
    IN_WORKSPACE = concat!("SELECT ", columns!(), " FROM contacts WHERE workspace_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM contacts WHERE workspace_id = $1 AND merged_into IS NULL AND id > $2
        AND (lower(name) LIKE $3 ESCAPE '!' OR $3 IS NULL) ORDER BY id LIMIT $4");
    IDENTITIES = "SELECT contact_id, account_id, channel, address FROM contact_identities WHERE contact_id = $1
        ORDER BY created_at";
    IDENTITIES_OF_PAGE = "SELECT contact_id, account_id, channel, address FROM contact_identities
        WHERE workspace_id = $1 AND contact_id >= $2 AND contact_id <= $3";
    /// The row is locked and its former state read: both go to the audit log.
    LOCK = concat!("UPDATE contacts SET updated_at = $3 WHERE workspace_id = $1 AND id = $2 RETURNING ", columns!());
    CHANGE = concat!("UPDATE contacts SET name = COALESCE($3, name), phone = COALESCE($4, phone),
        attributes = COALESCE($5, attributes), timezone = CASE WHEN $6 THEN $7 ELSE timezone END
        WHERE workspace_id = $1 AND id = $2 RETURNING ", columns!());
}

/// Which contacts.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// Part of the name, in any case.
    pub name: Option<String>,
}

/// What shall change about a contact; none leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ContactChange {
    /// What it is called.
    pub name: Option<String>,
    /// In international form.
    pub phone: Option<String>,
    /// Whatever the workspace wants to remember, all of it.
    pub attributes: Option<Value>,
    /// IANA name of where it lives.
    pub timezone: Patch<String>,
    /// Whether it wants no campaigns.
    pub opted_out: Option<bool>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    name: Option<String>,
    phone: Option<String>,
    attributes: Json<Value>,
    timezone: Option<String>,
    opted_out_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct IdentityRow {
    contact_id: Uuid,
    account_id: Uuid,
    channel: String,
    address: String,
}

impl Row {
    /// What a person can change about it, as events and the audit log tell it.
    fn facts(&self) -> Value {
        json!({
            "contact_id": self.id, "name": self.name, "phone": self.phone, "attributes": self.attributes.0,
            "timezone": self.timezone,
        })
    }

    fn with(self, identities: Vec<Identity>) -> Contact {
        Contact {
            id: self.id.into(),
            workspace_id: self.workspace_id.into(),
            name: self.name,
            phone: self.phone,
            attributes: self.attributes.0,
            identities,
            timezone: self.timezone,
            opted_out_at: self.opted_out_at.map(Timestamp::from),
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        }
    }
}

impl From<IdentityRow> for Identity {
    fn from(row: IdentityRow) -> Self {
        Self { account_id: row.account_id.into(), channel: row.channel, address: row.address }
    }
}

impl Store {
    /// A contact of a workspace.
    pub async fn contact(&self, workspace: WorkspaceId, id: ContactId) -> Result<Contact, StoreError> {
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(IN_WORKSPACE)
            .bind(workspace.0).bind(id.0).fetch_optional(conn).await)?;
        let row = row.ok_or(StoreError::NotFound("contact"))?;
        let identities = self.identities(id).await?;
        Ok(row.with(identities))
    }

    /// The contacts of a workspace, oldest first.
    pub async fn contacts(
        &self,
        workspace: WorkspaceId,
        filter: &ContactFilter,
        page: PageRequest,
    ) -> Result<Page<Contact>, StoreError> {
        let after = page.cursor.unwrap_or(Cursor::START);
        let name = filter.name.as_ref().map(|name| format!("%{}%", literal(&name.to_lowercase())));
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(workspace.0).bind(after.id).bind(name).bind(page.probe()).fetch_all(conn).await)?;
        let mut identities: HashMap<Uuid, Vec<Identity>> = HashMap::new();
        if let (Some(first), Some(last)) = (rows.first(), rows.last()) {
            let found: Vec<IdentityRow> = read!(self.db, conn => sqlx::query_as(IDENTITIES_OF_PAGE)
                .bind(workspace.0).bind(first.id).bind(last.id).fetch_all(conn).await)?;
            for row in found {
                identities.entry(row.contact_id).or_default().push(row.into());
            }
        }
        let rows = rows
            .into_iter()
            .map(|row| {
                let identities = identities.remove(&row.id).unwrap_or_default();
                row.with(identities)
            })
            .collect();
        Ok(Page::of(rows, page, |row| Cursor { at: Timestamp::ZERO, id: row.id.0 }))
    }

    /// Changes a contact; what changed is told as an event and written to the audit log.
    pub async fn change_contact(
        &self,
        workspace: WorkspaceId,
        id: ContactId,
        change: &ContactChange,
        actor: &Actor,
    ) -> Result<Contact, StoreError> {
        let at = self.now();
        let (now, entry, event) = (at.to_datetime(), self.ids.uuid(at), self.ids.uuid(at));
        let opted_out_at = change.opted_out.map(|opted_out| opted_out.then_some(at));
        let row = transaction!(self.db, tx => {
            let before: Option<Row> =
                sqlx::query_as(LOCK).bind(workspace.0).bind(id.0).bind(now).fetch_optional(&mut *tx).await?;
            let before = before.ok_or(StoreError::NotFound("contact"))?;
            if let Some(opted_out_at) = opted_out_at {
                let wish = Wish { workspace, contact: id, said_in: None, opted_out_at, actor: &actor.0, now: at };
                (*tx).respect(&self.ids, &wish).await?;
            }
            let after: Row = sqlx::query_as(CHANGE)
                .bind(workspace.0)
                .bind(id.0)
                .bind(&change.name)
                .bind(&change.phone)
                .bind(change.attributes.as_ref().map(Json))
                .bind(change.timezone.is_change())
                .bind(change.timezone.value())
                .fetch_one(&mut *tx)
                .await?;
            let (was, is) = (before.facts(), after.facts());
            if was != is {
                sqlx::query(INSERT_AUDIT)
                    .bind(entry)
                    .bind(workspace.0)
                    .bind(&actor.0)
                    .bind(EventKind::ContactChanged.as_str())
                    .bind(format!("contact:{id}"))
                    .bind(Json(json!({"before": was, "after": is})))
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query(INSERT_EVENT)
                    .bind(event)
                    .bind(workspace.0)
                    .bind(EventKind::ContactChanged.as_str())
                    .bind(None::<Uuid>)
                    .bind(None::<Uuid>)
                    .bind(None::<Uuid>)
                    .bind(&actor.0)
                    .bind(None::<String>)
                    .bind(None::<String>)
                    .bind(Json(is))
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            after
        });
        let identities = self.identities(id).await?;
        Ok(row.with(identities))
    }

    /// Remembers since when a contact wants no campaigns; none: it wants them again. It is told as an event and written to
    /// the audit log; false when nothing changed or there is no such contact. What contacts say themselves comes in with
    /// [`Store::apply_inbound`], as [`InboundKind::ContactOptedOut`](model::InboundKind::ContactOptedOut).
    pub async fn set_opt_out(
        &self,
        workspace: WorkspaceId,
        contact: ContactId,
        opted_out_at: Option<Timestamp>,
        actor: &Actor,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let wish = Wish { workspace, contact, said_in: None, opted_out_at, actor: &actor.0, now };
        Ok(transaction!(self.db, tx => { (*tx).respect(&self.ids, &wish).await? }))
    }

    async fn identities(&self, id: ContactId) -> Result<Vec<Identity>, StoreError> {
        let rows: Vec<IdentityRow> =
            read!(self.db, conn => sqlx::query_as(IDENTITIES).bind(id.0).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

/// A text as a pattern that matches only itself.
fn literal(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}
