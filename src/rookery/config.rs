//! Configuration from the environment. Every value is checked before anything starts, and a wrong one is named.

mod names;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use media::MediaPlace;
use model::{AccountId, Queue};
use outbound::BreakerConfig;
use reader::Reader;

/// Which parts of Rookery a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything in one process.
    Monolith,
    /// Front and scheduler.
    Controller,
    /// The HTTP front.
    Web,
    /// Workers.
    Worker,
    /// The scheduler.
    Scheduler,
}

impl Role {
    pub(crate) const fn serves(self) -> bool {
        matches!(self, Self::Monolith | Self::Controller | Self::Web)
    }

    pub(crate) const fn works(self) -> bool {
        matches!(self, Self::Monolith | Self::Worker)
    }

    pub(crate) const fn schedules(self) -> bool {
        matches!(self, Self::Monolith | Self::Controller | Self::Scheduler)
    }
}

/// Where rows and jobs live.
#[derive(Clone)]
pub(crate) enum Engines {
    /// `SQLite` and memory, in this process alone.
    Embedded,
    /// Postgres and Redis, shared by a fleet.
    Fleet { database_url: String, redis_url: String },
}

/// How logs are written.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// `ROOKERY_LOG`: a filter such as `info` or `info,jobs=debug`.
    pub(crate) filter: String,
    /// `ROOKERY_LOG_FORMAT`: `text` or `json`.
    pub(crate) json: bool,
}

/// Everything that can be set.
#[derive(Clone)]
pub(crate) struct Config {
    /// `DEPLOYMENT_ROLE`: `monolith`, `controller` or `worker`; what `serve` runs.
    pub(crate) role: Role,
    /// `ROOKERY_HOST` and `PORT`.
    pub(crate) addr: SocketAddr,
    /// `DATABASE_URL` and `REDIS_URL`: both or neither.
    pub(crate) engines: Engines,
    /// `ROOKERY_METRICS_ADDR`: where any role answers `/healthz`, `/readyz` and `/metrics` without a key.
    pub(crate) metrics_addr: Option<SocketAddr>,
    /// `ROOKERY_DATABASE_CONNECTIONS`.
    pub(crate) database_connections: u32,
    /// `ROOKERY_REDIS_PREFIX`: what this installation's keys in Redis begin with.
    pub(crate) redis_prefix: String,
    /// `ROOKERY_DATA`: the embedded database and its key.
    pub(crate) data: PathBuf,
    /// `ROOKERY_ENCRYPTION_KEY`: `id:base64`, several separated by commas, the first seals.
    pub(crate) encryption_key: Option<String>,
    /// `ROOKERY_PUBLIC_URL`: where providers reach this service.
    pub(crate) public_url: Option<String>,
    /// `FRONTEND_URL`: the page to which people come back from a provider's.
    pub(crate) frontend_url: Option<String>,
    /// `META_…` and `TIKTOK_…`: the secrets of the installation's own apps, by provider.
    pub(crate) default_apps: BTreeMap<&'static str, BTreeMap<String, String>>,
    /// `CORS_ORIGIN`, comma separated.
    pub(crate) cors_origins: Vec<String>,
    /// `ROOKERY_QUEUES`: the queues that workers serve; all unless said.
    pub(crate) queues: Vec<Queue>,
    /// `ROOKERY_CONCURRENCY`: jobs of a queue that run at once.
    pub(crate) concurrency: usize,
    /// `ROOKERY_ACCOUNTS`: the accounts that workers are for, and nobody else; none: all that are not pinned elsewhere.
    pub(crate) accounts: Vec<AccountId>,
    /// `ROOKERY_PROVIDER_CONNECTIONS`: requests to one provider host under way at once.
    pub(crate) provider_connections: usize,
    /// `ROOKERY_BREAKER_…`: when a provider's host is left alone, and for how long.
    pub(crate) breaker: BreakerConfig,
    /// `ROOKERY_MAX_REQUESTS`: requests under way at once in the front.
    pub(crate) max_requests: usize,
    /// `ROOKERY_<CHANNEL>_URL`: providers elsewhere than usual, by channel.
    pub(crate) base_urls: BTreeMap<String, String>,
    /// `ENABLE_<CHANNEL>=false`: channels that are off.
    pub(crate) disabled: BTreeSet<String>,
    /// `ROOKERY_MEDIA_URL`: where files lie, `file:///folder` or `s3://bucket/prefix` with the usual `AWS_…` names; else
    /// the folder `media` within `ROOKERY_DATA`. The processes of a fleet must all have the same.
    pub(crate) media: MediaPlace,
    /// `ROOKERY_UPLOAD_LIMIT_MB`: the largest file that may be uploaded.
    pub(crate) upload_limit_mb: u64,
    /// `ROOKERY_RATE_PER_KEY`: requests a second that an API key may make; none: as many as it likes.
    pub(crate) rate_per_key: Option<u32>,
    /// `ROOKERY_RATE_PER_ADDRESS`: requests a second that an address may make; none: as many as it likes.
    pub(crate) rate_per_address: Option<u32>,
    /// `ROOKERY_ALLOW_PRIVATE_ADDRESSES`: users' links may point into private networks.
    pub(crate) allow_private: bool,
    /// `ROOKERY_LOG` and `ROOKERY_LOG_FORMAT`.
    pub(crate) log: LogConfig,
    /// What is set and means nothing here, in words: not wrong, but perhaps not what was meant.
    pub(crate) doubts: Vec<String>,
}

/// The values that are wrong, all of them.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong:\n  {}", .0.join("\n  "))]
pub(crate) struct ConfigError(Vec<String>);

impl Config {
    /// The same, for a worker that was told on the command line what to do.
    pub(crate) fn with(mut self, work: Work) -> Self {
        if !work.queues.is_empty() {
            self.queues = work.queues;
        }
        self.concurrency = work.concurrency.unwrap_or(self.concurrency);
        if !work.accounts.is_empty() {
            self.accounts = work.accounts;
        }
        self.accounts.sort_unstable();
        self.accounts.dedup();
        self
    }

    /// Whether what a worker is told fits together.
    pub(crate) fn checked(self) -> Result<Self, ConfigError> {
        let wrong = if self.accounts.is_empty() {
            None
        } else if matches!(self.engines, Engines::Embedded) {
            Some(
                "ROOKERY_ACCOUNTS (--accounts) is for a fleet: a single process works for all accounts there are",
            )
        } else if self.queues.len() < Queue::ALL.len() {
            Some(
                "ROOKERY_ACCOUNTS (--accounts) and ROOKERY_QUEUES (--queues) cannot go together: what this worker left \
                 of its accounts' work, nobody else would do",
            )
        } else {
            None
        };
        wrong.map_or(Ok(self), |wrong| Err(ConfigError(vec![wrong.to_owned()])))
    }

    /// From the environment of the process.
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars())
    }

    /// From these variables.
    pub(crate) fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let vars = vars.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let mut read = Reader::new(vars);
        let engines = read.engines();
        let config = Self {
            role: read.role(),
            addr: SocketAddr::new(
                read.parsed("ROOKERY_HOST", "an IP address", IpAddr::V4(Ipv4Addr::LOCALHOST)),
                read.parsed("PORT", "a port number", 8080),
            ),
            engines,
            metrics_addr: read.listening("ROOKERY_METRICS_ADDR"),
            database_connections: read.within("ROOKERY_DATABASE_CONNECTIONS", 20, 2, 1_000),
            redis_prefix: read
                .vars
                .get("ROOKERY_REDIS_PREFIX")
                .cloned()
                .unwrap_or_else(|| "rookery".to_owned()),
            data: read.vars.get("ROOKERY_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from),
            encryption_key: read.vars.get("ROOKERY_ENCRYPTION_KEY").cloned(),
            public_url: read.url("ROOKERY_PUBLIC_URL"),
            frontend_url: read.url("FRONTEND_URL"),
            default_apps: read.default_apps(),
            cors_origins: read.origins(),
            queues: read.queues(),
            concurrency: read.within("ROOKERY_CONCURRENCY", 200, 1, 10_000),
            accounts: read.accounts(),
            provider_connections: read.within("ROOKERY_PROVIDER_CONNECTIONS", 256, 1, 10_000),
            breaker: read.breaker(),
            max_requests: read.within("ROOKERY_MAX_REQUESTS", 1_024, 1, 1_000_000),
            base_urls: read.base_urls(),
            disabled: read.disabled(),
            media: read.media(),
            upload_limit_mb: read.within("ROOKERY_UPLOAD_LIMIT_MB", LARGEST_MB, 1, LARGEST_MB),
            rate_per_key: read.rate("ROOKERY_RATE_PER_KEY"),
            rate_per_address: read.rate("ROOKERY_RATE_PER_ADDRESS"),
            allow_private: read.flag("ROOKERY_ALLOW_PRIVATE_ADDRESSES", false),
            log: LogConfig { filter: read.log_filter(), json: read.log_format() },
            doubts: names::doubts(read.vars.keys()),
        };
        if let Some(key) = &config.encryption_key
            && let Err(error) = store::Sealer::parse(key)
        {
            read.wrong.push(format!("ROOKERY_ENCRYPTION_KEY: {error}"));
        }
        if matches!(config.engines, Engines::Fleet { .. }) && config.encryption_key.is_none() {
            read.wrong.push(
                "ROOKERY_ENCRYPTION_KEY is not set: a fleet needs one key for all its processes; \
                 `1:` and the output of `openssl rand -base64 32` makes one"
                    .to_owned(),
            );
        }
        if read.wrong.is_empty() { Ok(config) } else { Err(ConfigError(read.wrong)) }
    }
}

/// What a worker can be told on the command line instead of by its environment.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Work {
    /// The queues to work on, comma separated: send, ingest, automate, notify, media, upkeep; all unless said.
    #[arg(long, value_delimiter = ',')]
    queues: Vec<Queue>,
    /// How many jobs of a queue may run at once.
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    concurrency: Option<usize>,
    /// Work for these accounts alone, by their ids, comma separated; no other worker works for them then.
    #[arg(long, value_delimiter = ',')]
    accounts: Vec<AccountId>,
}

/// The largest file, in megabytes.
const LARGEST_MB: u64 = media::LARGEST / (1024 * 1024);

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn read(vars: &[(&str, &str)]) -> Result<Config, String> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_vars(vars).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_set_is_a_complete_configuration() {
        let config = read(&[]).unwrap();
        assert!(matches!(config.engines, Engines::Embedded));
        assert_eq!(config.addr.to_string(), "127.0.0.1:8080");
        assert_eq!(config.queues, Queue::ALL);
        assert_eq!(config.media, MediaPlace::Folder("data/media".into()));
    }

    #[test]
    fn every_wrong_value_is_named_at_once() {
        let error = read(&[
            ("PORT", "eighty"),
            ("DATABASE_URL", "postgres://x"),
            ("ROOKERY_CONCURRENCY", "0"),
            ("ROOKERY_METRICS_ADDR", "9464"),
            ("ROOKERY_QUEUES", "send,mow"),
            ("ROOKERY_ACCOUNTS", "0192d4e0-7a1b-7c3d-8e4f-5a6b7c8d9e0f,shop"),
            ("ENABLE_TELEGRAM", "perhaps"),
            ("ROOKERY_TELEGRAM_URL", "ftp://x"),
            ("ROOKERY_MEDIA_URL", "/var/media"),
            ("ROOKERY_UPLOAD_LIMIT_MB", "101"),
            ("ROOKERY_RATE_PER_KEY", "0"),
            ("ROOKERY_RATE_PER_ADDRESS", "many"),
            ("ROOKERY_LOG", "info,jobs=debgu"),
            ("CORS_ORIGIN", "https://app.example.com/"),
            ("ROOKERY_BREAKER_FIRST_MS", "soon"),
            ("ROOKERY_ENCRYPTION_KEY", "secret-but-malformed"),
        ])
        .err()
        .unwrap();
        for name in [
            "PORT",
            "REDIS_URL",
            "ROOKERY_CONCURRENCY",
            "ROOKERY_METRICS_ADDR",
            "mow",
            "`shop`",
            "ENABLE_TELEGRAM",
            "ROOKERY_TELEGRAM_URL",
            "ROOKERY_MEDIA_URL",
            "ROOKERY_UPLOAD_LIMIT_MB",
            "ROOKERY_RATE_PER_KEY",
            "ROOKERY_RATE_PER_ADDRESS",
            "ROOKERY_LOG",
            "CORS_ORIGIN",
            "ROOKERY_BREAKER_FIRST_MS",
            "ENCRYPTION",
        ] {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("secret-but"), "{error}");
    }

    #[test]
    fn calls_are_limited_only_where_somebody_says_so() {
        let config = read(&[("ROOKERY_RATE_PER_KEY", "50")]).unwrap();
        assert_eq!((config.rate_per_key, config.rate_per_address), (Some(50), None));
    }

    #[test]
    fn a_filter_of_logs_is_checked_to_its_last_word() {
        for good in ["info", "INFO", "info,jobs=debug", "warn,store::writer=trace", "off"] {
            assert_eq!(read(&[("ROOKERY_LOG", good)]).unwrap().log.filter, good);
        }
        for bad in ["inof", "info,debgu", "jobs=loud", "=info", "info;debug"] {
            assert!(read(&[("ROOKERY_LOG", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_those_that_browsers_send() {
        let good = "https://app.example.com, http://localhost:3000,*";
        assert_eq!(read(&[("CORS_ORIGIN", good)]).unwrap().cors_origins.len(), 3);
        for bad in ["app.example.com", "https://", "https://a.example/x", "https://a b", "https://é.example"]
        {
            assert!(read(&[("CORS_ORIGIN", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_worker_is_told_on_the_command_line_goes_before_its_environment() {
        let config = read(&[("ROOKERY_QUEUES", "media"), ("ROOKERY_CONCURRENCY", "7")]).unwrap();
        let config = config.with(Work { queues: vec![Queue::Send], ..Work::default() });
        assert_eq!((config.queues, config.concurrency), (vec![Queue::Send], 7));
    }

    #[test]
    fn accounts_are_for_workers_of_a_fleet_that_do_all_of_their_work() {
        let id = "0192d4e0-7a1b-7c3d-8e4f-5a6b7c8d9e0f";
        let fleet =
            [("DATABASE_URL", "postgres://x"), ("REDIS_URL", "redis://x"), ("ROOKERY_ENCRYPTION_KEY", KEY)];
        let checked = |more: &[(&str, &str)]| {
            let vars = [&fleet[..], more].concat();
            read(&vars).unwrap().with(Work::default()).checked().map_err(|error| error.to_string())
        };
        let twice = format!("{id}, {id}");
        assert_eq!(checked(&[("ROOKERY_ACCOUNTS", &twice)]).ok().unwrap().accounts, [id.parse().unwrap()]);
        let error = checked(&[("ROOKERY_ACCOUNTS", id), ("ROOKERY_QUEUES", "send")]).err().unwrap();
        assert!(error.contains("--queues"), "{error}");
        let alone = read(&[("ROOKERY_ACCOUNTS", id)]).unwrap().checked().err().unwrap().to_string();
        assert!(alone.contains("fleet"), "{alone}");
    }

    #[test]
    fn an_app_of_the_installation_is_set_as_a_whole_or_not_at_all() {
        let set = [("META_APP_ID", "7"), ("META_APP_SECRET", "s"), ("META_VERIFY_TOKEN", "v")];
        let apps = read(&set).unwrap().default_apps;
        let meta = [("app_id", "7"), ("app_secret", "s"), ("app_verify_token", "v")];
        assert_eq!(apps["meta"], meta.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert!(!apps.contains_key("tiktok"));
        let error = read(&[("TIKTOK_APP_KEY", "k"), ("META_VERIFY_TOKEN", "v")]).err().unwrap();
        for name in ["TIKTOK_APP_SECRET", "META_APP_ID", "META_APP_SECRET"] {
            assert!(error.contains(name), "{name} in {error}");
        }
    }

    #[test]
    fn channels_are_switched_and_moved() {
        let config =
            read(&[("ENABLE_TELEGRAM", "false"), ("ROOKERY_SANDBOX_URL", "http://127.0.0.1:1/")]).unwrap();
        assert!(config.disabled.contains("telegram"));
        assert_eq!(config.base_urls["sandbox"], "http://127.0.0.1:1");
    }
}
