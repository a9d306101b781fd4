//! Group commit: attempts and outcomes of many messages and actions share one transaction.
//!
//! A commit costs a trip to the disk whatever is in it, and a send needs two. So callers hand their write to one
//! task, which takes what has gathered (64 rows at most; `SQLite` waits 2 ms for more) and commits it together. A batch
//! that fails is tried again row by row, so that one bad row spoils nobody else's.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use model::Ids;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::StoreError;
use crate::attempts::{Ended, NewAttempt};
use crate::db::Db;
use crate::ledger::{self, Desk, Fit};

const MOST: usize = 64;
const GATHER: Duration = Duration::from_millis(2);

/// A transaction that takes longer hangs with its server: its rows are tried again in another one.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

pub(crate) enum Write {
    Open(Box<NewAttempt>, Answer<bool>),
    End(Box<Ended>, Answer<()>),
    Flush(Answer<()>),
}

#[derive(Clone, Debug)]
pub(crate) struct Writer(mpsc::Sender<Write>);

impl Writer {
    pub(crate) fn start(db: &Db, ids: Arc<Ids>) -> Self {
        let mut desk = Desk::of(db);
        let (sender, mut receiver) = mpsc::channel(4 * MOST);
        tokio::spawn(async move {
            while let Some(writes) = desk.next(&mut receiver).await {
                for batch in batches(writes) {
                    batch.commit(&mut desk, &ids).await;
                }
            }
        });
        Self(sender)
    }

    pub(crate) async fn write<T>(&self, write: impl FnOnce(Answer<T>) -> Write) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = |()| StoreError::Unavailable(sqlx::Error::PoolClosed);
        self.0.send(write(answer)).await.map_err(|_| closed(()))?;
        answered.await.map_err(|_| closed(()))?
    }

    pub(crate) async fn flush(&self) {
        // Whether the writer still ran does not matter to who closes it.
        drop(self.write(Write::Flush).await);
    }
}

impl Desk {
    /// The next writes that share a commit.
    async fn next(&mut self, receiver: &mut mpsc::Receiver<Write>) -> Option<Vec<Write>> {
        match self {
            Self::Sqlite(_) => gather(receiver, MOST, GATHER).await,
            // A commit waits for no disk of ours: what comes meanwhile is company enough.
            Self::Postgres(kept) => tokio::select! {
                biased;
                come = received(receiver, MOST) => come,
                never = kept.idle() => match never {},
            },
        }
    }
}

/// What has come, and what comes within `pause`, `most` at most; none when nobody can send any more.
pub(crate) async fn gather<T>(
    receiver: &mut mpsc::Receiver<T>,
    most: usize,
    pause: Duration,
) -> Option<Vec<T>> {
    let mut writes = received(receiver, most).await?;
    // One alone goes at once: waiting for company would only cost it time. Where there is company, more may come.
    if writes.len() > 1 && writes.len() < most {
        let end = tokio::time::Instant::now() + pause;
        while writes.len() < most
            && let Ok(Some(write)) = tokio::time::timeout_at(end, receiver.recv()).await
        {
            writes.push(write);
        }
    }
    Some(writes)
}

/// What has come, `most` at most; none when nobody can send any more. Given up, it loses nothing.
pub(crate) async fn received<T>(receiver: &mut mpsc::Receiver<T>, most: usize) -> Option<Vec<T>> {
    let mut all = vec![receiver.recv().await?];
    while all.len() < most
        && let Ok(one) = receiver.try_recv()
    {
        all.push(one);
    }
    Some(all)
}

/// Writes that share a transaction.
#[derive(Default)]
struct Batch {
    opens: Vec<(NewAttempt, Answer<bool>)>,
    ends: Vec<(Ended, Answer<()>)>,
    flushes: Vec<Answer<()>>,
}

/// One batch, or several where a message or an action has two writes: they are committed in the order in which they came, since
/// one statement cannot change one row twice.
fn batches(writes: Vec<Write>) -> Vec<Batch> {
    let mut done = Vec::new();
    let mut batch = Batch::default();
    let mut subjects = HashSet::new();
    for write in writes {
        let subject = match &write {
            Write::Open(attempt, _) => Some(attempt.subject),
            Write::End(ended, _) => Some(ended.subject),
            Write::Flush(_) => None,
        };
        if let Some(subject) = subject
            && !subjects.insert(subject)
        {
            done.push(std::mem::take(&mut batch));
            subjects.clear();
            subjects.insert(subject);
        }
        match write {
            Write::Open(attempt, answer) => batch.opens.push((*attempt, answer)),
            Write::End(ended, answer) => batch.ends.push((*ended, answer)),
            Write::Flush(answer) => batch.flushes.push(answer),
        }
    }
    done.push(batch);
    done
}

impl Batch {
    async fn commit(self, desk: &mut Desk, ids: &Ids) {
        let (attempts, open_answers): (Vec<_>, Vec<_>) = self.opens.into_iter().unzip();
        let (ended, end_answers): (Vec<_>, Vec<_>) = self.ends.into_iter().unzip();
        match commit(desk, ids, &attempts, &ended, Fit::AsTold).await {
            Ok(opened) => {
                for (attempt, answer) in attempts.iter().zip(open_answers) {
                    drop(answer.send(Ok(opened.contains(&attempt.subject.id()))));
                }
                for answer in end_answers {
                    drop(answer.send(Ok(())));
                }
            }
            Err(error) => {
                tracing::debug!(%error, rows = attempts.len() + ended.len(), "a batch failed; trying its rows one by one");
                let mut outage = outage(&error);
                for (attempt, answer) in attempts.into_iter().zip(open_answers) {
                    let id = attempt.subject.id();
                    let done = match &outage {
                        None => open_alone(desk, ids, attempt).await,
                        Some(words) => Err(unavailable(words)),
                    };
                    outage = outage.or_else(|| done.as_ref().err().and_then(self::outage));
                    drop(answer.send(done.map(|opened| opened.contains(&id))));
                }
                for (ended, answer) in ended.into_iter().zip(end_answers) {
                    let done = match &outage {
                        None => end_alone(desk, ids, &ended).await,
                        Some(words) => Err(unavailable(words)),
                    };
                    outage = outage.or_else(|| done.as_ref().err().and_then(self::outage));
                    drop(answer.send(done));
                }
            }
        }
        for answer in self.flushes {
            drop(answer.send(Ok(())));
        }
    }
}

/// The words of an error that says nothing about a row: the database is away. Then every further try would only wait
/// for its own time-out, and all who stand in line with it.
fn outage(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Unavailable(cause) if error.is_outage() => Some(cause.to_string()),
        _ => None,
    }
}

/// The transaction, but not for longer than anybody should wait. What became of it is not known then: writing it again
/// changes nothing.
async fn commit(
    desk: &mut Desk,
    ids: &Ids,
    attempts: &[NewAttempt],
    ended: &[Ended],
    fit: Fit,
) -> Result<Vec<Uuid>, StoreError> {
    let done = tokio::time::timeout(PATIENCE, ledger::commit(desk, ids, attempts, ended, fit)).await;
    done.unwrap_or_else(|_| Err(unavailable("the database took too long to commit")))
}

pub(crate) fn unavailable(words: &str) -> StoreError {
    StoreError::Unavailable(sqlx::Error::AnyDriverError(words.into()))
}

/// One attempt by itself. Its number may be taken: then another worker was faster.
async fn open_alone(desk: &mut Desk, ids: &Ids, attempt: NewAttempt) -> Result<Vec<Uuid>, StoreError> {
    match commit(desk, ids, std::slice::from_ref(&attempt), &[], Fit::AsTold).await {
        Err(error) if error.is_unique() => Err(StoreError::Conflict(format!(
            "attempt {} of {} was opened by another worker",
            attempt.n, attempt.subject
        ))),
        done => done,
    }
}

/// One outcome by itself. An echo of the message that was stored as a message of its own gives way to it. Where the
/// provider gave the id to another message too, the attempt alone keeps it: an outcome is recorded in any case.
async fn end_alone(desk: &mut Desk, ids: &Ids, ended: &Ended) -> Result<(), StoreError> {
    let mut done = Ok(Vec::new());
    for fit in [Fit::AsTold, Fit::EchoGivesWay, Fit::IdInAttemptOnly] {
        done = commit(desk, ids, &[], std::slice::from_ref(ended), fit).await;
        if !done.as_ref().is_err_and(StoreError::is_unique) {
            break;
        }
    }
    done.map(drop)
}
