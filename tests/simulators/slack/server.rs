//! The HTTP server: `/api/<method>`, `/upload/<file>`, `/files-pri/<file>`, and the faults that a call may meet.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::faults::Fault;
use super::state::{Call, Refusal, Reply};
use super::{Shared, files, methods};

/// Marks an answer that is never written: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct Hangup;

/// Serves until the task is aborted.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let router = Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(shared);
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let router = router.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let answer = router.clone().oneshot(request.map(Body::new));
                async move {
                    let response = answer.await.unwrap_or_else(|never: Infallible| match never {});
                    // An error makes hyper close the connection without a word.
                    match response.extensions().get::<Hangup>() {
                        Some(_) => Err(std::io::Error::other("hung up on demand")),
                        None => Ok(response),
                    }
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    // The body is read whole before anything happens: what follows is known to have been written.
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let token = bearer(&head.headers);
    if let Some(method) = path.strip_prefix("/api/") {
        return call(&shared, method, token.as_deref(), &head.headers, &body).await;
    }
    let place = path.split_once('/').and_then(|(_, rest)| rest.split_once('/'));
    let fault = shared.state().take_fault(place.map_or("", |(place, _)| place));
    if let Some(Fault::Gateway(status)) = fault {
        return page(status);
    }
    match place {
        Some(("upload", file)) => match files::uploaded(&mut shared.state(), file, body) {
            Ok(()) => "OK".into_response(),
            Err(status) => page(status),
        },
        Some(("files-pri", file)) => files::download(&shared.state(), file, token.as_deref()),
        _ => page(404),
    }
}

async fn call(
    shared: &Shared,
    method: &str,
    token: Option<&str>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let arguments = arguments(method, headers, body);
    let (fault, reply, scopes) = {
        let mut state = shared.state();
        let fault = state.take_fault(method);
        let carried_out = fault.as_ref().is_none_or(Fault::carries_out);
        state.calls.push(Call { method: method.to_owned(), arguments: arguments.clone() });
        let reply = match &fault {
            Some(Fault::Word(word)) => Err(Refusal::from(*word)),
            Some(Fault::TooMany(retry_after)) => {
                Err(Refusal { retry_after: Some(retry_after.unwrap_or(0)), ..Refusal::from("ratelimited") })
            }
            _ if carried_out => methods::call(shared, &mut state, method, token, &arguments),
            _ => Ok(json!({})),
        };
        (fault, reply, state.bot.scopes.join(","))
    };
    match fault {
        Some(Fault::Silence { .. }) => std::future::pending().await,
        Some(Fault::Hangup { .. }) => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(Hangup);
            response
        }
        Some(Fault::Gateway(status)) => page(status),
        Some(Fault::Garbled) => "{\"ok\":true,\"chan".into_response(),
        Some(Fault::TooMany(None)) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        _ => answered(reply, &scopes),
    }
}

fn answered(reply: Reply, scopes: &str) -> Response {
    let (status, retry_after, mut body, verdict) = match reply {
        Ok(result) => (StatusCode::OK, None, result, json!({ "ok": true })),
        Err(refusal) => {
            let limited = refusal.retry_after.is_some();
            let status = if limited { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
            (status, refusal.retry_after, refusal.more, json!({ "ok": false, "error": refusal.word }))
        }
    };
    if let (Some(fields), Value::Object(verdict)) = (body.as_object_mut(), verdict) {
        fields.extend(verdict);
    }
    let mut response = (status, [("x-oauth-scopes", scopes.to_owned())], axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

fn page(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    (status, [(CONTENT_TYPE, "text/html")], "<html><body>a page</body></html>").into_response()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)
}

/// A form, or JSON for the methods that read it; what is written otherwise has no arguments.
fn arguments(method: &str, headers: &HeaderMap, body: &Bytes) -> Map<String, Value> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") && methods::reads_json(method) {
        return serde_json::from_slice(body).unwrap_or_default();
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let pairs = url::form_urlencoded::parse(body);
        return pairs.map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
    }
    Map::new()
}
