//! Actions: what is done to a message after it was sent, accepted as messages are and ended as they are.
//!
//! A message that has not left yet is changed in its place, and no provider hears of it. Any other action takes the
//! conversation's next number, and so keeps order with the messages of its class.

use model::{
    Action, ActionId, ActionStatus, Actor, Change, Direction, EventKind, Ids, Message, MessageId, Reaction,
    Status, Timestamp, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::accept::KEEP_ANSWER;
use crate::attempts::Ended;
use crate::changes::{Changes, Concerned, News, Told, What};
use crate::db::{read, statements, transaction};
use crate::messages::MessageRow;
use crate::{Created, Idempotency, Store, StoreError, nul, texts};

macro_rules! columns {
    () => {
        "id, workspace_id, account_id, conversation_id, message_id, kind, content, emoji, status, reason, class, seq,
        actor, next_attempt_at, done_at, created_at, updated_at"
    };
}

statements! {
    ONE = concat!("SELECT ", columns!(), " FROM actions WHERE id = $1");
    OF_MESSAGE = concat!("SELECT ", columns!(), " FROM actions WHERE workspace_id = $1 AND message_id = $2
        ORDER BY id");
    /// A call that may have been made keeps what it said: then the edit has to follow it.
    EDIT_UNSENT = concat!("UPDATE messages SET content = $3, revision = revision + 1,
        text_hash = CASE WHEN purpose = 'campaign' THEN $4 ELSE text_hash END, edited_at = $5, updated_at = $5
        WHERE workspace_id = $1 AND id = $2 AND direction = 'outbound' AND status IN ('scheduled', 'queued')
        AND NOT EXISTS (SELECT 1 FROM attempts t WHERE t.subject_id = messages.id
            AND t.outcome IN ('ambiguous', 'lost'))
        AND NOT EXISTS (SELECT 1 FROM actions x WHERE x.message_id = messages.id AND x.status IN ('queued', 'sending'))
        RETURNING ", crate::messages::columns!("messages"));
    CANCEL_UNSENT = crate::messages::CANCEL;
    MESSAGE = crate::messages::IN_WORKSPACE;
    PENDING_DELETE = concat!("SELECT ", columns!(), " FROM actions WHERE message_id = $1 AND kind = 'delete'
        AND status IN ('queued', 'sending')");
    SUPERSEDE = concat!("UPDATE actions SET status = 'canceled', reason = 'superseded: a later action makes it void',
        updated_at = $3 WHERE message_id = $1 AND status = 'queued' AND (kind = $2 OR $2 = 'delete')
        RETURNING ", columns!());
    TAKE_SEQ = "UPDATE conversations SET next_seq = next_seq + 1, updated_at = $2 WHERE id = $1
        AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = conversations.account_id AND a.deleted_at IS NULL)
        RETURNING next_seq";
    INSERT = concat!("INSERT INTO actions (", columns!(), ", queued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, $10, $11, $12, NULL, $13, $14, $14, $15)");
    END = concat!("UPDATE actions SET status = $2, reason = $3, next_attempt_at = $4,
        done_at = CASE WHEN $2 = 'done' THEN $5 ELSE done_at END, updated_at = $5
        WHERE id = $1 AND (status IN ('queued', 'sending')
            OR ($2 = 'done' AND status IN ('unknown', 'failed', 'canceled'))) RETURNING ", columns!());
}

/// An action about to be accepted. Its content has been checked against the channel.
#[derive(Debug, Clone)]
pub struct NewAction {
    /// The message.
    pub message_id: MessageId,
    /// What is done to it.
    pub change: Change,
    /// Who asks for it.
    pub actor: Actor,
    /// The realtime connection it came from.
    pub connection: Option<String>,
}

#[derive(FromRow)]
pub(crate) struct ActionRow {
    id: Uuid,
    workspace_id: Uuid,
    account_id: Uuid,
    conversation_id: Uuid,
    message_id: Uuid,
    kind: String,
    content: Option<Json<Value>>,
    emoji: Option<String>,
    status: String,
    reason: Option<String>,
    class: String,
    seq: Option<i64>,
    actor: String,
    next_attempt_at: Option<DateTime<Utc>>,
    done_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<ActionRow> for Action {
    type Error = StoreError;

    fn try_from(row: ActionRow) -> Result<Self, StoreError> {
        let unreadable =
            |error: &dyn std::fmt::Display| StoreError::Unreadable(format!("action {}: {error}", row.id));
        let change = match row.kind.parse()? {
            model::ActionKind::Edit => {
                let content = row.content.ok_or_else(|| unreadable(&"an edit without content"))?;
                Change::Edit(serde_json::from_value(content.0).map_err(|error| unreadable(&error))?)
            }
            model::ActionKind::Delete => Change::Delete,
            model::ActionKind::Reaction => Change::Reaction(row.emoji),
        };
        Ok(Self {
            id: row.id.into(),
            workspace_id: row.workspace_id.into(),
            account_id: row.account_id.into(),
            conversation_id: row.conversation_id.into(),
            message_id: row.message_id.into(),
            change,
            status: row.status.parse()?,
            reason: row.reason,
            class: row.class.parse()?,
            seq: row.seq,
            actor: Actor(row.actor),
            next_attempt_at: row.next_attempt_at.map(Timestamp::from),
            done_at: row.done_at.map(Timestamp::from),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// What a message's status becomes for an action.
const fn status_of(status: Status) -> ActionStatus {
    match status {
        Status::Sent => ActionStatus::Done,
        Status::Queued => ActionStatus::Queued,
        Status::Sending => ActionStatus::Sending,
        Status::Unknown => ActionStatus::Unknown,
        _ => ActionStatus::Failed,
    }
}

/// Why a message cannot be acted upon as it is, if so.
fn refuse(message: &Message, change: &Change) -> Option<String> {
    let ours = message.direction == Direction::Outbound;
    if !ours && !matches!(change, Change::Reaction(_)) {
        return Some("only the account's own messages can be edited or deleted".to_owned());
    }
    if message.deleted_at.is_some() {
        return Some("the message was deleted".to_owned());
    }
    match message.status {
        Status::Sent | Status::Delivered | Status::Read | Status::Received
            if message.provider_id.is_none() =>
        {
            Some("nobody knows what the provider calls this message".to_owned())
        }
        // One that is under way is waited for.
        Status::Sent | Status::Delivered | Status::Read | Status::Received | Status::Sending => None,
        // An earlier call for it may have been made.
        Status::Queued if !matches!(change, Change::Reaction(_)) => None,
        status => Some(format!("the message is {status}: only what was sent can be acted upon")),
    }
}

fn concerned(message: &Message) -> Concerned {
    Concerned {
        id: message.id.0,
        workspace_id: message.workspace_id.0,
        account_id: message.account_id.0,
        conversation_id: message.conversation_id.0,
        client_id: message.client_id.clone(),
    }
}

/// Everything that accepting an action needs.
pub(crate) struct Acceptance<'a> {
    workspace: WorkspaceId,
    new: &'a NewAction,
    idempotency: Option<&'a Idempotency>,
    id: ActionId,
    now: Timestamp,
    ids: &'a Ids,
}

impl Acceptance<'_> {
    fn action(&self, message: &Message, status: ActionStatus, seq: Option<i64>) -> Action {
        Action {
            id: self.id,
            workspace_id: self.workspace,
            account_id: message.account_id,
            conversation_id: message.conversation_id,
            message_id: message.id,
            change: self.new.change.clone(),
            status,
            reason: None,
            class: message.class,
            seq,
            actor: self.new.actor.clone(),
            next_attempt_at: None,
            done_at: (status == ActionStatus::Done).then_some(self.now),
            created_at: self.now,
            updated_at: self.now,
        }
    }

    fn news(&self, kind: EventKind, data: Value) -> News<'_> {
        let connection = self.new.connection.as_deref();
        News { kind, actor: &self.new.actor.0, connection, data, now: self.now.to_datetime() }
    }
}

/// What a transaction does with actions, on either engine.
pub(crate) trait Actions {
    /// Accepts an action and renders what its caller is told; none when the idempotency key is taken. Then, as after an
    /// error, everything must be rolled back.
    async fn accept(
        &mut self,
        work: &Acceptance<'_>,
        answer: &(dyn Fn(&Action) -> Value + Send + Sync),
    ) -> Result<Option<Action>, StoreError>;

    /// Changes a message that has not left yet in its place; none when that cannot be done.
    async fn change_unsent(&mut self, work: &Acceptance<'_>) -> Result<Option<Message>, StoreError>;

    /// Takes a place in the order of the message's conversation, and makes void what this action overrules.
    async fn enqueue(&mut self, work: &Acceptance<'_>, message: &Message) -> Result<i64, StoreError>;

    /// Writes how an action's call ended, and does to the message what the provider did.
    async fn end_action(&mut self, ids: &Ids, end: &Ended) -> Result<(), StoreError>;
}

macro_rules! actions_on {
    ($connection:ty) => {
        impl Actions for $connection {
            async fn accept(
                &mut self,
                work: &Acceptance<'_>,
                answer: &(dyn Fn(&Action) -> Value + Send + Sync),
            ) -> Result<Option<Action>, StoreError> {
                let (message, action) = match self.change_unsent(work).await? {
                    Some(message) => {
                        let action = work.action(&message, ActionStatus::Done, None);
                        (message, action)
                    }
                    None => {
                        let row: Option<MessageRow> = sqlx::query_as(MESSAGE)
                            .bind(work.workspace.0)
                            .bind(work.new.message_id.0)
                            .fetch_optional(&mut *self)
                            .await?;
                        let message = Message::try_from(row.ok_or(StoreError::NotFound("message"))?)?;
                        if let Some(why) = refuse(&message, &work.new.change) {
                            return Err(StoreError::Conflict(why));
                        }
                        if work.new.change == Change::Delete {
                            let pending: Option<ActionRow> = sqlx::query_as(PENDING_DELETE)
                                .bind(message.id.0)
                                .fetch_optional(&mut *self)
                                .await?;
                            if let Some(pending) = pending {
                                return Ok(Some(pending.try_into()?));
                            }
                        }
                        let seq = self.enqueue(work, &message).await?;
                        let action = work.action(&message, ActionStatus::Queued, Some(seq));
                        (message, action)
                    }
                };
                let queued_at = action.seq.map(|_| work.now.to_datetime());
                sqlx::query(INSERT)
                    .bind(action.id.0)
                    .bind(action.workspace_id.0)
                    .bind(action.account_id.0)
                    .bind(action.conversation_id.0)
                    .bind(action.message_id.0)
                    .bind(action.change.kind().as_str())
                    .bind(action.change.content().map(Json))
                    .bind(action.change.emoji())
                    .bind(action.status.as_str())
                    .bind(action.class.as_str())
                    .bind(action.seq)
                    .bind(&action.actor.0)
                    .bind(action.done_at.map(Timestamp::to_datetime))
                    .bind(work.now.to_datetime())
                    .bind(queued_at)
                    .execute(&mut *self)
                    .await?;
                let data = answer(&action);
                let news = work.news(EventKind::ActionStatus, data.clone());
                self.tell(work.ids, &concerned(&message), news).await?;
                if let Some(idempotency) = work.idempotency {
                    let kept = sqlx::query(KEEP_ANSWER)
                        .bind(work.workspace.0)
                        .bind(&idempotency.key)
                        .bind(&idempotency.request_hash)
                        .bind(202_i64)
                        .bind(Json(data))
                        .bind(work.now.to_datetime())
                        .execute(&mut *self)
                        .await?
                        .rows_affected();
                    if kept == 0 {
                        return Ok(None);
                    }
                }
                Ok(Some(action))
            }

            async fn change_unsent(&mut self, work: &Acceptance<'_>) -> Result<Option<Message>, StoreError> {
                let (id, now) = (work.new.message_id.0, work.now.to_datetime());
                let query = match &work.new.change {
                    Change::Reaction(_) => return Ok(None),
                    Change::Delete => sqlx::query_as(CANCEL_UNSENT).bind(work.workspace.0).bind(id),
                    Change::Edit(content) => {
                        let hash = texts::text_hash(content).map(texts::to_row);
                        let query = sqlx::query_as(EDIT_UNSENT).bind(work.workspace.0).bind(id);
                        query.bind(Json(json!(content))).bind(hash)
                    }
                };
                let row: Option<MessageRow> = query.bind(now).fetch_optional(&mut *self).await?;
                let Some(row) = row else { return Ok(None) };
                let message = Message::try_from(row)?;
                let news = match &work.new.change {
                    Change::Edit(content) => {
                        let data = json!({"content": content, "edited_at": work.now});
                        work.news(EventKind::MessageEdited, data)
                    }
                    _ => {
                        let data = json!({"status": message.status, "reason": message.reason});
                        work.news(EventKind::MessageStatus, data)
                    }
                };
                self.tell(work.ids, &concerned(&message), news).await?;
                Ok(Some(message))
            }

            async fn enqueue(&mut self, work: &Acceptance<'_>, message: &Message) -> Result<i64, StoreError> {
                let now = work.now.to_datetime();
                // The conversation comes first, as it does for messages: two who accept wait for each other in line.
                let seq: Option<i64> = sqlx::query_scalar(TAKE_SEQ)
                    .bind(message.conversation_id.0)
                    .bind(now)
                    .fetch_optional(&mut *self)
                    .await?;
                let seq = seq.ok_or(StoreError::NotFound("account"))?;
                let void: Vec<ActionRow> = sqlx::query_as(SUPERSEDE)
                    .bind(message.id.0)
                    .bind(work.new.change.kind().as_str())
                    .bind(now)
                    .fetch_all(&mut *self)
                    .await?;
                for row in void {
                    let action = Action::try_from(row)?;
                    let news = work.news(EventKind::ActionStatus, json!(action));
                    self.tell(work.ids, &concerned(message), news).await?;
                }
                Ok(seq)
            }

            async fn end_action(&mut self, ids: &Ids, end: &Ended) -> Result<(), StoreError> {
                let now = end.at.to_datetime();
                let row: Option<ActionRow> = sqlx::query_as(END)
                    .bind(end.subject.id())
                    .bind(status_of(end.status).as_str())
                    .bind(&end.reason)
                    .bind(end.next_attempt_at.map(Timestamp::to_datetime))
                    .bind(now)
                    .fetch_optional(&mut *self)
                    .await?;
                let Some(row) = row else { return Ok(()) };
                let action = Action::try_from(row)?;
                let message = Concerned {
                    id: action.message_id.0,
                    workspace_id: action.workspace_id.0,
                    account_id: action.account_id.0,
                    conversation_id: action.conversation_id.0,
                    client_id: end.client_id.clone(),
                };
                let news = News {
                    kind: EventKind::ActionStatus,
                    actor: "system",
                    connection: None,
                    data: json!(action),
                    now,
                };
                self.tell(ids, &message, news).await?;
                if action.status != ActionStatus::Done {
                    return Ok(());
                }
                let what = match action.change {
                    Change::Edit(content) => What::Edited(json!(content)),
                    Change::Delete => What::Deleted,
                    Change::Reaction(emoji) => {
                        What::Reacted { by: Reaction::ME.to_owned(), emoji: emoji.into_iter().collect() }
                    }
                };
                self.apply(ids, &message, &Told { what, at: now, now, actor: action.actor.0 }).await
            }
        }
    };
}
actions_on!(PgConnection);
actions_on!(SqliteConnection);

impl Store {
    /// Accepts an action: its number, its row, its event and the answer to its idempotency key are committed together.
    /// A message that has not left yet is changed in its place instead: then the action is done. `answer` renders what
    /// the caller is told, and will be told again for the same key.
    ///
    /// An action that a later one makes void before it was begun is canceled. A message that is being deleted already is
    /// not deleted twice: the action under way is given. [`StoreError::Conflict`] when the message is in no state to be
    /// acted upon.
    pub async fn accept_action(
        &self,
        workspace: WorkspaceId,
        new: &NewAction,
        idempotency: Option<&Idempotency>,
        answer: impl Fn(&Action) -> Value + Send + Sync,
    ) -> Result<Created<Action>, StoreError> {
        nul::refuse("emoji", new.change.emoji())?;
        if new.change.content().is_some_and(|content| nul::within(&json!(content))) {
            return Err(StoreError::invalid("content", "must not contain the character U+0000"));
        }
        if let Some(idempotency) = idempotency
            && let Some(before) = self.answered_before(workspace, idempotency).await?
        {
            return Ok(before);
        }
        let now = self.now();
        let work = Acceptance { workspace, new, idempotency, id: self.id(now), now, ids: &self.ids };
        let accepted = transaction!(self.db, tx => {
            let accepted = (*tx).accept(&work, &answer).await?;
            if accepted.is_none() {
                tx.rollback().await?;
                return self.answered_by_another(workspace, idempotency).await;
            }
            accepted
        });
        accepted.map(|action| Created::New(Box::new(action))).ok_or(StoreError::NotFound("action"))
    }

    /// The actions on a message, oldest first.
    pub async fn actions(
        &self,
        workspace: WorkspaceId,
        message: MessageId,
    ) -> Result<Vec<Action>, StoreError> {
        let rows: Vec<ActionRow> = read!(self.db, conn => sqlx::query_as(OF_MESSAGE)
            .bind(workspace.0).bind(message.0).fetch_all(conn).await)?;
        rows.into_iter().map(Action::try_from).collect()
    }

    /// An action, whatever its workspace.
    pub(crate) async fn action(&self, id: ActionId) -> Result<Option<Action>, StoreError> {
        let row: Option<ActionRow> =
            read!(self.db, conn => sqlx::query_as(ONE).bind(id.0).fetch_optional(conn).await)?;
        row.map(Action::try_from).transpose()
    }
}
