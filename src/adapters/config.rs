//! What adapters need from outside: the HTTP client, and where providers are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Ids, SystemClock};
use outbound::Http;

/// Settings of all adapters.
#[derive(Debug, Clone)]
pub struct AdaptersConfig {
    /// The way out.
    pub http: Http,
    /// Where a channel's provider answers instead of its usual place: channel name to URL, without a slash at
    /// its end. From the operator, so any address is allowed.
    pub base_urls: BTreeMap<String, String>,
    /// How long a provider call may take, uploads aside.
    pub call_timeout: Duration,
    /// Where secrets come from that we agree on with a provider.
    pub ids: Arc<Ids>,
    /// What calls are dated by, where a provider wants to see a time.
    pub clock: Arc<dyn Clock>,
}

impl AdaptersConfig {
    /// Usual places and times.
    pub fn new(http: Http) -> Self {
        Self {
            http,
            base_urls: BTreeMap::new(),
            call_timeout: Duration::from_secs(20),
            ids: Arc::new(Ids::from_os()),
            clock: Arc::new(SystemClock),
        }
    }

    /// The same, with the provider of `channel` at `url`.
    #[must_use]
    pub fn with_base_url(mut self, channel: &str, url: impl Into<String>) -> Self {
        self.base_urls.insert(channel.to_owned(), url.into());
        self
    }

    /// Where the provider of `channel` answers, without a slash at its end.
    pub fn base_url(&self, channel: &str, usual: &str) -> String {
        self.base_urls.get(channel).map_or(usual, String::as_str).trim_end_matches('/').to_owned()
    }
}
