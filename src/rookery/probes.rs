//! What an operator's machines ask any process: whether it lives, whether it works, what it counted. On an address of its
//! own, since workers and schedulers serve nothing else; nobody has to show a key there, so it belongs where only operators
//! reach it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// What the answers are made of.
#[derive(Clone)]
pub(crate) struct Probes {
    /// What was counted; none where counting could not be begun.
    pub(crate) metrics: Option<PrometheusHandle>,
    /// Whether the process does its work now.
    pub(crate) works: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Answers at `addr` until `stop`, and says where: port 0 is any free one.
pub(crate) async fn listen(
    addr: SocketAddr,
    probes: Probes,
    stop: CancellationToken,
) -> Result<SocketAddr, Failure> {
    let refused = |error: std::io::Error| {
        Failure::Other(format!("cannot listen on {addr}: {error}; set ROOKERY_METRICS_ADDR to a free one"))
    };
    let listener = TcpListener::bind(addr).await.map_err(refused)?;
    let addr = listener.local_addr().map_err(refused)?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probes);
    tokio::spawn(async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "probes are not answered any more");
        }
    });
    Ok(addr)
}

async fn ready(State(probes): State<Probes>) -> impl IntoResponse {
    if (probes.works)() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the queue did not confirm this worker's lease lately\n")
    }
}

async fn metrics(State(probes): State<Probes>) -> impl IntoResponse {
    let text = probes.metrics.map(|handle| handle.render()).unwrap_or_default();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use outbound::{Http, HttpConfig};

    use super::*;

    #[tokio::test]
    async fn a_worker_is_asked_whether_it_lives_and_works_and_what_it_counted() {
        let works = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&works);
        let probes = Probes {
            metrics: crate::telemetry::metrics(),
            works: Arc::new(move || asked.load(Ordering::Relaxed)),
        };
        metrics::counter!("probed_total").increment(3);
        let stop = CancellationToken::new();
        let addr = listen(([127, 0, 0, 1], 0).into(), probes, stop.clone()).await.ok().unwrap();
        let http = Http::new(&HttpConfig { breaker: None, ..HttpConfig::default() }).unwrap();
        let ask = async |path: &str| {
            let url = format!("http://{addr}{path}");
            let answer = http.provider().get(&url, Duration::from_secs(20)).answer(1_000_000).await.unwrap();
            (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
        };
        assert_eq!(ask("/healthz").await.0, 200);
        assert_eq!(ask("/readyz").await.0, 503);
        works.store(true, Ordering::Relaxed);
        assert_eq!(ask("/readyz").await.0, 200);
        let (status, counted) = ask("/metrics").await;
        assert_eq!(status, 200);
        assert!(counted.contains("probed_total 3"), "{counted}");
        stop.cancel();
    }
}
