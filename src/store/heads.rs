//! What the sweep looks at, bit by bit: a look costs as much beside a million waiting messages as beside ten.
//!
//! Two ways lead through what waits. By the order of making: whatever is new is looked at once. By conversations: an index
//! is walked from one first unfinished row to the next, however many stand behind each.

use model::{MessageId, Subject, Timestamp};
use sqlx::FromRow;
use uuid::Uuid;

use crate::db::statements;
use crate::pending::{PendingSend, Row, unfinished};
use crate::{Store, StoreError};

/// From ($1, $2) on, the first unfinished row of each of the next $3 (conversation, class) of a table, and whether one of
/// the other table comes before it.
macro_rules! walk {
    ($subject:literal, $table:literal, $other:literal) => {
        concat!(
            "WITH RECURSIVE walk (n, id, conversation_id, class) AS (
                SELECT * FROM (SELECT 1, m.id, m.conversation_id, m.class FROM ",
            $table,
            " m WHERE m.status IN ('queued', 'sending') AND (m.conversation_id, m.class) > ($1, $2)
                    ORDER BY m.conversation_id, m.class, m.seq LIMIT 1) AS beginning
                UNION ALL
                SELECT w.n + 1, m.id, m.conversation_id, m.class FROM walk w JOIN ",
            $table,
            " m ON m.id = COALESCE(
                    (SELECT x.id FROM ",
            $table,
            " x WHERE x.status IN ('queued', 'sending') AND x.conversation_id = w.conversation_id
                        AND x.class > w.class ORDER BY x.conversation_id, x.class, x.seq LIMIT 1),
                    (SELECT x.id FROM ",
            $table,
            " x WHERE x.status IN ('queued', 'sending') AND x.conversation_id > w.conversation_id
                        ORDER BY x.conversation_id, x.class, x.seq LIMIT 1))
                WHERE w.n < $3)
            SELECT u.*, (SELECT e.seq FROM ",
            $other,
            " e WHERE e.conversation_id = u.conversation_id AND e.class = u.class
                AND e.status IN ('queued', 'sending') AND e.seq < u.seq
                ORDER BY e.conversation_id, e.class, e.seq LIMIT 1) AS earlier
            FROM (",
            unfinished!($subject, $table, "m.id IN (SELECT w.id FROM walk w)"),
            ") AS u"
        )
    };
}

statements! {
    WALK_MESSAGES = walk!("message", "messages", "actions");
    WALK_ACTIONS = walk!("action", "actions", "messages");
}

/// For Postgres: rows in the order of an index are read from that index. A planner that has not heard yet of a backlog would
/// rather read all of it and sort, for each step anew.
pub(crate) const IN_ORDER: &str =
    "SELECT set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true)";

/// Runs an expression that reads rows in the order of an index.
macro_rules! read_in_order {
    ($db:expr, $conn:ident => $body:expr) => {
        match &$db {
            crate::db::Db::Postgres(pool) => {
                crate::db::timely(async {
                    let mut tx = pool.begin().await?;
                    sqlx::query(crate::heads::IN_ORDER).execute(&mut *tx).await?;
                    let $conn = &mut *tx;
                    let rows = $body?;
                    tx.commit().await?;
                    Ok(rows)
                })
                .await
            }
            crate::db::Db::Sqlite { read: $conn, .. } => crate::db::timely(async { $body }).await,
        }
    };
}
pub(crate) use read_in_order;

/// How far a walk through all conversations has come. The default one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    messages: Option<Place>,
    actions: Option<Place>,
}

/// After which conversation and class to go on.
type Place = (Uuid, String);

impl Default for Walk {
    fn default() -> Self {
        let beginning = Some((Uuid::nil(), String::new()));
        Self { messages: beginning.clone(), actions: beginning }
    }
}

impl Walk {
    /// Whether it came to the end.
    pub const fn is_over(&self) -> bool {
        self.messages.is_none() && self.actions.is_none()
    }
}

#[derive(FromRow)]
struct Head {
    #[sqlx(flatten)]
    row: Row,
    earlier: Option<i64>,
}

impl Store {
    /// A place in the order of making: before everything that is made at `at` or later, by the clock of who makes it.
    pub const fn made_since(at: Timestamp) -> Subject {
        let millis = if at.as_micros() < 0 { 0 } else { at.as_micros() / 1_000 };
        Subject::Message(MessageId(Uuid::from_u128((millis.cast_unsigned() as u128) << 80)))
    }

    /// The next part of a walk: of at most `most` conversations and classes the first unfinished send, where that was due at
    /// `due`; and where the walk goes on.
    pub async fn due_heads(
        &self,
        due: Timestamp,
        walk: Walk,
        most: u32,
    ) -> Result<(Vec<PendingSend>, Walk), StoreError> {
        let mut sends = Vec::new();
        let messages = self.walk_on(WALK_MESSAGES, due, walk.messages, most, &mut sends).await?;
        let actions = self.walk_on(WALK_ACTIONS, due, walk.actions, most, &mut sends).await?;
        Ok((sends, Walk { messages, actions }))
    }

    async fn walk_on(
        &self,
        sql: &'static str,
        due: Timestamp,
        from: Option<Place>,
        most: u32,
        sends: &mut Vec<PendingSend>,
    ) -> Result<Option<Place>, StoreError> {
        let Some((conversation, class)) = from else { return Ok(None) };
        let heads: Vec<Head> = read_in_order!(self.db, conn => sqlx::query_as(sql)
            .bind(conversation).bind(&class).bind(i64::from(most)).fetch_all(conn).await)?;
        let is_over = heads.len() < most as usize;
        let mut end = (conversation, class);
        for head in heads {
            let is_first = head.earlier.is_none();
            let send = PendingSend::try_from(head.row)?;
            end = end.max((send.conversation_id.0, send.class.as_str().to_owned()));
            if is_first && send.ready_at <= due {
                sends.push(send);
            }
        }
        Ok((!is_over).then_some(end))
    }
}
