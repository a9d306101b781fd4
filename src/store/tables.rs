//! How the tables of a database stand, looked at without changing anything.

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::db::{POSTGRES, SQLITE, postgres_options};
use crate::{StoreConfig, StoreError};

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// No tables of ours.
    None,
    /// So many migrations are to be made yet.
    Behind(usize),
    /// As this release has them.
    UpToDate,
    /// A newer release made changes that this one does not know.
    Ahead,
}

/// A database that does not answer for so long is away.
const PATIENCE: Duration = Duration::from_secs(5);
const IN_SQLITE: &str =
    "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
const IN_POSTGRES: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
const CHANNELS: &str = "SELECT DISTINCT channel FROM accounts WHERE deleted_at IS NULL";

impl Tables {
    /// Looks. Makes no file and no table.
    pub async fn look(config: &StoreConfig) -> Result<Self, StoreError> {
        let looked = async {
            match config {
                StoreConfig::Sqlite { path } if !path.exists() => Ok(Self::None),
                StoreConfig::Sqlite { path } => {
                    let options = SqliteConnectOptions::new().filename(path).read_only(true);
                    let mut connection = SqliteConnection::connect_with(&options).await?;
                    let any: bool = sqlx::query_scalar(IN_SQLITE).fetch_one(&mut connection).await?;
                    if !any {
                        return Ok(Self::None);
                    }
                    let applied = sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await?;
                    Ok(Self::compare(&SQLITE, &applied))
                }
                StoreConfig::Postgres { url, .. } => {
                    let mut connection = PgConnection::connect_with(&postgres_options(url)?).await?;
                    let any: bool = sqlx::query_scalar(IN_POSTGRES).fetch_one(&mut connection).await?;
                    if !any {
                        return Ok(Self::None);
                    }
                    let applied = sqlx::query_scalar(APPLIED).fetch_all(&mut connection).await?;
                    Ok(Self::compare(&POSTGRES, &applied))
                }
            }
        };
        let late = Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut));
        tokio::time::timeout(PATIENCE, looked).await.unwrap_or(late)
    }

    /// The channels on which accounts are connected, where the tables are up to date.
    pub async fn channels(config: &StoreConfig) -> Result<Vec<String>, StoreError> {
        let looked = async {
            Ok(match config {
                StoreConfig::Sqlite { path } => {
                    let options = SqliteConnectOptions::new().filename(path).read_only(true);
                    let mut connection = SqliteConnection::connect_with(&options).await?;
                    sqlx::query_scalar(CHANNELS).fetch_all(&mut connection).await?
                }
                StoreConfig::Postgres { url, .. } => {
                    let mut connection = PgConnection::connect_with(&postgres_options(url)?).await?;
                    sqlx::query_scalar(CHANNELS).fetch_all(&mut connection).await?
                }
            })
        };
        let late = Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut));
        tokio::time::timeout(PATIENCE, looked).await.unwrap_or(late)
    }

    fn compare(ours: &Migrator, applied: &[i64]) -> Self {
        let known: Vec<i64> = ours.iter().map(|migration| migration.version).collect();
        if applied.iter().any(|version| !known.contains(version)) {
            return Self::Ahead;
        }
        match known.iter().filter(|version| !applied.contains(version)).count() {
            0 => Self::UpToDate,
            missing => Self::Behind(missing),
        }
    }
}
