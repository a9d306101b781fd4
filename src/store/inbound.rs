//! The way in: provider events as they were received, and what they turn into.
//!
//! Receiving commits raw events, one row each, and nothing else; a job reads them later, in batches. So an
//! acknowledged webhook is never lost, a repeated one is one row, and a slow chat delays no answer to a provider.

use std::collections::{BTreeMap, HashMap};

use model::{
    Account, AccountId, Content, ContentKind, Direction, EventKind, Inbound, InboundEventId, InboundKind,
    MessageId, Origin, Purpose, Status, Timestamp, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::FromRow;
use sqlx::QueryBuilder;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::ensure::{self, ensure_contact};
use crate::events::INSERT_EVENT;
use crate::receipts::{self, INSERT_RECEIPT, Lock as _};
use crate::{Store, StoreError, nul};

statements! {
    INSERT = "INSERT INTO inbound_events (id, account_id, channel, dedupe_key, payload, received_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, dedupe_key) DO NOTHING";
    UNPROCESSED = "SELECT id, payload FROM inbound_events WHERE account_id = $1 AND processed_at IS NULL
        ORDER BY id LIMIT $2";
    PROCESSED = "UPDATE inbound_events SET processed_at = $2, error = $3 WHERE id = $1";
    CONVERSATION_AT = "SELECT id, contact_id FROM conversations WHERE account_id = $1 AND address = $2";
    NAME_CONTACT = "UPDATE contacts SET name = $2, updated_at = $3 WHERE id = $1 AND name IS NULL";
    INSERT_MESSAGE = "INSERT INTO messages
        (id, workspace_id, account_id, conversation_id, contact_id, direction, status, purpose, class, origin, actor,
        sender, content, thread, reply_to, provider_id, inbound_event_id, sent_at, provider_at, shown_at, created_at,
        updated_at, forgiven)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
        (SELECT q.id FROM messages q WHERE q.conversation_id = $4 AND q.provider_id = $15), $16, $17, $18, $19, $19,
        $20, $20, 0)
        ON CONFLICT (conversation_id, provider_id) WHERE provider_id IS NOT NULL DO NOTHING";
    RECEIVED_AT = "SELECT received_at FROM inbound_events WHERE id = $1";
    TOUCH = "UPDATE conversations SET unread_count = unread_count + $2,
        last_inbound_at = CASE WHEN last_inbound_at IS NULL OR last_inbound_at < $6 THEN COALESCE($6, last_inbound_at)
            ELSE last_inbound_at END,
        last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $4 ELSE last_message_id END,
        last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= $3 THEN $3 ELSE last_message_at END,
        status = CASE WHEN $2 > 0 THEN 'open' ELSE status END, updated_at = $5 WHERE id = $1";
    MOVE_CHAT = "UPDATE conversations SET address = $3, updated_at = $4 WHERE account_id = $1 AND address = $2
        AND NOT EXISTS (SELECT 1 FROM conversations x WHERE x.account_id = $1 AND x.address = $3)";
}

/// An event as it came in.
#[derive(Debug, Clone)]
pub struct NewInboundEvent {
    /// The same whenever the provider repeats it.
    pub dedupe_key: String,
    /// The provider's own words.
    pub payload: Value,
}

/// An event that waits to be read.
#[derive(Debug, Clone)]
pub struct PendingEvent {
    /// Its id.
    pub id: InboundEventId,
    /// The provider's own words.
    pub payload: Value,
}

/// An event that was read.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// Its id.
    pub id: InboundEventId,
    /// What it means, or why it cannot be read.
    pub meaning: Result<Vec<Inbound>, String>,
}

/// What a batch of events amounted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IngestSummary {
    /// Messages that were new.
    pub messages: usize,
    /// Receipts, known or not.
    pub receipts: usize,
    /// Things of no concern.
    pub ignored: usize,
    /// Events that could not be read.
    pub unreadable: usize,
}

#[derive(FromRow)]
struct PendingRow {
    id: Uuid,
    payload: Json<Value>,
}

#[derive(FromRow)]
struct ConversationRow {
    id: Uuid,
    contact_id: Option<Uuid>,
}

struct Touched {
    unread: i64,
    inbound_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
    last: Uuid,
}

impl Store {
    /// Commits a webhook's events and says how many were new. Without an account they are nobody's: kept, not read.
    pub async fn record_inbound(
        &self,
        account: Option<AccountId>,
        channel: &str,
        events: &[NewInboundEvent],
    ) -> Result<usize, StoreError> {
        let now = self.now();
        let mut new = 0;
        transaction!(self.db, tx => {
            for event in events {
                new += sqlx::query(INSERT)
                    .bind(self.ids.uuid(now))
                    .bind(account.map(|id| id.0))
                    .bind(channel)
                    .bind(&event.dedupe_key)
                    .bind(Json(&nul::without(&event.payload)))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            }
        });
        Ok(usize::try_from(new).unwrap_or(usize::MAX))
    }

    /// An account's events that were not read yet, oldest first. Never a cursor: what commits late is not passed over.
    pub async fn unprocessed_events(
        &self,
        account: AccountId,
        most: u32,
    ) -> Result<Vec<PendingEvent>, StoreError> {
        let rows: Vec<PendingRow> = read!(self.db, conn => sqlx::query_as(UNPROCESSED)
            .bind(account.0).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(|row| PendingEvent { id: row.id.into(), payload: row.payload.0 }).collect())
    }

    /// Commits what a batch of events means, and that they were read. All or nothing; safe to repeat.
    pub async fn apply_inbound(
        &self,
        account: &Account,
        batch: &[Ingested],
    ) -> Result<IngestSummary, StoreError> {
        let now = self.now();
        let stamp = now.to_datetime();
        let mut summary = IngestSummary::default();
        let mut chats: HashMap<String, ConversationRow> = HashMap::new();
        // In one order everywhere, so that no two transactions wait for each other.
        let mut touched: BTreeMap<Uuid, Touched> = BTreeMap::new();
        transaction!(self.db, tx => {
            (*tx).lock(receipts_of(batch).map(|id| (account.id.0, id))).await?;
            for event in batch {
                let meaning = match &event.meaning {
                    Ok(meaning) => meaning.as_slice(),
                    Err(_) => { summary.unreadable += 1; &[] }
                };
                for item in meaning {
                    let at = if item.at == Timestamp::ZERO {
                        sqlx::query_scalar(RECEIVED_AT).bind(event.id.0).fetch_one(&mut *tx).await?
                    } else {
                        item.at.to_datetime()
                    };
                    match &item.kind {
                        InboundKind::Message { provider_id, content, reply_to, echo } => {
                            if !chats.contains_key(&item.chat) {
                                let known: Option<ConversationRow> = sqlx::query_as(CONVERSATION_AT)
                                    .bind(account.id.0).bind(&item.chat).fetch_optional(&mut *tx).await?;
                                let row = match known {
                                    Some(row) => row,
                                    None => {
                                        let contact = if item.chat_kind == model::ConversationKind::Direct {
                                            let from = item.from.as_ref().filter(|_| !echo);
                                            let contact: Uuid = ensure_contact!(
                                                tx, self.ids, now, account.workspace_id.0, account.id.0,
                                                &account.channel, &item.chat,
                                                from.and_then(|from| from.name.clone()),
                                                from.and_then(|from| from.phone.clone())
                                            );
                                            Some(contact)
                                        } else { None };
                                        sqlx::query_as::<_, ConversationRow>(ensure::OPEN_CONVERSATION)
                                            .bind(self.ids.uuid(now))
                                            .bind(account.workspace_id.0)
                                            .bind(account.id.0)
                                            .bind(contact)
                                            .bind(item.chat_kind.as_str())
                                            .bind(&item.chat)
                                            .bind(&item.chat_title)
                                            .bind(0_i64)
                                            .bind(None::<Uuid>)
                                            .bind(None::<DateTime<Utc>>)
                                            .bind(stamp)
                                            .fetch_one(&mut *tx)
                                            .await?
                                    }
                                };
                                if let (Some(contact), Some(name)) =
                                    (row.contact_id, item.from.as_ref().filter(|_| !echo).and_then(|from| from.name.as_ref()))
                                {
                                    sqlx::query(NAME_CONTACT)
                                        .bind(contact).bind(name).bind(stamp).execute(&mut *tx).await?;
                                }
                                chats.insert(item.chat.clone(), row);
                            }
                            let Some(chat) = chats.get(&item.chat) else { continue };
                            let id = self.ids.uuid(now);
                            let (direction, status, origin) = if *echo {
                                (Direction::Outbound, Status::Sent, Origin::Channel)
                            } else {
                                (Direction::Inbound, Status::Received, Origin::Channel)
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
                                .bind(origin.as_str())
                                .bind(if *echo { "channel" } else { "contact" })
                                .bind(item.from.as_ref().map(|from| from.address.clone()))
                                .bind(Json(content))
                                .bind(&item.thread)
                                .bind(reply_to)
                                .bind(provider_id)
                                .bind(Some(event.id.0))
                                .bind(echo.then_some(at))
                                .bind(at)
                                .bind(stamp)
                                .execute(&mut *tx)
                                .await?
                                .rows_affected();
                            if inserted == 1 {
                                summary.messages += 1;
                                let place = touched.entry(chat.id).or_insert(Touched { unread: 0, inbound_at: None, at, last: id });
                                if !*echo {
                                    place.unread += 1;
                                    place.inbound_at = place.inbound_at.max(Some(at));
                                }
                                if at >= place.at {
                                    (place.at, place.last) = (at, id);
                                }
                                sqlx::query(INSERT_EVENT)
                                    .bind(self.ids.uuid(now))
                                    .bind(account.workspace_id.0)
                                    .bind(EventKind::MessageReceived.as_str())
                                    .bind(Some(account.id.0))
                                    .bind(Some(chat.id))
                                    .bind(Some(id))
                                    .bind(if *echo { "channel" } else { "contact" })
                                    .bind(None::<String>)
                                    .bind(None::<String>)
                                    .bind(Json(received(account.workspace_id, id.into(), content, item, at.into())))
                                    .bind(stamp)
                                    .execute(&mut *tx)
                                    .await?;
                            }
                        }
                        InboundKind::Receipt(receipt) => {
                            summary.receipts += 1;
                            let row = receipts::Row {
                                account_id: account.id.0,
                                chat: item.chat.clone(),
                                provider_id: receipt.provider_id.clone(),
                                kind: receipt.kind.as_str().to_owned(),
                                at,
                                error: receipt.error.clone(),
                                now: stamp,
                            };
                            sqlx::query(INSERT_RECEIPT)
                                .bind(row.account_id)
                                .bind(&row.chat)
                                .bind(&row.provider_id)
                                .bind(&row.kind)
                                .bind(row.at)
                                .bind(&row.error)
                                .execute(&mut *tx)
                                .await?;
                            receipts::apply!(tx, self.ids, &row);
                        }
                        InboundKind::ChatMoved { to } => {
                            sqlx::query(MOVE_CHAT)
                                .bind(account.id.0).bind(&item.chat).bind(to).bind(stamp).execute(&mut *tx).await?;
                        }
                        InboundKind::Edited { .. }
                        | InboundKind::Deleted { .. }
                        | InboundKind::Reacted { .. }
                        | InboundKind::ContactBlocked { .. }
                        | InboundKind::Ignored { .. } => summary.ignored += 1,
                    }
                }
            }
            for (conversation, place) in &touched {
                sqlx::query(TOUCH)
                    .bind(conversation)
                    .bind(place.unread)
                    .bind(place.at)
                    .bind(place.last)
                    .bind(stamp)
                    .bind(place.inbound_at)
                    .execute(&mut *tx)
                    .await?;
            }
            if !batch.is_empty() {
                let mut query = QueryBuilder::new("WITH v (id, error) AS (");
                query.push_values(batch, |mut row, event| {
                    row.push_bind(event.id.0).push_bind(event.meaning.as_ref().err().cloned());
                });
                query.push(") UPDATE inbound_events SET error = v.error, processed_at = ");
                query.push_bind(stamp);
                query.push(" FROM v WHERE inbound_events.id = v.id");
                query.build().execute(&mut *tx).await?;
            }
        });
        Ok(summary)
    }

    /// Takes one event out of the way that breaks every batch it is in.
    pub async fn set_event_aside(&self, id: InboundEventId, error: &str) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        crate::db::write!(self.db, conn => sqlx::query(PROCESSED)
            .bind(id.0).bind(now).bind(error).execute(conn).await.map(drop))?;
        Ok(())
    }
}

/// The provider's ids that receipts of a batch are about.
fn receipts_of(batch: &[Ingested]) -> impl Iterator<Item = &str> {
    let meanings = batch.iter().filter_map(|event| event.meaning.as_ref().ok());
    meanings.flatten().filter_map(|item| match &item.kind {
        InboundKind::Receipt(receipt) => Some(receipt.provider_id.as_str()),
        _ => None,
    })
}

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
