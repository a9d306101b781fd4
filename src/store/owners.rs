//! Owners: who asks for an account's events or keeps its session. One worker at a time in the whole fleet, by the
//! database's clock; each change of owner raises the account's generation, and whoever comes with an older one writes
//! nothing.

use std::time::Duration;

use model::{AccountId, PairingStep, Timestamp, WorkerId, WorkspaceId};
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::db::{read, statements, transaction, write};
use crate::inbound::INSERT_INBOUND;
use crate::{NewInboundEvent, Store, StoreError, nul};

/// The accounts that need an owner: their provider does not deliver, and they are connected; of sessions also those that
/// are being opened, or wait for somebody to do what was told. One whose sending is paused goes on listening: what customers
/// write meanwhile must not be lost.
macro_rules! wanted {
    () => {
        "a.deleted_at IS NULL AND a.intake IN ('poll', 'session') AND (a.connection = 'connected'
            OR a.intake = 'session' AND (a.connection = 'connecting' OR a.connection = 'qr_required'
                AND EXISTS (SELECT 1 FROM owners s WHERE s.account_id = a.id AND s.step IS NOT NULL)))"
    };
}

statements! {
    LIVE = "INSERT INTO workers (id, expires_at, only_pinned) VALUES ($1, $2, $3)
        ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, only_pinned = excluded.only_pinned";
    FORGET = "DELETE FROM workers WHERE id = $1 OR expires_at < $2";
    RENEW = concat!("UPDATE owners SET expires_at = $2 WHERE worker = $1 AND EXISTS
        (SELECT 1 FROM accounts a WHERE a.id = owners.account_id
            AND (a.pinned_to IS NULL OR a.pinned_to = $1) AND ", wanted!(), ")
        RETURNING account_id, generation, cursor");
    COUNT = concat!("SELECT (SELECT count(*) FROM accounts a WHERE a.pinned_to IS NULL AND ", wanted!(), ") AS wanted,
        (SELECT count(*) FROM workers w WHERE w.expires_at >= $1 AND NOT w.only_pinned) AS live,
        (SELECT count(*) FROM owners o WHERE o.worker = $2) AS held");
    TAKE = concat!("INSERT INTO owners (account_id, worker, generation, since, expires_at)
        SELECT a.id, $1, 1, $2, $3 FROM accounts a LEFT JOIN owners o ON o.account_id = a.id
        WHERE ", wanted!(), " AND (a.pinned_to = $1 OR a.pinned_to IS NULL AND NOT $5)
            AND (o.account_id IS NULL OR o.worker IS NULL OR o.expires_at < $2)
        ORDER BY a.id LIMIT $4
        ON CONFLICT (account_id) DO UPDATE SET worker = excluded.worker, generation = owners.generation + 1,
        since = excluded.since, expires_at = excluded.expires_at, error = NULL
        WHERE owners.worker IS NULL OR owners.expires_at < $2
        RETURNING account_id, generation, cursor");
    GIVE_ALL_BACK = "UPDATE owners SET worker = NULL, error = NULL WHERE worker = $1";
    FREE_ALL = "UPDATE owners SET worker = NULL, error = NULL WHERE worker IS NOT NULL";
    ADVANCE = "UPDATE owners SET cursor = $4, error = NULL
        WHERE account_id = $1 AND worker = $2 AND generation = $3";
    NOTE = "UPDATE owners SET error = $4 WHERE account_id = $1 AND worker = $2 AND generation = $3";
    OWNER_OF = "SELECT o.worker, o.generation, o.since, o.error, o.step FROM owners o JOIN accounts a ON a.id = o.account_id
        WHERE a.workspace_id = $1 AND a.id = $2 AND o.worker IS NOT NULL AND o.expires_at >= $3";
}

/// Accounts in one statement, where their number is not bounded otherwise.
const CHUNK: usize = 500;

/// An account that a worker owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The account.
    pub account_id: AccountId,
    /// Who owns it.
    pub worker: WorkerId,
    /// Rises with every change of owner: a fencing number.
    pub generation: i64,
    /// Where to go on asking.
    pub cursor: Option<String>,
}

/// What a worker took, and what it may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The accounts that are now its own, too.
    pub accounts: Vec<Owned>,
    /// Its fair share: as many as each of the live workers would have, rounded up.
    pub share: usize,
}

/// Who owns an account, for people who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The boot of a process.
    pub worker: WorkerId,
    /// The how-manieth owner of the account it is.
    pub generation: i64,
    /// Since when.
    pub since: Timestamp,
    /// Why events do not come at the moment.
    pub error: Option<String>,
    /// What a person has to do so that its session begins.
    pub step: Option<PairingStep>,
}

#[derive(FromRow)]
struct OwnedRow {
    account_id: Uuid,
    generation: i64,
    cursor: Option<String>,
}

#[derive(FromRow)]
struct CountRow {
    wanted: i64,
    live: i64,
    held: i64,
}

#[derive(FromRow)]
struct OwnerRow {
    worker: Uuid,
    generation: i64,
    since: DateTime<Utc>,
    error: Option<String>,
    step: Option<Json<PairingStep>>,
}

fn owned(rows: Vec<OwnedRow>, worker: WorkerId) -> Vec<Owned> {
    let owned = |row: OwnedRow| Owned {
        account_id: row.account_id.into(),
        worker,
        generation: row.generation,
        cursor: row.cursor,
    };
    rows.into_iter().map(owned).collect()
}

impl Store {
    /// Says that `worker` lives, and renews for `lasting` whatever it owns that still needs an owner: one statement for
    /// all of them. What it owned and is not among the answer is to be let go of and given back. A worker that owns pinned
    /// accounts alone takes no part in the sharing of the others.
    pub async fn renew_owned(
        &self,
        worker: WorkerId,
        lasting: Duration,
        only_pinned: bool,
    ) -> Result<Vec<Owned>, StoreError> {
        let until = self.database_now().await? + lasting;
        write!(self.db, conn => sqlx::query(LIVE)
            .bind(worker.0).bind(until).bind(only_pinned).execute(conn).await.map(drop))?;
        let rows: Vec<OwnedRow> = write!(self.db, conn => sqlx::query_as(RENEW)
            .bind(worker.0).bind(until).fetch_all(conn).await)?;
        Ok(owned(rows, worker))
    }

    /// Takes accounts that nobody owns, for `lasting`: those that are pinned to the worker, and of those that are not pinned at
    /// all as many as are its fair share, unless it owns pinned accounts alone.
    pub async fn take_accounts(
        &self,
        worker: WorkerId,
        lasting: Duration,
        only_pinned: bool,
    ) -> Result<Taken, StoreError> {
        let mut accounts = Vec::new();
        loop {
            let now = self.database_now().await?;
            let count: CountRow = read!(self.db, conn => sqlx::query_as(COUNT)
                .bind(now).bind(worker.0).fetch_one(conn).await)?;
            let share = if only_pinned {
                i64::from(u32::MAX)
            } else {
                (count.wanted + count.live.max(1) - 1) / count.live.max(1)
            };
            let room = share - count.held;
            let mut rows: Vec<OwnedRow> = Vec::new();
            if room > 0 {
                rows = write!(self.db, conn => sqlx::query_as(TAKE)
                    .bind(worker.0).bind(now).bind(now + lasting).bind(room).bind(only_pinned).fetch_all(conn).await)?;
            }
            let more = !rows.is_empty();
            accounts.extend(owned(rows, worker));
            // Others may have been quicker with some of them, so that it is worth another look.
            if !more {
                return Ok(Taken { accounts, share: usize::try_from(share).unwrap_or(0) });
            }
        }
    }

    /// Gives accounts back that this worker owns and no longer sees to.
    pub async fn give_back_accounts(
        &self,
        worker: WorkerId,
        accounts: &[AccountId],
    ) -> Result<(), StoreError> {
        for chunk in accounts.chunks(CHUNK) {
            write!(self.db, conn => {
                let mut query = QueryBuilder::new("UPDATE owners SET worker = NULL, error = NULL WHERE worker = ");
                query.push_bind(worker.0).push(" AND account_id IN (");
                let mut list = query.separated(", ");
                for account in chunk {
                    list.push_bind(account.0);
                }
                query.push(")").build().execute(conn).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// The worker stops: whatever it owns is free for others at once.
    pub async fn retire_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        let long_ago = self.database_now().await? - Duration::from_hours(1);
        transaction!(self.db, tx => {
            sqlx::query(GIVE_ALL_BACK).bind(worker.0).execute(&mut *tx).await?;
            sqlx::query(FORGET).bind(worker.0).bind(long_ago).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Frees all accounts at once, for a process that has the database to itself: no other can own any.
    pub async fn free_accounts(&self) -> Result<(), StoreError> {
        let later = self.database_now().await? + Duration::from_hours(24);
        transaction!(self.db, tx => {
            sqlx::query(FREE_ALL).execute(&mut *tx).await?;
            sqlx::query(FORGET).bind(Uuid::nil()).bind(later).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Commits what a poll brought together with the place to go on from, and says how many events were new; none when
    /// somebody else owns the account by now: then nothing was written.
    pub async fn record_poll(
        &self,
        owned: &Owned,
        channel: &str,
        events: &[NewInboundEvent],
        cursor: &str,
    ) -> Result<Option<usize>, StoreError> {
        let now = self.now();
        let mut new = 0;
        transaction!(self.db, tx => {
            let held = sqlx::query(ADVANCE)
                .bind(owned.account_id.0)
                .bind(owned.worker.0)
                .bind(owned.generation)
                .bind(cursor)
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if held == 0 {
                return Ok(None);
            }
            for event in events {
                new += sqlx::query(INSERT_INBOUND)
                    .bind(self.ids.uuid(now))
                    .bind(Some(owned.account_id.0))
                    .bind(channel)
                    .bind(&event.dedupe_key)
                    .bind(Json(&nul::without(&event.payload)))
                    .bind(now.to_datetime())
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            }
        });
        Ok(Some(usize::try_from(new).unwrap_or(usize::MAX)))
    }

    /// Notes why an account's events do not come, or that they do again. Says whether it is still this owner's.
    pub async fn note_intake(&self, owned: &Owned, error: Option<&str>) -> Result<bool, StoreError> {
        let noted = write!(self.db, conn => sqlx::query(NOTE)
            .bind(owned.account_id.0).bind(owned.worker.0).bind(owned.generation).bind(error)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        Ok(noted > 0)
    }

    /// Who owns an account now.
    pub async fn account_owner(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
    ) -> Result<Option<Owner>, StoreError> {
        let now = self.database_now().await?;
        let row: Option<OwnerRow> = read!(self.db, conn => sqlx::query_as(OWNER_OF)
            .bind(workspace.0).bind(account.0).bind(now).fetch_optional(conn).await)?;
        Ok(row.map(|row| Owner {
            worker: row.worker.into(),
            generation: row.generation,
            since: row.since.into(),
            error: row.error,
            step: row.step.map(|step| step.0),
        }))
    }
}
