//! The HTTP server: `/v<NN>.<N>/<path>` and `/file/<name>`, and the faults that a call may meet.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::answer::{Refusal, Reply};
use super::call::Call;
use super::faults::Fault;
use super::state::State;
use super::{Core, OLDEST_VERSION, tokens};

/// Instagram's exchange of tokens, which stands at hosts of its own and knows no version.
const UNVERSIONED: &[&str] = &["oauth/access_token", "access_token", "refresh_access_token"];

/// Marks an answer that is never written: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct Hangup;

/// Serves until the task is aborted.
pub(super) async fn serve(core: Arc<Core>, listener: TcpListener) {
    let router = Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(core);
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let router = router.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let router = router.clone();
                async move {
                    let response = router
                        .oneshot(request.map(Body::new))
                        .await
                        .unwrap_or_else(|e: Infallible| match e {});
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

async fn handle(Shared(core): Shared<Arc<Core>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if let Some(name) = path.strip_prefix("/file/") {
        return file(&core, name, request.headers());
    }
    let whole = path.trim_start_matches('/');
    let (version, path) = match whole.split_once('/') {
        _ if UNVERSIONED.contains(&whole) => ("", whole),
        parts => parts.unwrap_or_default(),
    };
    let number = version.strip_prefix('v').and_then(|version| version.split_once('.')?.0.parse::<u32>().ok());
    if !version.is_empty() && number.is_none_or(|number| number < OLDEST_VERSION) || path.is_empty() {
        let message = "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version";
        return answered(&core, &Err(Refusal::new(400, 2635, message)));
    }
    // The body is read whole before anything happens: what follows is known to have been written.
    let call = match Call::read(request, path).await {
        Ok(call) => call,
        Err(refusal) => return answered(&core, &Err(refusal)),
    };
    let fault = core.with(|state| take_fault(state, &call));
    let reply = match &fault {
        Some(Fault::Refuse(refusal)) => Err(refusal.clone()),
        Some(fault) if !fault.is_carried_out() => Ok(Value::Null),
        _ => carry_out(&core, &call),
    };
    let (status, answer) = match &reply {
        Ok(answer) => (200, answer.clone()),
        Err(refusal) => (refusal.status, refusal.to_json()),
    };
    core.with(|state| state.calls.push(Call { status, answer, ..call }));
    match fault {
        Some(Fault::Silence { .. }) => std::future::pending().await,
        Some(Fault::Hangup { .. }) => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(Hangup);
            response
        }
        Some(Fault::Gateway(status)) => (
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
            [(CONTENT_TYPE, "text/html")],
            "<html><body>gateway</body></html>",
        )
            .into_response(),
        Some(Fault::Garbled) => (StatusCode::OK, "{\"messaging_prod").into_response(),
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            answered(&core, &reply)
        }
        _ => answered(&core, &reply),
    }
}

fn carry_out(core: &Arc<Core>, call: &Call) -> Reply {
    match (call.method.as_str(), call.parts().as_slice()) {
        ("GET", ["oauth", "access_token"]) => core.with(|state| tokens::exchange(state, call)),
        ("POST", ["oauth", "access_token"]) => core.with(|state| tokens::instagram_code(state, call)),
        ("GET", ["access_token"]) => core.with(|state| tokens::instagram_exchange(state, call)),
        ("GET", ["refresh_access_token"]) => core.with(|state| tokens::instagram_refresh(state, call)),
        ("GET", ["debug_token"]) => core.with(|state| tokens::inspect(state, call)),
        _ => {
            let grant = core.with(|state| tokens::grant(state, call.token.as_deref()))?;
            core.product.answer(core, call, &grant)
        }
    }
}

fn file(core: &Core, name: &str, headers: &HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(file) = core.with(|state| state.files.get(name).cloned()) else {
        return (StatusCode::NOT_FOUND, "URL signature expired").into_response();
    };
    let shown = core.with(|state| tokens::grant(state, token));
    match shown {
        Err(refusal) if file.needs_token => answered(core, &Err(refusal)),
        _ => ([(CONTENT_TYPE, file.mime)], file.bytes).into_response(),
    }
}

/// The first fault that is meant for this call.
fn take_fault(state: &mut State, call: &Call) -> Option<Fault> {
    let index = state.faults.iter().position(|(place, _)| call.is_at(place))?;
    Some(state.faults.remove(index).1)
}

fn answered(core: &Core, reply: &Reply) -> Response {
    let mut response = match reply {
        Ok(result) => axum::Json(result).into_response(),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, axum::Json(refusal.to_json())).into_response()
        }
    };
    let mut headers: Vec<_> = core.with(|state| state.headers.clone()).into_iter().collect();
    headers.extend(reply.as_ref().err().into_iter().flat_map(|refusal| refusal.headers.clone()));
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
