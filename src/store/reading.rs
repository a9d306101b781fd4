//! What one thing that a provider told becomes, within the transaction of its batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{
    Account, Content, ContentKind, ConversationKind, Direction, EventKind, Ids, Inbound, InboundEventId,
    InboundKind, MessageId, NoticeEffect, Origin, Purpose, Reaction, Receipt, ReceiptKind, Sending, Status,
    Timestamp, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::changes::{Changes as _, Known, What};
use crate::consent::{Consent as _, Wish};
use crate::conversations::MOVE_CHAT;
use crate::db::statements;
use crate::ensure::{self, ensure_contact};
use crate::events::{INSERT_EVENT, account_event};
use crate::media;
use crate::receipts::{self, INSERT_RECEIPT};
use crate::stops::{self, StopsRow};
use crate::{IngestSummary, StoreError, changes};

statements! {
    CONVERSATION_AT = "SELECT id, contact_id FROM conversations WHERE account_id = $1 AND address = $2";
    NAME_CONTACT = "UPDATE contacts SET name = $2, updated_at = $3 WHERE id = $1 AND name IS NULL";
    INSERT_MESSAGE = "INSERT INTO messages
        (id, workspace_id, account_id, conversation_id, contact_id, direction, status, purpose, class, origin, actor,
        sender, content, thread, reply_to, provider_id, inbound_event_id, sent_at, provider_at, shown_at, created_at,
        updated_at, forgiven, revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
        (SELECT q.id FROM messages q WHERE q.conversation_id = $4 AND q.provider_id = $15), $16, $17, $18, $19, $19,
        $20, $20, 0, 0)
        ON CONFLICT (conversation_id, provider_id) WHERE provider_id IS NOT NULL DO NOTHING";
    RECEIVED_AT = "SELECT received_at FROM inbound_events WHERE id = $1";
    TOUCH = "UPDATE conversations SET unread_count = unread_count + $2,
        last_inbound_at = CASE WHEN last_inbound_at IS NULL OR last_inbound_at < $6 THEN COALESCE($6, last_inbound_at)
            ELSE last_inbound_at END,
        first_inbound_at = CASE WHEN first_inbound_at IS NULL OR first_inbound_at > $7
            THEN COALESCE($7, first_inbound_at) ELSE first_inbound_at END,
        last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $4 ELSE last_message_id END,
        last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $3 ELSE last_message_at END,
        status = CASE WHEN $2 > 0 THEN 'open' ELSE status END, updated_at = $5 WHERE id = $1";
    /// The newest of both words stands, in whatever order they come.
    BLOCK = "UPDATE conversations SET blocked_at = $3, updated_at = $4 WHERE account_id = $1 AND address = $2
        AND (blocked_at IS NULL OR blocked_at < $3) RETURNING id";
    UNBLOCK = "UPDATE conversations SET unblocked_at = $3, updated_at = $4 WHERE account_id = $1 AND address = $2
        AND (unblocked_at IS NULL OR unblocked_at < $3) RETURNING id";
}

/// A batch while it is read.
pub(crate) struct Reading<'a> {
    account: &'a Account,
    ids: &'a Ids,
    pub(crate) now: Timestamp,
    pub(crate) summary: IngestSummary,
    chats: HashMap<String, Chat>,
    /// The messages that were new: what was told of them before waits for them.
    arrived: BTreeSet<(String, String)>,
    /// In one order everywhere, so that no two transactions wait for each other.
    touched: BTreeMap<Uuid, Touched>,
}

#[derive(Clone, Copy, FromRow)]
pub(crate) struct Chat {
    id: Uuid,
    contact_id: Option<Uuid>,
}

/// What a batch changes about a conversation.
struct Touched {
    unread: i64,
    /// When the other side wrote, of this batch: first and last.
    inbound: Option<(DateTime<Utc>, DateTime<Utc>)>,
    at: DateTime<Utc>,
    last: Uuid,
}

/// A message, as its provider tells it.
pub(crate) struct Told<'a> {
    item: &'a Inbound,
    event: InboundEventId,
    provider_id: &'a str,
    content: &'a Content,
    reply_to: Option<&'a str>,
    echo: bool,
    at: DateTime<Utc>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(account: &'a Account, ids: &'a Ids, now: Timestamp) -> Self {
        Self {
            account,
            ids,
            now,
            summary: IngestSummary::default(),
            chats: HashMap::new(),
            arrived: BTreeSet::new(),
            touched: BTreeMap::new(),
        }
    }

    /// Who reacted. Where the provider does not say it is the other side.
    fn by(&self, item: &Inbound) -> String {
        let address = item.from.as_ref().map_or(&item.chat, |from| &from.address);
        let me = self.account.external_id.as_ref() == Some(address);
        if me { Reaction::ME.to_owned() } else { address.clone() }
    }

    /// A new message of a conversation: it may be its last, and count as unread.
    fn add(&mut self, chat: Uuid, message: Uuid, told: &Told<'_>) {
        self.summary.messages += 1;
        self.arrived.insert((told.item.chat.clone(), told.provider_id.to_owned()));
        let first = Touched { unread: 0, inbound: None, at: told.at, last: message };
        let place = self.touched.entry(chat).or_insert(first);
        if !told.echo {
            self.summary.wrote.insert(chat.into());
            place.unread += 1;
            let (first, last) = place.inbound.unwrap_or((told.at, told.at));
            place.inbound = Some((first.min(told.at), last.max(told.at)));
        }
        if told.at >= place.at {
            (place.at, place.last) = (told.at, message);
        }
    }
}

/// The steps, on a connection of either engine.
pub(crate) trait Read {
    /// Stores what one thing means.
    async fn read(
        &mut self,
        reading: &mut Reading<'_>,
        event: InboundEventId,
        item: &Inbound,
    ) -> Result<(), StoreError>;
    /// Finds or makes the conversation of a message.
    async fn chat(&mut self, reading: &mut Reading<'_>, told: &Told<'_>) -> Result<Chat, StoreError>;
    /// Stores a message, unless it is there.
    async fn message(&mut self, reading: &mut Reading<'_>, told: &Told<'_>) -> Result<(), StoreError>;
    /// Keeps a receipt, and moves its message if that is known.
    async fn receipt(
        &mut self,
        reading: &Reading<'_>,
        item: &Inbound,
        receipt: &Receipt,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Keeps until when everything arrived, and moves the messages that are not that far.
    async fn receipts_up_to(
        &mut self,
        reading: &mut Reading<'_>,
        item: &Inbound,
        reached: ReceiptKind,
        until: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Tells what a provider says about the account, and does what that means for its sending.
    async fn notice(
        &mut self,
        reading: &mut Reading<'_>,
        what: &str,
        detail: &str,
        effect: &NoticeEffect,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Does to a message what was told of it, now or when it comes.
    async fn change(
        &mut self,
        reading: &mut Reading<'_>,
        item: &Inbound,
        provider_id: &str,
        what: What,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Does to the messages that were new what was told of them before.
    async fn catch_up(&mut self, reading: &Reading<'_>) -> Result<(), StoreError>;
    /// Remembers that a contact blocked the account, or lifted that.
    async fn blocked(
        &mut self,
        reading: &mut Reading<'_>,
        item: &Inbound,
        blocked: bool,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError>;
    /// Remembers that a contact wants no campaigns any more, or wants them again.
    async fn opted_out(
        &mut self,
        reading: &mut Reading<'_>,
        item: &Inbound,
        opted_out_at: Option<Timestamp>,
    ) -> Result<(), StoreError>;
    /// Writes what the batch changed about its conversations.
    async fn touch(&mut self, reading: &Reading<'_>) -> Result<(), StoreError>;
}

macro_rules! read_on {
    ($connection:ty) => {
        impl Read for $connection {
            async fn read(
                &mut self,
                reading: &mut Reading<'_>,
                event: InboundEventId,
                item: &Inbound,
            ) -> Result<(), StoreError> {
                let at = if item.at == Timestamp::ZERO {
                    sqlx::query_scalar(RECEIVED_AT).bind(event.0).fetch_one(&mut *self).await?
                } else {
                    item.at.to_datetime()
                };
                match &item.kind {
                    InboundKind::Message { provider_id, content, reply_to, echo } => {
                        let told = Told {
                            item,
                            event,
                            provider_id,
                            content,
                            reply_to: reply_to.as_deref(),
                            echo: *echo,
                            at,
                        };
                        self.message(reading, &told).await?;
                    }
                    InboundKind::Receipt(receipt) => {
                        reading.summary.receipts += 1;
                        self.receipt(reading, item, receipt, at).await?;
                    }
                    InboundKind::ChatMoved { to } => {
                        for sql in MOVE_CHAT {
                            sqlx::query(sql)
                                .bind(reading.account.id.0)
                                .bind(&item.chat)
                                .bind(to)
                                .bind(reading.now.to_datetime())
                                .execute(&mut *self)
                                .await?;
                        }
                    }
                    InboundKind::Edited { provider_id, content } => {
                        self.change(reading, item, provider_id, What::Edited(json!(content)), at).await?;
                    }
                    InboundKind::Deleted { provider_id } => {
                        self.change(reading, item, provider_id, What::Deleted, at).await?;
                    }
                    InboundKind::Reacted { provider_id, emoji } => {
                        let what = What::Reacted { by: reading.by(item), emoji: emoji.clone() };
                        self.change(reading, item, provider_id, what, at).await?;
                    }
                    InboundKind::ContactBlocked { blocked } => {
                        self.blocked(reading, item, *blocked, at).await?;
                    }
                    InboundKind::ContactOptedOut { opted_out } => {
                        self.opted_out(reading, item, opted_out.then_some(at.into())).await?;
                    }
                    InboundKind::ReceiptUpTo { reached, until } => {
                        self.receipts_up_to(reading, item, *reached, until.to_datetime()).await?;
                    }
                    InboundKind::AccountNotice { what, detail, effect } => {
                        self.notice(reading, what, detail, effect, at.into()).await?;
                    }
                    InboundKind::Ignored { .. } => reading.summary.ignored += 1,
                }
                Ok(())
            }

            async fn chat(&mut self, reading: &mut Reading<'_>, told: &Told<'_>) -> Result<Chat, StoreError> {
                let (account, item, now) = (reading.account, told.item, reading.now);
                if let Some(known) = reading.chats.get(&item.chat) {
                    return Ok(*known);
                }
                // An echo is from the account itself: it tells nothing about the other side.
                let from = item.from.as_ref().filter(|_| !told.echo);
                let known: Option<Chat> = sqlx::query_as(CONVERSATION_AT)
                    .bind(account.id.0)
                    .bind(&item.chat)
                    .fetch_optional(&mut *self)
                    .await?;
                let chat = if let Some(known) = known {
                    known
                } else {
                    let contact: Option<Uuid> = if item.chat_kind == ConversationKind::Direct {
                        Some(ensure_contact!(
                            self,
                            reading.ids,
                            now,
                            account.workspace_id.0,
                            account.id.0,
                            &account.channel,
                            &item.chat,
                            from.and_then(|from| from.name.clone()),
                            from.and_then(|from| from.phone.clone())
                        ))
                    } else {
                        None
                    };
                    sqlx::query_as(ensure::OPEN_CONVERSATION)
                        .bind(reading.ids.uuid(now))
                        .bind(account.workspace_id.0)
                        .bind(account.id.0)
                        .bind(contact)
                        .bind(item.chat_kind.as_str())
                        .bind(&item.chat)
                        .bind(&item.chat_title)
                        .bind(0_i64)
                        .bind(None::<Uuid>)
                        .bind(None::<DateTime<Utc>>)
                        .bind(now.to_datetime())
                        .fetch_one(&mut *self)
                        .await?
                };
                if let (Some(contact), Some(name)) =
                    (chat.contact_id, from.and_then(|from| from.name.as_ref()))
                {
                    sqlx::query(NAME_CONTACT)
                        .bind(contact)
                        .bind(name)
                        .bind(now.to_datetime())
                        .execute(&mut *self)
                        .await?;
                }
                reading.chats.insert(item.chat.clone(), chat);
                Ok(chat)
            }

            async fn message(
                &mut self,
                reading: &mut Reading<'_>,
                told: &Told<'_>,
            ) -> Result<(), StoreError> {
                let chat = self.chat(reading, told).await?;
                let (account, now) = (reading.account, reading.now);
                let id = reading.ids.uuid(now);
                let (content, file) = media::attach(reading.ids, now, told.content);
                let (direction, status, actor) = if told.echo {
                    (Direction::Outbound, Status::Sent, "channel")
                } else {
                    (Direction::Inbound, Status::Received, "contact")
                };
                let inserted = sqlx::query(INSERT_MESSAGE)
                    .bind(id)
                    .bind(account.workspace_id.0)
                    .bind(account.id.0)
                    .bind(chat.id)
                    .bind(chat.contact_id)
                    .bind(direction.as_str())
                    .bind(status.as_str())
                    .bind(Purpose::Conversation.as_str())
                    .bind(Purpose::Conversation.class().as_str())
                    .bind(Origin::Channel.as_str())
                    .bind(actor)
                    .bind(told.item.from.as_ref().map(|from| from.address.clone()))
                    .bind(Json(&*content))
                    .bind(&told.item.thread)
                    .bind(told.reply_to)
                    .bind(told.provider_id)
                    .bind(Some(told.event.0))
                    .bind(told.echo.then_some(told.at))
                    .bind(told.at)
                    .bind(now.to_datetime())
                    .execute(&mut *self)
                    .await?
                    .rows_affected();
                if inserted == 0 {
                    return Ok(());
                }
                reading.add(chat.id, id, told);
                if let Some(file) = file {
                    let (workspace, now) = (account.workspace_id.0, now.to_datetime());
                    media::receive!(self, file, workspace, account.id.0, id, content, now);
                    reading.summary.media.push(file.into());
                }
                sqlx::query(INSERT_EVENT)
                    .bind(reading.ids.uuid(now))
                    .bind(account.workspace_id.0)
                    .bind(EventKind::MessageReceived.as_str())
                    .bind(Some(account.id.0))
                    .bind(Some(chat.id))
                    .bind(Some(id))
                    .bind(actor)
                    .bind(None::<String>)
                    .bind(None::<String>)
                    .bind(Json(received(
                        account.workspace_id,
                        id.into(),
                        &content,
                        told.item,
                        told.at.into(),
                    )))
                    .bind(now.to_datetime())
                    .execute(&mut *self)
                    .await?;
                Ok(())
            }

            async fn receipt(
                &mut self,
                reading: &Reading<'_>,
                item: &Inbound,
                receipt: &Receipt,
                at: DateTime<Utc>,
            ) -> Result<(), StoreError> {
                let row = receipts::Row {
                    account_id: reading.account.id.0,
                    chat: item.chat.clone(),
                    provider_id: receipt.provider_id.clone(),
                    kind: receipt.kind.as_str().to_owned(),
                    at,
                    error: receipt.error.clone(),
                    now: reading.now.to_datetime(),
                };
                sqlx::query(INSERT_RECEIPT)
                    .bind(row.account_id)
                    .bind(&row.chat)
                    .bind(&row.provider_id)
                    .bind(&row.kind)
                    .bind(row.at)
                    .bind(&row.error)
                    .execute(&mut *self)
                    .await?;
                receipts::apply!(self, reading.ids, &row);
                Ok(())
            }

            async fn receipts_up_to(
                &mut self,
                reading: &mut Reading<'_>,
                item: &Inbound,
                reached: ReceiptKind,
                until: DateTime<Utc>,
            ) -> Result<(), StoreError> {
                if !matches!(reached, ReceiptKind::Delivered | ReceiptKind::Read) {
                    // That everything failed until a time is nothing that a provider says.
                    reading.summary.ignored += 1;
                    return Ok(());
                }
                let account = reading.account.id.0;
                sqlx::query(receipts::WAIT).bind(account).bind(&item.chat).execute(&mut *self).await?;
                sqlx::query(receipts::KEEP_UP_TO)
                    .bind(account)
                    .bind(&item.chat)
                    .bind(reached.as_str())
                    .bind(until)
                    .execute(&mut *self)
                    .await?;
                let behind: Vec<String> = sqlx::query_scalar(receipts::UP_TO)
                    .bind(account)
                    .bind(&item.chat)
                    .bind(reached.as_str())
                    .bind(until)
                    .fetch_all(&mut *self)
                    .await?;
                reading.summary.receipts += 1;
                for provider_id in behind {
                    let row = receipts::Row {
                        account_id: account,
                        chat: item.chat.clone(),
                        provider_id,
                        kind: reached.as_str().to_owned(),
                        at: until,
                        error: None,
                        now: reading.now.to_datetime(),
                    };
                    receipts::apply!(self, reading.ids, &row);
                }
                Ok(())
            }

            async fn notice(
                &mut self,
                reading: &mut Reading<'_>,
                what: &str,
                detail: &str,
                effect: &NoticeEffect,
                at: Timestamp,
            ) -> Result<(), StoreError> {
                let (account, now, ids) = (reading.account, reading.now, reading.ids);
                reading.summary.notices += 1;
                let words = json!({"what": what, "detail": detail, "effect": effect, "at": at});
                account_event!(ids.uuid(now), EventKind::AccountNotice, of: account.workspace_id, account.id, by: "system", at: now, words)
                    .execute(&mut *self)
                    .await?;
                let (changed, status) = match effect {
                    NoticeEffect::None => return Ok(()),
                    // Told late: it is over.
                    NoticeEffect::Stopped { until: Some(until), .. } if *until <= now => return Ok(()),
                    NoticeEffect::Stopped { reason, until } => {
                        let before: Option<StopsRow> = sqlx::query_as(stops::STOPS)
                            .bind(account.id.0)
                            .bind(now.to_datetime())
                            .fetch_optional(&mut *self)
                            .await?;
                        // What a person paused stays so: the next call hears of the stop again.
                        let Some(before) = before.filter(|row| row.sending != Sending::Paused.as_str()) else {
                            return Ok(());
                        };
                        let (in_a_row, until) = before.next(now, until.map(|until| until.since(now)));
                        sqlx::query(stops::STOP)
                            .bind(account.id.0)
                            .bind(reason)
                            .bind(until.map(Timestamp::to_datetime))
                            .bind(in_a_row)
                            .bind(now.to_datetime())
                            .execute(&mut *self)
                            .await?;
                        let status = json!({
                            "sending": Sending::Stopped, "reason": reason, "until": until, "holds": account.holds,
                        });
                        (NoticeEffect::Stopped { reason: reason.clone(), until }, status)
                    }
                    NoticeEffect::Restored => {
                        let restored = sqlx::query(stops::RESTORE)
                            .bind(account.id.0)
                            .bind(now.to_datetime())
                            .execute(&mut *self)
                            .await?;
                        if restored.rows_affected() == 0 {
                            return Ok(());
                        }
                        let status = json!({"sending": Sending::Active, "reason": null, "until": null});
                        (NoticeEffect::Restored, status)
                    }
                };
                reading.summary.sending = Some(changed);
                account_event!(ids.uuid(now), EventKind::AccountStatus, of: account.workspace_id, account.id, by: "system", at: now, status)
                    .execute(&mut *self)
                    .await?;
                Ok(())
            }

            async fn change(
                &mut self,
                reading: &mut Reading<'_>,
                item: &Inbound,
                provider_id: &str,
                what: What,
                at: DateTime<Utc>,
            ) -> Result<(), StoreError> {
                reading.summary.changes += 1;
                let now = reading.now.to_datetime();
                let told = changes::Told { what, at, now, actor: "contact".to_owned() };
                let known: Known<'_> = (reading.account.id.0, &item.chat, provider_id);
                self.apply_or_park(reading.ids, known, &told).await
            }

            async fn catch_up(&mut self, reading: &Reading<'_>) -> Result<(), StoreError> {
                let account = reading.account.id.0;
                let known: BTreeSet<Known<'_>> =
                    reading.arrived.iter().map(|(chat, id)| (account, chat.as_str(), id.as_str())).collect();
                self.apply_parked(reading.ids, &known, reading.now.to_datetime()).await
            }

            async fn blocked(
                &mut self,
                reading: &mut Reading<'_>,
                item: &Inbound,
                blocked: bool,
                at: DateTime<Utc>,
            ) -> Result<(), StoreError> {
                let now = reading.now.to_datetime();
                let sql = if blocked { BLOCK } else { UNBLOCK };
                let changed: Option<Uuid> = sqlx::query_scalar(sql)
                    .bind(reading.account.id.0)
                    .bind(&item.chat)
                    .bind(at)
                    .bind(now)
                    .fetch_optional(&mut *self)
                    .await?;
                let Some(chat) = changed else {
                    reading.summary.ignored += 1;
                    return Ok(());
                };
                reading.summary.changes += 1;
                sqlx::query(INSERT_EVENT)
                    .bind(reading.ids.uuid(reading.now))
                    .bind(reading.account.workspace_id.0)
                    .bind(EventKind::ConversationBlocked.as_str())
                    .bind(Some(reading.account.id.0))
                    .bind(Some(chat))
                    .bind(None::<Uuid>)
                    .bind("contact")
                    .bind(None::<String>)
                    .bind(None::<String>)
                    .bind(Json(json!({"blocked": blocked, "at": Timestamp::from(at)})))
                    .bind(now)
                    .execute(&mut *self)
                    .await?;
                Ok(())
            }

            async fn opted_out(
                &mut self,
                reading: &mut Reading<'_>,
                item: &Inbound,
                opted_out_at: Option<Timestamp>,
            ) -> Result<(), StoreError> {
                let (account, now) = (reading.account, reading.now);
                let chat: Option<Chat> = sqlx::query_as(CONVERSATION_AT)
                    .bind(account.id.0)
                    .bind(&item.chat)
                    .fetch_optional(&mut *self)
                    .await?;
                let Some(Chat { id, contact_id: Some(contact) }) = chat else {
                    // A group has no wishes, and who never met the account gets nothing from it.
                    reading.summary.ignored += 1;
                    return Ok(());
                };
                let wish = Wish {
                    workspace: account.workspace_id,
                    contact: contact.into(),
                    said_in: Some((account.id.0, id)),
                    opted_out_at,
                    actor: "contact",
                    now,
                };
                reading.summary.opted_out += usize::from(self.respect(reading.ids, &wish).await?);
                Ok(())
            }

            async fn touch(&mut self, reading: &Reading<'_>) -> Result<(), StoreError> {
                for (conversation, place) in &reading.touched {
                    sqlx::query(TOUCH)
                        .bind(conversation)
                        .bind(place.unread)
                        .bind(place.at)
                        .bind(place.last)
                        .bind(reading.now.to_datetime())
                        .bind(place.inbound.map(|(_, last)| last))
                        .bind(place.inbound.map(|(first, _)| first))
                        .execute(&mut *self)
                        .await?;
                }
                Ok(())
            }
        }
    };
}
read_on!(PgConnection);
read_on!(SqliteConnection);

fn received(
    workspace: WorkspaceId,
    id: MessageId,
    content: &Content,
    item: &Inbound,
    at: Timestamp,
) -> Value {
    let content = if content.kind() == ContentKind::Unsupported {
        json!({"type": "unsupported"})
    } else {
        json!(content)
    };
    json!({
        "id": id,
        "workspace_id": workspace,
        "chat": item.chat,
        "from": item.from,
        "thread": item.thread,
        "content": content,
        "provider_at": at,
    })
}
