//! The HTTP server: `/bot<token>/<method>` and `/file/bot<token>/<path>`, and the faults that a call may meet.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt;

use super::answer::{Refusal, Reply};
use super::faults::Fault;
use super::params::Params;
use super::state::{Bot, Call};
use super::{Shared, methods, updates};

/// Marks an answer that is never written: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct Hangup;

/// Serves until the task is aborted.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let router = Router::new().fallback(handle).layer(DefaultBodyLimit::disable()).with_state(shared);
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

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if let Some((token, path)) = path.strip_prefix("/file/bot").and_then(|rest| rest.split_once('/')) {
        return match shared.with_bot(token, |bot| updates::download(bot, path)) {
            Ok(bytes) => bytes.into_response(),
            Err(refusal) => refused(&refusal),
        };
    }
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return refused(&Refusal::new(404, "Not Found"));
    };
    // The body is read whole before anything happens: what follows is known to have been written.
    let params = Params::read(request).await;
    let fault = shared.with_bot(token, |bot| Ok(take_fault(bot, method))).unwrap_or_default();
    let carried_out = !matches!(
        fault,
        Some(
            Fault::Refuse(..)
                | Fault::TooMany(_)
                | Fault::Gateway(_)
                | Fault::Silence { carried_out: false }
                | Fault::Hangup { carried_out: false }
        )
    );
    let mut reply = match (&fault, params.clone()) {
        (Some(Fault::Refuse(code, words)), _) => Err(Refusal::new(*code, *words)),
        (Some(Fault::TooMany(seconds)), _) => Err(Refusal::too_many(*seconds)),
        _ if !carried_out => Ok(Value::Null),
        (_, Ok(params)) => carry_out(&shared, token, method, &params).await,
        (_, Err(refusal)) => Err(refusal),
    };
    if let Err(refusal) = shared.with_bot(token, |bot| {
        bot.calls.push(Call {
            method: method.to_owned(),
            params: params.unwrap_or_default(),
            at: Instant::now(),
            result: reply.as_ref().cloned().unwrap_or_default(),
            status: reply.as_ref().map_or_else(|refusal| refusal.code, |_| 200),
        });
        Ok(())
    }) {
        reply = Err(refusal);
    }
    shared.news.notify_waiters();
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
        Some(Fault::Garbled) => (StatusCode::OK, "{\"ok\":true,\"resu").into_response(),
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            answered(&reply)
        }
        _ => answered(&reply),
    }
}

async fn carry_out(shared: &Arc<Shared>, token: &str, method: &str, params: &Params) -> Reply {
    let method = method.to_ascii_lowercase();
    if method == "getupdates" {
        return updates::get_updates(shared, token, params).await;
    }
    let date = shared.date();
    let options = &shared.options;
    shared.with_bot(token, |bot| methods::call(bot, &method, params, date, Instant::now(), options))
}

/// The first fault that is meant for this method.
fn take_fault(bot: &mut Bot, method: &str) -> Option<Fault> {
    let index =
        bot.faults.iter().position(|(meant, _)| meant == "*" || meant.eq_ignore_ascii_case(method))?;
    Some(bot.faults.remove(index).1)
}

fn answered(reply: &Reply) -> Response {
    match reply {
        Ok(result) => axum::Json(json!({ "ok": true, "result": result })).into_response(),
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::BAD_REQUEST);
    (status, axum::Json(refusal.to_json())).into_response()
}
