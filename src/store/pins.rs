//! Pins: accounts that one worker alone works for, because it was configured so. The pin outlives the worker: until that
//! one comes back, or somebody takes the pin away, nobody works for the account.

use std::collections::HashMap;

use model::{Account, AccountId, WorkerId};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, QueryBuilder};
use uuid::Uuid;

use crate::accounts::{AccountRow, columns};
use crate::db::{read, statements, write};
use crate::{Store, StoreError};

/// Whether the worker that an account is pinned to lives, by a time that is bound.
macro_rules! lives {
    ($now:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM workers w WHERE w.id = accounts.pinned_to AND w.expires_at >= ",
            $now,
            ")"
        )
    };
}
pub(crate) use lives;

/// The only worker that may make the calls of account `a`, if there is only one.
macro_rules! route {
    () => {
        "COALESCE(a.pinned_to,
            CASE WHEN a.intake = 'session' THEN (SELECT o.worker FROM owners o WHERE o.account_id = a.id) END)"
    };
}
pub(crate) use route;

statements! {
    PIN = concat!("UPDATE accounts SET pinned_to = $2 WHERE id = $1 AND deleted_at IS NULL
        AND (pinned_to IS NULL OR pinned_to <> $2 AND NOT ", lives!("$3"), ")");
    UNPIN = "UPDATE accounts SET pinned_to = NULL WHERE id = $1 AND pinned_to IS NOT NULL";
    PINS = "SELECT id, pinned_to FROM accounts WHERE pinned_to IS NOT NULL AND deleted_at IS NULL";
    LIVES = "SELECT expires_at FROM workers WHERE id = $1 AND expires_at >= $2";
    UNSERVED = concat!("SELECT ", columns!(), " FROM accounts WHERE pinned_to IS NOT NULL AND deleted_at IS NULL
        AND NOT ", lives!("$1"), " ORDER BY id");
}

#[derive(FromRow)]
struct PinRow {
    id: Uuid,
    pinned_to: Uuid,
}

impl Store {
    /// Pins accounts to a live worker, as far as no other live one has them, and says which are newly its own. The worker has
    /// said that it lives ([`Store::renew_owned`]): else others take its pins for those of a dead one.
    pub async fn pin_accounts(
        &self,
        worker: WorkerId,
        accounts: &[AccountId],
    ) -> Result<Vec<AccountId>, StoreError> {
        let now = self.database_now().await?;
        let mut pinned = Vec::new();
        for account in accounts {
            let changed = write!(self.db, conn => sqlx::query(PIN)
                .bind(account.0).bind(worker.0).bind(now).execute(conn).await.map(|done| done.rows_affected()))?;
            if changed > 0 {
                pinned.push(*account);
            }
        }
        Ok(pinned)
    }

    /// Takes pins away, whoever has them; those of a worker that lives come back at once. How many there were.
    pub async fn unpin_accounts(&self, accounts: &[AccountId]) -> Result<u64, StoreError> {
        let mut unpinned = 0;
        for account in accounts {
            unpinned += write!(self.db, conn => sqlx::query(UNPIN)
                .bind(account.0).execute(conn).await.map(|done| done.rows_affected()))?;
        }
        Ok(unpinned)
    }

    /// All pinned accounts, each with its worker, which may be gone.
    pub async fn pins(&self) -> Result<HashMap<AccountId, WorkerId>, StoreError> {
        let rows: Vec<PinRow> = read!(self.db, conn => sqlx::query_as(PINS).fetch_all(conn).await)?;
        Ok(rows.into_iter().map(|row| (row.id.into(), row.pinned_to.into())).collect())
    }

    /// The ones among `accounts` that do not exist (any more).
    pub async fn unknown_accounts(&self, accounts: &[AccountId]) -> Result<Vec<AccountId>, StoreError> {
        let known: Vec<Uuid> = read!(self.db, conn => {
            let mut query = QueryBuilder::new("SELECT id FROM accounts WHERE deleted_at IS NULL AND id IN (");
            let mut list = query.separated(", ");
            for account in accounts {
                list.push_bind(account.0);
            }
            query.push(")").build_query_scalar().fetch_all(conn).await
        })?;
        Ok(accounts.iter().filter(|account| !known.contains(&account.0)).copied().collect())
    }

    /// Whether a worker has said lately that it lives.
    pub async fn worker_lives(&self, worker: WorkerId) -> Result<bool, StoreError> {
        let now = self.database_now().await?;
        let until: Option<DateTime<Utc>> = read!(self.db, conn => sqlx::query_scalar(LIVES)
            .bind(worker.0).bind(now).fetch_optional(conn).await)?;
        Ok(until.is_some())
    }

    /// The accounts that nobody works for: the worker that they are pinned to is gone.
    pub async fn unserved_accounts(&self) -> Result<Vec<Account>, StoreError> {
        let now = self.database_now().await?;
        let rows: Vec<AccountRow> =
            read!(self.db, conn => sqlx::query_as(UNSERVED).bind(now).fetch_all(conn).await)?;
        rows.into_iter().map(Account::try_from).collect()
    }
}
