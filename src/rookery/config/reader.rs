//! One variable after the other: each is read and checked, and what is wrong is gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use media::MediaPlace;
use model::{AccountId, Queue};
use outbound::BreakerConfig;
use tracing_subscriber::filter::{Directive, LevelFilter};

use super::names::{APPS, is_switch};
use super::{Engines, Role};

pub(super) struct Reader {
    pub(super) vars: BTreeMap<String, String>,
    /// What is wrong so far.
    pub(super) wrong: Vec<String>,
}

impl Reader {
    pub(super) const fn new(vars: BTreeMap<String, String>) -> Self {
        Self { vars, wrong: Vec::new() }
    }

    pub(super) fn parsed<T: FromStr>(&mut self, name: &str, what: &str, otherwise: T) -> T {
        match self.vars.get(name).map(|value| value.trim().parse()) {
            None => otherwise,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.wrong.push(format!("{name} must be {what}"));
                otherwise
            }
        }
    }

    pub(super) fn within<T: FromStr + PartialOrd + Copy + std::fmt::Display>(
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

    /// An address to listen on, if there is one.
    pub(super) fn listening(&mut self, name: &str) -> Option<SocketAddr> {
        let value = self.vars.get(name)?.trim();
        if let Ok(addr) = value.parse() {
            return Some(addr);
        }
        self.wrong.push(format!("{name} must be an IP address and a port, such as 127.0.0.1:9464"));
        None
    }

    /// Requests a second, if there is a limit.
    pub(super) fn rate(&mut self, name: &str) -> Option<u32> {
        self.vars.contains_key(name).then(|| self.within(name, 1, 1, 1_000_000))
    }

    pub(super) fn flag(&mut self, name: &str, otherwise: bool) -> bool {
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

    pub(super) fn url(&mut self, name: &str) -> Option<String> {
        let value = self.vars.get(name)?.trim().trim_end_matches('/').to_owned();
        if value.starts_with("http://") || value.starts_with("https://") {
            return Some(value);
        }
        self.wrong.push(format!("{name} must begin with http:// or https://"));
        None
    }

    pub(super) fn engines(&mut self) -> Engines {
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

    pub(super) fn media(&mut self) -> MediaPlace {
        let data = self.vars.get("ROOKERY_DATA").map_or_else(|| PathBuf::from("data"), PathBuf::from);
        let folder = MediaPlace::Folder(data.join("media"));
        let Some(text) = self.vars.get("ROOKERY_MEDIA_URL") else { return folder };
        MediaPlace::parse(text, self.vars.clone()).unwrap_or_else(|error| {
            self.wrong.push(format!("ROOKERY_MEDIA_URL {error}"));
            folder
        })
    }

    pub(super) fn role(&mut self) -> Role {
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

    pub(super) fn queues(&mut self) -> Vec<Queue> {
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

    pub(super) fn accounts(&mut self) -> Vec<AccountId> {
        let mut accounts = Vec::new();
        for id in self.list("ROOKERY_ACCOUNTS") {
            match id.parse() {
                Ok(account) => accounts.push(account),
                Err(_) => self.wrong.push(format!(
                    "ROOKERY_ACCOUNTS: `{id}` is no account's id; GET /v1/accounts lists them"
                )),
            }
        }
        accounts
    }

    pub(super) fn base_urls(&mut self) -> BTreeMap<String, String> {
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

    /// The installation's own apps: all that one needs, or nothing of it.
    pub(super) fn default_apps(&mut self) -> BTreeMap<&'static str, BTreeMap<String, String>> {
        let mut apps = BTreeMap::new();
        for (provider, variables) in APPS {
            let value = |name: &str| self.vars.get(name).map(|value| value.trim().to_owned());
            let secrets: BTreeMap<String, String> = variables
                .iter()
                .filter_map(|(name, secret, _)| Some(((*secret).to_owned(), value(name)?)))
                .collect();
            if secrets.is_empty() {
                continue;
            }
            let missing: Vec<&str> = variables
                .iter()
                .filter(|(name, _, needed)| *needed && value(name).is_none())
                .map(|(name, ..)| *name)
                .collect();
            if !missing.is_empty() {
                self.wrong.push(format!("an app of {provider} needs {} too", missing.join(" and ")));
            }
            apps.insert(*provider, secrets);
        }
        apps
    }

    pub(super) fn disabled(&mut self) -> BTreeSet<String> {
        let names: Vec<String> = self.vars.keys().filter(|name| is_switch(name)).cloned().collect();
        names
            .into_iter()
            .filter(|name| !self.flag(name, true))
            .filter_map(|name| name.strip_prefix("ENABLE_").map(str::to_lowercase))
            .collect()
    }

    pub(super) fn log_format(&mut self) -> bool {
        match self.vars.get("ROOKERY_LOG_FORMAT").map(|value| value.trim()) {
            None | Some("text") => false,
            Some("json") => true,
            Some(_) => {
                self.wrong.push("ROOKERY_LOG_FORMAT must be text or json".to_owned());
                false
            }
        }
    }

    pub(super) fn breaker(&mut self) -> BreakerConfig {
        let usual = BreakerConfig::default();
        let mut pause = |name, otherwise: Duration| {
            let otherwise = u64::try_from(otherwise.as_millis()).unwrap_or(u64::MAX);
            Duration::from_millis(self.within(name, otherwise, 1, 3_600_000))
        };
        let first = pause("ROOKERY_BREAKER_FIRST_MS", usual.first);
        let longest = pause("ROOKERY_BREAKER_LONGEST_MS", usual.longest);
        BreakerConfig {
            unreachable: self.within("ROOKERY_BREAKER_UNREACHABLE", usual.unreachable, 1, 1_000_000),
            failing: self.within("ROOKERY_BREAKER_FAILURES", usual.failing, 1, 1_000_000),
            first,
            longest: longest.max(first),
        }
    }

    /// Origins as browsers send them: anything else would match none, in silence.
    pub(super) fn origins(&mut self) -> Vec<String> {
        let origins = self.list("CORS_ORIGIN");
        for origin in origins.iter().filter(|origin| !is_origin(origin)) {
            self.wrong.push(format!(
                "CORS_ORIGIN: `{origin}` is no origin; one looks like https://app.example.com, without a path or a \
                 slash at its end, and `*` is all of them"
            ));
        }
        origins
    }

    pub(super) fn log_filter(&mut self) -> String {
        let filter = self.vars.get("ROOKERY_LOG").map_or("info", |value| value.trim()).to_owned();
        if let Some(wrong) = filter.split(',').find(|directive| !is_directive(directive)) {
            self.wrong.push(format!(
                "ROOKERY_LOG: `{wrong}` is neither a level (off, error, warn, info, debug, trace) nor a part with a \
                 level such as jobs=debug"
            ));
        }
        filter
    }
}

fn is_origin(origin: &str) -> bool {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    origin == "*" || host.is_some_and(|host| !host.is_empty() && host.bytes().all(plain))
}

/// A bare word would be taken for a part that logs everything, so that a mistyped level drowns its reader.
fn is_directive(directive: &str) -> bool {
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok() && word.parse::<u8>().is_err();
    match directive.trim().split_once('=') {
        None => is_level(directive.trim()),
        Some((part, level)) => !part.is_empty() && is_level(level) && Directive::from_str(directive).is_ok(),
    }
}
