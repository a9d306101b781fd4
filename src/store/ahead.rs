//! What stands in an account's lane, as far as rows tell: what a preview plays forward, and how much goes before one message.

use std::collections::BTreeSet;
use std::collections::HashMap;

use model::{
    AccountId, Class, ConversationId, ConversationKind, Message, MessageId, Origin, Purpose, Status,
    Timestamp,
};
use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements};
use crate::{ContactFacts, Store, StoreError, texts};

/// How many unfinished rows of a table and a class stand before a place, or in all.
macro_rules! ahead {
    ($table:literal, $before:literal) => {
        concat!(
            "SELECT count(*) FROM ",
            $table,
            " m WHERE m.account_id = $1 AND m.class = $2 AND m.status IN ('queued', 'sending')",
            $before
        )
    };
}

statements! {
    /// The messages are found before anything is joined to them: then the index's order is the plan, whatever the
    /// engine believes of the tables' sizes.
    OF_CLASS = "SELECT m.id, m.conversation_id, c.kind AS chat_kind, m.status, m.class, m.purpose, m.origin, m.seq,
        m.queued_at, m.next_attempt_at, m.text_hash,
        CAST(length(COALESCE(m.content ->> 'text', m.content ->> 'caption', '')) AS BIGINT) AS chars, c.held_until,
        c.last_inbound_at, c.first_inbound_at, c.first_sent_at, c.first_taken_at, k.opted_out_at,
        k.timezone AS contact_timezone
        FROM (SELECT * FROM messages WHERE account_id = $1 AND class = $2 AND status IN ('queued', 'sending')
            ORDER BY queued_at, id LIMIT $3) AS m
        JOIN conversations c ON c.id = m.conversation_id LEFT JOIN contacts k ON k.id = c.contact_id
        ORDER BY m.queued_at, m.id";
    MESSAGES = ahead!("messages", "");
    MESSAGES_AHEAD = ahead!("messages", " AND (m.queued_at, m.id) < ($3, $4)");
    ACTIONS = ahead!("actions", "");
    ACTIONS_AHEAD = ahead!("actions", " AND (m.queued_at, m.id) < ($3, $4)");
    ANY = "SELECT EXISTS (SELECT 1 FROM messages WHERE account_id = $1 AND class IN ('interactive', 'normal', 'bulk')
        AND status IN ('queued', 'sending'))";
    HEADS = "SELECT m.id FROM messages m WHERE m.conversation_id = $1 AND m.status = 'queued'
        AND m.seq = (SELECT min(x.seq) FROM messages x WHERE x.conversation_id = $1 AND x.class = m.class
            AND x.status IN ('queued', 'sending'))";
    SERVED = "SELECT t.conversation_id, max(t.ended_at) AS served_at FROM
        (SELECT conversation_id, ended_at FROM attempts WHERE account_id = $1 AND started_at >= $2 AND outcome <> 'retry'
            ORDER BY started_at DESC LIMIT 1000) AS t
        WHERE t.ended_at IS NOT NULL GROUP BY t.conversation_id";
}

/// A message that waits in its account's lane or is being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Its id.
    pub id: MessageId,
    /// Its chat.
    pub conversation_id: ConversationId,
    /// Who is in the chat.
    pub chat_kind: ConversationKind,
    /// Whether a call for it is open.
    pub is_sending: bool,
    /// How urgent it is.
    pub class: Class,
    /// What it is for.
    pub purpose: Purpose,
    /// What made it.
    pub origin: Origin,
    /// Its number in the conversation.
    pub seq: Option<i64>,
    /// When it became ready to send.
    pub queued_at: Option<Timestamp>,
    /// It is not tried again before then.
    pub next_attempt_at: Option<Timestamp>,
    /// Its chat is held until then by the provider's word; it may have ended.
    pub held_until: Option<Timestamp>,
    /// How many characters its words have.
    pub chars: u32,
    /// A hash of its words, of a campaign.
    pub text_hash: Option<u64>,
    /// When the other side last wrote.
    pub last_inbound_at: Option<Timestamp>,
    /// When the other side first wrote.
    pub first_inbound_at: Option<Timestamp>,
    /// When the account first called for this chat.
    pub first_sent_at: Option<Timestamp>,
    /// When a provider is first known to have taken a call for this chat, as long as it was a new contact.
    pub first_taken_at: Option<Timestamp>,
    /// What its contact wants; of a group, nothing.
    pub contact: ContactFacts,
}

impl QueuedMessage {
    /// Whether the chat is a new contact: it never wrote, and no call for it is known to have been taken.
    pub const fn is_new_contact(&self) -> bool {
        self.first_taken_at.is_none() && self.first_inbound_at.is_none()
    }
}

/// The beginning of an account's lane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneAhead {
    /// Its first messages: by class, then by the time at which they became ready.
    pub messages: Vec<QueuedMessage>,
    /// How many there are in all.
    pub total: u64,
    /// When chats were served last, as far as it was since the first of these messages became ready: chats of one class
    /// take turns.
    pub served: HashMap<ConversationId, Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    conversation_id: Uuid,
    chat_kind: String,
    status: String,
    class: String,
    purpose: String,
    origin: String,
    seq: Option<i64>,
    queued_at: Option<DateTime<Utc>>,
    next_attempt_at: Option<DateTime<Utc>>,
    text_hash: Option<Vec<u8>>,
    chars: i64,
    held_until: Option<DateTime<Utc>>,
    last_inbound_at: Option<DateTime<Utc>>,
    first_inbound_at: Option<DateTime<Utc>>,
    first_sent_at: Option<DateTime<Utc>>,
    first_taken_at: Option<DateTime<Utc>>,
    opted_out_at: Option<DateTime<Utc>>,
    contact_timezone: Option<String>,
}

impl TryFrom<Row> for QueuedMessage {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id.into(),
            conversation_id: row.conversation_id.into(),
            chat_kind: row.chat_kind.parse()?,
            is_sending: row.status == Status::Sending.as_str(),
            class: row.class.parse()?,
            purpose: row.purpose.parse()?,
            origin: row.origin.parse()?,
            seq: row.seq,
            queued_at: row.queued_at.map(Timestamp::from),
            next_attempt_at: row.next_attempt_at.map(Timestamp::from),
            held_until: row.held_until.map(Timestamp::from),
            chars: u32::try_from(row.chars).unwrap_or(u32::MAX),
            text_hash: texts::from_row(row.text_hash),
            last_inbound_at: row.last_inbound_at.map(Timestamp::from),
            first_inbound_at: row.first_inbound_at.map(Timestamp::from),
            first_sent_at: row.first_sent_at.map(Timestamp::from),
            first_taken_at: row.first_taken_at.map(Timestamp::from),
            contact: ContactFacts { opted_out: row.opted_out_at.is_some(), timezone: row.contact_timezone },
        })
    }
}

/// When the lane last served a chat.
#[derive(FromRow)]
struct Served {
    conversation_id: Uuid,
    served_at: DateTime<Utc>,
}

impl Store {
    /// The queued messages of these conversations of an account that are first of their class.
    pub async fn heads_of(
        &self,
        account: AccountId,
        conversations: &BTreeSet<ConversationId>,
    ) -> Result<Vec<MessageId>, StoreError> {
        let any: bool =
            read!(self.db, conn => sqlx::query_scalar(ANY).bind(account.0).fetch_one(conn).await)?;
        let mut heads = Vec::new();
        if any {
            for conversation in conversations {
                let of_one: Vec<Uuid> = read!(self.db, conn => sqlx::query_scalar(HEADS)
                    .bind(conversation.0).fetch_all(conn).await)?;
                heads.extend(of_one.into_iter().map(MessageId::from));
            }
        }
        Ok(heads)
    }

    /// The first messages of an account's lane, `most` at most, in the order in which they go as far as rows tell, and how
    /// many there are.
    pub async fn lane_ahead(&self, account: AccountId, most: u32) -> Result<LaneAhead, StoreError> {
        let mut lane = LaneAhead::default();
        for class in Class::ALL {
            let count: i64 = read!(self.db, conn => sqlx::query_scalar(MESSAGES)
                .bind(account.0).bind(class.as_str()).fetch_one(conn).await)?;
            lane.total += u64::try_from(count).unwrap_or(0);
            let room = i64::from(most) - i64::try_from(lane.messages.len()).unwrap_or(i64::MAX);
            if count == 0 || room <= 0 {
                continue;
            }
            let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(OF_CLASS)
                .bind(account.0).bind(class.as_str()).bind(room).fetch_all(conn).await)?;
            for row in rows {
                lane.messages.push(row.try_into()?);
            }
        }
        if let Some(first) = lane.messages.iter().filter_map(|message| message.queued_at).min() {
            let rows: Vec<Served> = read!(self.db, conn => sqlx::query_as(SERVED)
                .bind(account.0).bind(first.to_datetime()).fetch_all(conn).await)?;
            lane.served =
                rows.into_iter().map(|row| (row.conversation_id.into(), row.served_at.into())).collect();
        }
        Ok(lane)
    }

    /// How many unfinished messages and actions of the account go before this message, if nothing holds them: those of
    /// higher classes and the earlier ones of its own. Reads an entry of an index for each.
    pub async fn sends_ahead(&self, message: &Message) -> Result<u32, StoreError> {
        let mut ahead = 0_i64;
        for class in Class::ALL.iter().filter(|class| class.rank() < message.class.rank()) {
            for sql in [MESSAGES, ACTIONS] {
                let count: i64 = read!(self.db, conn => sqlx::query_scalar(sql)
                    .bind(message.account_id.0).bind(class.as_str()).fetch_one(conn).await)?;
                ahead += count;
            }
        }
        let place = message.queued_at.unwrap_or(message.created_at).to_datetime();
        for sql in [MESSAGES_AHEAD, ACTIONS_AHEAD] {
            let count: i64 = read!(self.db, conn => sqlx::query_scalar(sql)
                .bind(message.account_id.0)
                .bind(message.class.as_str())
                .bind(place)
                .bind(message.id.0)
                .fetch_one(conn).await)?;
            ahead += count;
        }
        Ok(u32::try_from(ahead).unwrap_or(u32::MAX))
    }
}
