//! What the front can be told from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of the front.
#[derive(Clone)]
pub struct FrontConfig {
    /// Where providers reach this service from outside, without a slash at its end. None: webhooks are not offered to
    /// providers, and channels that can be polled are.
    pub public_url: Option<String>,
    /// Other addresses of this service, for single channels whose provider does not come through `public_url`.
    pub webhook_urls: BTreeMap<String, String>,
    /// The page to which people come back who connected an account on a page of its provider; none: one of this service's own.
    pub frontend_url: Option<String>,
    /// The channels whose accounts may set `pace_scale`.
    pub scalable: BTreeSet<String>,
    /// Origins whose pages may call the API from a browser; `*` admits all.
    pub cors_origins: Vec<String>,
    /// Most bytes of a request's body.
    pub body_limit: usize,
    /// Most bytes of a provider's webhook.
    pub webhook_body_limit: usize,
    /// Most bytes of an uploaded file; at most [`media::LARGEST`].
    pub upload_limit: u64,
    /// How long an upload may take.
    pub upload_timeout: Duration,
    /// How long a link to a file lasts.
    pub link_lasting: Duration,
    /// Whether links in messages may lead into private networks.
    pub allow_private_links: bool,
    /// Most requests under way at once; more are answered 503, so that a store that is slow or away makes nobody wait in a
    /// line that only grows.
    pub max_requests: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How often one API key may call; none: as often as it likes.
    pub rate_per_key: Option<RateLimit>,
    /// How often one address may call the API (providers' webhooks do not count); none: as often as it likes.
    pub rate_per_address: Option<RateLimit>,
    /// For how long calls to the provider at an address fail at once, as this process knows; none: it cannot know.
    pub provider_down: Option<DownFor>,
    /// Renders the process's metrics in Prometheus' text form.
    pub metrics: Option<Render>,
}

/// For how long calls to an address fail at once; none: they do not.
pub type DownFor = Arc<dyn Fn(&str) -> Option<Duration> + Send + Sync>;

/// Renders something as text, whenever it is asked for.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests that come back every second; at least 1.
    pub per_second: u32,
    /// Most requests at once; at least 1.
    pub burst: u32,
}

impl RateLimit {
    /// So many requests a second, and twice as many at once.
    pub const fn per_second(per_second: u32) -> Self {
        Self { per_second, burst: per_second.saturating_mul(2) }
    }
}

impl Default for FrontConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            webhook_urls: BTreeMap::new(),
            frontend_url: None,
            scalable: BTreeSet::from(["sandbox".to_owned()]),
            cors_origins: Vec::new(),
            body_limit: 1024 * 1024,
            webhook_body_limit: 8 * 1024 * 1024,
            upload_limit: media::LARGEST,
            upload_timeout: Duration::from_mins(10),
            link_lasting: Duration::from_hours(1),
            allow_private_links: false,
            max_requests: 1_024,
            request_timeout: Duration::from_secs(30),
            rate_per_key: None,
            rate_per_address: None,
            provider_down: None,
            metrics: None,
        }
    }
}

impl FrontConfig {
    /// Refuses a link that a provider could not follow, saying why.
    pub(crate) fn check_link(&self, url: &str) -> Result<(), String> {
        match media::check_public(url) {
            Err(media::LinkError::NotPublic) if self.allow_private_links => Ok(()),
            other => other.map_err(|error| error.to_string()),
        }
    }

    /// Where the provider of `channel` delivers an account's events.
    pub fn webhook_url(&self, channel: &str, account: model::AccountId) -> Option<String> {
        Some(format!("{}/webhooks/{channel}/{account}", self.base(channel)?))
    }

    /// Where the provider of `channel` delivers the events of all accounts of an app.
    pub(crate) fn app_webhook_url(&self, channel: &str, app: model::ChannelAppId) -> Option<String> {
        Some(format!("{}/webhooks/{channel}/app/{app}", self.base(channel)?))
    }

    /// Where a provider of `channel` sends people back who let an app in.
    pub(crate) fn oauth_redirect(&self, channel: &str) -> Option<String> {
        Some(format!("{}/oauth/{channel}/callback", self.base(channel)?))
    }

    fn base(&self, channel: &str) -> Option<&str> {
        let base = self.webhook_urls.get(channel).or(self.public_url.as_ref())?;
        Some(base.trim_end_matches('/'))
    }
}

impl fmt::Debug for FrontConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontConfig")
            .field("public_url", &self.public_url)
            .field("webhook_urls", &self.webhook_urls)
            .field("frontend_url", &self.frontend_url)
            .field("cors_origins", &self.cors_origins)
            .field("body_limit", &self.body_limit)
            .field("webhook_body_limit", &self.webhook_body_limit)
            .field("upload_limit", &self.upload_limit)
            .field("upload_timeout", &self.upload_timeout)
            .field("link_lasting", &self.link_lasting)
            .field("max_requests", &self.max_requests)
            .field("request_timeout", &self.request_timeout)
            .field("rate_per_key", &self.rate_per_key)
            .field("rate_per_address", &self.rate_per_address)
            .finish_non_exhaustive()
    }
}
