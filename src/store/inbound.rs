//! The way in: provider events as they were received, and what they turn into.
//!
//! Receiving commits raw events, one row each, and nothing else; a job reads them later, in batches. So an
//! acknowledged webhook is never lost, a repeated one is one row, and a slow chat delays no answer to a provider.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{
    Account, AccountId, ChannelAppId, ConversationId, Inbound, InboundEventId, InboundKind, MediaId,
    NoticeEffect,
};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::db::{read, statements, transaction};
use crate::reading::{Read as _, Reading};
use crate::receipts::Lock as _;
use crate::rows::Rows;
use crate::{Store, StoreError, nul};

statements! {
    INSERT = "INSERT INTO inbound_events (id, account_id, channel, dedupe_key, payload, received_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    /// The accounts that an app's provider means: several workspaces may have connected the same one.
    MEANT = "SELECT id FROM accounts WHERE app_id = $1 AND channel = $2 AND external_id = $3 AND deleted_at IS NULL
        ORDER BY id";
    UNPROCESSED = "SELECT id, payload FROM inbound_events WHERE account_id = $1 AND processed_at IS NULL
        ORDER BY id LIMIT $2";
    PROCESSED = "UPDATE inbound_events SET processed_at = $2, error = $3 WHERE id = $1";
}

pub(crate) const INSERT_INBOUND: &str = INSERT;

/// An event as it came in.
#[derive(Debug, Clone)]
pub struct NewInboundEvent {
    /// The same whenever the provider repeats it.
    pub dedupe_key: String,
    /// The provider's own words.
    pub payload: Value,
}

/// What became of the events of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// How many were new, by account.
    pub new: BTreeMap<AccountId, usize>,
    /// How many new ones are nobody's.
    pub unrouted: usize,
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestSummary {
    /// Messages that were new.
    pub messages: usize,
    /// The conversations whose other side wrote.
    pub wrote: BTreeSet<ConversationId>,
    /// Files that came with them and are to be fetched.
    pub media: Vec<MediaId>,
    /// Receipts, known or not.
    pub receipts: usize,
    /// Edits, deletions, reactions and blocks, of messages known or not.
    pub changes: usize,
    /// Contacts that want no campaigns any more, or want them again.
    pub opted_out: usize,
    /// What providers said about the account itself.
    pub notices: usize,
    /// What the last of them changed about its sending, with the end as it was written.
    pub sending: Option<NoticeEffect>,
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

    /// Commits the events that came to an app's address, each for every account of the app that the provider means by its
    /// id. What belongs to none of them is nobody's: kept, not read.
    pub async fn record_for_app(
        &self,
        app: ChannelAppId,
        channel: &str,
        events: &[(Option<String>, NewInboundEvent)],
    ) -> Result<Delivered, StoreError> {
        let now = self.now();
        let mut delivered = Delivered::default();
        transaction!(self.db, tx => {
            let mut known: HashMap<&str, Vec<Uuid>> = HashMap::new();
            for (external_id, event) in events {
                let mut meant: Vec<Option<Uuid>> = Vec::new();
                if let Some(external_id) = external_id {
                    if !known.contains_key(external_id.as_str()) {
                        let accounts: Vec<Uuid> = sqlx::query_scalar(MEANT)
                            .bind(app.0).bind(channel).bind(external_id).fetch_all(&mut *tx).await?;
                        known.insert(external_id, accounts);
                    }
                    meant.extend(known.get(external_id.as_str()).into_iter().flatten().copied().map(Some));
                }
                if meant.is_empty() {
                    meant.push(None);
                }
                for account in meant {
                    let inserted = sqlx::query(INSERT)
                        .bind(self.ids.uuid(now))
                        .bind(account)
                        .bind(channel)
                        .bind(&event.dedupe_key)
                        .bind(Json(&nul::without(&event.payload)))
                        .bind(now.to_datetime())
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                    let inserted = usize::try_from(inserted).unwrap_or(0);
                    match account {
                        _ if inserted == 0 => {}
                        Some(account) => *delivered.new.entry(account.into()).or_default() += inserted,
                        None => delivered.unrouted += inserted,
                    }
                }
            }
        });
        Ok(delivered)
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
        let mut reading = Reading::new(account, &self.ids, self.now());
        let stamp = reading.now.to_datetime();
        transaction!(self.db, tx => {
            (*tx).lock(concerned_by(batch).map(|id| (account.id.0, id))).await?;
            for event in batch {
                if let Ok(meaning) = &event.meaning {
                    for item in meaning {
                        (*tx).read(&mut reading, event.id, item).await?;
                    }
                } else {
                    reading.summary.unreadable += 1;
                }
            }
            (*tx).catch_up(&reading).await?;
            (*tx).touch(&reading).await?;
            if !batch.is_empty() {
                let rows = Rows::of(batch)
                    .uuid("id", |event| event.id.0)
                    .text("error", |event| event.meaning.as_ref().err().map(String::as_str))
                    .time("at", |_| stamp);
                let mut query = rows.query(
                    "UPDATE inbound_events SET error = v.error, processed_at = v.at FROM v WHERE inbound_events.id = v.id",
                );
                query.build().execute(&mut *tx).await?;
            }
        });
        Ok(reading.summary)
    }

    /// Takes one event out of the way that breaks every batch it is in.
    pub async fn set_event_aside(&self, id: InboundEventId, error: &str) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        crate::db::write!(self.db, conn => sqlx::query(PROCESSED)
            .bind(id.0).bind(now).bind(error).execute(conn).await.map(drop))?;
        Ok(())
    }
}

/// The provider's ids of messages that a batch tells something about.
fn concerned_by(batch: &[Ingested]) -> impl Iterator<Item = &str> {
    let meanings = batch.iter().filter_map(|event| event.meaning.as_ref().ok());
    meanings.flatten().filter_map(|item| match &item.kind {
        InboundKind::Receipt(receipt) => Some(receipt.provider_id.as_str()),
        InboundKind::Edited { provider_id, .. }
        | InboundKind::Deleted { provider_id }
        | InboundKind::Reacted { provider_id, .. } => Some(provider_id.as_str()),
        _ => None,
    })
}
