//! `rookery doctor`: looks at everything that a start needs, and says what to do about what is wrong.

use std::sync::Arc;
use std::time::Duration;

use media::MediaStore;
use model::{Clock, Ids, SystemClock};
use queue::{RedisEngine, RedisState};

use crate::Failure;
use crate::config::{Config, Engines};
use crate::data::DataFolder;
use crate::parts::{self, SANDBOX, open_store};

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
    database(&mut findings, &config).await;
    if let Engines::Fleet { redis_url, .. } = &config.engines {
        findings.say("redis", redis(redis_url, &config.redis_prefix).await);
    }
    let media = parts::http(&config).and_then(|http| Ok(MediaStore::open(config.media.clone(), &http)?));
    let media = match media {
        Ok(media) => media.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    findings.say("media files", media.map(|()| config.media.to_string()));
    providers(&mut findings, &config).await?;
    match findings.broken {
        0 => Ok(()),
        broken => Err(Failure::Other(format!("{broken} of the checks failed"))),
    }
}

async fn database(findings: &mut Findings, config: &Config) {
    let folder = match config.engines {
        Engines::Embedded => match DataFolder::visit(&config.data) {
            Ok(folder) => {
                findings.say("data folder", Ok(folder.path().display().to_string()));
                Some(folder)
            }
            Err(error) => return findings.say("data folder", Err(error.to_string())),
        },
        Engines::Fleet { .. } => None,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let answer = match open_store(config, folder.as_ref(), clock, Arc::new(Ids::from_os())).await {
        Ok(store) => {
            let answer = store.ping().await.map_err(|error| error.to_string());
            store.close().await;
            answer
        }
        Err(error) => Err(error.to_string()),
    };
    findings.say("database", answer.map(|()| "answers, and its tables are up to date".to_owned()));
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

/// Whether every provider that is switched on can be reached: whatever it answers, it does.
async fn providers(findings: &mut Findings, config: &Config) -> Result<(), Failure> {
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
        findings.say(channel.name(), answer);
    }
    Ok(())
}
