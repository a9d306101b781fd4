//! The send ledger's transaction: attempts opened, outcomes written, and what they mean for messages and actions.

use std::collections::{BTreeMap, BTreeSet};

use model::{EventKind, Ids, Status, Subject, Timestamp};
use serde_json::json;
use sqlx::sqlite::SqlitePool;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Connection as _, FromRow};
use uuid::Uuid;

use crate::actions::Actions as _;
use crate::attempts::{Ended, NewAttempt, OutcomeKind};
use crate::changes::{Changes as _, Known};
use crate::db::{Db, statements};
use crate::kept::Kept;
use crate::receipts::{self, Lock as _};
use crate::rows::Rows;
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

/// They are found by their ids: were a status as it is to be found in an index, the planner might read all that is unfinished
/// instead, which it believes to be little.
const OPEN_MESSAGES: &str =
    "UPDATE messages SET status = 'sending', updated_at = v.at FROM v WHERE messages.id = v.id
    AND messages.revision = v.revision AND messages.status || '' IN ('queued', 'sending') RETURNING messages.id";
const OPEN_ACTIONS: &str =
    "UPDATE actions SET status = 'sending', updated_at = v.at FROM v WHERE actions.id = v.id
    AND actions.status || '' IN ('queued', 'sending') RETURNING actions.id";

const FIRST_SENT: &str = "UPDATE conversations SET first_sent_at = v.at FROM v WHERE conversations.id = v.id
    AND conversations.first_sent_at IS NULL";

const FIRST_TAKEN: &str =
    "UPDATE conversations SET first_taken_at = v.at FROM v WHERE conversations.id = v.id
    AND conversations.first_taken_at IS NULL";

const CLOSE: &str = "UPDATE attempts SET ended_at = v.at, outcome = v.outcome, error_code = v.error_code,
    error = v.error, provider_id = v.provider_id FROM v WHERE attempts.id = v.id
    AND (attempts.ended_at IS NULL OR v.outcome = 'accepted')
    RETURNING attempts.id, attempts.conversation_id, attempts.is_new, attempts.outcome, attempts.ended_at";

const CHANGE: &str = "UPDATE messages SET status = v.status, reason = v.reason,
    provider_id = COALESCE(v.provider_id, messages.provider_id), sent_at = v.sent_at,
    next_attempt_at = v.next_at, updated_at = v.at FROM v
    WHERE messages.id = v.id AND (messages.status IN ('queued', 'sending')
        OR (v.status = 'sent' AND messages.status IN ('unknown', 'failed', 'canceled', 'skipped')))
    RETURNING messages.id";

/// Receipts of the message, and those of all that was called for until a time.
const EARLY: &str = "SELECT r.account_id, r.chat, r.provider_id, r.kind, r.at AS at, r.error, v.at AS now FROM receipts r
    JOIN v ON v.account_id = r.account_id AND v.chat = r.chat AND v.provider_id = r.provider_id
    UNION ALL
    SELECT r.account_id, r.chat, v.provider_id, r.kind, r.at AS at, r.error, v.at AS now FROM receipts r
    JOIN v ON v.account_id = r.account_id AND v.chat = r.chat AND r.provider_id = '' AND v.provider_id IS NOT NULL
    JOIN attempts t ON t.id = v.attempt AND t.started_at <= r.at
    ORDER BY at";

/// An attempt that was ended.
#[derive(FromRow)]
struct Closed {
    id: Uuid,
    conversation_id: Uuid,
    is_new: bool,
    outcome: String,
    ended_at: DateTime<Utc>,
}

/// Where the ledger is written: by one task, which keeps its connection.
#[derive(Debug)]
pub(crate) enum Desk {
    Postgres(Kept),
    Sqlite(SqlitePool),
}

impl Desk {
    pub(crate) fn of(db: &Db) -> Self {
        match db {
            Db::Postgres(pool) => Self::Postgres(Kept::of(pool.clone())),
            Db::Sqlite { write, .. } => Self::Sqlite(write.clone()),
        }
    }
}

/// Everything in one transaction; gives the messages and actions whose attempts were opened. None may come twice.
pub(crate) async fn commit(
    desk: &mut Desk,
    ids: &Ids,
    attempts: &[NewAttempt],
    ended: &[Ended],
    fit: Fit,
) -> Result<Vec<Uuid>, StoreError> {
    match desk {
        Desk::Postgres(kept) => {
            let mut connection = kept.take().await?;
            let mut tx = connection.begin().await?;
            let opened = write!(tx, ids, attempts, ended, fit);
            tx.commit().await?;
            kept.put(connection);
            Ok(opened)
        }
        Desk::Sqlite(pool) => {
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
            let opened = write!(tx, ids, attempts, ended, fit);
            tx.commit().await?;
            Ok(opened)
        }
    }
}

macro_rules! write {
    ($tx:ident, $ids:ident, $attempts:ident, $ended:ident, $fit:ident) => {{
        let opened = open!($tx, $attempts);
        if !$ended.is_empty() {
            end!($tx, $ids, $ended, $fit);
        }
        opened
    }};
}
use write;

/// Dates the first of something in conversations: in the order of their ids, as everybody else locks them.
macro_rules! mark {
    ($tx:ident, $dates:expr, $sql:ident) => {
        let mut firsts: BTreeMap<Uuid, DateTime<Utc>> = BTreeMap::new();
        for (conversation, date) in $dates {
            let at = firsts.entry(conversation).or_insert(date);
            *at = (*at).min(date);
        }
        if !firsts.is_empty() {
            let firsts: Vec<_> = firsts.into_iter().collect();
            let rows = Rows::of(&firsts).uuid("id", |first| first.0).time("at", |first| first.1);
            rows.query($sql).build().execute(&mut *$tx).await?;
        }
    };
}
use mark;

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
            let rows = Rows::of(of_kind)
                .uuid("id", |attempt| attempt.subject.id())
                .integer("revision", |attempt| attempt.revision)
                .time("at", |attempt| attempt.started_at.to_datetime());
            let mut query = rows.query(sql);
            let ids: Vec<Uuid> = query.build_query_scalar().fetch_all(&mut *$tx).await?;
            opened.extend(ids);
        }
        let admitted = $attempts.iter().filter(|attempt| opened.contains(&attempt.subject.id()));
        if !opened.is_empty() {
            let rows = Rows::of(admitted.clone())
                .uuid("id", |attempt| attempt.id.0)
                .uuid("subject_id", |attempt| attempt.subject.id())
                .integer("n", |attempt| attempt.n)
                .uuid("workspace_id", |attempt| attempt.workspace_id.0)
                .uuid("account_id", |attempt| attempt.account_id.0)
                .uuid("conversation_id", |attempt| attempt.conversation_id.0)
                .uuid("worker", |attempt| attempt.worker.0)
                .text("pace", |attempt| attempt.pace.as_str())
                .text("purpose", |attempt| attempt.purpose.as_str())
                .bool("is_new", |attempt| attempt.is_new)
                .bytes("text_hash", |attempt| attempt.text_hash.map(texts::to_row))
                .time("granted_at", |attempt| attempt.granted_at.to_datetime())
                .time("started_at", |attempt| attempt.started_at.to_datetime())
                .json("waits", |attempt| json!(attempt.waits));
            let mut query = rows.insert("attempts", "ON CONFLICT (id) DO NOTHING");
            query.build().execute(&mut *$tx).await?;
            // A later call for the same message is not the first one in its chat.
            let firsts = admitted.filter(|attempt| attempt.n == 1);
            let firsts = firsts.map(|attempt| (attempt.conversation_id.0, attempt.started_at.to_datetime()));
            mark!($tx, firsts, FIRST_SENT);
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
        let rows = Rows::of($ended)
            .uuid("id", |end| end.attempt_id.map_or(Uuid::nil(), |id| id.0))
            .time("at", |end| end.at.to_datetime())
            .text("outcome", |end| end.outcome.as_str())
            .text("error_code", |end| end.error_code.as_deref())
            .text("error", |end| end.error.as_deref())
            .text("provider_id", |end| end.provider_id.as_deref());
        let mut query = rows.query(CLOSE);
        let closed: Vec<Closed> = query.build_query_as().fetch_all(&mut *$tx).await?;
        let taken = closed
            .iter()
            .filter(|attempt| attempt.is_new && attempt.outcome == OutcomeKind::Accepted.as_str());
        mark!($tx, taken.map(|attempt| (attempt.conversation_id, attempt.ended_at)), FIRST_TAKEN);
        // An attempt that somebody else ended says nothing any more, unless it is a yes.
        let (telling, of_actions): (Vec<&Ended>, Vec<&Ended>) = $ended
            .iter()
            .filter(|end| {
                end.outcome == OutcomeKind::Accepted
                    || end.attempt_id.is_none_or(|id| closed.iter().any(|attempt| attempt.id == id.0))
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
            let rows = Rows::of(sent.iter().copied())
                .uuid("account_id", |end| end.account_id.0)
                .text("chat", |end| end.chat.as_str())
                .text("provider_id", |end| end.provider_id.as_deref())
                .uuid("attempt", |end| end.attempt_id.map(|id| id.0))
                .time("at", |end| end.at.to_datetime());
            let mut query = rows.query(EARLY);
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
        let rows = Rows::of($telling.iter().copied())
            .uuid("id", |end| end.subject.id())
            .text("status", |end| end.status.as_str())
            .text("reason", |end| end.reason.as_deref())
            .text("provider_id", |end| end.provider_id.as_deref().filter(|_| $fit != Fit::IdInAttemptOnly))
            .time("sent_at", |end| (end.outcome == OutcomeKind::Accepted).then(|| end.at.to_datetime()))
            .time("next_at", |end| end.next_attempt_at.map(Timestamp::to_datetime))
            .time("at", |end| end.at.to_datetime());
        let mut query = rows.query(CHANGE);
        let changed: Vec<Uuid> = query.build_query_scalar().fetch_all(&mut *$tx).await?;
        changed
    }};
}
use change;

macro_rules! tell {
    ($tx:ident, $ids:ident, $told:ident) => {
        let rows = Rows::of($told.iter().copied())
            .uuid("id", |end| $ids.uuid(end.at))
            .uuid("workspace_id", |end| end.workspace_id.0)
            .text("kind", |_| EventKind::MessageStatus.as_str())
            .uuid("account_id", |end| end.account_id.0)
            .uuid("conversation_id", |end| end.conversation_id.0)
            .uuid("message_id", |end| end.subject.id())
            .text("actor", |_| "system")
            .text("client_id", |end| end.client_id.as_deref())
            .json("data", |end| {
                json!({
                    "status": end.status, "reason": end.reason, "provider_id": end.provider_id,
                    "next_attempt_at": end.next_attempt_at,
                })
            })
            .time("created_at", |end| end.at.to_datetime());
        let mut query = rows.insert("events", "");
        query.build().execute(&mut *$tx).await?;
    };
}
use tell;
