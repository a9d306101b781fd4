//! `rookery doctor`: looks at everything that a start needs, and says what to do about what is wrong.

use std::sync::Arc;
use std::time::Duration;

use media::{MediaPlace, MediaStore};
use model::Ids;
use queue::{RedisEngine, RedisState};
use store::{StoreConfig, Tables};

use crate::Failure;
use crate::config::{Config, Engines};
use crate::data::DataFolder;
use crate::parts::{self, SANDBOX};

/// How long a provider may take to answer anything at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was looked at so far.
#[derive(Default)]
struct Findings {
    broken: usize,
}

impl Findings {
    fn say(&mut self, what: &str, result: Result<String, String>) {
        match result {
            Ok(detail) => println!("ok      {what}: {detail}"),
            Err(problem) => {
                self.broken += 1;
                println!("BROKEN  {what}: {problem}");
            }
        }
    }

    /// What may be wrong, and matters to nobody as yet.
    fn doubt(what: &str, problem: &str) {
        println!("doubt   {what}: {problem}");
    }
}

/// Checks one thing after the other; what depends on something broken is left out.
pub(crate) async fn run() -> Result<(), Failure> {
    let mut findings = Findings::default();
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => {
            findings.say("configuration", Err(error.to_string()));
            return Err(Failure::Other("the configuration is wrong; nothing else was checked".to_owned()));
        }
    };
    let mode = match config.engines {
        Engines::Embedded => "one process on SQLite and memory",
        Engines::Fleet { .. } => "a fleet on Postgres and Redis",
    };
    findings.say("configuration", Ok(mode.to_owned()));
    for doubt in &config.doubts {
        Findings::doubt("configuration", doubt);
    }
    let used = database(&mut findings, &config).await;
    if let Engines::Fleet { redis_url, .. } = &config.engines {
        findings.say("redis", redis(redis_url, &config.redis_prefix).await);
    }
    findings.say("media files", media_files(&config).await);
    providers(&mut findings, &config, &used).await?;
    match findings.broken {
        0 => Ok(()),
        broken => Err(Failure::Other(format!("{broken} of the checks failed"))),
    }
}

/// Whether files can be written, read and deleted where they are to lie.
async fn media_files(config: &Config) -> Result<String, String> {
    if let MediaPlace::Folder(folder) = &config.media
        && !folder.exists()
    {
        return Ok(format!("{} is not there yet; the first start makes it", folder.display()));
    }
    let http = parts::http(config).map_err(|error| error.to_string())?;
    let media = MediaStore::open(config.media.clone(), &http).map_err(|error| error.to_string())?;
    media.check().await.map_err(|error| error.to_string())?;
    Ok(config.media.to_string())
}

/// Looks at the database without changing it: neither a file nor a table is made. Gives the channels that accounts are
/// connected on.
async fn database(findings: &mut Findings, config: &Config) -> Vec<String> {
    let place = match &config.engines {
        Engines::Fleet { database_url, .. } => {
            StoreConfig::Postgres { url: database_url.clone(), max_connections: config.database_connections }
        }
        Engines::Embedded => {
            let path = config.data.display();
            let Some(folder) = DataFolder::find(&config.data) else {
                let made =
                    format!("{path} is not there yet; the first start makes it, and the database in it");
                findings.say("data folder", Ok(made));
                return Vec::new();
            };
            findings.say("data folder", Ok(path.to_string()));
            let key = folder.known_key(config.encryption_key.as_deref()).map_err(|error| error.to_string());
            let known = |known: Option<String>| {
                known.map_or("the first start makes it", |_| "can be used").to_owned()
            };
            findings.say("encryption key", key.map(known));
            StoreConfig::Sqlite { path: folder.database() }
        }
    };
    let (start, migrate) = match place {
        StoreConfig::Sqlite { .. } => ("the next start makes them", "the next start brings them up to date"),
        StoreConfig::Postgres { .. } => {
            ("`rookery migrate` makes them", "`rookery migrate` brings them up to date")
        }
    };
    let tables = Tables::look(&place).await;
    let used = match &tables {
        Ok(Tables::UpToDate) => Tables::channels(&place).await.unwrap_or_default(),
        _ => Vec::new(),
    };
    let answer = match tables {
        Ok(Tables::UpToDate) => Ok("answers, and its tables are up to date".to_owned()),
        Ok(Tables::None) => Ok(format!("answers, and has no tables yet; {start}")),
        Ok(Tables::Behind(missing)) => {
            Ok(format!("answers; its tables are {missing} changes behind; {migrate}"))
        }
        Ok(Tables::Ahead) => {
            Err("a newer release changed its tables: run that one, or restore a backup from before"
                .to_owned())
        }
        Err(error) => Err(error.to_string()),
    };
    findings.say("database", answer);
    used
}

/// Redis must answer, must not evict keys, and had better hold a queue; if it holds none, a scheduler derives it.
async fn redis(url: &str, prefix: &str) -> Result<String, String> {
    let engine = RedisEngine::connect(url, prefix).map_err(|error| error.to_string())?;
    if let Some(problem) = engine.check_policy().await.map_err(|error| error.to_string())? {
        return Err(problem);
    }
    match engine.state().await.map_err(|error| error.to_string())? {
        RedisState::Ready { epoch } => Ok(format!("answers, holds the queue (epoch {epoch})")),
        RedisState::Loading { epoch } => {
            Ok(format!("answers; a scheduler is loading the queue (epoch {epoch})"))
        }
        RedisState::Lost { reason } => {
            Ok(format!("answers; {reason}. A running scheduler derives the queue from the database"))
        }
    }
}

/// Whether every provider that is switched on can be reached: whatever it answers, it does. One that no account needs is no
/// reason to fail.
async fn providers(findings: &mut Findings, config: &Config, used: &[String]) -> Result<(), Failure> {
    let http = parts::http(config)?;
    for channel in parts::channels(config, http.clone(), &Arc::new(Ids::from_os())).iter() {
        let Some(url) = channel.provider_url() else { continue };
        if channel.name() == SANDBOX && !config.base_urls.contains_key(SANDBOX) {
            findings.say(SANDBOX, Ok("comes with the process".to_owned()));
            continue;
        }
        let answer = match http.provider().get(url, PATIENCE).send().await {
            Ok(_) => Ok(format!("reached at {url}")),
            Err(error) => Err(format!(
                "cannot be reached at {url}: {error}; let this machine reach it, or set ENABLE_{}=false",
                channel.name().to_uppercase()
            )),
        };
        match answer {
            Err(problem) if !used.iter().any(|name| name == channel.name()) => {
                Findings::doubt(channel.name(), &format!("{problem} (no account is connected on it)"));
            }
            answer => findings.say(channel.name(), answer),
        }
    }
    Ok(())
}
