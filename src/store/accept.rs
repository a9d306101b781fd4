//! Accepting messages: everything that an acknowledgement promises, in one transaction.

use std::sync::Arc;

use model::{
    AccountId, Actor, ContactId, Content, ConversationId, Direction, Message, MessageId, Origin, Purpose,
    Status, Timestamp, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::acceptance::{Acceptance, Answer};
use crate::db::statements;
use crate::{Store, StoreError, nul};

statements! {
    INSERT_KEY = "INSERT INTO idempotency_keys (workspace_id, key, request_hash, status, answer, created_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace_id, key) DO NOTHING";
    KEPT_ANSWER = "SELECT request_hash, status, answer FROM idempotency_keys WHERE workspace_id = $1 AND key = $2";
}
pub(crate) const KEEP_ANSWER: &str = INSERT_KEY;

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
    /// Its id, where it was drawn before because its words depend on it; none: one is drawn.
    pub id: Option<MessageId>,
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
struct Kept {
    request_hash: Vec<u8>,
    status: i64,
    answer: Json<Value>,
}

/// Refuses what no engine keeps.
pub(crate) fn check(new: &NewMessage) -> Result<(), StoreError> {
    nul::refuse("client_id", new.client_id.as_deref())?;
    nul::refuse("thread", new.thread.as_deref())?;
    if let Recipient::Address(address) = &new.recipient {
        nul::refuse("to.address", Some(address))?;
    }
    if nul::within(&json!(new.content)) {
        return Err(StoreError::invalid("content", "must not contain the character U+0000"));
    }
    Ok(())
}

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
        answer: impl Fn(&Message) -> Value + Send + Sync + 'static,
    ) -> Result<Accepted, StoreError> {
        check(new)?;
        if let Some(idempotency) = idempotency
            && let Some(before) = self.answered_before(workspace, idempotency).await?
        {
            return Ok(before);
        }
        let now = self.now();
        let work = self.acceptance(workspace, new.clone(), idempotency.cloned(), now, Box::new(answer));
        match self.joint.accept(work).await? {
            Some(message) => Ok(Accepted::New(Box::new(message))),
            None => self.answered_by_another(workspace, idempotency).await,
        }
    }

    /// An equal request was faster by a moment: what was done for this one is undone, and its answer is given.
    pub(crate) async fn answered_by_another<T>(
        &self,
        workspace: WorkspaceId,
        idempotency: Option<&Idempotency>,
    ) -> Result<Created<T>, StoreError> {
        let unknown = || StoreError::NotFound("idempotency key");
        let idempotency = idempotency.ok_or_else(unknown)?;
        self.answered_before(workspace, idempotency).await?.ok_or_else(unknown)
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

    /// All that one message needs to be written.
    pub(crate) fn acceptance(
        &self,
        workspace: WorkspaceId,
        new: NewMessage,
        idempotency: Option<Idempotency>,
        now: Timestamp,
        answer: Answer,
    ) -> Acceptance {
        Acceptance {
            workspace,
            message: self.unaccepted(workspace, &new, now),
            new,
            idempotency,
            event: self.ids.uuid(now),
            conversation: self.ids.uuid(now),
            ids: Arc::clone(&self.ids),
            answer,
        }
    }

    fn unaccepted(&self, workspace: WorkspaceId, new: &NewMessage, now: Timestamp) -> Message {
        let scheduled = new.send_at.filter(|at| *at > now);
        Message {
            id: new.id.unwrap_or_else(|| self.id(now)),
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
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }
}
