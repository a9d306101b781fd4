//! What accepting a message writes, within a transaction that somebody else opens and commits.

use std::fmt;
use std::sync::Arc;

use model::{ConversationKind, EventKind, Ids, Message, Purpose, Status, Timestamp, WorkspaceId};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::accept::{Idempotency, KEEP_ANSWER, NewMessage, Recipient};
use crate::db::statements;
use crate::ensure::{self, ensure_contact};
use crate::events::INSERT_EVENT;
use crate::{StoreError, texts};

macro_rules! take_seq {
    ($by:literal) => {
        concat!(
            "UPDATE conversations SET next_seq = next_seq + $4,
            last_message_id = CASE WHEN $4 = 1 AND (last_message_at IS NULL OR last_message_at <= $6) THEN $5
                ELSE last_message_id END,
            last_message_at = CASE WHEN $4 = 1 AND (last_message_at IS NULL OR last_message_at <= $6) THEN $6
                ELSE last_message_at END,
            updated_at = $6
            WHERE workspace_id = $1 AND account_id = $2 AND ",
            $by,
            " = $3 AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = $2 AND a.deleted_at IS NULL)
            RETURNING id, contact_id, next_seq"
        )
    };
}

statements! {
    TAKE_SEQ = take_seq!("address");
    TAKE_SEQ_BY_ID = take_seq!("id");
    ACCOUNT_EXISTS = "SELECT 1 FROM accounts WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL";
    ADDRESS_OF_CONTACT = "SELECT address FROM contact_identities
        WHERE workspace_id = $1 AND account_id = $2 AND contact_id = $3 ORDER BY created_at LIMIT 1";
    QUOTED_EXISTS = "SELECT 1 FROM messages WHERE id = $1 AND conversation_id = $2";
    INSERT_MESSAGE = "INSERT INTO messages
        (id, workspace_id, account_id, conversation_id, contact_id, direction, status, purpose, class, seq, origin,
        actor, client_id, content, thread, reply_to, send_at, queued_at, shown_at, created_at, updated_at, text_hash,
        forgiven, revision)
        VALUES ($1, $2, $3, $4, $5, 'outbound', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19,
        $20, 0, 0)";
}

/// Renders what the caller is told.
pub(crate) type Answer = Box<dyn Fn(&Message) -> Value + Send + Sync>;

/// The message as it was written; none when its idempotency key is taken.
pub(crate) type Written = Result<Option<Message>, StoreError>;

/// A message about to be accepted, with everything that it needs to be written.
pub(crate) struct Acceptance {
    pub(crate) workspace: WorkspaceId,
    pub(crate) new: NewMessage,
    pub(crate) idempotency: Option<Idempotency>,
    /// As far as it is known before its conversation is.
    pub(crate) message: Message,
    pub(crate) event: Uuid,
    /// The conversation's id, should it be a new one.
    pub(crate) conversation: Uuid,
    pub(crate) ids: Arc<Ids>,
    pub(crate) answer: Answer,
}

impl fmt::Debug for Acceptance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptance").field("message", &self.message.id).finish_non_exhaustive()
    }
}

/// A conversation, and the newest number in it.
#[derive(FromRow)]
pub(crate) struct Taken {
    id: Uuid,
    contact_id: Option<Uuid>,
    next_seq: i64,
}

/// The steps, on a connection of either engine.
pub(crate) trait Write {
    /// Writes everything; none when the idempotency key is taken. Then, as after an error, it must be rolled back.
    async fn write(&mut self, work: &Acceptance) -> Written;
    /// Finds or makes the conversation, and takes the message's number in it, if it has one yet.
    async fn place(&mut self, work: &Acceptance, count: i64) -> Result<Taken, StoreError>;
}

macro_rules! write_on {
    ($connection:ty) => {
        impl Write for $connection {
            async fn write(&mut self, work: &Acceptance) -> Written {
                let mut message = work.message.clone();
                let now = message.created_at;
                let count = i64::from(message.status == Status::Queued);
                let taken = self.place(work, count).await?;
                message.conversation_id = taken.id.into();
                message.contact_id = taken.contact_id.map(Into::into);
                message.seq = (count == 1).then_some(taken.next_seq);
                if let Some(quoted) = work.new.reply_to {
                    sqlx::query(QUOTED_EXISTS)
                        .bind(quoted.0)
                        .bind(taken.id)
                        .fetch_optional(&mut *self)
                        .await?
                        .ok_or(StoreError::invalid("reply_to", "the conversation has no such message"))?;
                }
                let is_campaign = message.purpose == Purpose::Campaign;
                let hash = texts::text_hash(&message.content).filter(|_| is_campaign).map(texts::to_row);
                sqlx::query(INSERT_MESSAGE)
                    .bind(message.id.0)
                    .bind(work.workspace.0)
                    .bind(message.account_id.0)
                    .bind(message.conversation_id.0)
                    .bind(message.contact_id.map(|id| id.0))
                    .bind(message.status.as_str())
                    .bind(message.purpose.as_str())
                    .bind(message.class.as_str())
                    .bind(message.seq)
                    .bind(message.origin.as_str())
                    .bind(&message.actor.0)
                    .bind(&message.client_id)
                    .bind(Json(&message.content))
                    .bind(&message.thread)
                    .bind(message.reply_to.map(|id| id.0))
                    .bind(message.send_at.map(Timestamp::to_datetime))
                    .bind(message.queued_at.map(Timestamp::to_datetime))
                    .bind(message.send_at.unwrap_or(now).to_datetime())
                    .bind(now.to_datetime())
                    .bind(hash)
                    .execute(&mut *self)
                    .await?;
                let data = (work.answer)(&message);
                sqlx::query(INSERT_EVENT)
                    .bind(work.event)
                    .bind(work.workspace.0)
                    .bind(EventKind::MessageCreated.as_str())
                    .bind(Some(message.account_id.0))
                    .bind(Some(message.conversation_id.0))
                    .bind(Some(message.id.0))
                    .bind(&message.actor.0)
                    .bind(&message.client_id)
                    .bind(&work.new.connection)
                    .bind(Json(&data))
                    .bind(now.to_datetime())
                    .execute(&mut *self)
                    .await?;
                if let Some(idempotency) = &work.idempotency {
                    let kept = sqlx::query(KEEP_ANSWER)
                        .bind(work.workspace.0)
                        .bind(&idempotency.key)
                        .bind(&idempotency.request_hash)
                        .bind(202_i64)
                        .bind(Json(&data))
                        .bind(now.to_datetime())
                        .execute(&mut *self)
                        .await?
                        .rows_affected();
                    if kept == 0 {
                        return Ok(None);
                    }
                }
                Ok(Some(message))
            }

            async fn place(&mut self, work: &Acceptance, count: i64) -> Result<Taken, StoreError> {
                let now = work.message.created_at;
                let address = match &work.new.recipient {
                    Recipient::Conversation(_) => None,
                    Recipient::Address(address) => Some(address.clone()),
                    Recipient::Contact(contact) => {
                        let address: Option<String> = sqlx::query_scalar(ADDRESS_OF_CONTACT)
                            .bind(work.workspace.0)
                            .bind(work.new.account_id.0)
                            .bind(contact.0)
                            .fetch_optional(&mut *self)
                            .await?;
                        Some(address.ok_or(StoreError::invalid(
                            "to.contact_id",
                            "this account does not know such a contact",
                        ))?)
                    }
                };
                let query = match (&work.new.recipient, &address) {
                    (Recipient::Conversation(id), _) => sqlx::query_as(TAKE_SEQ_BY_ID)
                        .bind(work.workspace.0)
                        .bind(work.new.account_id.0)
                        .bind(id.0),
                    (_, address) => sqlx::query_as(TAKE_SEQ)
                        .bind(work.workspace.0)
                        .bind(work.new.account_id.0)
                        .bind(address.clone()),
                };
                let taken: Option<Taken> = query
                    .bind(count)
                    .bind(work.message.id.0)
                    .bind(now.to_datetime())
                    .fetch_optional(&mut *self)
                    .await?;
                match (taken, address) {
                    (Some(taken), _) => Ok(taken),
                    (None, None) => Err(StoreError::invalid(
                        "to.conversation_id",
                        "this account has no such conversation",
                    )),
                    (None, Some(address)) => {
                        sqlx::query(ACCOUNT_EXISTS)
                            .bind(work.workspace.0)
                            .bind(work.new.account_id.0)
                            .fetch_optional(&mut *self)
                            .await?
                            .ok_or(StoreError::invalid("account_id", "there is no such account"))?;
                        let contact: Uuid = ensure_contact!(
                            self,
                            work.ids,
                            now,
                            work.workspace.0,
                            work.new.account_id.0,
                            &work.new.channel,
                            &address,
                            None::<String>,
                            None::<String>
                        );
                        let opened = sqlx::query_as(ensure::OPEN_CONVERSATION)
                            .bind(work.conversation)
                            .bind(work.workspace.0)
                            .bind(work.new.account_id.0)
                            .bind(Some(contact))
                            .bind(ConversationKind::Direct.as_str())
                            .bind(&address)
                            .bind(None::<String>)
                            .bind(count)
                            .bind((count == 1).then_some(work.message.id.0))
                            .bind((count == 1).then(|| now.to_datetime()))
                            .bind(now.to_datetime())
                            .fetch_one(&mut *self)
                            .await?;
                        Ok(opened)
                    }
                }
            }
        }
    };
}
write_on!(PgConnection);
write_on!(SqliteConnection);
