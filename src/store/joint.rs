//! Group commit for accepting: callers who come at the same moment share one transaction.
//!
//! A commit costs a trip to the disk or to a server whatever is in it; alone, each caller would pay for one. Nobody waits
//! for company: what comes while a transaction is under way makes the next one. Whoever is answered is committed.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, Sqlite, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::StoreError;
use crate::acceptance::{Acceptance, Write as _, Written};
use crate::writer::unavailable;

pub(crate) const MOST: usize = 64;
const GATHER: Duration = Duration::from_millis(2);

pub(crate) type Waiting = (Box<Acceptance>, oneshot::Sender<Written>);

#[derive(Clone, Debug)]
pub(crate) struct Joint(mpsc::Sender<Waiting>);

impl Joint {
    /// On `SQLite`, which has one writer: a savepoint each keeps one caller's failure from the others.
    pub(crate) fn on_sqlite(pool: SqlitePool) -> Self {
        let (sender, mut receiver) = mpsc::channel(4 * MOST);
        tokio::spawn(async move {
            while let Some(batch) = crate::writer::gather(&mut receiver, MOST, GATHER).await {
                commit(&pool, batch).await;
            }
        });
        Self(sender)
    }

    /// On Postgres, by statements of many rows.
    pub(crate) fn on_postgres(pool: &PgPool) -> Self {
        let (sender, receiver) = mpsc::channel(4 * MOST);
        crate::together::start(pool, receiver);
        Self(sender)
    }

    /// Gives the message as it was committed; none when its idempotency key is taken.
    pub(crate) async fn accept(&self, work: Acceptance) -> Written {
        let (answer, answered) = oneshot::channel();
        let closed = || StoreError::Unavailable(sqlx::Error::PoolClosed);
        self.0.send((Box::new(work), answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Several of one caller's: they are committed in their order.
    pub(crate) async fn accept_all(&self, works: Vec<Acceptance>) -> Vec<Written> {
        let mut answers = Vec::with_capacity(works.len());
        for work in works {
            let (answer, answered) = oneshot::channel();
            // What is not taken any more drops its answer, and that is seen below.
            drop(self.0.send((Box::new(work), answer)).await);
            answers.push(answered);
        }
        let mut all = Vec::with_capacity(answers.len());
        for answered in answers {
            let closed = || StoreError::Unavailable(sqlx::Error::PoolClosed);
            all.push(answered.await.unwrap_or_else(|_| Err(closed())));
        }
        all
    }
}

async fn commit(pool: &SqlitePool, batch: Vec<Waiting>) {
    let mut done = Vec::with_capacity(batch.len());
    let outcome = match pool.begin_with("BEGIN IMMEDIATE").await {
        Ok(mut tx) => {
            for (work, answer) in batch {
                done.push((one(&mut tx, &work).await, answer));
            }
            tx.commit().await
        }
        Err(error) => {
            for (_, answer) in batch {
                done.push((Ok(None), answer));
            }
            Err(error)
        }
    };
    let outage = outcome.err().map(|error| error.to_string());
    for (written, answer) in done {
        // A refusal stands whatever became of the others; a key that was taken may have been taken by one of them.
        let told = match (&outage, written) {
            (Some(words), Ok(_)) => Err(unavailable(words)),
            (_, written) => written,
        };
        drop(answer.send(told));
    }
}

async fn one(tx: &mut Transaction<'static, Sqlite>, work: &Acceptance) -> Written {
    let mut point = tx.begin().await?;
    match (*point).write(work).await {
        Ok(Some(message)) => point.commit().await.map(|()| Some(message)).map_err(StoreError::from),
        refused => {
            point.rollback().await?;
            refused
        }
    }
}
