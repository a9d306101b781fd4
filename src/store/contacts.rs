//! Contacts, with the identities under which accounts know them.

use std::collections::HashMap;

use model::{Contact, ContactId, Identity, Timestamp, WorkspaceId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, write};
use crate::{Cursor, Page, PageRequest, Store, StoreError};

macro_rules! columns {
    () => {
        "id, workspace_id, name, phone, attributes, opted_out_at, created_at, updated_at"
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
    CHANGE = concat!("UPDATE contacts SET name = COALESCE($3, name), phone = COALESCE($4, phone),
        attributes = COALESCE($5, attributes), updated_at = $6
        WHERE workspace_id = $1 AND id = $2 RETURNING ", columns!());
}

/// Which contacts.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// Part of the name, in any case.
    pub name: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    name: Option<String>,
    phone: Option<String>,
    attributes: Json<Value>,
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
    fn with(self, identities: Vec<Identity>) -> Contact {
        Contact {
            id: self.id.into(),
            workspace_id: self.workspace_id.into(),
            name: self.name,
            phone: self.phone,
            attributes: self.attributes.0,
            identities,
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

    /// Changes a contact; none leaves a field as it is.
    pub async fn change_contact(
        &self,
        workspace: WorkspaceId,
        id: ContactId,
        name: Option<&str>,
        phone: Option<&str>,
        attributes: Option<&Value>,
    ) -> Result<Contact, StoreError> {
        let now = self.now().to_datetime();
        let row: Option<Row> = write!(self.db, conn => sqlx::query_as(CHANGE)
            .bind(workspace.0)
            .bind(id.0)
            .bind(name)
            .bind(phone)
            .bind(attributes.map(Json))
            .bind(now)
            .fetch_optional(conn).await)?;
        let row = row.ok_or(StoreError::NotFound("contact"))?;
        let identities = self.identities(id).await?;
        Ok(row.with(identities))
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
