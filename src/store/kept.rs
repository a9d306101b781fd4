//! A connection that is kept from one transaction to the next.
//!
//! A pool asks a connection whether it is well each time it comes back. Whoever works without a pause keeps its own for
//! as long as nobody else needs one.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{Connection as _, PgConnection, Postgres};
use tokio::time::Instant;

use crate::db::FRESH;

/// Whoever waits that long gives its connection back.
const IDLE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Kept {
    pool: PgPool,
    connection: Option<(PoolConnection<Postgres>, Instant)>,
}

impl Kept {
    pub(crate) fn of(pool: PgPool) -> Self {
        Self { pool, connection: None }
    }

    /// The connection. It is gone unless it is put back: what broke off in the middle is of no use any more.
    pub(crate) async fn take(&mut self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        if let Some((mut connection, since)) = self.connection.take()
            && (since.elapsed() < FRESH || PgConnection::ping(&mut connection).await.is_ok())
        {
            return Ok(connection);
        }
        self.pool.acquire().await
    }

    /// Keeps it, unless others may be waiting for one.
    pub(crate) fn put(&mut self, connection: PoolConnection<Postgres>) {
        let is_spare =
            self.pool.num_idle() > 0 || self.pool.size() < self.pool.options().get_max_connections();
        self.connection = is_spare.then(|| (connection, Instant::now()));
    }

    /// Gives the connection back when nothing was done with it for a while, or when all are asked back. Never ends.
    pub(crate) async fn idle(&mut self) -> Infallible {
        if self.connection.is_some() {
            tokio::select! {
                () = tokio::time::sleep(IDLE) => {}
                () = self.pool.close_event() => {}
            }
            self.connection = None;
        }
        std::future::pending().await
    }
}
