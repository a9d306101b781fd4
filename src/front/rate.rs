//! How often one key and one address may call.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use axum::response::IntoResponse;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;
use tower_governor::{GovernorError, GovernorLayer};

use crate::problem::{Kind, Problem};
use crate::{Front, FrontConfig, RateLimit};

/// Buckets that are full again are forgotten this often.
const TIDY: Duration = Duration::from_mins(1);

/// By the address that the connection comes from; one that is not known shares a bucket.
#[derive(Debug, Clone, Copy)]
struct Address;

impl KeyExtractor for Address {
    type Key = IpAddr;

    fn extract<T>(&self, request: &Request<T>) -> Result<IpAddr, GovernorError> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Ok(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip()))
    }
}

/// By the key that a request shows. Whoever shows made-up ones is limited by address.
#[derive(Debug, Clone, Copy)]
struct ApiKey;

impl KeyExtractor for ApiKey {
    type Key = u64;

    fn extract<T>(&self, request: &Request<T>) -> Result<u64, GovernorError> {
        let mut hasher = DefaultHasher::new();
        request.headers().get(AUTHORIZATION).map(axum::http::HeaderValue::as_bytes).hash(&mut hasher);
        Ok(hasher.finish())
    }
}

/// Limits the API's routes; what providers call is not among them.
pub(crate) fn limit(router: Router<Front>, config: &FrontConfig) -> Router<Front> {
    let router = layered(router, ApiKey, config.rate_per_key);
    layered(router, Address, config.rate_per_address)
}

fn layered<K>(router: Router<Front>, by: K, limit: Option<RateLimit>) -> Router<Front>
where
    K: KeyExtractor + Send + Sync + 'static,
    K::Key: Send + Sync + 'static,
{
    let Some(limit) = limit else { return router };
    let config = GovernorConfigBuilder::default()
        .period(Duration::from_secs(1) / limit.per_second.max(1))
        .burst_size(limit.burst.max(1))
        .key_extractor(by)
        .finish();
    let Some(config) = config.map(Arc::new) else { return router };
    let limiter = Arc::downgrade(config.limiter());
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(TIDY).await;
                let Some(limiter) = limiter.upgrade() else { return };
                limiter.retain_recent();
            }
        });
    }
    router.layer(GovernorLayer::new(config).error_handler(refused))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer calls it so")]
fn refused(error: GovernorError) -> axum::response::Response {
    let wait = match error {
        GovernorError::TooManyRequests { wait_time, .. } => wait_time,
        GovernorError::UnableToExtractKey | GovernorError::Other { .. } => 0,
    };
    Problem::new(Kind::RateLimited).after(Duration::from_secs(wait)).into_response()
}
