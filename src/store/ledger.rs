//! The send ledger's transaction: attempts opened, outcomes written, and what they mean for messages and actions.

use std::collections::{BTreeMap, BTreeSet};

use model::{EventKind, Ids, Status, Subject, Timestamp};
use serde_json::json;
use sqlx::QueryBuilder;
use sqlx::types::Json;
use uuid::Uuid;

use crate::actions::Actions as _;
use crate::attempts::{Ended, NewAttempt, OutcomeKind};
use crate::changes::{Changes as _, Known};
use crate::db::{Db, statements, transaction};
use crate::receipts::{self, Lock as _};
use crate::{StoreError, texts};

statements! {
    ECHO = "SELECT id FROM messages WHERE conversation_id = $1 AND provider_id = $2 AND id <> $3
        AND origin = 'channel' AND direction = 'outbound'";
    QUOTE_INSTEAD = "UPDATE messages SET reply_to = $2 WHERE conversation_id = $3 AND reply_to = $1";
    SHOW_INSTEAD = "UPDATE conversations SET last_message_id = $2 WHERE id = $3 AND last_message_id = $1";
    ACT_INSTEAD = "UPDATE actions SET message_id = $2 WHERE conversation_id = $3 AND message_id = $1";
    CHANGE_INSTEAD = "UPDATE messages SET content = CASE WHEN e.edited_at IS NULL THEN messages.content ELSE e.content END,
        edited_at = e.edited_at, deleted_at = e.deleted_at, reactions = e.reactions FROM messages e
        WHERE e.id = $1 AND messages.id = $2 AND messages.conversation_id = $3";
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

const OPEN_MESSAGES: &str =
    ") UPDATE messages SET status = 'sending', updated_at = v.at FROM v WHERE messages.id = v.id
    AND messages.revision = v.revision AND messages.status IN ('queued', 'sending') RETURNING messages.id";
const OPEN_ACTIONS: &str =
    ") UPDATE actions SET status = 'sending', updated_at = v.at FROM v WHERE actions.id = v.id
    AND actions.status IN ('queued', 'sending') RETURNING actions.id";

const FIRST_SENT: &str =
    ") UPDATE conversations SET first_sent_at = v.at FROM v WHERE conversations.id = v.id
    AND conversations.first_sent_at IS NULL";

/// Everything in one transaction; gives the messages and actions whose attempts were opened. None may come twice.
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

/// Writes the attempts of those messages and actions that may still be called for. Writing one again changes nothing.
macro_rules! open {
    ($tx:ident, $attempts:ident) => {{
        let mut opened: Vec<Uuid> = Vec::new();
        for (sql, of_actions) in [(OPEN_MESSAGES, false), (OPEN_ACTIONS, true)] {
            let of_kind: Vec<&NewAttempt> = $attempts
                .iter()
                .filter(|attempt| matches!(attempt.subject, Subject::Action(_)) == of_actions)
                .collect();
            if of_kind.is_empty() {
                continue;
            }
            let mut query = QueryBuilder::new("WITH v (id, revision, at) AS (");
            query.push_values(of_kind, |mut row, attempt| {
                row.push_bind(attempt.subject.id())
                    .push_bind(attempt.revision)
                    .push_bind(attempt.started_at.to_datetime());
            });
            query.push(sql);
            let ids: Vec<Uuid> = query.build_query_scalar().fetch_all(&mut *$tx).await?;
            opened.extend(ids);
        }
        let admitted = $attempts.iter().filter(|attempt| opened.contains(&attempt.subject.id()));
        if !opened.is_empty() {
            let mut query = QueryBuilder::new(
                "INSERT INTO attempts (id, subject_id, n, workspace_id, account_id, conversation_id, worker, pace,
                purpose, is_new, text_hash, granted_at, started_at, waits) ",
            );
            query.push_values(admitted.clone(), |mut row, attempt| {
                row.push_bind(attempt.id.0)
                    .push_bind(attempt.subject.id())
                    .push_bind(attempt.n)
                    .push_bind(attempt.workspace_id.0)
                    .push_bind(attempt.account_id.0)
                    .push_bind(attempt.conversation_id.0)
                    .push_bind(attempt.worker.0)
                    .push_bind(attempt.pace.as_str())
                    .push_bind(attempt.purpose.as_str())
                    .push_bind(attempt.is_new)
                    .push_bind(attempt.text_hash.map(texts::to_row))
                    .push_bind(attempt.granted_at.to_datetime())
                    .push_bind(attempt.started_at.to_datetime())
                    .push_bind(Json(attempt.waits.clone()));
            });
            query.push(" ON CONFLICT (id) DO NOTHING");
            query.build().execute(&mut *$tx).await?;
            // A later call for the same message is not the first one in its chat. In the order of their ids, as everybody
            // else locks conversations.
            let mut firsts: BTreeMap<Uuid, Timestamp> = BTreeMap::new();
            for attempt in admitted.filter(|attempt| attempt.n == 1) {
                let at = firsts.entry(attempt.conversation_id.0).or_insert(attempt.started_at);
                *at = (*at).min(attempt.started_at);
            }
            if !firsts.is_empty() {
                let mut query = QueryBuilder::new("WITH v (id, at) AS (");
                query.push_values(firsts, |mut row, (conversation, at)| {
                    row.push_bind(conversation).push_bind(at.to_datetime());
                });
                query.push(FIRST_SENT);
                query.build().execute(&mut *$tx).await?;
            }
        }
        opened
    }};
}
use open;

/// Writes how calls ended: attempts, then the messages and actions that this may still change, their events, and what was
/// told of a message faster than the answer that it belongs to.
macro_rules! end {
    ($tx:ident, $ids:ident, $ended:ident, $fit:ident) => {
        let of_message = |end: &&Ended| matches!(end.subject, Subject::Message(_));
        let sent: Vec<&Ended> =
            $ended.iter().filter(of_message).filter(|end| end.status == Status::Sent).collect();
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
        // An attempt that somebody else ended says nothing any more, unless it is a yes.
        let (telling, of_actions): (Vec<&Ended>, Vec<&Ended>) = $ended
            .iter()
            .filter(|end| {
                end.outcome == OutcomeKind::Accepted || end.attempt_id.is_none_or(|id| closed.contains(&id.0))
            })
            .partition(of_message);
        if $fit == Fit::EchoGivesWay {
            for end in &telling {
                give_way!($tx, end);
            }
        }
        if !telling.is_empty() {
            let changed = change!($tx, telling, $fit);
            let told: Vec<&&Ended> =
                telling.iter().filter(|end| changed.contains(&end.subject.id())).collect();
            if !told.is_empty() {
                tell!($tx, $ids, told);
            }
        }
        if !sent.is_empty() {
            let mut query = QueryBuilder::new("WITH v (account_id, chat, provider_id, at) AS (");
            query.push_values(&sent, |mut row, end| {
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
            let known: BTreeSet<Known<'_>> = sent
                .iter()
                .filter_map(|end| Some((end.account_id.0, end.chat.as_str(), end.provider_id.as_deref()?)))
                .collect();
            if let Some(now) = sent.iter().map(|end| end.at).max() {
                (*$tx).apply_parked($ids, &known, now.to_datetime()).await?;
            }
        }
        for end in of_actions {
            (*$tx).end_action($ids, end).await?;
        }
    };
}
use end;

macro_rules! give_way {
    ($tx:ident, $end:ident) => {
        let echo: Option<Uuid> = sqlx::query_scalar(ECHO)
            .bind($end.conversation_id.0)
            .bind(&$end.provider_id)
            .bind($end.subject.id())
            .fetch_optional(&mut *$tx)
            .await?;
        if let Some(echo) = echo {
            for sql in [QUOTE_INSTEAD, SHOW_INSTEAD, ACT_INSTEAD, CHANGE_INSTEAD] {
                sqlx::query(sql)
                    .bind(echo)
                    .bind($end.subject.id())
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
            row.push_bind(end.subject.id())
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
                .push_bind(end.subject.id())
                .push_bind("system")
                .push_bind(end.client_id.clone())
                .push_bind(Json(data))
                .push_bind(end.at.to_datetime());
        });
        query.build().execute(&mut *$tx).await?;
    };
}
use tell;
