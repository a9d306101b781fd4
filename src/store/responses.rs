//! Whether people answer an account's campaigns: the share that the rule about the response rate looks at.

use std::time::Duration;

use model::{AccountId, ConversationId, Timestamp};
use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements};
use crate::{Store, StoreError};

/// Of each chat the latest campaign that reached it, or may have, after `$2` and until `$3`: one that the provider did not
/// take asks nobody. What is done to a campaign message afterwards is none.
macro_rules! latest {
    () => {
        "SELECT t.conversation_id, max(t.started_at) AS last_sent_at FROM attempts t
        WHERE t.account_id = $1 AND t.purpose = 'campaign' AND t.started_at > $2 AND t.started_at <= $3
        AND (t.outcome IS NULL OR t.outcome IN ('accepted', 'ambiguous', 'lost'))
        AND NOT EXISTS (SELECT 1 FROM actions x WHERE x.id = t.subject_id)
        GROUP BY t.conversation_id"
    };
}

statements! {
    RATE = concat!("SELECT count(*) AS recipients, count(CASE WHEN c.last_inbound_at > s.last_sent_at THEN 1 END) AS wrote
        FROM (", latest!(), ") AS s JOIN conversations c ON c.id = s.conversation_id");
    FACTS = concat!("SELECT s.conversation_id, s.last_sent_at, c.last_inbound_at
        FROM (", latest!(), ") AS s JOIN conversations c ON c.id = s.conversation_id ORDER BY s.last_sent_at");
}

/// How many chats got campaigns, and how many of them wrote since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseRate {
    /// Chats that a campaign reached.
    pub recipients: u32,
    /// Those of them that wrote after the latest one that counts.
    pub wrote: u32,
}

/// A chat that a campaign reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CampaignRecipient {
    /// The chat.
    pub conversation_id: ConversationId,
    /// When the latest campaign was sent to it.
    pub last_sent_at: Timestamp,
    /// When the other side last wrote.
    pub last_inbound_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct RateRow {
    recipients: i64,
    wrote: i64,
}

#[derive(FromRow)]
struct FactsRow {
    conversation_id: Uuid,
    last_sent_at: DateTime<Utc>,
    last_inbound_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The response to an account's campaigns that were sent after `after` and until `until`, and not before `not_before`:
    /// when a person let campaigns go on. Of each chat the latest of them counts.
    pub async fn response_rate(
        &self,
        account: AccountId,
        after: Timestamp,
        until: Timestamp,
        not_before: Option<Timestamp>,
    ) -> Result<ResponseRate, StoreError> {
        let row: RateRow = read!(self.db, conn => sqlx::query_as(RATE)
            .bind(account.0)
            .bind(later(after, not_before).to_datetime())
            .bind(until.to_datetime())
            .fetch_one(conn).await)?;
        let number = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(ResponseRate { recipients: number(row.recipients), wrote: number(row.wrote) })
    }

    /// The chats that [`Store::response_rate`] counts, one by one: those that got their latest campaign first come first.
    pub async fn response_facts(
        &self,
        account: AccountId,
        after: Timestamp,
        until: Timestamp,
        not_before: Option<Timestamp>,
    ) -> Result<Vec<CampaignRecipient>, StoreError> {
        let rows: Vec<FactsRow> = read!(self.db, conn => sqlx::query_as(FACTS)
            .bind(account.0)
            .bind(later(after, not_before).to_datetime())
            .bind(until.to_datetime())
            .fetch_all(conn).await)?;
        let facts = rows.into_iter().map(|row| CampaignRecipient {
            conversation_id: row.conversation_id.into(),
            last_sent_at: row.last_sent_at.into(),
            last_inbound_at: row.last_inbound_at.map(Timestamp::from),
        });
        Ok(facts.collect())
    }
}

/// The instant after which sends count: `not_before` itself is late enough.
fn later(after: Timestamp, not_before: Option<Timestamp>) -> Timestamp {
    not_before.map_or(after, |at| after.max(at - Duration::from_micros(1)))
}
