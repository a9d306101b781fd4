//! Group commit: attempts and outcomes of many messages share one transaction.
//!
//! A commit costs a trip to the disk whatever is in it, and a send needs two. So callers hand their write to one
//! task, which takes what has gathered (64 rows at most, or what came within 2 ms) and commits it together. A batch
//! that fails is tried again row by row, so that one bad row spoils nobody else's.

use std::sync::Arc;
use std::time::Duration;

use model::{EventKind, Ids, Status, Timestamp};
use serde_json::json;
use sqlx::QueryBuilder;
use sqlx::types::Json;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::attempts::{DROP_ECHO, Ended, NewAttempt, OutcomeKind};
use crate::db::{Db, transaction};
use crate::{StoreError, receipts};

const MOST: usize = 64;
const GATHER: Duration = Duration::from_millis(2);

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

pub(crate) enum Write {
    Open(Box<NewAttempt>, Answer<bool>),
    End(Box<Ended>, Answer<()>),
    Flush(Answer<()>),
}

#[derive(Clone, Debug)]
pub(crate) struct Writer(mpsc::Sender<Write>);

impl Writer {
    pub(crate) fn start(db: Db, ids: Arc<Ids>) -> Self {
        let (sender, mut receiver) = mpsc::channel(4 * MOST);
        tokio::spawn(async move {
            while let Some(batch) = gather(&mut receiver).await {
                commit(&db, &ids, batch).await;
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

async fn gather(receiver: &mut mpsc::Receiver<Write>) -> Option<Vec<Write>> {
    let mut batch = vec![receiver.recv().await?];
    while batch.len() < MOST
        && let Ok(write) = receiver.try_recv()
    {
        batch.push(write);
    }
    // One alone goes at once: waiting for company would only cost it time. Where there is company, more may come.
    if batch.len() > 1 && batch.len() < MOST {
        let end = tokio::time::Instant::now() + GATHER;
        while batch.len() < MOST
            && let Ok(Some(write)) = tokio::time::timeout_at(end, receiver.recv()).await
        {
            batch.push(write);
        }
    }
    Some(batch)
}

async fn commit(db: &Db, ids: &Ids, batch: Vec<Write>) {
    let mut opens = Vec::new();
    let mut ends = Vec::new();
    let mut flushes = Vec::new();
    for write in batch {
        match write {
            Write::Open(attempt, answer) => opens.push((*attempt, answer)),
            Write::End(ended, answer) => ends.push((*ended, answer)),
            Write::Flush(answer) => flushes.push(answer),
        }
    }
    let (attempts, open_answers): (Vec<_>, Vec<_>) = opens.into_iter().unzip();
    let (ended, end_answers): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    match together(db, ids, &attempts, &ended).await {
        Ok(opened) => {
            for (attempt, answer) in attempts.iter().zip(open_answers) {
                drop(answer.send(Ok(opened.contains(&attempt.message_id.0))));
            }
            for answer in end_answers {
                drop(answer.send(Ok(())));
            }
        }
        Err(error) => {
            tracing::debug!(%error, rows = attempts.len() + ended.len(), "a batch failed; trying its rows one by one");
            for (attempt, answer) in attempts.into_iter().zip(open_answers) {
                let id = attempt.message_id.0;
                let done = together(db, ids, &[attempt], &[]).await;
                drop(answer.send(done.map(|opened| opened.contains(&id))));
            }
            for (ended, answer) in ended.into_iter().zip(end_answers) {
                drop(answer.send(alone(db, ids, ended).await));
            }
        }
    }
    for answer in flushes {
        drop(answer.send(Ok(())));
    }
}

/// One outcome by itself. Where an echo of the message was stored as a message of its own, that row gives way.
async fn alone(db: &Db, ids: &Ids, ended: Ended) -> Result<(), StoreError> {
    match together(db, ids, &[], std::slice::from_ref(&ended)).await {
        Err(StoreError::Unavailable(error)) if StoreError::is_duplicate(&error) => {
            crate::db::write!(db, conn => sqlx::query(DROP_ECHO)
                .bind(ended.conversation_id.0)
                .bind(&ended.provider_id)
                .bind(ended.message_id.0)
                .execute(conn).await.map(drop))?;
            together(db, ids, &[], &[ended]).await.map(drop)
        }
        done => done.map(drop),
    }
}

/// Everything in one transaction; gives the messages whose attempts were opened.
async fn together(
    db: &Db,
    ids: &Ids,
    attempts: &[NewAttempt],
    ended: &[Ended],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(transaction!(db, tx => {
        let opened: Vec<Uuid> = if attempts.is_empty() { Vec::new() } else {
            let mut query = QueryBuilder::new("WITH v (message_id, at) AS (");
            query.push_values(attempts, |mut row, attempt| {
                row.push_bind(attempt.message_id.0).push_bind(attempt.started_at.to_datetime());
            });
            query.push(") UPDATE messages SET status = 'sending', updated_at = v.at FROM v
                WHERE messages.id = v.message_id AND messages.status IN ('queued', 'sending') RETURNING messages.id");
            query.build_query_scalar().fetch_all(&mut *tx).await?
        };
        let admitted: Vec<&NewAttempt> =
            attempts.iter().filter(|attempt| opened.contains(&attempt.message_id.0)).collect();
        if !admitted.is_empty() {
            let mut query = QueryBuilder::new("INSERT INTO attempts (id, message_id, n, workspace_id, account_id,
                conversation_id, worker, pace, text_hash, granted_at, started_at, waits) ");
            query.push_values(admitted, |mut row, attempt| {
                row.push_bind(attempt.id.0)
                    .push_bind(attempt.message_id.0)
                    .push_bind(attempt.n)
                    .push_bind(attempt.workspace_id.0)
                    .push_bind(attempt.account_id.0)
                    .push_bind(attempt.conversation_id.0)
                    .push_bind(attempt.worker.0)
                    .push_bind(attempt.pace.as_str())
                    .push_bind(attempt.text_hash.clone())
                    .push_bind(attempt.granted_at.to_datetime())
                    .push_bind(attempt.started_at.to_datetime())
                    .push_bind(Json(attempt.waits.clone()));
            });
            query.build().execute(&mut *tx).await?;
        }
        if !ended.is_empty() {
            let mut query = QueryBuilder::new("WITH v (id, at, outcome, error_code, error, provider_id) AS (");
            query.push_values(ended, |mut row, end| {
                row.push_bind(end.attempt_id.map_or(Uuid::nil(), |id| id.0))
                    .push_bind(end.at.to_datetime())
                    .push_bind(end.outcome.as_str())
                    .push_bind(end.error_code.clone())
                    .push_bind(end.error.clone())
                    .push_bind(end.provider_id.clone());
            });
            query.push(") UPDATE attempts SET ended_at = v.at, outcome = v.outcome, error_code = v.error_code,
                error = v.error, provider_id = v.provider_id FROM v WHERE attempts.id = v.id
                AND (attempts.ended_at IS NULL OR v.outcome = 'accepted')");
            query.build().execute(&mut *tx).await?;

            let mut query = QueryBuilder::new("WITH v (id, status, reason, provider_id, sent_at, next_at, at) AS (");
            query.push_values(ended, |mut row, end| {
                let sent_at = (end.outcome == OutcomeKind::Accepted).then(|| end.at.to_datetime());
                row.push_bind(end.message_id.0)
                    .push_bind(end.status.as_str())
                    .push_bind(end.reason.clone())
                    .push_bind(end.provider_id.clone())
                    .push_bind(sent_at)
                    .push_bind(end.next_attempt_at.map(Timestamp::to_datetime))
                    .push_bind(end.at.to_datetime());
            });
            query.push(") UPDATE messages SET status = v.status, reason = v.reason,
                provider_id = COALESCE(v.provider_id, messages.provider_id), sent_at = v.sent_at,
                next_attempt_at = v.next_at, updated_at = v.at FROM v
                WHERE messages.id = v.id AND (messages.status IN ('queued', 'sending')
                    OR (v.status = 'sent' AND messages.status IN ('unknown', 'failed', 'canceled', 'skipped')))
                RETURNING messages.id");
            let changed: Vec<Uuid> = query.build_query_scalar().fetch_all(&mut *tx).await?;
            let told: Vec<&Ended> = ended.iter().filter(|end| changed.contains(&end.message_id.0)).collect();
            if !told.is_empty() {
                let mut query = QueryBuilder::new("INSERT INTO events (id, workspace_id, kind, account_id,
                    conversation_id, message_id, actor, client_id, data, created_at) ");
                query.push_values(told, |mut row, end| {
                    let data = json!({
                        "status": end.status, "reason": end.reason, "provider_id": end.provider_id,
                        "next_attempt_at": end.next_attempt_at,
                    });
                    row.push_bind(ids.uuid(end.at))
                        .push_bind(end.workspace_id.0)
                        .push_bind(EventKind::MessageStatus.as_str())
                        .push_bind(end.account_id.0)
                        .push_bind(end.conversation_id.0)
                        .push_bind(end.message_id.0)
                        .push_bind("system")
                        .push_bind(end.client_id.clone())
                        .push_bind(Json(data))
                        .push_bind(end.at.to_datetime());
                });
                query.build().execute(&mut *tx).await?;
            }
            let sent: Vec<&Ended> = ended.iter().filter(|end| end.status == Status::Sent).collect();
            if !sent.is_empty() {
                // Receipts may be faster than the answer they belong to.
                let mut query = QueryBuilder::new("WITH v (account_id, chat, provider_id) AS (");
                query.push_values(sent, |mut row, end| {
                    row.push_bind(end.account_id.0).push_bind(end.chat.clone()).push_bind(end.provider_id.clone());
                });
                query.push(") SELECT r.account_id, r.chat, r.provider_id, r.kind, r.at, r.error FROM receipts r
                    JOIN v ON v.account_id = r.account_id AND v.chat = r.chat AND v.provider_id = r.provider_id");
                let early: Vec<receipts::Row> = query.build_query_as().fetch_all(&mut *tx).await?;
                for receipt in &early {
                    receipts::apply!(tx, ids, receipt);
                }
            }
        }
        opened
    }))
}
