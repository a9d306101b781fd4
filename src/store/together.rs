//! Accepting on Postgres: callers who come at the same moment share one transaction of a few statements.
//!
//! Each statement costs a round trip, and so does each commit, whatever is in it. Here are the plain messages, to
//! conversations that exist and that nobody else works on: none is waited for, so one that somebody holds stops nobody
//! else's messages. All others are accepted each by itself, and so are those of a transaction that failed before its commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{EventKind, Message, Purpose, Status, Timestamp};
use serde_json::Value;
use sqlx::postgres::PgPool;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Connection as _, FromRow, PgConnection};
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use crate::accept::Recipient;
use crate::acceptance::{Acceptance, Write as _, Written};
use crate::db::timely;
use crate::gathered::{in_line, next};
use crate::joint::Waiting;
use crate::kept::Kept;
use crate::rows::Rows;
use crate::writer::unavailable;
use crate::{StoreError, texts};

/// Transactions under way at once: while the server works on one, the next is made.
const WIDTH: usize = 2;

/// What takes numbers in conversations that are found like this, if nobody else has them.
macro_rules! take_numbers {
    ($by:literal) => {
        concat!(
            ", free AS (SELECT c.id, v.place, v.numbers, v.newest, v.at FROM v
            JOIN conversations c ON c.workspace_id = v.workspace_id AND c.account_id = v.account_id AND ",
            $by,
            " JOIN accounts a ON a.id = v.account_id AND a.deleted_at IS NULL
            FOR NO KEY UPDATE OF c SKIP LOCKED)
            UPDATE conversations SET next_seq = next_seq + free.numbers,
            last_message_id = CASE WHEN free.newest IS NOT NULL AND (last_message_at IS NULL OR last_message_at <= free.at)
                THEN free.newest ELSE last_message_id END,
            last_message_at = CASE WHEN free.newest IS NOT NULL AND (last_message_at IS NULL OR last_message_at <= free.at)
                THEN free.at ELSE last_message_at END,
            updated_at = free.at
            FROM free WHERE conversations.id = free.id
            RETURNING conversations.id, conversations.contact_id, conversations.next_seq, free.place"
        )
    };
}

const TAKE_NUMBERS: &str = take_numbers!("c.address = v.address");
const TAKE_NUMBERS_BY_ID: &str = take_numbers!("c.id = v.conversation_id");
const INSERT: &str = ", m AS (INSERT INTO messages (id, workspace_id, account_id, conversation_id, contact_id, direction, status,
        purpose, class, seq, origin, actor, client_id, content, thread, send_at, queued_at, shown_at, created_at,
        updated_at, text_hash, forgiven, revision)
        SELECT id, workspace_id, account_id, conversation_id, contact_id, 'outbound', status, purpose, class, seq, origin,
        actor, client_id, content, thread, send_at, queued_at, shown_at, created_at, created_at, text_hash, 0, 0 FROM v)
    INSERT INTO events (id, workspace_id, kind, account_id, conversation_id, message_id, actor, client_id, connection, data,
        created_at)
    SELECT event_id, workspace_id, kind, account_id, conversation_id, id, actor, client_id, connection, data, created_at
    FROM v";

pub(crate) fn start(pool: &PgPool, receiver: mpsc::Receiver<Waiting>) {
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..WIDTH {
        let (receiver, pool) = (Arc::clone(&receiver), pool.clone());
        tokio::spawn(async move {
            let mut kept = Kept::of(pool.clone());
            while let Some(batch) = next(&receiver, &mut kept).await {
                commit(&pool, &mut kept, batch, &receiver).await;
            }
        });
    }
}

async fn commit(pool: &PgPool, kept: &mut Kept, batch: Vec<Waiting>, line: &Mutex<mpsc::Receiver<Waiting>>) {
    let (plain, mut others): (Vec<Waiting>, Vec<Waiting>) =
        batch.into_iter().partition(|(work, _)| is_plain(work));
    let works: Vec<&Acceptance> = plain.iter().map(|(work, _)| &**work).collect();
    let written = if works.is_empty() { Ok(Vec::new()) } else { all(kept, &works).await };
    match written {
        Ok(written) => {
            for ((work, answer), message) in plain.into_iter().zip(written) {
                match message {
                    Some(message) => drop(answer.send(Ok(Some(message)))),
                    None => others.push((work, answer)),
                }
            }
        }
        Err(Broken { error, is_undone: true }) if !error.is_outage() => {
            tracing::debug!(%error, rows = plain.len(), "a batch failed; trying its messages one by one");
            others.extend(plain);
        }
        Err(Broken { error, .. }) => {
            let said = error.to_string();
            let late = if error.is_without_connection() { in_line(line) } else { Vec::new() };
            for (_, answer) in plain.into_iter().chain(late) {
                drop(answer.send(Err(unavailable(&said))));
            }
        }
    }
    for (work, answer) in others {
        tokio::spawn(alone(pool.clone(), work, answer));
    }
}

/// Whether it needs nothing but its place in a conversation.
fn is_plain(work: &Acceptance) -> bool {
    work.new.reply_to.is_none() && !matches!(work.new.recipient, Recipient::Contact(_))
}

/// Why a transaction failed, and whether it certainly did nothing.
struct Broken {
    error: StoreError,
    is_undone: bool,
}

impl<E: Into<StoreError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self { error: error.into(), is_undone: true }
    }
}

/// Those of them that could be written, in their order; none for one that is to be tried by itself.
async fn all(kept: &mut Kept, works: &[&Acceptance]) -> Result<Vec<Option<Message>>, Broken> {
    // A server that hangs may do so at the first word.
    let mut connection = timely(kept.take()).await?;
    let written = timely(async { Ok(transaction(&mut connection, works).await) }).await?;
    // After a failure it goes back to the pool, which sees to it that the transaction ends.
    if written.is_ok() {
        kept.put(connection);
    }
    written
}

async fn transaction(
    connection: &mut PgConnection,
    works: &[&Acceptance],
) -> Result<Vec<Option<Message>>, Broken> {
    let mut tx = connection.begin().await?;
    let taken = take_numbers(&mut tx, works).await?;
    let messages: Vec<Option<Message>> =
        works.iter().zip(taken).map(|(work, taken)| Some(placed(work, &taken?))).collect();
    let rows: Vec<New<'_>> = (works.iter().zip(&messages))
        .filter_map(|(work, message)| Some(New::of(work, message.as_ref()?)))
        .collect();
    if rows.is_empty() {
        tx.rollback().await?;
        return Ok(messages);
    }
    insert(&rows).build().execute(&mut *tx).await?;
    let mut keyed: Vec<_> =
        (rows.iter()).filter_map(|row| Some((row, row.work.idempotency.as_ref()?))).collect();
    // In one order everywhere: who takes the same keys waits, but not in a circle.
    keyed.sort_unstable_by_key(|(row, key)| (row.work.workspace, key.key.as_str()));
    if !keyed.is_empty() {
        let keys = Rows::of(&keyed)
            .uuid("workspace_id", |(row, _)| row.work.workspace.0)
            .text("key", |(_, key)| key.key.as_str())
            .bytes("request_hash", |(_, key)| key.request_hash.clone())
            .integer("status", |_| 202)
            .json("answer", |(row, _)| row.data.clone())
            .time("created_at", |(row, _)| row.message.created_at.to_datetime());
        let mut query = keys.insert("idempotency_keys", "ON CONFLICT (workspace_id, key) DO NOTHING");
        let kept = query.build().execute(&mut *tx).await?.rows_affected();
        if kept < keyed.len() as u64 {
            // Somebody was faster: what its message took is to be given back.
            tx.rollback().await?;
            return Ok(vec![None; works.len()]);
        }
    }
    tx.commit().await.map_err(|error| Broken { error: error.into(), is_undone: false })?;
    Ok(messages)
}

/// A conversation in which messages take numbers.
struct Place<'a> {
    first: &'a Acceptance,
    number: i64,
    numbers: i64,
    newest: Option<&'a Message>,
    at: Timestamp,
}

/// What it is called. One that is called by both names takes numbers twice.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Address(Uuid, Uuid, &'a str),
    Id(Uuid, Uuid, Uuid),
}

impl<'a> Name<'a> {
    fn of(work: &'a Acceptance) -> Option<Self> {
        let (workspace, account) = (work.workspace.0, work.new.account_id.0);
        match &work.new.recipient {
            Recipient::Address(address) => Some(Self::Address(workspace, account, address)),
            Recipient::Conversation(id) => Some(Self::Id(workspace, account, id.0)),
            Recipient::Contact(_) => None,
        }
    }
}

/// A message's place: its conversation, the contact, and its number if it has one yet.
struct Taken {
    conversation: Uuid,
    contact: Option<Uuid>,
    seq: Option<i64>,
}

#[derive(FromRow)]
struct TakenRow {
    id: Uuid,
    contact_id: Option<Uuid>,
    next_seq: i64,
    place: i64,
}

/// Takes numbers for all of them, in their order; none for one whose conversation is not there or not free.
async fn take_numbers(
    tx: &mut PgConnection,
    works: &[&Acceptance],
) -> Result<Vec<Option<Taken>>, sqlx::Error> {
    let mut places: BTreeMap<Name<'_>, Place<'_>> = BTreeMap::new();
    // Which place each has, and how many numbers that had given before.
    let mut order = Vec::with_capacity(works.len());
    for work in works {
        let Some(name) = Name::of(work) else {
            order.push(None);
            continue;
        };
        let number = i64::try_from(places.len()).unwrap_or(i64::MAX);
        let at = work.message.created_at;
        let place = places.entry(name).or_insert(Place { first: work, number, numbers: 0, newest: None, at });
        let before = place.numbers;
        place.at = place.at.max(at);
        if work.message.status == Status::Queued {
            place.numbers += 1;
            place.newest = Some(&work.message);
        }
        order.push(Some((place.number, before)));
    }
    let mut taken: HashMap<i64, (TakenRow, i64)> = HashMap::new();
    for (sql, by_id) in [(TAKE_NUMBERS, false), (TAKE_NUMBERS_BY_ID, true)] {
        let named: Vec<&Place<'_>> = (places.iter())
            .filter(|(name, _)| matches!(name, Name::Id(..)) == by_id)
            .map(|(_, place)| place)
            .collect();
        if named.is_empty() {
            continue;
        }
        let rows = Rows::of(named.iter().copied())
            .integer("place", |place| place.number)
            .uuid("workspace_id", |place| place.first.workspace.0)
            .uuid("account_id", |place| place.first.new.account_id.0);
        let rows = if by_id {
            rows.uuid("conversation_id", |place| match &place.first.new.recipient {
                Recipient::Conversation(id) => Some(id.0),
                _ => None,
            })
        } else {
            rows.text("address", |place| match &place.first.new.recipient {
                Recipient::Address(address) => Some(address.as_str()),
                _ => None,
            })
        };
        let rows = rows
            .integer("numbers", |place| place.numbers)
            .uuid("newest", |place| place.newest.map(|message| message.id.0))
            .time("at", |place| place.at.to_datetime());
        let found: Vec<TakenRow> = rows.query(sql).build_query_as().fetch_all(&mut *tx).await?;
        for row in found {
            let numbers =
                named.iter().find(|place| place.number == row.place).map_or(0, |place| place.numbers);
            taken.insert(row.place, (row, numbers));
        }
    }
    let place_of = |(work, place): (&&Acceptance, Option<(i64, i64)>)| {
        let (number, before) = place?;
        let (row, numbers) = taken.get(&number)?;
        let is_queued = work.message.status == Status::Queued;
        let seq = is_queued.then_some(row.next_seq - numbers + before + 1);
        Some(Taken { conversation: row.id, contact: row.contact_id, seq })
    };
    Ok(works.iter().zip(order).map(place_of).collect())
}

/// The message in its place.
fn placed(work: &Acceptance, taken: &Taken) -> Message {
    Message {
        conversation_id: taken.conversation.into(),
        contact_id: taken.contact.map(Into::into),
        seq: taken.seq,
        ..work.message.clone()
    }
}

/// A row of messages, and what is told of it.
struct New<'a> {
    work: &'a Acceptance,
    message: &'a Message,
    data: Value,
}

impl<'a> New<'a> {
    fn of(work: &'a Acceptance, message: &'a Message) -> Self {
        Self { work, message, data: (work.answer)(message) }
    }
}

fn insert<'a>(rows: &'a [New<'a>]) -> sqlx::QueryBuilder<sqlx::Postgres> {
    let time = |at: Option<Timestamp>| -> Option<DateTime<Utc>> { at.map(Timestamp::to_datetime) };
    Rows::of(rows)
        .uuid("id", |row| row.message.id.0)
        .uuid("workspace_id", |row| row.work.workspace.0)
        .uuid("account_id", |row| row.message.account_id.0)
        .uuid("conversation_id", |row| row.message.conversation_id.0)
        .uuid("contact_id", |row| row.message.contact_id.map(|id| id.0))
        .text("status", |row| row.message.status.as_str())
        .text("purpose", |row| row.message.purpose.as_str())
        .text("class", |row| row.message.class.as_str())
        .integer("seq", |row| row.message.seq)
        .text("origin", |row| row.message.origin.as_str())
        .text("actor", |row| row.message.actor.0.as_str())
        .text("client_id", |row| row.message.client_id.as_deref())
        .json("content", |row| serde_json::json!(row.message.content))
        .text("thread", |row| row.message.thread.as_deref())
        .time("send_at", move |row| time(row.message.send_at))
        .time("queued_at", move |row| time(row.message.queued_at))
        .time("shown_at", |row| row.message.send_at.unwrap_or(row.message.created_at).to_datetime())
        .time("created_at", |row| row.message.created_at.to_datetime())
        .bytes("text_hash", |row| {
            let is_campaign = row.message.purpose == Purpose::Campaign;
            texts::text_hash(&row.message.content).filter(|_| is_campaign).map(texts::to_row)
        })
        .uuid("event_id", |row| row.work.event)
        .text("kind", |_| EventKind::MessageCreated.as_str())
        .text("connection", |row| row.work.new.connection.as_deref())
        .json("data", |row| row.data.clone())
        .query(INSERT)
}

/// One by itself.
async fn alone(pool: PgPool, work: Box<Acceptance>, answer: oneshot::Sender<Written>) {
    let written = async {
        let mut tx = pool.begin().await?;
        let written = (*tx).write(&work).await?;
        if written.is_some() {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(written)
    };
    drop(answer.send(written.await));
}
