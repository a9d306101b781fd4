//! The thin front: authenticate, validate, commit, push, answer.
//!
//! Everything a client or a provider says comes in here over HTTP. What is acknowledged is committed to the store
//! first; the queue is told afterwards and may be away. The front calls no provider, but for the check of credentials
//! when an account is connected. A file a noun: its handlers, and at its end the routes they answer.

mod account_connection;
mod account_health;
mod account_state;
mod accounts;
mod actions;
mod api_keys;
mod audit;
mod auth;
mod body;
mod channel_apps;
mod channels;
mod compose;
mod config;
mod connect;
mod contacts;
mod content;
mod conversations;
mod dead_jobs;
mod files;
mod forecast;
mod health;
mod idempotency;
mod leftover;
mod message_actions;
mod message_batch;
mod messages;
mod oauth;
mod openapi;
mod pace;
mod page;
mod problem;
mod push;
mod queues;
mod rate;
mod rendering;
mod request;
mod routes;
mod rules;
pub mod schema;
mod sessions;
mod stream;
mod templates;
mod uploads;
mod waiting;
mod webhooks;
mod windows;

use std::sync::Arc;

use model::{Clock, Ids};
use tokio::sync::{Mutex, Semaphore, watch};

pub use config::{DownFor, FrontConfig, RateLimit, Render};
pub use health::Health;
pub use openapi::openapi;
pub use page::Listing;
pub use problem::{FieldProblem, ProblemDetails};

/// The front: what handlers need. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Front {
    pub(crate) config: Arc<FrontConfig>,
    pub(crate) store: store::Store,
    pub(crate) lanes: queue::Lanes,
    pub(crate) channels: channel::Channels,
    pub(crate) media: media::MediaStore,
    pub(crate) links: media::Links,
    pub(crate) hints: events::Hints,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) keys: Arc<auth::KeyCache>,
    pub(crate) turns: Arc<connect::Turns>,
    pub(crate) retrying: Arc<Mutex<()>>,
    pub(crate) closing: watch::Sender<bool>,
    /// Where sends of accounts with a session are made.
    pub(crate) routes: Arc<sessions::Routes>,
    pub(crate) readiness: Arc<health::Readiness>,
    /// Room for requests under way.
    pub(crate) crowd: Arc<Semaphore>,
    /// Room for pushes that the queue did not take at once.
    pub(crate) late_pushes: Arc<Semaphore>,
}

impl Front {
    /// A front over these parts. Does no I/O.
    #[expect(clippy::too_many_arguments, reason = "a record of parts, named at the only place that calls it")]
    pub fn new(
        config: FrontConfig,
        store: store::Store,
        lanes: queue::Lanes,
        channels: channel::Channels,
        media: media::MediaStore,
        hints: events::Hints,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Self {
        let crowd = Arc::new(Semaphore::new(config.max_requests));
        let links = media::Links::new(store.derived_keys("media links"));
        Self {
            config: Arc::new(config),
            store,
            lanes,
            channels,
            media,
            links,
            hints,
            clock,
            ids,
            keys: Arc::default(),
            turns: Arc::default(),
            retrying: Arc::default(),
            closing: watch::Sender::new(false),
            routes: Arc::default(),
            readiness: Arc::default(),
            crowd,
            late_pushes: Arc::new(Semaphore::new(push::MOST_LATE)),
        }
    }

    /// Everything it answers. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: addresses are
    /// limited by where they come from.
    pub fn router(self) -> axum::Router {
        routes::router(self)
    }

    /// Ends the streams that would otherwise stay open for as long as their readers like. Call it when the process is
    /// to stop; requests go on being answered.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}
