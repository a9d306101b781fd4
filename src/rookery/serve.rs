//! The long-running roles: front, workers, scheduler, in one process or in many.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use front::{Front, FrontConfig, RateLimit};
use jobs::{Crew, CrewConfig, Leader};
use model::AccountId;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Engines, Role};
use crate::first_run::{self, Welcome};
use crate::parts::{Parts, SANDBOX};
use crate::probes::{self, Probes};
use crate::{Failure, keys, sandbox, telemetry};

/// Open requests get this long to end when the process stops.
const DRAIN: Duration = Duration::from_secs(10);

/// A running process.
pub(crate) struct Server {
    parts: Parts,
    /// Where it listens, if it serves.
    pub(crate) addr: Option<SocketAddr>,
    /// What a newcomer needs, in an embedded installation.
    pub(crate) welcome: Option<Welcome>,
    crew: Option<Crew>,
    leader: Option<Leader>,
    front: Option<Front>,
    listening: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Runs a role until the process is told to stop.
pub(crate) async fn run(config: Config, role: Role) -> Result<(), Failure> {
    let server = Server::start(&config, role).await?;
    server.greet();
    stop_signal().await;
    tracing::info!("stopping: finishing what is under way");
    server.stop().await;
    Ok(())
}

impl Server {
    /// Starts a role and answers once it is ready.
    pub(crate) async fn start(config: &Config, role: Role) -> Result<Self, Failure> {
        if role != Role::Monolith && matches!(config.engines, Engines::Embedded) {
            return Err(Failure::Other(
                "this role is part of a fleet: set DATABASE_URL (Postgres) and REDIS_URL, or run `rookery serve` \
                 to have everything in one process"
                    .to_owned(),
            ));
        }
        let listener = if role.serves() {
            let listening = TcpListener::bind(config.addr).await;
            Some(listening.map_err(|error| Failure::Listen { addr: config.addr, error })?)
        } else {
            None
        };
        let addr = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut parts = Parts::open(config).await?;
        if role.works() && !config.accounts.is_empty() {
            keys::known(&parts.app.store, &config.accounts).await?;
            parts.app.pins = config.accounts.as_slice().into();
        }
        for (provider, secrets) in &config.default_apps {
            let id = parts.app.store.keep_default_app(provider, secrets).await?;
            tracing::info!(provider, %id, "the installation's own app is registered");
        }
        let local = format!("http://{}", addr.map_or_else(String::new, |addr| addr.to_string()));
        let welcome = match &parts.folder {
            Some(folder) => {
                let url_of = |id: AccountId| format!("{local}/webhooks/{SANDBOX}/{id}");
                let welcome = first_run::prepare(&parts.app, folder, url_of).await?;
                if let Some(sandbox) = &parts.sandbox {
                    sandbox::point_here(sandbox, &parts.app.store, welcome.workspace, url_of).await?;
                }
                Some(welcome)
            }
            None => None,
        };
        let metrics = telemetry::metrics();
        if parts.folder.is_some() {
            let loaded = jobs::load_lanes(&parts.app).await?;
            tracing::info!(jobs = loaded, "the queue was loaded from the store");
        }
        let crew = role.works().then(|| {
            let queues = config.queues.iter().map(|queue| (*queue, config.concurrency)).collect();
            Crew::start(&parts.app, &CrewConfig { queues })
        });
        let leader = role.schedules().then(|| Leader::start(parts.app.clone()));
        let stop = CancellationToken::new();
        if let Some(addr) = config.metrics_addr {
            let works = crew.as_ref().map(Crew::liveness);
            let probes = Probes {
                metrics: metrics.clone(),
                works: Arc::new(move || works.as_ref().is_none_or(|works| works())),
            };
            let addr = probes::listen(addr, probes, stop.clone()).await?;
            tracing::info!(%addr, "probes are answered: /healthz, /readyz and /metrics");
        }
        let (mut front, mut listening) = (None, None);
        if let Some(listener) = listener {
            let settings = FrontConfig {
                public_url: config.public_url.clone(),
                frontend_url: config.frontend_url.clone(),
                // A single process has the sandbox beside it, whatever address others use.
                webhook_urls: match &parts.folder {
                    Some(_) => BTreeMap::from([(SANDBOX.to_owned(), local.clone())]),
                    None => BTreeMap::new(),
                },
                cors_origins: config.cors_origins.clone(),
                max_requests: config.max_requests,
                upload_limit: config.upload_limit_mb * 1024 * 1024,
                allow_private_links: config.allow_private,
                rate_per_key: config.rate_per_key.map(RateLimit::per_second),
                rate_per_address: config.rate_per_address.map(RateLimit::per_second),
                provider_down: Some({
                    let http = parts.http.clone();
                    Arc::new(move |url: &str| http.provider().down_for(url))
                }),
                metrics: metrics.map(|handle| Arc::new(move || handle.render()) as _),
                ..FrontConfig::default()
            };
            let here = front_of(&parts, settings);
            listening = Some(tokio::spawn(listen(listener, here.clone().router(), stop.clone())));
            front = Some(here);
        }
        Ok(Self { parts, addr, welcome, crew, leader, front, listening, stop })
    }

    /// Says where things are.
    fn greet(&self) {
        let Some(addr) = self.addr else {
            // By this id logs and timelines name it.
            println!("rookery is at work as {}", self.parts.app.worker);
            return;
        };
        println!("rookery is listening on http://{addr} (API page: http://{addr}/docs)");
        if let (Some(folder), Some(welcome)) = (&self.parts.folder, &self.welcome) {
            println!("data: {}", folder.path().display());
            if let Some(account) = welcome.account {
                println!("try it:\n{}", curl(addr, &folder.api_key().display().to_string(), account));
                if let Some(sandbox) = self.sandbox() {
                    println!("be written to:\n{}", inbound(&sandbox.url(), account));
                }
            }
        }
    }

    /// The file of the first API key, in an embedded installation.
    pub(crate) fn api_key_file(&self) -> Option<std::path::PathBuf> {
        self.parts.folder.as_ref().map(crate::data::DataFolder::api_key)
    }

    /// The sandbox, if this process has its own.
    pub(crate) fn sandbox(&self) -> Option<&::sandbox::Sandbox> {
        self.parts.sandbox.as_ref()
    }

    /// Takes nothing more, finishes what is under way, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if let Some(listening) = self.listening {
            if let Some(front) = &self.front {
                // Streams of events never end by themselves.
                front.close();
            }
            drop(tokio::time::timeout(DRAIN, listening).await);
        }
        if let Some(leader) = self.leader {
            leader.stop().await;
        }
        if let Some(crew) = self.crew {
            crew.stop().await;
        }
        self.parts.app.store.close().await;
        if let Some(sandbox) = self.parts.sandbox {
            sandbox.stop().await;
        }
    }
}

/// A call that works when pasted.
pub(crate) fn curl(addr: SocketAddr, key_file: &str, account: AccountId) -> String {
    format!(
        "curl -s http://{addr}/v1/messages -H \"Authorization: Bearer $(cat {key_file})\" \
         -H 'Content-Type: application/json' \
         -d '{{\"account_id\":\"{account}\",\"to\":{{\"address\":\"alice\"}},\
         \"content\":{{\"type\":\"text\",\"text\":\"hello\"}},\"purpose\":\"conversation\"}}'"
    )
}

/// The same, for a contact of the sandbox who writes to the first account.
fn inbound(sandbox: &str, account: AccountId) -> String {
    format!(
        "curl -s {sandbox}/control/inbound -H 'Content-Type: application/json' \
         -d '{{\"token\":\"{}\",\"chat\":\"alice\",\
         \"content\":{{\"type\":\"text\",\"text\":\"is anybody there?\"}}}}'",
        first_run::token(account)
    )
}

fn front_of(parts: &Parts, config: FrontConfig) -> Front {
    let app = &parts.app;
    Front::new(
        config,
        app.store.clone(),
        app.lanes.clone(),
        app.channels.clone(),
        app.media.clone(),
        app.hints.clone(),
        app.clock.clone(),
        app.ids.clone(),
    )
}

async fn listen(listener: TcpListener, router: axum::Router, stop: CancellationToken) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // Answers are small: none waits for the acknowledgement of the one before it. A socket that refuses works all the same.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!(%error, "the front stopped listening");
    }
}

/// Returns when the process is told to stop: by SIGTERM or from the keyboard.
pub(crate) async fn stop_signal() {
    let keyboard = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = keyboard => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be caught; only the keyboard stops this process cleanly");
            drop(keyboard.await);
        }
    }
}
