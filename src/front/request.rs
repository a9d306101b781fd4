//! What every request gets: an id, a span, a count, and an end.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::problem::{Kind, Problem};
use crate::{Front, uploads};

/// Names a request in answers and logs.
pub(crate) const ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a caller.
const ID_MAX: usize = 128;

/// Gives the request an id, or keeps the caller's; logs and counts how it ended.
pub(crate) async fn observe(State(front): State<Front>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request
        .headers()
        .get(&ID_HEADER)
        .filter(|id| (1..=ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic))
        .cloned()
        .or_else(|| HeaderValue::from_str(&front.ids.uuid(front.clock.now()).to_string()).ok());
    let method = request.method().clone();
    // The pattern, not the path: ids would make a series each.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        http.method = %method,
        http.route = route,
        request.id = id.as_ref().and_then(|id| id.to_str().ok()),
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(id) = id {
        response.headers_mut().insert(ID_HEADER, id);
    }
    let status = response.status();
    let took = started.elapsed();
    span.in_scope(|| tracing::debug!(http.status = status.as_u16(), ?took, "answered"));
    let labels = [("route", route), ("method", method.to_string()), ("status", status.as_u16().to_string())];
    metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(took.as_secs_f64());
    metrics::counter!("http_requests_total", &labels).increment(1);
    response
}

/// What machines ask to know how it is: they are answered however great the crowd.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// A crowd passes.
const AGAIN: Duration = Duration::from_secs(1);

/// Turns requests away while too many are under way. A stream counts until it begins.
pub(crate) async fn limit_crowd(State(front): State<Front>, request: Request, next: Next) -> Response {
    if ALWAYS.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let Ok(_room) = front.crowd.try_acquire() else {
        metrics::counter!("rookery_requests_turned_away_total").increment(1);
        let crowded = Problem::new(Kind::Unavailable).because("too many requests are under way");
        return crowded.after(AGAIN).into_response();
    };
    next.run(request).await
}

/// Ends a request that takes too long. A stream counts until it begins.
pub(crate) async fn limit_time(State(front): State<Front>, request: Request, next: Next) -> Response {
    // An upload is answered when its last byte is there: how soon that is depends on the sender's line.
    let uploads = request.method() == Method::POST && request.uri().path() == uploads::PATH;
    let most = if uploads { front.config.upload_timeout } else { front.config.request_timeout };
    match tokio::time::timeout(most, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::Timeout).into_response(),
    }
}
