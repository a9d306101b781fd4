//! A store of its own for each test, on each engine: a file for `SQLite`, a database for Postgres.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Account, Actor, Connection, Content, Ids, Intake, ManualClock, Message, Origin, Pace, Purpose,
    Redelivery, Status, Timestamp, WorkerId, WorkspaceId,
};
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use sqlx::types::Json;
use store::{
    Accepted, Ended, NewAccount, NewAttempt, NewMessage, OutcomeKind, Recipient, Sealer, Store, StoreConfig,
};
use uuid::Uuid;

/// 2026-03-01T12:00:00Z.
pub const START: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

/// Runs each test on both engines.
macro_rules! on_both {
    ($(async fn $name:ident($bench:ident: $type:ty) $body:block)+) => { $(
        async fn $name($bench: $type) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name(&crate::bench::Bench::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(bench) = crate::bench::Bench::postgres().await {
                    super::$name(&bench).await;
                }
            }
        }
    )+ };
}
pub(crate) use on_both;

/// A direct look at the rows, past the store.
#[derive(Clone)]
pub enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

enum Place {
    File(tempfile::TempDir),
    Database { server: String, name: String },
}

/// A fresh store with a workspace and an account, and a clock that stands still.
pub struct Bench {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub ids: Arc<Ids>,
    pub raw: Raw,
    pub workspace: WorkspaceId,
    pub account: Account,
    pub worker: WorkerId,
    config: StoreConfig,
    key: String,
    place: Place,
}

impl Bench {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rookery.db");
        Self::open(StoreConfig::Sqlite { path }, Place::File(folder)).await
    }

    /// None, with a word about it, where no server is given.
    pub async fn postgres() -> Option<Self> {
        let Ok(server) = std::env::var("ROOKERY_TEST_DATABASE_URL") else {
            assert!(
                std::env::var_os("ROOKERY_REQUIRE_FLEET").is_none(),
                "ROOKERY_TEST_DATABASE_URL is not set, and ROOKERY_REQUIRE_FLEET wants it"
            );
            eprintln!("left out: there is no ROOKERY_TEST_DATABASE_URL; tests/run brings a Postgres");
            return None;
        };
        let name = format!("store_{}", Ids::from_os().uuid(Timestamp::ZERO).simple());
        run_on(&server, &format!("CREATE DATABASE {name}")).await;
        let (root, _) = server.rsplit_once('/').unwrap();
        let config = StoreConfig::Postgres { url: format!("{root}/{name}"), max_connections: 10 };
        Some(Self::open(config, Place::Database { server, name }).await)
    }

    async fn open(config: StoreConfig, place: Place) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let ids = Arc::new(Ids::from_os());
        let key = Sealer::generate(&ids);
        let store = open_store(&config, &key, &clock, &ids).await;
        let raw = match &config {
            StoreConfig::Sqlite { path } => {
                let url = format!("sqlite://{}", path.display());
                Raw::Sqlite(SqlitePool::connect(&url).await.unwrap())
            }
            StoreConfig::Postgres { url, .. } => Raw::Postgres(PgPool::connect_lazy(url).unwrap()),
        };
        let workspace = store.default_workspace().await.unwrap();
        let account = store.create_account(workspace, &new_account("one")).await.unwrap();
        let worker = ids.id(START);
        Self { store, clock, ids, raw, workspace, account, worker, config, key, place }
    }

    /// Another store on the same rows, as another process would have it.
    pub async fn another(&self) -> Store {
        open_store(&self.config, &self.key, &self.clock, &Arc::new(Ids::from_os())).await
    }

    /// The bytes of all files of the database; none on a server.
    pub fn files(&self) -> Option<Vec<u8>> {
        let Place::File(folder) = &self.place else { return None };
        let files = std::fs::read_dir(folder.path()).unwrap();
        Some(files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect())
    }

    /// Whether it is a server with several writers.
    pub fn is_server(&self) -> bool {
        matches!(self.place, Place::Database { .. })
    }

    /// A number that SQL gives.
    pub async fn count(&self, sql: &str) -> i64 {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match &self.raw {
            Raw::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
        }
    }

    /// The JSON values that SQL gives.
    pub async fn json(&self, sql: &str) -> Vec<Value> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let found: Vec<Json<Value>> = match &self.raw {
            Raw::Sqlite(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
            Raw::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap(),
        };
        found.into_iter().map(|value| value.0).collect()
    }

    /// Changes rows behind the store's back.
    pub async fn tamper(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match &self.raw {
            Raw::Sqlite(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
            Raw::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
        }
    }

    pub fn now(&self) -> Timestamp {
        model::Clock::now(&*self.clock)
    }

    /// A text to an address, to be sent at once.
    pub fn text(&self, address: &str, text: &str) -> NewMessage {
        NewMessage {
            id: None,
            account_id: self.account.id,
            channel: self.account.channel.clone(),
            recipient: Recipient::Address(address.to_owned()),
            content: Content::text(text),
            purpose: Purpose::Transactional,
            origin: Origin::Api,
            actor: Actor("api_key:test".to_owned()),
            client_id: None,
            connection: None,
            thread: None,
            reply_to: None,
            send_at: None,
        }
    }

    pub async fn accept(&self, new: &NewMessage) -> Message {
        match self.store.accept_message(self.workspace, new, None, |message| json!(message)).await.unwrap() {
            Accepted::New(message) => *message,
            Accepted::Before { .. } => panic!("there was no idempotency key"),
        }
    }

    pub async fn accept_text(&self, address: &str, text: &str) -> Message {
        self.accept(&self.text(address, text)).await
    }

    pub async fn message(&self, message: &Message) -> Message {
        self.store.message(self.workspace, message.id).await.unwrap()
    }

    pub async fn status(&self, message: &Message) -> Status {
        self.message(message).await.status
    }

    /// An attempt that starts now.
    pub fn attempt(&self, message: &Message, n: i64) -> NewAttempt {
        NewAttempt {
            id: self.ids.id(self.now()),
            subject: message.id.into(),
            revision: 0,
            n,
            workspace_id: message.workspace_id,
            account_id: message.account_id,
            conversation_id: message.conversation_id,
            worker: self.worker,
            pace: Pace::Bulk,
            purpose: message.purpose,
            is_new: false,
            text_hash: None,
            granted_at: self.now(),
            started_at: self.now(),
            waits: Vec::new(),
        }
    }

    /// Opens attempt `n`, which must be possible.
    pub async fn start(&self, message: &Message, n: i64) -> NewAttempt {
        let attempt = self.attempt(message, n);
        assert!(self.store.open_attempt(attempt.clone()).await.unwrap());
        attempt
    }

    /// The provider's yes.
    pub fn yes(&self, attempt: &NewAttempt, chat: &str, provider_id: &str) -> Ended {
        Ended {
            outcome: OutcomeKind::Accepted,
            provider_id: Some(provider_id.to_owned()),
            status: Status::Sent,
            ..self.ended(attempt, chat)
        }
    }

    /// A call that is to be made again.
    pub fn ended(&self, attempt: &NewAttempt, chat: &str) -> Ended {
        Ended {
            attempt_id: Some(attempt.id),
            subject: attempt.subject,
            workspace_id: attempt.workspace_id,
            account_id: attempt.account_id,
            conversation_id: attempt.conversation_id,
            chat: chat.to_owned(),
            client_id: None,
            at: self.now(),
            outcome: OutcomeKind::Retry,
            error_code: None,
            error: None,
            provider_id: None,
            status: Status::Queued,
            reason: None,
            next_attempt_at: None,
        }
    }

    /// A text that was sent.
    pub async fn sent(&self, address: &str, text: &str, provider_id: &str) -> Message {
        let message = self.accept_text(address, text).await;
        let attempt = self.start(&message, 1).await;
        self.store.end_attempt(self.yes(&attempt, address, provider_id)).await.unwrap();
        message
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Place::Database { server, name } = &self.place else { return };
        let (server, sql) = (server.clone(), format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run_on(&server, &sql));
        })
        .join();
        assert!(dropped.is_ok() || std::thread::panicking(), "the test's database stays behind");
    }
}

pub fn new_account(external_id: &str) -> NewAccount {
    NewAccount {
        channel: "sandbox".to_owned(),
        name: format!("account {external_id}"),
        external_id: Some(external_id.to_owned()),
        app_id: None,
        credentials: BTreeMap::from([("token".to_owned(), "planted-secret-4711".to_owned())]),
        refresh_at: None,
        settings: json!({"colour": "blue"}),
        intake: Intake::Webhook,
        connection: Connection::Connected,
        timezone: "UTC".to_owned(),
        pacing: json!({}),
        pace_scale: 1.0,
        registered_at: None,
        redelivery: Redelivery::AtLeastOnce,
    }
}

async fn open_store(config: &StoreConfig, key: &str, clock: &Arc<ManualClock>, ids: &Arc<Ids>) -> Store {
    let sealer = Sealer::parse(key).unwrap();
    Store::open(config, sealer, Arc::clone(clock) as _, Arc::clone(ids)).await.unwrap()
}

async fn run_on(server: &str, sql: &str) {
    use sqlx::{Connection as _, Executor as _};
    let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
}

/// An id that no row has.
pub fn nobody<I: From<Uuid>>() -> I {
    Uuid::from_u128(0xDEAD).into()
}
