//! Two engines behind one enum, and the three macros that run one body on either.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::StoreError;

pub(crate) static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");
pub(crate) static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// Which database, and how.
#[derive(Clone)]
pub enum StoreConfig {
    /// A file of our own; made when it is not there.
    Sqlite {
        /// Where it lies.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: String,
        /// Most connections that this process opens.
        max_connections: u32,
    },
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgres { max_connections, .. } => {
                f.debug_struct("Postgres").field("max_connections", max_connections).finish_non_exhaustive()
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Db {
    Postgres(PgPool),
    /// One connection writes, since `SQLite` has one writer: waiting in the pool's queue is fair, waiting on a lock
    /// is not. Readers see what was committed and never block it.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
    },
}

impl Db {
    pub(crate) async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        match config {
            StoreConfig::Sqlite { path } => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    // An acknowledgement survives a power cut: each commit reaches the disk.
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(10));
                let write = SqlitePoolOptions::new()
                    .max_connections(1)
                    // A commit that fails (a full disk) may leave the connection in a transaction that nobody can end.
                    .after_release(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
                    .acquire_timeout(Duration::from_secs(10))
                    .connect_with(options.clone())
                    .await?;
                let read =
                    SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await?;
                Ok(Self::Sqlite { read, write })
            }
            StoreConfig::Postgres { url, max_connections } => {
                let options = postgres_options(url)?;
                // A process that is frozen in the middle of a transaction keeps its rows from everybody else: the
                // server ends such a session before anybody's lease ends.
                let options = options.options([("idle_in_transaction_session_timeout", "5s")]);
                let pool = PgPoolOptions::new()
                    .max_connections(*max_connections)
                    .acquire_timeout(Duration::from_secs(5))
                    // A ping costs as much as a small statement. What was used a moment ago is there still, or has
                    // just broken off, as it may at any time.
                    .test_before_acquire(false)
                    .before_acquire(|connection, known| {
                        Box::pin(async move {
                            if known.idle_for > FRESH {
                                connection.ping().await?;
                            }
                            Ok(true)
                        })
                    })
                    .connect_with(options)
                    .await?;
                Ok(Self::Postgres(pool))
            }
        }
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(pool) => POSTGRES.run(pool).await,
            Self::Sqlite { write, .. } => SQLITE.run(write).await,
        }
        .map_err(|error| StoreError::Migration(error.to_string()))
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { read, write, .. } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

/// For how long a connection needs no look whether it is still there.
pub(crate) const FRESH: Duration = Duration::from_millis(100);

/// A statement that takes longer hangs with its server or its disk. Whoever waits for it must hear so: what hangs may
/// never end, and it has a connection and a slot.
const PATIENCE: Duration = Duration::from_secs(20);

/// A statement's answer, or that it took too long.
pub(crate) async fn timely<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(PATIENCE, statement).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

pub(crate) fn postgres_options(url: &str) -> Result<PgConnectOptions, StoreError> {
    url.parse().map_err(|_| {
        StoreError::Config("DATABASE_URL is not of the form postgres://user:password@host/database")
    })
}

/// Runs an expression on a pool that reads.
macro_rules! read {
    ($db:expr, $conn:ident => $body:expr) => {
        match &$db {
            crate::db::Db::Postgres($conn) => crate::db::timely(async { $body }).await,
            crate::db::Db::Sqlite { read: $conn, .. } => crate::db::timely(async { $body }).await,
        }
    };
}

/// Runs an expression of one statement on a pool that writes.
macro_rules! write {
    ($db:expr, $conn:ident => $body:expr) => {
        match &$db {
            crate::db::Db::Postgres($conn) => crate::db::timely(async { $body }).await,
            crate::db::Db::Sqlite { write: $conn, .. } => crate::db::timely(async { $body }).await,
        }
    };
}

/// Runs a block in a transaction. Leaving the block by `?` or `return` rolls it back.
macro_rules! transaction {
    ($db:expr, $tx:ident => $body:block) => {
        match &$db {
            crate::db::Db::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let out = $body;
                $tx.commit().await?;
                out
            }
            crate::db::Db::Sqlite { write, .. } => {
                let mut $tx = write.begin_with("BEGIN IMMEDIATE").await?;
                let out = $body;
                $tx.commit().await?;
                out
            }
        }
    };
}

/// Declares the SQL texts of a file, so that a test can prepare each of them.
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$meta])* pub(crate) const $name: &str = $sql;)*
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) use {read, statements, transaction, write};
