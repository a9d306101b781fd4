//! Logs and metrics: where they go.

use std::io::IsTerminal as _;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogConfig;

/// Buckets for everything that is timed, in seconds.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// How often what was timed is summed up.
const TIDY: Duration = Duration::from_secs(5);

/// Starts to log to standard error.
pub(crate) fn start(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    // Colours are for eyes; in a file they are noise.
    let coloured =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(coloured)
        // A line that cannot be written (a full disk) is lost; telling so would panic whoever wrote it.
        .log_internal_errors(false)
        .with_target(false);
    // Started before (a demo within a test): that one stays.
    let started = if config.json {
        registry.with(layer.json()).try_init()
    } else {
        registry.with(layer.compact()).try_init()
    };
    drop(started);
}

/// Starts to count, once a process; later calls give the same counts. Call it inside a tokio runtime.
pub(crate) fn metrics() -> Option<PrometheusHandle> {
    static HANDLE: std::sync::OnceLock<Option<PrometheusHandle>> = std::sync::OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let builder = PrometheusBuilder::new().set_buckets(SECONDS).ok()?;
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok()?;
            tidy(handle.clone());
            Some(handle)
        })
        .clone()
}

/// What was timed is kept one by one until somebody asks for it, or until it is summed up: where nobody asks, memory would
/// grow with everything that is done.
fn tidy(handle: PrometheusHandle) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(TIDY);
        loop {
            ticks.tick().await;
            handle.run_upkeep();
        }
    });
}
