//! The send ledger's transaction: attempts opened, outcomes written, and what they mean for their messages.

use model::{EventKind, Ids, Status, Timestamp};
use serde_json::json;
use sqlx::QueryBuilder;
use sqlx::types::Json;
use uuid::Uuid;

use crate::StoreError;
use crate::attempts::{Ended, NewAttempt, OutcomeKind};
use crate::db::{Db, statements, transaction};
use crate::receipts::{self, Lock as _};

statements! {
    ECHO = "SELECT id FROM messages WHERE conversation_id = $1 AND provider_id = $2 AND id <> $3
        AND origin = 'channel' AND direction = 'outbound'";
    QUOTE_INSTEAD = "UPDATE messages SET reply_to = $2 WHERE conversation_id = $3 AND reply_to = $1";
    SHOW_INSTEAD = "UPDATE conversations SET last_message_id = $2 WHERE id = $3 AND last_message_id = $1";
    DELETE_ECHO = "DELETE FROM messages WHERE id = $1";
}

/// What to do about a provider's id that another row of the conversation has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Fail.
    AsTold,
    /// The other row is an echo of this message: it goes, and what pointed to it points here.
    EchoGivesWay,
    /// The message goes without; its attempt keeps the id.
    IdInAttemptOnly,
}

/// Everything in one transaction; gives the messages whose attempts were opened. No message may come twice.
pub(crate) async fn commit(
    db: &Db,
    ids: &Ids,
    attempts: &[NewAttempt],
    ended: &[Ended],
    fit: Fit,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(transaction!(db, tx => {
        let opened = open!(tx, attempts);
        if !ended.is_empty() {
            end!(tx, ids, ended, fit);
        }
        opened
    }))
}

/// Writes the attempts of those messages that may still be sent. Writing one again changes nothing.
macro_rules! open {
    ($tx:ident, $attempts:ident) => {{
        let opened: Vec<Uuid> = if $attempts.is_empty() {
            Vec::new()
        } else {
            let mut query = QueryBuilder::new("WITH v (message_id, at) AS (");
            query.push_values($attempts, |mut row, attempt| {
                row.push_bind(attempt.message_id.0)
                    .push_bind(attempt.started_at.to_datetime());
            });
            query.push(
                ") UPDATE messages SET status = 'sending', updated_at = v.at FROM v
                WHERE messages.id = v.message_id AND messages.status IN ('queued', 'sending') RETURNING messages.id",
            );
            query.build_query_scalar().fetch_all(&mut *$tx).await?
        };
        let admitted = $attempts.iter().filter(|attempt| opened.contains(&attempt.message_id.0));
        if !opened.is_empty() {
            let mut query = QueryBuilder::new(
                "INSERT INTO attempts (id, message_id, n, workspace_id, account_id, conversation_id, worker, pace,
                text_hash, granted_at, started_at, waits) ",
            );
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
            query.push(" ON CONFLICT (id) DO NOTHING");
            query.build().execute(&mut *$tx).await?;
        }
        opened
    }};
}
use open;

/// Writes how calls ended: attempts, then the messages that this may still change, their events, and receipts that
/// were faster than the answer they belong to.
macro_rules! end {
    ($tx:ident, $ids:ident, $ended:ident, $fit:ident) => {
        let sent: Vec<&Ended> = $ended.iter().filter(|end| end.status == Status::Sent).collect();
        (*$tx)
            .lock(
                sent.iter()
                    .filter_map(|end| end.provider_id.as_ref().map(|id| (end.account_id.0, id.as_str()))),
            )
            .await?;
        let mut query = QueryBuilder::new("WITH v (id, at, outcome, error_code, error, provider_id) AS (");
        query.push_values($ended, |mut row, end| {
            row.push_bind(end.attempt_id.map_or(Uuid::nil(), |id| id.0))
                .push_bind(end.at.to_datetime())
                .push_bind(end.outcome.as_str())
                .push_bind(end.error_code.clone())
                .push_bind(end.error.clone())
                .push_bind(end.provider_id.clone());
        });
        query.push(
            ") UPDATE attempts SET ended_at = v.at, outcome = v.outcome, error_code = v.error_code,
            error = v.error, provider_id = v.provider_id FROM v WHERE attempts.id = v.id
            AND (attempts.ended_at IS NULL OR v.outcome = 'accepted') RETURNING attempts.id",
        );
        let closed: Vec<Uuid> = query.build_query_scalar().fetch_all(&mut *$tx).await?;
        // An attempt that somebody else ended says nothing about its message any more, unless it is a yes.
        let telling: Vec<&Ended> = $ended
            .iter()
            .filter(|end| {
                end.outcome == OutcomeKind::Accepted || end.attempt_id.is_none_or(|id| closed.contains(&id.0))
            })
            .collect();
        if $fit == Fit::EchoGivesWay {
            for end in &telling {
                give_way!($tx, end);
            }
        }
        if !telling.is_empty() {
            let changed = change!($tx, telling, $fit);
            let told: Vec<&&Ended> =
                telling.iter().filter(|end| changed.contains(&end.message_id.0)).collect();
            if !told.is_empty() {
                tell!($tx, $ids, told);
            }
        }
        if !sent.is_empty() {
            let mut query = QueryBuilder::new("WITH v (account_id, chat, provider_id, at) AS (");
            query.push_values(sent, |mut row, end| {
                row.push_bind(end.account_id.0)
                    .push_bind(end.chat.clone())
                    .push_bind(end.provider_id.clone())
                    .push_bind(end.at.to_datetime());
            });
            query.push(
                ") SELECT r.account_id, r.chat, r.provider_id, r.kind, r.at, r.error, v.at AS now FROM receipts r
                JOIN v ON v.account_id = r.account_id AND v.chat = r.chat AND v.provider_id = r.provider_id
                ORDER BY r.at",
            );
            let early: Vec<receipts::Row> = query.build_query_as().fetch_all(&mut *$tx).await?;
            for receipt in &early {
                receipts::apply!($tx, $ids, receipt);
            }
        }
    };
}
use end;

macro_rules! give_way {
    ($tx:ident, $end:ident) => {
        let echo: Option<Uuid> = sqlx::query_scalar(ECHO)
            .bind($end.conversation_id.0)
            .bind(&$end.provider_id)
            .bind($end.message_id.0)
            .fetch_optional(&mut *$tx)
            .await?;
        if let Some(echo) = echo {
            for sql in [QUOTE_INSTEAD, SHOW_INSTEAD] {
                sqlx::query(sql)
                    .bind(echo)
                    .bind($end.message_id.0)
                    .bind($end.conversation_id.0)
                    .execute(&mut *$tx)
                    .await?;
            }
            sqlx::query(DELETE_ECHO).bind(echo).execute(&mut *$tx).await?;
        }
    };
}
use give_way;

/// What outcomes mean for their messages; gives those that changed.
macro_rules! change {
    ($tx:ident, $telling:ident, $fit:ident) => {{
        let mut query =
            QueryBuilder::new("WITH v (id, status, reason, provider_id, sent_at, next_at, at) AS (");
        query.push_values(&$telling, |mut row, end| {
            let sent_at = (end.outcome == OutcomeKind::Accepted).then(|| end.at.to_datetime());
            let provider_id = end.provider_id.clone().filter(|_| $fit != Fit::IdInAttemptOnly);
            row.push_bind(end.message_id.0)
                .push_bind(end.status.as_str())
                .push_bind(end.reason.clone())
                .push_bind(provider_id)
                .push_bind(sent_at)
                .push_bind(end.next_attempt_at.map(Timestamp::to_datetime))
                .push_bind(end.at.to_datetime());
        });
        query.push(
            ") UPDATE messages SET status = v.status, reason = v.reason,
            provider_id = COALESCE(v.provider_id, messages.provider_id), sent_at = v.sent_at,
            next_attempt_at = v.next_at, updated_at = v.at FROM v
            WHERE messages.id = v.id AND (messages.status IN ('queued', 'sending')
                OR (v.status = 'sent' AND messages.status IN ('unknown', 'failed', 'canceled', 'skipped')))
            RETURNING messages.id",
        );
        let changed: Vec<Uuid> = query.build_query_scalar().fetch_all(&mut *$tx).await?;
        changed
    }};
}
use change;

macro_rules! tell {
    ($tx:ident, $ids:ident, $told:ident) => {
        let mut query = QueryBuilder::new(
            "INSERT INTO events (id, workspace_id, kind, account_id, conversation_id, message_id, actor, client_id,
            data, created_at) ",
        );
        query.push_values($told, |mut row, end| {
            let data = json!({
                "status": end.status, "reason": end.reason, "provider_id": end.provider_id,
                "next_attempt_at": end.next_attempt_at,
            });
            row.push_bind($ids.uuid(end.at))
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
        query.build().execute(&mut *$tx).await?;
    };
}
use tell;
