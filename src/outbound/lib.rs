//! The one way out: every HTTP call that Rookery makes to somebody else passes through [`Http`].
//!
//! One pool of connections, one place for timeouts, and one guard that keeps links given by users from reaching
//! machines that only we can reach. Errors say what is known about the request ([`Error::outcome`]), because the
//! queue must know whether a call may be repeated. URLs never appear in errors or `Debug`: some hold tokens.

mod breaker;
mod config;
mod error;
#[cfg(test)]
mod fates;
mod gate;
mod guard;
mod hosts;
mod request;
mod response;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use breaker::BreakerConfig;
pub use config::HttpConfig;
pub use error::{Error, Failure, Outcome};
pub use gate::{Gate, Place, Shut};
pub use guard::check_public;
pub use request::Request;
pub use reqwest::{Method, Upgraded};
pub use response::{Answer, Response};

use hosts::Hosts;

/// A connection with calls under way is asked this often whether it lives.
const PING: Duration = Duration::from_secs(10);
/// It answers within this time, or it is dead.
const PONG: Duration = Duration::from_secs(5);

/// The pooled client. Cheap to clone; one for a process.
#[derive(Clone)]
pub struct Http {
    provider: Client,
    public: Client,
}

impl Http {
    /// Builds the pools. Opens no connection.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the TLS set-up is refused, which no configuration of ours leads to.
    pub fn new(config: &HttpConfig) -> Result<Self, Error> {
        let hosts = |breaker| Arc::new(Hosts::new(config.max_per_host, breaker));
        Ok(Self {
            provider: Client::new(config, false, hosts(config.breaker))?,
            public: Client::new(config, !config.allow_private, hosts(None))?,
        })
    }

    /// For base URLs from the operator's configuration: any address is allowed.
    pub fn provider(&self) -> &Client {
        &self.provider
    }

    /// Shares `slots` calls of one kind of work among the providers' hosts, and refuses those to hosts that are down. For
    /// whoever would rather wait than make a call that cannot go well.
    pub fn gate(&self, slots: usize) -> Gate {
        Gate::new(Arc::clone(&self.provider.hosts), slots)
    }

    /// For URLs that users give (media links, webhooks): public addresses only, checked again after DNS.
    pub fn public(&self) -> &Client {
        &self.public
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// One of the two ways out.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    guarded: bool,
    hosts: Arc<Hosts>,
}

impl Client {
    #[expect(clippy::disallowed_methods, reason = "the one place that builds HTTP clients")]
    fn new(config: &HttpConfig, guarded: bool, hosts: Arc<Hosts>) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("rookery/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::config().clone())
            .redirect(reqwest::redirect::Policy::none())
            // A proxy would resolve names behind the guard's back.
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.max_per_host)
            // One connection carries many calls: that it is dead must show before they all time out on it.
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PONG)
            .tcp_keepalive(PING)
            .tcp_nodelay(true);
        if guarded {
            builder = builder.dns_resolver(guard::PublicResolver);
        }
        let inner = builder.build().map_err(|_| Error::Invalid("the HTTP client cannot be built"))?;
        Ok(Self { inner, guarded, hosts })
    }

    /// For how long calls to the host of `url` fail at once, as this process knows by its own calls; none: they are made.
    pub fn down_for(&self, url: &str) -> Option<Duration> {
        let url = reqwest::Url::parse(url).ok()?;
        match self.hosts.standing(&request::host_of(&url)) {
            hosts::Standing::Down(left) => Some(left),
            hosts::Standing::Well | hosts::Standing::Doubtful => None,
        }
    }

    /// A request that ends, answered or not, within `timeout`: waiting for a connection and reading the body
    /// are part of it. Problems with `url` show when it is sent.
    pub fn request(&self, method: Method, url: &str, timeout: Duration) -> Request {
        Request::new(self, method, url, timeout)
    }

    /// [`Client::request`] with GET.
    pub fn get(&self, url: &str, timeout: Duration) -> Request {
        self.request(Method::GET, url, timeout)
    }

    /// [`Client::request`] with POST.
    pub fn post(&self, url: &str, timeout: Duration) -> Request {
        self.request(Method::POST, url, timeout)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("guarded", &self.guarded).finish_non_exhaustive()
    }
}
