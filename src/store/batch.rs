//! Accepting many messages of one request: each stands or falls by itself, and those of one conversation keep their
//! order.
//!
//! `SQLite` has one writer, which takes them in the order in which they come. On Postgres what may concern one conversation
//! is a group: its messages share transactions, one after the other, and groups go side by side. No transaction holds two
//! conversations, so requests that name the same ones in another order do not wait for each other in a circle.

use std::collections::{BTreeMap, HashMap};
use std::mem::{Discriminant, discriminant};

use model::{AccountId, Message, WorkspaceId};
use serde_json::Value;
use sqlx::postgres::PgPool;
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use crate::accept::{KEEP_ANSWER, check};
use crate::acceptance::{Acceptance, Write as _, Written};
use crate::db::{Db, statements, write};
use crate::writer::unavailable;
use crate::{Accepted, Created, Idempotency, NewMessage, Recipient, Store, StoreError, nul};

statements! {
    /// Whoever is first to finish says what the answer is.
    FINISH = "UPDATE idempotency_keys SET status = $3, answer = $4
        WHERE workspace_id = $1 AND key = $2 AND request_hash = $5 AND status = 0";
}

/// The status of a key whose request has no answer yet.
const UNFINISHED: i64 = 0;
/// Groups under way at once.
const WIDTH: usize = 8;
/// Most messages of a transaction.
const MOST: usize = 64;

/// A message to accept, and the key under which it is remembered.
pub type NewItem = (NewMessage, Option<Idempotency>);

type Place = (usize, Acceptance);

impl Store {
    /// Accepts messages as [`Store::accept_message`] does each: one result a message, in their order. In a conversation
    /// their numbers rise in their order.
    pub async fn accept_messages(
        &self,
        workspace: WorkspaceId,
        items: Vec<NewItem>,
        answer: impl Fn(&Message) -> Value + Clone + Send + Sync + 'static,
    ) -> Vec<Result<Accepted, StoreError>> {
        let now = self.now();
        let mut results: Vec<Option<Result<Accepted, StoreError>>> = Vec::with_capacity(items.len());
        let mut works = Vec::with_capacity(items.len());
        let mut keys = Vec::with_capacity(items.len());
        for (place, (new, key)) in items.into_iter().enumerate() {
            keys.push(key.clone());
            results.push(check(&new).err().map(Err));
            if results[place].is_none() {
                works.push((place, self.acceptance(workspace, new, key, now, Box::new(answer.clone()))));
            }
        }
        let written = match &self.db {
            Db::Postgres(pool) => by_group(pool, works).await,
            Db::Sqlite { .. } => {
                let (places, works): (Vec<_>, Vec<_>) = works.into_iter().unzip();
                places.into_iter().zip(self.joint.accept_all(works).await).collect()
            }
        };
        for (place, written) in written {
            results[place] = Some(match written {
                Ok(Some(message)) => Ok(Created::New(Box::new(message))),
                Ok(None) => self.answered_by_another(workspace, keys[place].as_ref()).await,
                Err(error) => Err(error),
            });
        }
        let broke_off = || Err(unavailable("the transaction broke off"));
        results.into_iter().map(|result| result.unwrap_or_else(broke_off)).collect()
    }

    /// Takes a key for a request of many steps, before the first of them: from now on it means this request. Gives the
    /// answer if the request was finished before; none: do what is not done yet, then [`Store::finish_request`].
    /// [`StoreError::KeyReused`] when the key came before with another request.
    pub async fn begin_request(
        &self,
        workspace: WorkspaceId,
        idempotency: &Idempotency,
    ) -> Result<Option<(u16, Value)>, StoreError> {
        let now = self.now().to_datetime();
        let taken = write!(self.db, conn => sqlx::query(KEEP_ANSWER)
            .bind(workspace.0)
            .bind(&idempotency.key)
            .bind(&idempotency.request_hash)
            .bind(UNFINISHED)
            .bind(Json(Value::Null))
            .bind(now)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if taken == 1 { Ok(None) } else { self.finished_before(workspace, idempotency).await }
    }

    /// Keeps the answer of a request that began with [`Store::begin_request`]. Gives the one that stands: an equal request
    /// may have finished first.
    pub async fn finish_request(
        &self,
        workspace: WorkspaceId,
        idempotency: &Idempotency,
        status: u16,
        answer: &Value,
    ) -> Result<(u16, Value), StoreError> {
        // The answer may quote what was refused.
        let answer = nul::without(answer);
        let kept = write!(self.db, conn => sqlx::query(FINISH)
            .bind(workspace.0)
            .bind(&idempotency.key)
            .bind(i64::from(status))
            .bind(Json(&*answer))
            .bind(&idempotency.request_hash)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if kept == 0
            && let Some(before) = self.finished_before(workspace, idempotency).await?
        {
            return Ok(before);
        }
        Ok((status, answer.into_owned()))
    }

    async fn finished_before(
        &self,
        workspace: WorkspaceId,
        idempotency: &Idempotency,
    ) -> Result<Option<(u16, Value)>, StoreError> {
        Ok(match self.answered_before::<()>(workspace, idempotency).await? {
            Some(Created::Before { status, answer }) if status != 0 => Some((status, answer)),
            _ => None,
        })
    }
}

/// Messages that may belong to one conversation, in their order, and how many may share a transaction.
struct Group {
    most: usize,
    works: Vec<Place>,
}

fn groups(works: Vec<Place>) -> Vec<Group> {
    // Only names of one kind tell conversations apart: an address and an id may mean the same one.
    let mut kinds: HashMap<AccountId, Discriminant<Recipient>> = HashMap::new();
    let mut mixed = HashMap::new();
    for (_, work) in &works {
        let kind = discriminant(&work.new.recipient);
        let first = *kinds.entry(work.new.account_id).or_insert(kind);
        *mixed.entry(work.new.account_id).or_insert(false) |= first != kind;
    }
    let mut groups: BTreeMap<(AccountId, Option<String>), Group> = BTreeMap::new();
    for (place, work) in works {
        let account = work.new.account_id;
        let is_mixed = mixed.get(&account).is_some_and(|mixed| *mixed);
        let name = match &work.new.recipient {
            _ if is_mixed => None,
            Recipient::Conversation(id) => Some(id.to_string()),
            Recipient::Contact(id) => Some(id.to_string()),
            Recipient::Address(address) => Some(address.clone()),
        };
        let most = if is_mixed { 1 } else { MOST };
        let group = groups.entry((account, name)).or_insert(Group { most, works: Vec::new() });
        group.works.push((place, work));
    }
    groups.into_values().collect()
}

async fn by_group(pool: &PgPool, works: Vec<Place>) -> Vec<(usize, Written)> {
    let mut running = JoinSet::new();
    let mut done = Vec::with_capacity(works.len());
    for group in groups(works) {
        if running.len() == WIDTH
            && let Some(Ok(written)) = running.join_next().await
        {
            done.extend(written);
        }
        running.spawn(one_group(pool.clone(), group));
    }
    while let Some(written) = running.join_next().await {
        done.extend(written.unwrap_or_default());
    }
    done
}

async fn one_group(pool: PgPool, group: Group) -> Vec<(usize, Written)> {
    let mut done: Vec<(usize, Written)> = Vec::with_capacity(group.works.len());
    let mut outage: Option<String> = None;
    for works in group.works.chunks(group.most) {
        // What comes after a message that was not committed must not overtake it.
        if outage.is_none() {
            match together(&pool, works).await {
                Ok(written) => {
                    done.extend(works.iter().map(|(place, _)| *place).zip(written));
                    continue;
                }
                Err(error) => outage = Some(error.to_string()),
            }
        }
        let words = outage.as_deref().unwrap_or_default();
        done.extend(works.iter().map(|(place, _)| (*place, Err(unavailable(words)))));
    }
    done
}

/// Several messages in one transaction. An error: none of them is committed.
async fn together(pool: &PgPool, works: &[Place]) -> Result<Vec<Written>, StoreError> {
    if let Some(messages) = all(pool, works).await? {
        return Ok(messages.into_iter().map(|message| Ok(Some(message))).collect());
    }
    // A refusal takes only itself back: a savepoint each, which costs two more trips.
    let mut tx = pool.begin().await?;
    let mut written = Vec::with_capacity(works.len());
    for (_, work) in works {
        written.push(one(&mut tx, work).await);
    }
    tx.commit().await?;
    Ok(written)
}

/// All of them; none when one of them is refused: then nothing is written.
async fn all(pool: &PgPool, works: &[Place]) -> Result<Option<Vec<Message>>, StoreError> {
    let mut tx = pool.begin().await?;
    let mut messages = Vec::with_capacity(works.len());
    for (_, work) in works {
        let Ok(Some(message)) = (*tx).write(work).await else {
            tx.rollback().await?;
            return Ok(None);
        };
        messages.push(message);
    }
    tx.commit().await?;
    Ok(Some(messages))
}

async fn one(tx: &mut PgConnection, work: &Acceptance) -> Written {
    let mut point = tx.begin().await?;
    match (*point).write(work).await {
        Ok(Some(message)) => point.commit().await.map(|()| Some(message)).map_err(StoreError::from),
        refused => {
            point.rollback().await?;
            refused
        }
    }
}
