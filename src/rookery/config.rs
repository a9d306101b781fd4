//! Configuration from the environment. Every value is checked before anything starts, and a wrong one is named.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use media::MediaPlace;
use model::Queue;

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
    /// `CORS_ORIGIN`, comma separated.
    pub(crate) cors_origins: Vec<String>,
    /// `ROOKERY_QUEUES`: the queues that workers serve; all unless said.
    pub(crate) queues: Vec<Queue>,
    /// `ROOKERY_CONCURRENCY`: jobs of a queue that run at once.
    pub(crate) concurrency: usize,
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
}

/// The values that are wrong, all of them.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong:\n  {}", .0.join("\n  "))]
pub(crate) struct ConfigError(Vec<String>);

impl Config {
    /// From the environment of the process.
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars())
    }

    /// From these variables.
    pub(crate) fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let vars = vars.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let mut read = Reader { vars, wrong: Vec::new() };
        let engines = read.engines();
        let config = Self {
            role: read.role(),
            addr: SocketAddr::new(
                read.parsed("ROOKERY_HOST", "an IP address", IpAddr::V4(Ipv4Addr::LOCALHOST)),
                read.parsed("PORT", "a port number", 8080),
            ),
            engines,
            database_connections: read.within("ROOKERY_DATABASE_CONNECTIONS", 20, 2, 1_000),
            redis_prefix: read
                .vars
                .get("ROOKERY_REDIS_PREFIX")
                .cloned()
                .unwrap_or_else(|| "rookery".to_owned()),
            data: read.vars.get("ROOKERY_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from),
            encryption_key: read.vars.get("ROOKERY_ENCRYPTION_KEY").cloned(),
            public_url: read.url("ROOKERY_PUBLIC_URL"),
            cors_origins: read.list("CORS_ORIGIN"),
            queues: read.queues(),
            concurrency: read.within("ROOKERY_CONCURRENCY", 200, 1, 10_000),
            base_urls: read.base_urls(),
            disabled: read.disabled(),
            media: read.media(),
            upload_limit_mb: read.within("ROOKERY_UPLOAD_LIMIT_MB", LARGEST_MB, 1, LARGEST_MB),
            rate_per_key: read.rate("ROOKERY_RATE_PER_KEY"),
            rate_per_address: read.rate("ROOKERY_RATE_PER_ADDRESS"),
            allow_private: read.flag("ROOKERY_ALLOW_PRIVATE_ADDRESSES", false),
            log: LogConfig {
                filter: read.vars.get("ROOKERY_LOG").cloned().unwrap_or_else(|| "info".to_owned()),
                json: read.log_format(),
            },
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

/// The largest file, in megabytes.
const LARGEST_MB: u64 = media::LARGEST / (1024 * 1024);

struct Reader {
    vars: BTreeMap<String, String>,
    wrong: Vec<String>,
}

impl Reader {
    fn parsed<T: FromStr>(&mut self, name: &str, what: &str, otherwise: T) -> T {
        match self.vars.get(name).map(|value| value.trim().parse()) {
            None => otherwise,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.wrong.push(format!("{name} must be {what}"));
                otherwise
            }
        }
    }

    fn within<T: FromStr + PartialOrd + Copy + std::fmt::Display>(
        &mut self,
        name: &str,
        otherwise: T,
        least: T,
        most: T,
    ) -> T {
        let what = format!("a whole number from {least} to {most}");
        let value = self.parsed(name, &what, otherwise);
        if value < least || value > most {
            self.wrong.push(format!("{name} must be {what}"));
            return otherwise;
        }
        value
    }

    /// Requests a second, if there is a limit.
    fn rate(&mut self, name: &str) -> Option<u32> {
        self.vars.contains_key(name).then(|| self.within(name, 1, 1, 1_000_000))
    }

    fn flag(&mut self, name: &str, otherwise: bool) -> bool {
        match self.vars.get(name).map(|value| value.trim().to_lowercase()).as_deref() {
            None => otherwise,
            Some("1" | "true" | "yes" | "on") => true,
            Some("0" | "false" | "no" | "off") => false,
            Some(_) => {
                self.wrong.push(format!("{name} must be true or false"));
                otherwise
            }
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.vars.get(name).map_or_else(Vec::new, |value| {
            value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        })
    }

    fn url(&mut self, name: &str) -> Option<String> {
        let value = self.vars.get(name)?.trim().trim_end_matches('/').to_owned();
        if value.starts_with("http://") || value.starts_with("https://") {
            return Some(value);
        }
        self.wrong.push(format!("{name} must begin with http:// or https://"));
        None
    }

    fn engines(&mut self) -> Engines {
        match (self.vars.get("DATABASE_URL").cloned(), self.vars.get("REDIS_URL").cloned()) {
            (None, None) => Engines::Embedded,
            (Some(database_url), Some(redis_url)) => {
                if !database_url.starts_with("postgres://") && !database_url.starts_with("postgresql://") {
                    self.wrong.push("DATABASE_URL must begin with postgres://".to_owned());
                }
                if !redis_url.starts_with("redis://") {
                    self.wrong.push("REDIS_URL must begin with redis://".to_owned());
                }
                Engines::Fleet { database_url, redis_url }
            }
            (database, _) => {
                let (set, missing) = if database.is_some() {
                    ("DATABASE_URL", "REDIS_URL")
                } else {
                    ("REDIS_URL", "DATABASE_URL")
                };
                self.wrong.push(format!(
                    "{set} is set but {missing} is not: a fleet needs Postgres and Redis, a single process neither"
                ));
                Engines::Embedded
            }
        }
    }

    fn media(&mut self) -> MediaPlace {
        let data = self.vars.get("ROOKERY_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from);
        let folder = MediaPlace::Folder(data.join("media"));
        let Some(text) = self.vars.get("ROOKERY_MEDIA_URL") else { return folder };
        MediaPlace::parse(text, self.vars.clone()).unwrap_or_else(|error| {
            self.wrong.push(format!("ROOKERY_MEDIA_URL {error}"));
            folder
        })
    }

    fn role(&mut self) -> Role {
        match self.vars.get("DEPLOYMENT_ROLE").map(|value| value.trim()) {
            None | Some("monolith") => Role::Monolith,
            Some("controller") => Role::Controller,
            Some("worker") => Role::Worker,
            Some(_) => {
                self.wrong.push("DEPLOYMENT_ROLE must be monolith, controller or worker".to_owned());
                Role::Monolith
            }
        }
    }

    fn queues(&mut self) -> Vec<Queue> {
        let names = self.list("ROOKERY_QUEUES");
        if names.is_empty() {
            return Queue::ALL.to_vec();
        }
        let mut queues = Vec::new();
        for name in names {
            match name.parse() {
                Ok(queue) => queues.push(queue),
                Err(error) => self.wrong.push(format!("ROOKERY_QUEUES: {error}")),
            }
        }
        queues
    }

    fn base_urls(&mut self) -> BTreeMap<String, String> {
        let names: Vec<String> = self
            .vars
            .keys()
            .filter(|name| !["ROOKERY_PUBLIC_URL", "ROOKERY_MEDIA_URL"].contains(&name.as_str()))
            // `ROOKERY_TEST_…` names the servers of a test run.
            .filter(|name| !name.starts_with("ROOKERY_TEST_"))
            .filter_map(|name| name.strip_prefix("ROOKERY_")?.strip_suffix("_URL").map(str::to_owned))
            .collect();
        names
            .into_iter()
            .filter_map(|name| Some((name.to_lowercase(), self.url(&format!("ROOKERY_{name}_URL"))?)))
            .collect()
    }

    fn disabled(&mut self) -> BTreeSet<String> {
        let names: Vec<String> =
            self.vars.keys().filter(|name| name.starts_with("ENABLE_")).cloned().collect();
        names
            .into_iter()
            .filter(|name| !self.flag(name, true))
            .filter_map(|name| name.strip_prefix("ENABLE_").map(str::to_lowercase))
            .collect()
    }

    fn log_format(&mut self) -> bool {
        match self.vars.get("ROOKERY_LOG_FORMAT").map(|value| value.trim()) {
            None | Some("text") => false,
            Some("json") => true,
            Some(_) => {
                self.wrong.push("ROOKERY_LOG_FORMAT must be text or json".to_owned());
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("ROOKERY_QUEUES", "send,mow"),
            ("ENABLE_TELEGRAM", "perhaps"),
            ("ROOKERY_TELEGRAM_URL", "ftp://x"),
            ("ROOKERY_MEDIA_URL", "/var/media"),
            ("ROOKERY_UPLOAD_LIMIT_MB", "101"),
            ("ROOKERY_RATE_PER_KEY", "0"),
            ("ROOKERY_RATE_PER_ADDRESS", "many"),
            ("ROOKERY_ENCRYPTION_KEY", "secret-but-malformed"),
        ])
        .err()
        .unwrap();
        for name in [
            "PORT",
            "REDIS_URL",
            "ROOKERY_CONCURRENCY",
            "mow",
            "ENABLE_TELEGRAM",
            "ROOKERY_TELEGRAM_URL",
            "ROOKERY_MEDIA_URL",
            "ROOKERY_UPLOAD_LIMIT_MB",
            "ROOKERY_RATE_PER_KEY",
            "ROOKERY_RATE_PER_ADDRESS",
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
    fn channels_are_switched_and_moved() {
        let config =
            read(&[("ENABLE_TELEGRAM", "false"), ("ROOKERY_SANDBOX_URL", "http://127.0.0.1:1/")]).unwrap();
        assert!(config.disabled.contains("telegram"));
        assert_eq!(config.base_urls["sandbox"], "http://127.0.0.1:1");
    }
}
