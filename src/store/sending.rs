//! What a worker reads before it sends: the message or action, its account and its conversation as they are now.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{
    Account, AccountId, Action, AttemptId, ConversationId, ConversationKind, Message, Pace, Purpose, Subject,
    Timestamp, WorkerId,
};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::accounts::{self, AccountRow};
use crate::db::{read, statements};
use crate::gathered::{Find, Found};
use crate::messages::MessageRow;
use crate::rows::Rows;
use crate::{Sealer, Store, StoreError, texts};

/// What is read of a send: `$from` and `$which` say of which, `$subject` is the table's short name for what is sent,
/// `$forgiven` the attempt up to which failures do not count.
macro_rules! load {
    ($from:literal, $subject:literal, $forgiven:literal, $which:literal) => {
        concat!(
            "SELECT ", crate::messages::columns!("m"), ", m.revision,
            COALESCE(c.moved_to, c.address) AS chat, c.kind AS chat_kind, c.last_inbound_at AS chat_inbound_at,
            c.first_inbound_at, c.first_sent_at, c.first_taken_at, k.opted_out_at, k.timezone AS contact_timezone,
            c.held_until AS chat_held_until, c.held_rule AS chat_held_rule,
            ", crate::conversations::blocked_at!("c"), ",
            (SELECT q.provider_id FROM messages q WHERE q.id = m.reply_to) AS quoted,
            (SELECT e.id FROM messages e WHERE e.conversation_id = ", $subject, ".conversation_id AND e.class = ",
            $subject, ".class AND e.status IN ('queued', 'sending') AND e.seq < ", $subject,
            ".seq ORDER BY e.seq LIMIT 1) AS earlier_message,
            (SELECT e.id FROM actions e WHERE e.conversation_id = ", $subject, ".conversation_id AND e.class = ",
            $subject, ".class AND e.status IN ('queued', 'sending') AND e.seq < ", $subject,
            ".seq ORDER BY e.seq LIMIT 1) AS earlier_action,
            t.id AS attempt_id, t.n AS attempt_n, t.worker AS attempt_worker, t.started_at AS attempt_started_at,
            t.ended_at AS attempt_ended_at,
            (SELECT count(*) FROM attempts l WHERE l.subject_id = ", $subject, ".id AND l.n > ", $forgiven,
            " AND l.outcome = 'lost') AS lost,
            (SELECT count(*) FROM attempts f WHERE f.subject_id = ", $subject, ".id AND f.n > ", $forgiven,
            " AND f.outcome IN ('retry', 'ambiguous')) AS failures
            FROM ", $from, " JOIN conversations c ON c.id = m.conversation_id
            LEFT JOIN contacts k ON k.id = c.contact_id
            LEFT JOIN attempts t ON t.subject_id = ", $subject, ".id
                AND t.n = (SELECT max(x.n) FROM attempts x WHERE x.subject_id = ", $subject, ".id)
            ", $which
        )
    };
}

statements! {
    LOAD_ACTION = load!("actions s JOIN messages m ON m.id = s.message_id", "s", "0", "WHERE s.id = $1");
    SIGN = "SELECT c.account_id, COALESCE(c.moved_to, c.address) AS chat, (SELECT m.provider_id FROM messages m
            WHERE m.conversation_id = c.id AND m.direction = 'inbound' AND m.provider_id IS NOT NULL
            ORDER BY m.shown_at DESC, m.id DESC LIMIT 1) AS last_inbound
        FROM conversations c WHERE c.id = $1";
    PAST = "SELECT t.conversation_id, c.kind AS chat_kind, t.worker, t.started_at, t.ended_at, t.pace, t.purpose,
        t.is_new, t.text_hash, t.outcome = 'accepted' AS was_accepted
        FROM attempts t JOIN conversations c ON c.id = t.conversation_id
        WHERE t.account_id = $1 AND t.started_at >= $2 ORDER BY t.started_at DESC LIMIT 100000";
    SAME_LOGIN = "SELECT o.id FROM accounts a JOIN accounts o
        ON o.workspace_id = a.workspace_id AND o.channel = a.channel AND o.external_id = a.external_id AND o.id <> a.id
        WHERE a.id = $1";
}

const LOAD: &str = load!("v JOIN messages m ON m.id = v.subject", "m", "m.forgiven", "");

/// What is read of sends of these messages, which must be one at least and none twice.
macro_rules! rows {
    ($connection:expr, $ids:expr) => {{
        let mut query = Rows::of($ids).uuid("subject", |id| *id).query(LOAD);
        let rows: Result<Vec<Row>, sqlx::Error> = query.build_query_as().fetch_all($connection).await;
        rows
    }};
}

/// Looks up sends of messages.
#[derive(Debug)]
pub(crate) struct OfMessages(pub(crate) Arc<Sealer>);

impl Find for OfMessages {
    type Key = Uuid;
    type Value = SendView;

    async fn find(
        &self,
        connection: &mut PgConnection,
        keys: &[Uuid],
    ) -> Result<Found<Uuid, SendView>, StoreError> {
        let rows: Vec<Row> = rows!(&mut *connection, keys)?;
        let accounts: BTreeSet<Uuid> = rows.iter().map(|row| row.message.account_id).collect();
        if accounts.is_empty() {
            return Ok(Found::new());
        }
        let accounts: Vec<Uuid> = accounts.into_iter().collect();
        // After the messages: an account may be newer than its message, but never older.
        let accounts: Vec<AccountRow> = accounts::rows!(&mut *connection, &accounts)?;
        let accounts: HashMap<Uuid, Result<_, StoreError>> =
            accounts.into_iter().map(|row| (row.id, accounts::unseal(&self.0, row))).collect();
        let views = rows.into_iter().filter_map(|row| {
            let view = match accounts.get(&row.message.account_id)? {
                Ok(login) => (row.message.id, SendView::of(row, None, login.clone())),
                Err(error) => (row.message.id, Err(error.again())),
            };
            Some(view)
        });
        Ok(views.collect())
    }
}

/// A message or an action, and everything that decides whether and how it is sent now.
#[derive(Debug, Clone)]
pub struct SendView {
    /// The message; of an action, the one that it is done to.
    pub message: Message,
    /// The message's revision.
    pub revision: i64,
    /// The action; none where the message itself is sent.
    pub action: Option<Action>,
    /// Its account.
    pub account: Account,
    /// The account's secrets, by name.
    pub credentials: BTreeMap<String, String>,
    /// The provider's id of the chat.
    pub chat: String,
    /// Who is in the chat.
    pub chat_kind: ConversationKind,
    /// When the other side last wrote.
    pub last_inbound_at: Option<Timestamp>,
    /// When the other side first wrote.
    pub first_inbound_at: Option<Timestamp>,
    /// When the account first called for this chat, whatever became of it.
    pub first_sent_at: Option<Timestamp>,
    /// When a provider is first known to have taken a call for this chat, as long as it was a new contact.
    pub first_taken_at: Option<Timestamp>,
    /// What its contact wants; of a group, nothing.
    pub contact: ContactFacts,
    /// The recipient waits until then by the provider's word, and by which rule.
    pub held: Option<(Timestamp, String)>,
    /// The contact takes nothing from the account.
    pub is_blocked: bool,
    /// The provider's id of the message it answers.
    pub quoted: Option<String>,
    /// An unfinished message or action of the same conversation and class that goes first.
    pub earlier: Option<Subject>,
    /// How many calls were made for it.
    pub attempts: i64,
    /// How many of those had no end, since a person last asked for it.
    pub lost: i64,
    /// How many of them failed in a way that another one may not, since a person last asked for it.
    pub failures: i64,
    /// A call that has no end yet.
    pub open: Option<OpenAttempt>,
}

/// What a contact wants, as far as sending goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContactFacts {
    /// It wants no campaigns.
    pub opted_out: bool,
    /// Where it lives: an IANA name.
    pub timezone: Option<String>,
}

impl SendView {
    fn of(
        row: Row,
        action: Option<Action>,
        (account, credentials): (Account, BTreeMap<String, String>),
    ) -> Result<Self, StoreError> {
        let message = Message::try_from(row.message)?;
        let open = match (row.attempt_id, row.attempt_worker, row.attempt_started_at, row.attempt_ended_at) {
            (Some(id), Some(worker), Some(started_at), None) => {
                Some(OpenAttempt { id: id.into(), worker: worker.into(), started_at: started_at.into() })
            }
            _ => None,
        };
        Ok(Self {
            message,
            revision: row.revision,
            action,
            account,
            credentials,
            chat: row.chat,
            chat_kind: row.chat_kind.parse()?,
            last_inbound_at: row.chat_inbound_at.map(Timestamp::from),
            first_inbound_at: row.first_inbound_at.map(Timestamp::from),
            first_sent_at: row.first_sent_at.map(Timestamp::from),
            first_taken_at: row.first_taken_at.map(Timestamp::from),
            contact: ContactFacts { opted_out: row.opted_out_at.is_some(), timezone: row.contact_timezone },
            held: row
                .chat_held_until
                .map(|until| (until.into(), row.chat_held_rule.unwrap_or_else(|| "provider".to_owned()))),
            is_blocked: row.blocked_at.is_some(),
            quoted: row.quoted,
            earlier: (row.earlier_message.map(|id| Subject::Message(id.into())))
                .or(row.earlier_action.map(|id| Subject::Action(id.into()))),
            attempts: row.attempt_n.unwrap_or(0),
            lost: row.lost,
            failures: row.failures,
            open,
        })
    }

    /// Whether the chat is a new contact: it never wrote, and no call for it is known to have been taken. A call that was
    /// lost or failed may or may not have reached the provider, so the next one counts as a first one, too.
    pub const fn is_new_contact(&self) -> bool {
        self.first_taken_at.is_none() && self.first_inbound_at.is_none()
    }

    /// What is sent.
    pub fn subject(&self) -> Subject {
        self.action.as_ref().map_or(Subject::Message(self.message.id), |action| Subject::Action(action.id))
    }

    /// Whether it still waits to be sent.
    pub fn is_unfinished(&self) -> bool {
        match &self.action {
            Some(action) => !action.status.is_final(),
            None => !self.message.status.is_final() && self.message.seq.is_some(),
        }
    }

    /// It is not tried again before then.
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        self.action.as_ref().map_or(self.message.next_attempt_at, |action| action.next_attempt_at)
    }
}

/// A call that has no end yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Its id.
    pub id: AttemptId,
    /// Who made it.
    pub worker: WorkerId,
    /// When.
    pub started_at: Timestamp,
}

/// A conversation to which a sign of reading or typing is to be shown.
#[derive(Debug, Clone)]
pub struct SignView {
    /// Its account.
    pub account: Account,
    /// The account's secrets, by name.
    pub credentials: BTreeMap<String, String>,
    /// The provider's id of the chat.
    pub chat: String,
    /// The provider's id of the newest message of the other side.
    pub last_inbound: Option<String>,
}

/// A call in the past, as pacing counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// The conversation.
    pub conversation_id: model::ConversationId,
    /// Who is in it.
    pub chat_kind: ConversationKind,
    /// Who made the call.
    pub worker: WorkerId,
    /// When the call started.
    pub started_at: Timestamp,
    /// When it ended, if anybody knows.
    pub ended_at: Option<Timestamp>,
    /// Which gap lay before it.
    pub pace: Pace,
    /// What its message was for.
    pub purpose: Purpose,
    /// A hash of the words that it sent, of a campaign.
    pub text_hash: Option<u64>,
    /// Whether its chat was a new contact until then.
    pub is_new: bool,
    /// Whether the provider is known to have taken it.
    pub was_accepted: bool,
}

#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    message: MessageRow,
    revision: i64,
    chat: String,
    chat_kind: String,
    chat_inbound_at: Option<DateTime<Utc>>,
    first_inbound_at: Option<DateTime<Utc>>,
    first_sent_at: Option<DateTime<Utc>>,
    first_taken_at: Option<DateTime<Utc>>,
    opted_out_at: Option<DateTime<Utc>>,
    contact_timezone: Option<String>,
    chat_held_until: Option<DateTime<Utc>>,
    chat_held_rule: Option<String>,
    blocked_at: Option<DateTime<Utc>>,
    quoted: Option<String>,
    earlier_message: Option<Uuid>,
    earlier_action: Option<Uuid>,
    attempt_id: Option<Uuid>,
    attempt_n: Option<i64>,
    attempt_worker: Option<Uuid>,
    attempt_started_at: Option<DateTime<Utc>>,
    attempt_ended_at: Option<DateTime<Utc>>,
    lost: i64,
    failures: i64,
}

#[derive(FromRow)]
struct SignRow {
    account_id: Uuid,
    chat: String,
    last_inbound: Option<String>,
}

#[derive(FromRow)]
struct PastRow {
    conversation_id: Uuid,
    chat_kind: String,
    worker: Uuid,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    pace: String,
    purpose: String,
    is_new: bool,
    text_hash: Option<Vec<u8>>,
    was_accepted: Option<bool>,
}

impl Store {
    /// Loads what a send needs; none when the message, the action or the account is gone.
    pub async fn load_send(&self, subject: Subject) -> Result<Option<SendView>, StoreError> {
        let (row, action) = match (subject, &self.reads) {
            (Subject::Message(id), Some(reads)) => return reads.sends.get(id.0).await,
            (Subject::Message(id), None) => {
                let ids = [id.0];
                (read!(self.db, conn => rows!(conn, &ids))?.pop(), None)
            }
            (Subject::Action(id), _) => {
                let Some(action) = self.action(id).await? else { return Ok(None) };
                let row = read!(self.db, conn => sqlx::query_as(LOAD_ACTION).bind(id.0).fetch_optional(conn).await)?;
                (row, Some(action))
            }
        };
        let Some(row) = row else { return Ok(None) };
        let login = self.login(row.message.account_id.into()).await?;
        login.map(|login| SendView::of(row, action, login)).transpose()
    }

    /// Loads what a sign needs; none when the conversation or its account is gone.
    pub async fn load_sign(&self, id: ConversationId) -> Result<Option<SignView>, StoreError> {
        let row: Option<SignRow> =
            read!(self.db, conn => sqlx::query_as(SIGN).bind(id.0).fetch_optional(conn).await)?;
        let Some(row) = row else { return Ok(None) };
        let login = self.login(row.account_id.into()).await?;
        Ok(login.map(|(account, credentials)| SignView {
            account,
            credentials,
            chat: row.chat,
            last_inbound: row.last_inbound,
        }))
    }

    /// An account's calls since `since`, oldest first: what pacing state is rebuilt from. Those that the same login made as an
    /// account that was deleted since count, too: the provider knows no difference. Of more than 100,000 of an account the
    /// newest are given, since they bind longest.
    pub async fn past_attempts(
        &self,
        account: AccountId,
        since: Timestamp,
    ) -> Result<Vec<PastAttempt>, StoreError> {
        let mut accounts: Vec<Uuid> = read!(self.db, conn => sqlx::query_scalar(SAME_LOGIN)
            .bind(account.0).fetch_all(conn).await)?;
        accounts.push(account.0);
        let mut rows: Vec<PastRow> = Vec::new();
        for account in accounts {
            let more: Vec<PastRow> = read!(self.db, conn => sqlx::query_as(PAST)
                .bind(account).bind(since.to_datetime()).fetch_all(conn).await)?;
            rows.extend(more);
        }
        rows.sort_by_key(|row| row.started_at);
        rows.into_iter()
            .map(|row| {
                Ok(PastAttempt {
                    conversation_id: row.conversation_id.into(),
                    chat_kind: row.chat_kind.parse()?,
                    worker: row.worker.into(),
                    started_at: row.started_at.into(),
                    ended_at: row.ended_at.map(Timestamp::from),
                    pace: row.pace.parse()?,
                    purpose: row.purpose.parse()?,
                    text_hash: texts::from_row(row.text_hash),
                    is_new: row.is_new,
                    was_accepted: row.was_accepted.unwrap_or(false),
                })
            })
            .collect()
    }
}
