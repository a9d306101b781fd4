//! Credentials that end: when they are renewed, and that what comes of it replaces nothing but what it was made from.

use std::collections::BTreeMap;
use std::fmt;

use model::{Account, AccountId, Timestamp};
use sqlx::FromRow;
use uuid::Uuid;

use crate::accounts::{AccountRow, columns, secrets_of};
use crate::db::{read, statements, write};
use crate::{Store, StoreError};

statements! {
    DUE = "SELECT id FROM accounts WHERE refresh_at <= $1 AND deleted_at IS NULL ORDER BY refresh_at LIMIT $2";
    /// Who finds it due has it until then: should its worker die, another one tries.
    CLAIM = concat!("UPDATE accounts SET refresh_at = $3 WHERE id = $1 AND refresh_at <= $2 AND deleted_at IS NULL
        RETURNING ", columns!(), ", refresh_failures");
    KEEP = "UPDATE accounts SET credentials = $3, refresh_at = $4, refresh_failures = 0, updated_at = $5
        WHERE id = $1 AND credentials = $2 AND deleted_at IS NULL";
    POSTPONE = "UPDATE accounts SET refresh_at = $3, refresh_failures = refresh_failures + 1
        WHERE id = $1 AND credentials = $2 AND deleted_at IS NULL";
    END = "UPDATE accounts SET refresh_at = NULL WHERE id = $1 AND credentials = $2 AND deleted_at IS NULL";
}

/// An account whose credentials are being renewed. `Debug` shows no secrets.
#[derive(Clone)]
pub struct Refreshing {
    /// The account.
    pub account: Account,
    /// Its secrets with those of its app.
    pub credentials: BTreeMap<String, String>,
    /// The names of those that are its own.
    pub own: Vec<String>,
    /// How often in a row this failed.
    pub failures: u32,
    /// As they were read: others are not replaced.
    sealed: Vec<u8>,
}

impl fmt::Debug for Refreshing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshing")
            .field("account", &self.account.id)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    account: AccountRow,
    refresh_failures: i64,
}

impl Store {
    /// The accounts whose credentials are to be renewed by now, the most urgent first.
    pub async fn due_refreshes(&self, now: Timestamp, most: u32) -> Result<Vec<AccountId>, StoreError> {
        let ids: Vec<Uuid> = read!(self.db, conn => sqlx::query_scalar(DUE)
            .bind(now.to_datetime()).bind(i64::from(most)).fetch_all(conn).await)?;
        Ok(ids.into_iter().map(AccountId).collect())
    }

    /// Takes it on to renew an account's credentials; nobody else does before `until`. None when they are not due (any more).
    pub async fn claim_refresh(
        &self,
        id: AccountId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Refreshing>, StoreError> {
        let row: Option<Row> = write!(self.db, conn => sqlx::query_as(CLAIM)
            .bind(id.0).bind(now.to_datetime()).bind(until.to_datetime()).fetch_optional(conn).await)?;
        let Some(row) = row else { return Ok(None) };
        let (sealed, failures) = (row.account.credentials.clone(), row.refresh_failures);
        let own = secrets_of(&self.sealer, id.0, &sealed)?.into_keys().collect();
        let (account, credentials) = self.unseal(row.account)?;
        let failures = u32::try_from(failures).unwrap_or(u32::MAX);
        Ok(Some(Refreshing { account, credentials, own, failures, sealed }))
    }

    /// Keeps new credentials, all of an account's own, and says when they are renewed next. False when others were put in
    /// their place meanwhile: those stay.
    pub async fn keep_refreshed(
        &self,
        refreshing: &Refreshing,
        credentials: &BTreeMap<String, String>,
        next: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let id = refreshing.account.id;
        let (sealed, now) = (self.seal_credentials(id, credentials)?, self.now().to_datetime());
        let kept = write!(self.db, conn => sqlx::query(KEEP)
            .bind(id.0)
            .bind(&refreshing.sealed)
            .bind(sealed)
            .bind(next.map(Timestamp::to_datetime))
            .bind(now)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        Ok(kept > 0)
    }

    /// It did not go: it is tried again then.
    pub async fn postpone_refresh(
        &self,
        refreshing: &Refreshing,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        write!(self.db, conn => sqlx::query(POSTPONE)
            .bind(refreshing.account.id.0)
            .bind(&refreshing.sealed)
            .bind(until.to_datetime())
            .execute(conn).await.map(drop))?;
        Ok(())
    }

    /// It never will: somebody has to connect the account anew. False when somebody did meanwhile.
    pub async fn end_refreshes(&self, refreshing: &Refreshing) -> Result<bool, StoreError> {
        let ended = write!(self.db, conn => sqlx::query(END)
            .bind(refreshing.account.id.0)
            .bind(&refreshing.sealed)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        Ok(ended > 0)
    }
}
