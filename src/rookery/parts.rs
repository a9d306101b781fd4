//! Puts the parts together that every role needs.

use std::sync::Arc;

use ::sandbox::Sandbox;
use adapters::AdaptersConfig;
use channel::Channels;
use events::Hints;
use jobs::{App, Gates, Timing};
use media::{MediaPlace, MediaStore};
use model::{Clock, Ids, SystemClock};
use outbound::{Http, HttpConfig};
use queue::{Lanes, MemoryEngine, RedisEngine};
use store::{Sealer, Store, StoreConfig};

use crate::config::{Config, Engines};
use crate::data::DataFolder;
use crate::{Failure, sandbox};

/// The channel of the provider of our own.
pub(crate) const SANDBOX: &str = "sandbox";

/// What a process has.
pub(crate) struct Parts {
    pub(crate) app: App,
    /// The data folder of an embedded installation: locked as long as this lives.
    pub(crate) folder: Option<DataFolder>,
    /// The way out.
    pub(crate) http: Http,
    /// The sandbox provider of an installation that was given no other.
    pub(crate) sandbox: Option<Sandbox>,
}

/// Opens the store: for commands that need no queue.
pub(crate) async fn open_store(
    config: &Config,
    folder: Option<&DataFolder>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
) -> Result<Store, Failure> {
    let (store, key) = match (&config.engines, folder) {
        (Engines::Fleet { database_url, .. }, _) => {
            let url = database_url.clone();
            let store = StoreConfig::Postgres { url, max_connections: config.database_connections };
            (store, config.encryption_key.clone().unwrap_or_default())
        }
        (Engines::Embedded, Some(folder)) => (
            StoreConfig::Sqlite { path: folder.database() },
            folder.encryption_key(config.encryption_key.as_deref(), &ids)?,
        ),
        (Engines::Embedded, None) => {
            return Err(Failure::Other("an embedded store needs its folder".to_owned()));
        }
    };
    Ok(Store::open(&store, Sealer::parse(&key)?, clock, ids).await?)
}

impl Parts {
    /// Opens store and queue and lays out everything between them.
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids = Arc::new(Ids::from_os());
        let folder = match config.engines {
            Engines::Embedded => Some(DataFolder::open(&config.data)?),
            Engines::Fleet { .. } => None,
        };
        let mut config = config.clone();
        let sandbox = match &folder {
            Some(folder) if !config.base_urls.contains_key(SANDBOX) && !config.disabled.contains(SANDBOX) => {
                let sandbox = sandbox::start(Some(folder.sandbox())).await?;
                config.base_urls.insert(SANDBOX.to_owned(), sandbox.url());
                Some(sandbox)
            }
            _ => None,
        };
        let store = open_store(&config, folder.as_ref(), clock.clone(), ids.clone()).await?;
        let (lanes, redis, hints) = match &config.engines {
            Engines::Embedded => {
                let engine = Arc::new(MemoryEngine::new(clock.clone()));
                (Lanes::on_clock(engine, clock.clone()), None, Hints::in_process())
            }
            Engines::Fleet { redis_url, .. } => {
                let engine = Arc::new(RedisEngine::connect(redis_url, &config.redis_prefix)?);
                let hints = Hints::over_redis(redis_url, &config.redis_prefix)?;
                (Lanes::new(engine.clone()), Some(engine), hints)
            }
        };
        let http = http(&config)?;
        if matches!((&config.engines, &config.media), (Engines::Fleet { .. }, MediaPlace::Folder(_))) {
            tracing::warn!(
                folder = %config.media,
                "files lie in a folder: every process of the fleet must have the same one; see ROOKERY_MEDIA_URL"
            );
        }
        let media = MediaStore::open(config.media.clone(), &http)?;
        let gates = Gates { send: http.gate(config.concurrency), media: http.gate(config.concurrency) };
        let channels = channels(&config, http.clone(), &ids);
        let mut app = App::new(store, lanes, redis, channels, media, hints, clock, ids, Timing::default());
        app.gates = gates;
        Ok(Self { app, folder, http, sandbox })
    }
}

/// The way out.
pub(crate) fn http(config: &Config) -> Result<Http, Failure> {
    Ok(Http::new(&HttpConfig {
        allow_private: config.allow_private,
        max_per_host: config.provider_connections,
        breaker: Some(config.breaker),
        ..HttpConfig::default()
    })?)
}

pub(crate) fn channels(config: &Config, http: Http, ids: &Arc<Ids>) -> Channels {
    let mut adapters = AdaptersConfig::new(http);
    adapters.base_urls.clone_from(&config.base_urls);
    adapters.ids = ids.clone();
    let on = |name: &str| !config.disabled.contains(name);
    let all = adapters::channels(&adapters);
    if let Some(unknown) =
        config.disabled.iter().chain(config.base_urls.keys()).find(|name| all.get(name).is_none())
    {
        tracing::warn!(channel = %unknown, "the configuration names a channel that this release does not have");
    }
    all.iter().filter(|channel| on(channel.name())).cloned().collect()
}
