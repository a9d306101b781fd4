//! Templates: texts that messages are made of, by name; and what a text may say of its recipient.

use std::collections::BTreeMap;

use model::{AccountId, Template, TemplateId, Timestamp, WorkspaceId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction, write};
use crate::{Created, Cursor, Idempotency, Page, PageRequest, Recipient, Store, StoreError, nul};

macro_rules! columns {
    () => {
        "id, workspace_id, name, text, variants, created_at, updated_at"
    };
}

statements! {
    INSERT = concat!("INSERT INTO templates (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (workspace_id, name) DO NOTHING");
    IN_WORKSPACE = concat!("SELECT ", columns!(), " FROM templates WHERE workspace_id = $1 AND id = $2");
    LIST = concat!("SELECT ", columns!(), " FROM templates WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3");
    CHANGE = concat!("UPDATE templates SET name = COALESCE($3, name), text = COALESCE($4, text),
        variants = COALESCE($5, variants), updated_at = $6
        WHERE workspace_id = $1 AND id = $2 RETURNING ", columns!());
    DELETE = "DELETE FROM templates WHERE workspace_id = $1 AND id = $2";
    OF_CONVERSATION = "SELECT v.address, c.name FROM conversations v LEFT JOIN contacts c ON c.id = v.contact_id
        WHERE v.workspace_id = $1 AND v.account_id = $2 AND v.id = $3";
    OF_CONTACT = "SELECT i.address, c.name FROM contact_identities i JOIN contacts c ON c.id = i.contact_id
        WHERE i.workspace_id = $1 AND i.account_id = $2 AND i.contact_id = $3 ORDER BY i.created_at LIMIT 1";
    OF_ADDRESS = "SELECT i.address, c.name FROM contact_identities i JOIN contacts c ON c.id = i.contact_id
        WHERE i.workspace_id = $1 AND i.account_id = $2 AND i.address = $3";
}

/// A template about to be made. Its texts have been checked.
#[derive(Debug, Clone)]
pub struct NewTemplate {
    /// What people call it.
    pub name: String,
    /// The text.
    pub text: String,
    /// What is said instead, by channel.
    pub variants: BTreeMap<String, String>,
}

/// What shall change about a template; none leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct TemplateChange {
    /// What people call it.
    pub name: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// What is said instead, by channel: all of it.
    pub variants: Option<BTreeMap<String, String>>,
}

/// What a text may say of its recipient.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Addressee {
    /// The provider's id of the chat.
    pub address: String,
    /// What the contact is called, if anybody knows.
    pub name: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    name: String,
    text: String,
    variants: Json<BTreeMap<String, String>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Template {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            name: row.name,
            text: row.text,
            variants: row.variants.0,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// Refuses what no engine keeps.
fn check(
    name: Option<&str>,
    text: Option<&str>,
    variants: Option<&BTreeMap<String, String>>,
) -> Result<(), StoreError> {
    nul::refuse("name", name)?;
    nul::refuse("text", text)?;
    let all = variants.into_iter().flatten();
    all.flat_map(|(channel, text)| [channel, text]).try_for_each(|text| nul::refuse("variants", Some(text)))
}

fn taken() -> StoreError {
    StoreError::Conflict("this workspace already has a template of this name".to_owned())
}

impl Store {
    /// Makes a template. Template and idempotency key with its answer (status 201) are committed together.
    ///
    /// [`StoreError::Conflict`] when the workspace has one of that name; [`StoreError::KeyReused`] when the key came before
    /// with another request.
    pub async fn create_template(
        &self,
        workspace: WorkspaceId,
        new: &NewTemplate,
        idempotency: Option<&Idempotency>,
        answer: impl Fn(&Template) -> Value + Send + Sync,
    ) -> Result<Created<Template>, StoreError> {
        check(Some(&new.name), Some(&new.text), Some(&new.variants))?;
        let now = self.now();
        let template = Template {
            id: self.id(now),
            workspace_id: workspace,
            name: new.name.clone(),
            text: new.text.clone(),
            variants: new.variants.clone(),
            created_at: now,
            updated_at: now,
        };
        transaction!(self.db, tx => {
            let mut written = sqlx::query(INSERT)
                .bind(template.id.0)
                .bind(workspace.0)
                .bind(&template.name)
                .bind(&template.text)
                .bind(Json(&template.variants))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if let Some(idempotency) = idempotency
                && written == 1
            {
                written = sqlx::query(crate::accept::KEEP_ANSWER)
                    .bind(workspace.0)
                    .bind(&idempotency.key)
                    .bind(&idempotency.request_hash)
                    .bind(201_i64)
                    .bind(Json(answer(&template)))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            }
            if written == 0 {
                tx.rollback().await?;
                // It may be this very request that was faster.
                let before = match idempotency {
                    Some(idempotency) => self.answered_before(workspace, idempotency).await?,
                    None => None,
                };
                return before.ok_or_else(taken);
            }
        });
        Ok(Created::New(Box::new(template)))
    }

    /// A template of a workspace.
    pub async fn template(&self, workspace: WorkspaceId, id: TemplateId) -> Result<Template, StoreError> {
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(IN_WORKSPACE)
            .bind(workspace.0).bind(id.0).fetch_optional(conn).await)?;
        row.map(Into::into).ok_or(StoreError::NotFound("template"))
    }

    /// The templates of a workspace, oldest first.
    pub async fn templates(
        &self,
        workspace: WorkspaceId,
        page: PageRequest,
    ) -> Result<Page<Template>, StoreError> {
        let after = page.cursor.unwrap_or(Cursor::START);
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(workspace.0).bind(after.id).bind(page.probe()).fetch_all(conn).await)?;
        let templates = rows.into_iter().map(Template::from).collect();
        Ok(Page::of(templates, page, |template| Cursor { at: Timestamp::ZERO, id: template.id.0 }))
    }

    /// Changes a template. Messages that were made of it stay as they are.
    ///
    /// [`StoreError::Conflict`] when the workspace has another one of the new name.
    pub async fn change_template(
        &self,
        workspace: WorkspaceId,
        id: TemplateId,
        change: &TemplateChange,
    ) -> Result<Template, StoreError> {
        check(change.name.as_deref(), change.text.as_deref(), change.variants.as_ref())?;
        let now = self.now().to_datetime();
        let row: Result<Option<Row>, sqlx::Error> = write!(self.db, conn => sqlx::query_as(CHANGE)
            .bind(workspace.0)
            .bind(id.0)
            .bind(&change.name)
            .bind(&change.text)
            .bind(change.variants.as_ref().map(Json))
            .bind(now)
            .fetch_optional(conn).await);
        match row {
            Err(error) if StoreError::is_duplicate(&error) => Err(taken()),
            row => row?.map(Into::into).ok_or(StoreError::NotFound("template")),
        }
    }

    /// Deletes a template. Messages that were made of it stay.
    pub async fn delete_template(&self, workspace: WorkspaceId, id: TemplateId) -> Result<(), StoreError> {
        let deleted = write!(self.db, conn => sqlx::query(DELETE)
            .bind(workspace.0).bind(id.0).execute(conn).await.map(|done| done.rows_affected()))?;
        if deleted == 0 { Err(StoreError::NotFound("template")) } else { Ok(()) }
    }

    /// What a text may say of a recipient; none if the account does not know it (yet).
    pub async fn addressee(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Result<Option<Addressee>, StoreError> {
        let known: Option<Addressee> = match recipient {
            Recipient::Conversation(id) => read!(self.db, conn => sqlx::query_as(OF_CONVERSATION)
                .bind(workspace.0).bind(account.0).bind(id.0).fetch_optional(conn).await)?,
            Recipient::Contact(id) => read!(self.db, conn => sqlx::query_as(OF_CONTACT)
                .bind(workspace.0).bind(account.0).bind(id.0).fetch_optional(conn).await)?,
            Recipient::Address(address) => read!(self.db, conn => sqlx::query_as(OF_ADDRESS)
                .bind(workspace.0).bind(account.0).bind(address).fetch_optional(conn).await)?,
        };
        Ok(known)
    }
}
