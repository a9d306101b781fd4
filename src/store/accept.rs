//! Accepting messages: everything that an acknowledgement promises, in one transaction.

use model::{
    AccountId, Actor, ContactId, Content, ConversationId, ConversationKind, Direction, EventKind, Message,
    MessageId, Origin, Purpose, Status, Timestamp, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::db::{statements, transaction};
use crate::events::INSERT_EVENT;
use crate::{Store, StoreError, nul};

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
    CONTACT_AT = "SELECT contact_id FROM contact_identities WHERE account_id = $1 AND address = $2";
    INSERT_CONTACT = "INSERT INTO contacts (id, workspace_id, name, phone, attributes, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    DELETE_CONTACT = "DELETE FROM contacts WHERE id = $1";
    INSERT_IDENTITY = "INSERT INTO contact_identities
        (account_id, address, workspace_id, contact_id, channel, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, address) DO NOTHING";
    OPEN_CONVERSATION = "INSERT INTO conversations
        (id, workspace_id, account_id, contact_id, kind, address, title, next_seq, unread_count, last_message_id,
        last_message_at, status, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, 'open', $11, $11)
        ON CONFLICT (account_id, address) DO UPDATE SET next_seq = conversations.next_seq + $8,
        last_message_id = COALESCE($9, conversations.last_message_id),
        last_message_at = COALESCE($10, conversations.last_message_at)
        RETURNING id, contact_id, next_seq";
    QUOTED_EXISTS = "SELECT 1 FROM messages WHERE id = $1 AND conversation_id = $2";
    INSERT_MESSAGE = "INSERT INTO messages
        (id, workspace_id, account_id, conversation_id, contact_id, direction, status, purpose, class, seq, origin,
        actor, client_id, content, thread, reply_to, send_at, queued_at, shown_at, created_at, updated_at, forgiven)
        VALUES ($1, $2, $3, $4, $5, 'outbound', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19,
        0)";
    INSERT_KEY = "INSERT INTO idempotency_keys (workspace_id, key, request_hash, status, answer, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace_id, key) DO NOTHING";
    KEPT_ANSWER = "SELECT request_hash, status, answer FROM idempotency_keys WHERE workspace_id = $1 AND key = $2";
}
pub(crate) const KEEP_ANSWER: &str = INSERT_KEY;
pub(crate) const ENSURE: Ensure = Ensure {
    contact_at: CONTACT_AT,
    insert_contact: INSERT_CONTACT,
    delete_contact: DELETE_CONTACT,
    insert_identity: INSERT_IDENTITY,
    open_conversation: OPEN_CONVERSATION,
};

/// The statements that find or make a contact and a conversation; the way in uses them too.
pub(crate) struct Ensure {
    pub(crate) contact_at: &'static str,
    pub(crate) insert_contact: &'static str,
    pub(crate) delete_contact: &'static str,
    pub(crate) insert_identity: &'static str,
    pub(crate) open_conversation: &'static str,
}

/// Who a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A conversation that exists.
    Conversation(ConversationId),
    /// A contact that the account knows.
    Contact(ContactId),
    /// An address at the provider; contact and conversation are made when they are not there.
    Address(String),
}

/// A message about to be accepted. Its content has been checked against the channel.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The account it passes through.
    pub account_id: AccountId,
    /// That account's channel.
    pub channel: String,
    /// Who it is for.
    pub recipient: Recipient,
    /// What it says.
    pub content: Content,
    /// What it is for.
    pub purpose: Purpose,
    /// What made it.
    pub origin: Origin,
    /// Who made it.
    pub actor: Actor,
    /// The caller's own id of it.
    pub client_id: Option<String>,
    /// The realtime connection it came from.
    pub connection: Option<String>,
    /// A thread or topic within the chat.
    pub thread: Option<String>,
    /// The message it answers; of the same conversation.
    pub reply_to: Option<MessageId>,
    /// When it is to be sent; none or past: at once.
    pub send_at: Option<Timestamp>,
}

/// A caller's promise that equal requests mean one thing.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// A hash over all that makes the request what it is.
    pub request_hash: Vec<u8>,
}

/// What became of a request to make something.
#[derive(Debug, Clone)]
pub enum Created<T> {
    /// It was new, and is committed.
    New(Box<T>),
    /// The same request was accepted before: this was its answer.
    Before {
        /// The HTTP status.
        status: u16,
        /// The body.
        answer: Value,
    },
}

/// What became of a request to accept a message.
pub type Accepted = Created<Message>;

#[derive(FromRow)]
struct Taken {
    id: Uuid,
    contact_id: Option<Uuid>,
    next_seq: i64,
}

#[derive(FromRow)]
struct Kept {
    request_hash: Vec<u8>,
    status: i64,
    answer: Json<Value>,
}

/// Finds or makes the contact at an address, within a transaction.
macro_rules! ensure_contact {
    ($tx:ident, $ids:expr, $now:expr, $workspace:expr, $account:expr, $channel:expr, $address:expr, $name:expr, $phone:expr) => {{
        let known: Option<Uuid> = sqlx::query_scalar(crate::accept::ENSURE.contact_at)
            .bind($account)
            .bind($address)
            .fetch_optional(&mut *$tx)
            .await?;
        match known {
            Some(contact) => contact,
            None => {
                let contact = $ids.uuid($now);
                sqlx::query(crate::accept::ENSURE.insert_contact)
                    .bind(contact)
                    .bind($workspace)
                    .bind($name)
                    .bind($phone)
                    .bind(Json(serde_json::json!({})))
                    .bind($now.to_datetime())
                    .execute(&mut *$tx)
                    .await?;
                let inserted = sqlx::query(crate::accept::ENSURE.insert_identity)
                    .bind($account)
                    .bind($address)
                    .bind($workspace)
                    .bind(contact)
                    .bind($channel)
                    .bind($now.to_datetime())
                    .execute(&mut *$tx)
                    .await?
                    .rows_affected();
                if inserted == 1 {
                    contact
                } else {
                    // Somebody else met the contact at the same moment: theirs stays.
                    sqlx::query(crate::accept::ENSURE.delete_contact)
                        .bind(contact)
                        .execute(&mut *$tx)
                        .await?;
                    sqlx::query_scalar(crate::accept::ENSURE.contact_at)
                        .bind($account)
                        .bind($address)
                        .fetch_one(&mut *$tx)
                        .await?
                }
            }
        }
    }};
}
pub(crate) use ensure_contact;

impl Store {
    /// Accepts a message: idempotency key with its answer, contact, conversation, number, message and event are
    /// committed together. `answer` renders what the caller is told, and will be told again for the same key.
    ///
    /// Callers with one key at the same time wait for the first. [`StoreError::KeyReused`] when the key came before
    /// with another request; [`StoreError::Invalid`] when the recipient or the quoted message does not exist.
    pub async fn accept_message(
        &self,
        workspace: WorkspaceId,
        new: &NewMessage,
        idempotency: Option<&Idempotency>,
        answer: impl Fn(&Message) -> Value + Send + Sync,
    ) -> Result<Accepted, StoreError> {
        nul::refuse("client_id", new.client_id.as_deref())?;
        nul::refuse("thread", new.thread.as_deref())?;
        if let Recipient::Address(address) = &new.recipient {
            nul::refuse("to.address", Some(address))?;
        }
        if nul::within(&json!(new.content)) {
            return Err(StoreError::invalid("content", "must not contain the character U+0000"));
        }
        if let Some(idempotency) = idempotency
            && let Some(before) = self.answered_before(workspace, idempotency).await?
        {
            return Ok(before);
        }
        let now = self.now();
        let mut message = self.unaccepted(workspace, new, now);
        let event = self.ids.uuid(now);
        let conversation: Uuid = self.ids.uuid(now);
        let count = i64::from(message.status == Status::Queued);
        let mut duplicate = false;
        transaction!(self.db, tx => {
            let address = match &new.recipient {
                Recipient::Conversation(_) => None,
                Recipient::Address(address) => Some(address.clone()),
                Recipient::Contact(contact) => {
                    let address: Option<String> = sqlx::query_scalar(ADDRESS_OF_CONTACT)
                        .bind(workspace.0)
                        .bind(new.account_id.0)
                        .bind(contact.0)
                        .fetch_optional(&mut *tx)
                        .await?;
                    Some(address.ok_or(StoreError::invalid("to.contact_id", "this account does not know such a contact"))?)
                }
            };
            let query = match (&new.recipient, &address) {
                (Recipient::Conversation(id), _) => sqlx::query_as(TAKE_SEQ_BY_ID).bind(workspace.0).bind(new.account_id.0).bind(id.0),
                (_, address) => sqlx::query_as(TAKE_SEQ).bind(workspace.0).bind(new.account_id.0).bind(address.clone()),
            };
            let taken: Option<Taken> = query
                .bind(count)
                .bind(message.id.0)
                .bind(now.to_datetime())
                .fetch_optional(&mut *tx)
                .await?;
            let taken = match (taken, address) {
                (Some(taken), _) => taken,
                (None, None) => {
                    return Err(StoreError::invalid("to.conversation_id", "this account has no such conversation"));
                }
                (None, Some(address)) => {
                    sqlx::query(ACCOUNT_EXISTS)
                        .bind(workspace.0)
                        .bind(new.account_id.0)
                        .fetch_optional(&mut *tx)
                        .await?
                        .ok_or(StoreError::invalid("account_id", "there is no such account"))?;
                    let contact: Uuid = ensure_contact!(
                        tx, self.ids, now, workspace.0, new.account_id.0, &new.channel, &address,
                        None::<String>, None::<String>
                    );
                    sqlx::query_as::<_, Taken>(OPEN_CONVERSATION)
                        .bind(conversation)
                        .bind(workspace.0)
                        .bind(new.account_id.0)
                        .bind(Some(contact))
                        .bind(ConversationKind::Direct.as_str())
                        .bind(&address)
                        .bind(None::<String>)
                        .bind(count)
                        .bind((count == 1).then_some(message.id.0))
                        .bind((count == 1).then(|| now.to_datetime()))
                        .bind(now.to_datetime())
                        .fetch_one(&mut *tx)
                        .await?
                }
            };
            message.conversation_id = taken.id.into();
            message.contact_id = taken.contact_id.map(Into::into);
            message.seq = (count == 1).then_some(taken.next_seq);
            if let Some(quoted) = new.reply_to {
                sqlx::query(QUOTED_EXISTS).bind(quoted.0).bind(taken.id).fetch_optional(&mut *tx).await?
                    .ok_or(StoreError::invalid("reply_to", "the conversation has no such message"))?;
            }
            sqlx::query(INSERT_MESSAGE)
                .bind(message.id.0)
                .bind(workspace.0)
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
                .execute(&mut *tx)
                .await?;
            let data = answer(&message);
            sqlx::query(INSERT_EVENT)
                .bind(event)
                .bind(workspace.0)
                .bind(EventKind::MessageCreated.as_str())
                .bind(Some(message.account_id.0))
                .bind(Some(message.conversation_id.0))
                .bind(Some(message.id.0))
                .bind(&message.actor.0)
                .bind(&message.client_id)
                .bind(&new.connection)
                .bind(Json(&data))
                .bind(now.to_datetime())
                .execute(&mut *tx)
                .await?;
            if let Some(idempotency) = idempotency {
                let kept = sqlx::query(INSERT_KEY)
                    .bind(workspace.0)
                    .bind(&idempotency.key)
                    .bind(&idempotency.request_hash)
                    .bind(202_i64)
                    .bind(Json(&data))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                duplicate = kept == 0;
            }
            if duplicate {
                // An equal request was faster by a moment: what was done here is undone, its answer is given.
                tx.rollback().await?;
                let Some(idempotency) = idempotency else { return Err(StoreError::NotFound("idempotency key")) };
                return self
                    .answered_before(workspace, idempotency)
                    .await?
                    .ok_or(StoreError::NotFound("idempotency key"));
            }
        });
        Ok(Accepted::New(Box::new(message)))
    }

    /// What an equal request was answered before, if there was one. [`StoreError::KeyReused`] when the key came before
    /// with another request.
    pub async fn answered_before<T>(
        &self,
        workspace: WorkspaceId,
        idempotency: &Idempotency,
    ) -> Result<Option<Created<T>>, StoreError> {
        let kept: Option<Kept> = crate::db::read!(self.db, conn => sqlx::query_as(KEPT_ANSWER)
            .bind(workspace.0).bind(&idempotency.key).fetch_optional(conn).await)?;
        match kept {
            None => Ok(None),
            Some(kept) if kept.request_hash == idempotency.request_hash => Ok(Some(Created::Before {
                status: u16::try_from(kept.status).unwrap_or(200),
                answer: kept.answer.0,
            })),
            Some(_) => Err(StoreError::KeyReused),
        }
    }

    fn unaccepted(&self, workspace: WorkspaceId, new: &NewMessage, now: Timestamp) -> Message {
        let scheduled = new.send_at.filter(|at| *at > now);
        Message {
            id: self.id(now),
            workspace_id: workspace,
            account_id: new.account_id,
            conversation_id: Uuid::nil().into(),
            contact_id: None,
            direction: Direction::Outbound,
            status: if scheduled.is_some() { Status::Scheduled } else { Status::Queued },
            reason: None,
            purpose: new.purpose,
            class: new.purpose.class(),
            seq: None,
            origin: new.origin,
            actor: new.actor.clone(),
            client_id: new.client_id.clone(),
            sender: None,
            content: new.content.clone(),
            thread: new.thread.clone(),
            reply_to: new.reply_to,
            provider_id: None,
            inbound_event_id: None,
            send_at: scheduled,
            queued_at: scheduled.is_none().then_some(now),
            next_attempt_at: None,
            sent_at: None,
            delivered_at: None,
            read_at: None,
            provider_at: None,
            created_at: now,
            updated_at: now,
        }
    }
}
