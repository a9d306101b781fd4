//! The truth: every row, and all SQL.
//!
//! One SQL text serves Postgres and SQLite; ids and times are bound, never made by the database. Methods are domain
//! verbs, and each that writes is one transaction. Every query on tenant data takes the workspace. What must not be
//! readable in a dump (credentials) is sealed here and nowhere else.

mod accept;
mod acceptance;
mod account_changes;
mod accounts;
mod actions;
mod ahead;
mod api_keys;
mod attempts;
mod audit;
mod batch;
mod changes;
mod channel_apps;
mod consent;
mod contacts;
mod conversations;
mod db;
mod dead_jobs;
mod ensure;
mod error;
mod events;
mod fetches;
mod gathered;
mod heads;
mod health;
mod holds;
mod inbound;
mod joint;
mod kept;
mod leases;
mod ledger;
mod lock;
mod media;
mod messages;
mod nul;
mod oauth;
mod owners;
mod page;
mod patch;
mod pauses;
mod pending;
mod pins;
mod reading;
mod receipts;
mod refreshes;
mod responses;
mod rows;
mod secrets;
mod send_times;
mod sending;
mod sessions;
mod stops;
mod tables;
mod templates;
mod texts;
mod together;
mod upkeep;
mod workspaces;
mod writer;

use std::sync::Arc;

use model::{Clock, Ids, Timestamp};
use sqlx::postgres::PgPool;

pub use accept::{Accepted, Created, Idempotency, NewMessage, Recipient};
pub use account_changes::AccountChange;
pub use accounts::NewAccount;
pub use actions::NewAction;
pub use ahead::{LaneAhead, QueuedMessage};
pub use api_keys::{ApiKey, NewApiKey, SCOPES};
pub use attempts::{Attempt, Ended, NewAttempt, OutcomeKind};
pub use audit::AuditEntry;
pub use batch::NewItem;
pub use channel_apps::{ChannelApp, ChannelAppChange, NewChannelApp};
pub use contacts::{ContactChange, ContactFilter};
pub use conversations::ConversationFilter;
pub use db::StoreConfig;
pub use dead_jobs::{DeadJob, DeadJobFilter, Fate};
pub use error::StoreError;
pub use events::Relayed;
pub use fetches::{Fetch, PendingMedia};
pub use heads::Walk;
pub use health::{AccountHealth, LastError};
pub use inbound::{Delivered, IngestSummary, Ingested, NewInboundEvent, PendingEvent};
pub use leases::Lease;
pub use lock::DataLock;
pub use media::FileFacts;
pub use messages::MessageFilter;
pub use oauth::{NewOauthLogin, OauthCandidate, OauthLogin};
pub use owners::{Owned, Owner, Taken};
pub use page::{Cursor, Page, PageRequest};
pub use patch::Patch;
pub use pending::{PendingInbound, PendingSend, ScheduledSend};
pub use refreshes::Refreshing;
pub use responses::{CampaignRecipient, ResponseRate};
pub use secrets::{Sealer, SealerError};
pub use send_times::SendTimes;
pub use sending::{ContactFacts, OpenAttempt, PastAttempt, SendView, SignView};
pub use sessions::SessionChange;
pub use stops::{AccountsInState, Stopped};
pub use tables::Tables;
pub use templates::{Addressee, NewTemplate, TemplateChange};
pub use texts::text_hash;
pub use upkeep::Purged;

use db::Db;
use gathered::Gathered;
use joint::Joint;
use writer::Writer;

/// The store. Cheap to clone: all clones share one pool and one group-commit writer.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    /// Where a read costs a round trip.
    reads: Option<Reads>,
    joint: Joint,
    writer: Writer,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

/// What is read so often that those who ask at the same moment share the answer.
#[derive(Clone, Debug)]
struct Reads {
    accounts: Gathered<accounts::ById>,
    sends: Gathered<sending::OfMessages>,
    by_index: PgPool,
}

impl Store {
    /// Opens the database and brings its tables up to date.
    pub async fn open(
        config: &StoreConfig,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Result<Self, StoreError> {
        let db = Db::connect(config).await?;
        db.migrate().await?;
        let writer = Writer::start(&db, ids.clone());
        let sealer = Arc::new(sealer);
        let (reads, joint) = match &db {
            Db::Postgres(pool) => {
                let accounts = Gathered::start(pool, accounts::ById);
                let by_index = gathered::by_index(pool);
                let sends = Gathered::start(&by_index, sending::OfMessages(Arc::clone(&sealer)));
                (Some(Reads { accounts, sends, by_index }), Joint::on_postgres(pool))
            }
            Db::Sqlite { write, .. } => (None, Joint::on_sqlite(write.clone())),
        };
        Ok(Self { db, reads, joint, writer, sealer, clock, ids })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        db::read!(self.db, conn => sqlx::query("SELECT 1").execute(conn).await.map(drop))?;
        Ok(())
    }

    /// Finishes what the writer holds and closes all connections.
    pub async fn close(&self) {
        self.writer.flush().await;
        if let Some(reads) = &self.reads {
            reads.by_index.close().await;
        }
        self.db.close().await;
    }

    /// Keys for other uses than sealing, made of the encryption keys: the current one first. What is made with them ends
    /// when a key is taken away.
    pub fn derived_keys(&self, purpose: &str) -> Vec<[u8; 32]> {
        self.sealer.derived_keys(purpose)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn id<I: From<uuid::Uuid>>(&self, now: Timestamp) -> I {
        self.ids.id(now)
    }
}

/// Every SQL text of this crate, for the test that prepares each on both engines.
pub fn statements() -> Vec<(&'static str, &'static str)> {
    [
        accept::STATEMENTS,
        acceptance::STATEMENTS,
        account_changes::STATEMENTS,
        accounts::STATEMENTS,
        actions::STATEMENTS,
        ahead::STATEMENTS,
        api_keys::STATEMENTS,
        audit::STATEMENTS,
        batch::STATEMENTS,
        changes::STATEMENTS,
        channel_apps::STATEMENTS,
        consent::STATEMENTS,
        contacts::STATEMENTS,
        conversations::STATEMENTS,
        dead_jobs::STATEMENTS,
        ensure::STATEMENTS,
        events::STATEMENTS,
        fetches::STATEMENTS,
        heads::STATEMENTS,
        health::STATEMENTS,
        holds::STATEMENTS,
        inbound::STATEMENTS,
        leases::STATEMENTS,
        ledger::STATEMENTS,
        media::STATEMENTS,
        messages::STATEMENTS,
        oauth::STATEMENTS,
        owners::STATEMENTS,
        pauses::STATEMENTS,
        pending::STATEMENTS,
        pins::STATEMENTS,
        reading::STATEMENTS,
        receipts::STATEMENTS,
        refreshes::STATEMENTS,
        responses::STATEMENTS,
        send_times::STATEMENTS,
        sending::STATEMENTS,
        sessions::STATEMENTS,
        stops::STATEMENTS,
        templates::STATEMENTS,
        texts::STATEMENTS,
        upkeep::STATEMENTS,
        workspaces::STATEMENTS,
    ]
    .concat()
}
