//! Receipts: kept by the provider's id whether or not the message is known yet, and joined when it is.
//!
//! Some providers tell no message's id, but until when everything arrived. Such a word is kept under the empty id, so that a
//! message whose outcome was not recorded yet finds it, too. What counts is when the call for a message began: a receipt may
//! come faster than the answer.
//!
//! In the statements `$4` is our time, and `$5` the provider's time of the receipt or, of a failure, its words.

use sha2::{Digest, Sha256};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::db::statements;

macro_rules! apply_to {
    ($set:expr, $from:literal) => {
        concat!(
            "UPDATE messages SET ",
            $set,
            ", updated_at = $4
            WHERE conversation_id = (SELECT id FROM conversations WHERE account_id = $1 AND address = $2)
            AND provider_id = $3 AND direction = 'outbound' AND status IN (",
            $from,
            ")
            RETURNING id, workspace_id, conversation_id, client_id"
        )
    };
}

/// The provider's time of a receipt, but not before what it follows: some providers know whole seconds only, and no two
/// clocks agree.
macro_rules! not_before {
    ($what:literal) => {
        concat!("CASE WHEN ", $what, " > $5 THEN ", $what, " ELSE $5 END")
    };
}

statements! {
    KEEP = "INSERT INTO receipts (account_id, chat, provider_id, kind, at, error) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (account_id, provider_id, chat, kind) DO NOTHING";
    SENT = apply_to!("status = 'sent', reason = NULL, sent_at = COALESCE(sent_at, $5)", "'sending', 'unknown'");
    DELIVERED = apply_to!(
        concat!("status = 'delivered', reason = NULL, sent_at = COALESCE(sent_at, $5),
        delivered_at = COALESCE(delivered_at, ", not_before!("sent_at"), ")"),
        "'sending', 'unknown', 'sent'"
    );
    READ = apply_to!(
        concat!("status = 'read', reason = NULL, sent_at = COALESCE(sent_at, $5),
        delivered_at = COALESCE(delivered_at, ", not_before!("sent_at"), "),
        read_at = COALESCE(read_at, ", not_before!("COALESCE(delivered_at, sent_at)"), ")"),
        "'sending', 'unknown', 'sent', 'delivered'"
    );
    FAILED = apply_to!("status = 'failed', reason = COALESCE($5, 'the provider gave up')", "'sending', 'unknown', 'sent'");
    /// Who writes the outcome of these just now is waited for, and whoever comes later finds what is kept next.
    WAIT = "UPDATE messages SET updated_at = updated_at
        WHERE conversation_id = (SELECT id FROM conversations WHERE account_id = $1 AND address = $2)
        AND status = 'sending'";
    KEEP_UP_TO = "INSERT INTO receipts (account_id, chat, provider_id, kind, at, error) VALUES ($1, $2, '', $3, $4, NULL)
        ON CONFLICT (account_id, provider_id, chat, kind) DO UPDATE
        SET at = CASE WHEN receipts.at < excluded.at THEN excluded.at ELSE receipts.at END";
    UP_TO = "SELECT m.provider_id FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE c.account_id = $1 AND c.address = $2 AND m.direction = 'outbound' AND m.provider_id IS NOT NULL
        AND (m.status IN ('sent', 'unknown') OR (m.status = 'delivered' AND $3 = 'read'))
        AND COALESCE((SELECT max(t.started_at) FROM attempts t WHERE t.subject_id = m.id), m.sent_at) <= $4
        ORDER BY m.shown_at, m.id";
}
pub(crate) const INSERT_RECEIPT: &str = KEEP;

#[derive(FromRow)]
pub(crate) struct Row {
    pub(crate) account_id: Uuid,
    pub(crate) chat: String,
    pub(crate) provider_id: String,
    pub(crate) kind: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) error: Option<String>,
    /// When we learned of it, or could join it.
    pub(crate) now: DateTime<Utc>,
}

#[derive(FromRow)]
pub(crate) struct Changed {
    pub(crate) id: Uuid,
    pub(crate) workspace_id: Uuid,
    pub(crate) conversation_id: Uuid,
    pub(crate) client_id: Option<String>,
}

/// The statement that moves a message forward by a receipt of this kind.
pub(crate) fn statement(kind: &str) -> &'static str {
    match kind {
        "delivered" => DELIVERED,
        "read" => READ,
        "failed" => FAILED,
        _ => SENT,
    }
}

/// Moves the message that a receipt is about, if it is known and not further already, and tells it as an event.
macro_rules! apply {
    ($tx:ident, $ids:expr, $receipt:expr) => {{
        let receipt: &crate::receipts::Row = $receipt;
        let mut query = sqlx::query_as(crate::receipts::statement(&receipt.kind))
            .bind(receipt.account_id)
            .bind(&receipt.chat)
            .bind(&receipt.provider_id)
            .bind(receipt.now);
        query = if receipt.kind == "failed" {
            query.bind(&receipt.error)
        } else {
            query.bind(receipt.at)
        };
        let changed: Option<crate::receipts::Changed> = query.fetch_optional(&mut *$tx).await?;
        if let Some(changed) = changed {
            sqlx::query(crate::events::INSERT_EVENT)
                .bind($ids.uuid(receipt.now.into()))
                .bind(changed.workspace_id)
                .bind(model::EventKind::MessageStatus.as_str())
                .bind(Some(receipt.account_id))
                .bind(Some(changed.conversation_id))
                .bind(Some(changed.id))
                .bind("contact")
                .bind(&changed.client_id)
                .bind(None::<String>)
                .bind(sqlx::types::Json(serde_json::json!({
                    "status": receipt.kind, "reason": receipt.error, "provider_id": receipt.provider_id,
                    "at": model::Timestamp::from(receipt.at),
                })))
                .bind(receipt.now)
                .execute(&mut *$tx)
                .await?;
        }
    }};
}
pub(crate) use apply;

/// An outcome looks for receipts that came before it; a receipt looks for the message it is about. When both commit at
/// the same moment, neither sees the other, and the receipt is lost. So both take a lock on the provider's id first.
pub(crate) trait Lock {
    /// Waits until nobody else works on these ids (account, provider's id of the message); held until the commit.
    async fn lock<'a>(&mut self, ids: impl Iterator<Item = (Uuid, &'a str)>) -> Result<(), sqlx::Error>;
}

impl Lock for PgConnection {
    async fn lock<'a>(&mut self, ids: impl Iterator<Item = (Uuid, &'a str)>) -> Result<(), sqlx::Error> {
        let mut keys: Vec<i64> = ids.map(|(account, id)| lock_key(account, id)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        // In one order everywhere, so that no two wait for each other.
        keys.sort_unstable();
        sqlx::query("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key")
            .bind(keys)
            .execute(self)
            .await
            .map(drop)
    }
}

impl Lock for SqliteConnection {
    /// It has one writer anyway.
    async fn lock<'a>(&mut self, _: impl Iterator<Item = (Uuid, &'a str)>) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

fn lock_key(account: Uuid, id: &str) -> i64 {
    let mut hash = Sha256::new();
    hash.update(account.as_bytes());
    hash.update(id.as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(key)
}
