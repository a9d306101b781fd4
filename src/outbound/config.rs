//! What an operator may set about calls to others.

use std::time::Duration;

use crate::BreakerConfig;

/// Settings of [`crate::Http`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// How long a connection, TLS included, may take to come up.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Shorter than what servers keep (Telegram and Meta: 60 s and more),
    /// so that a request is not written to a connection that the other side is just closing.
    pub idle_timeout: Duration,
    /// How many requests to one host may be under way at once; more wait for their turn.
    pub max_per_host: usize,
    /// When calls to a provider's host are stopped for a while; none: never. Users' URLs have no breaker: one link that
    /// leads nowhere says nothing about the next.
    pub breaker: Option<BreakerConfig>,
    /// Lets users' URLs reach private addresses too. For tests and development only.
    pub allow_private: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            max_per_host: 256,
            breaker: Some(BreakerConfig::default()),
            allow_private: false,
        }
    }
}
