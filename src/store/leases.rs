//! Leases: things that one process at a time may do, judged by the database's clock so that no process's matters.

use std::time::Duration;

use model::{Timestamp, WorkerId};
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{Db, statements, write};
use crate::{Store, StoreError};

statements! {
    /// The row stays: its generation must rise with the next owner.
    RELEASE = "UPDATE leases SET expires_at = $3 WHERE name = $1 AND owner = $2";
    /// Its owner is nobody, so nobody waits for it.
    WRITE_CHECK = "INSERT INTO leases (name, owner, generation, expires_at) VALUES ('write check', $1, 1, $2)
        ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at";
    RAISE_EPOCH = "INSERT INTO queue_epoch (id, epoch) VALUES (1, 1)
        ON CONFLICT (id) DO UPDATE SET epoch = queue_epoch.epoch + 1 RETURNING epoch";
    HOLDER = "INSERT INTO leases (name, owner, generation, expires_at) VALUES ($1, $2, 1, $4)
        ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at,
        generation = CASE WHEN leases.owner = excluded.owner THEN leases.generation ELSE leases.generation + 1 END
        WHERE leases.owner = excluded.owner OR leases.expires_at < $3
        RETURNING generation";
}
/// The database's own time: the one thing that the two engines say differently.
const POSTGRES_NOW: &str = "SELECT clock_timestamp()";

/// A lease that this process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Rises with every change of owner: a fencing number.
    pub generation: i64,
}

impl Store {
    /// The time by the database's clock: the one that all processes share.
    pub(crate) async fn database_now(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(match &self.db {
            Db::Postgres(pool) => sqlx::query_scalar(POSTGRES_NOW).fetch_one(pool).await?,
            // One process has the file, so its clock is the database's.
            Db::Sqlite { .. } => self.now().to_datetime(),
        })
    }

    /// Takes or renews the lease `name` for `lasting`; none when somebody else holds it.
    pub async fn take_lease(
        &self,
        name: &str,
        owner: WorkerId,
        lasting: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let now = self.database_now().await?;
        let until = now + lasting;
        let generation: Option<i64> = write!(self.db, conn => sqlx::query_scalar(HOLDER)
            .bind(name).bind(owner.0).bind(now).bind(until).fetch_optional(conn).await)?;
        Ok(generation.map(|generation| Lease { generation }))
    }

    /// Gives the lease back, if this owner holds it.
    pub async fn release_lease(&self, name: &str, owner: WorkerId) -> Result<(), StoreError> {
        write!(self.db, conn => sqlx::query(RELEASE)
            .bind(name).bind(owner.0).bind(Timestamp::ZERO.to_datetime()).execute(conn).await.map(drop))?;
        Ok(())
    }

    /// Whether the database takes writes, found out by one: a disk that is full is read from without any trouble.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(WRITE_CHECK)
            .bind(Uuid::nil()).bind(now).execute(conn).await.map(drop))?;
        Ok(())
    }

    /// Raises the queue's epoch: whatever a queue holds from before is void.
    pub async fn raise_epoch(&self) -> Result<i64, StoreError> {
        Ok(write!(self.db, conn => sqlx::query_scalar(RAISE_EPOCH).fetch_one(conn).await)?)
    }
}
