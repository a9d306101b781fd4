//! The HTTP server: reads a call whole, lets a fault meet it, and answers in TikTok's envelope.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State as Extracted};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::state::{Fault, State};
use super::{Shared, check};

const LARGEST: usize = 16 * 1024 * 1024;

/// Marks an answer that is never written: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct Hangup;

/// A call as it came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// The header `x-tts-access-token`.
    pub token: String,
    /// The bytes of a body that is not a form.
    pub body: Bytes,
    pub is_form: bool,
    pub is_json: bool,
    /// The form's part `data`.
    pub file: Option<Bytes>,
}

/// A no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct No {
    pub status: u16,
    pub code: i64,
    pub words: String,
}

pub(crate) fn no(status: u16, code: i64, words: &str) -> No {
    No { status, code, words: words.to_owned() }
}

/// Serves until the task is aborted.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let router = Router::new().fallback(handle).with_state(shared);
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

async fn handle(Extracted(shared): Extracted<Arc<Shared>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("/files/") {
        let file = shared.with(|state| state.files.get(&path).cloned());
        return file.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response);
    }
    let Some(asked) = read(request).await else {
        return answered(Err(no(400, 36_009_023, "The request body cannot be read")), None);
    };
    let fault = shared.with(|state| take_fault(state, &path));
    let answer = match &fault {
        Some(Fault::Refuse(status, code, words)) => Err(no(*status, *code, words)),
        Some(Fault::TooMany(_)) => Err(no(429, 36_009_002, "Too many requests. Please try again later.")),
        Some(fault) if !fault.lets_it_be_carried_out() => Ok(Value::Null),
        _ => check::carry_out(&shared, &asked),
    };
    match fault {
        Some(Fault::Silence { .. }) => std::future::pending().await,
        Some(Fault::Hangup { .. }) => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(Hangup);
            response
        }
        Some(Fault::Gateway(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, [(CONTENT_TYPE, "text/html")], "<html><body>gateway</body></html>").into_response()
        }
        Some(Fault::Garbled) => (StatusCode::OK, "{\"code\":0,\"da").into_response(),
        Some(Fault::TooMany(retry_after)) => answered(answer, retry_after),
        _ => {
            let is_limited = answer.as_ref().is_err_and(|no| no.status == 429);
            answered(answer, is_limited.then_some(1))
        }
    }
}

/// The first fault that is meant for this path.
fn take_fault(state: &mut State, path: &str) -> Option<Fault> {
    let place = state.faults.iter().position(|(meant, _)| path.ends_with(meant.as_str()))?;
    Some(state.faults.remove(place).1)
}

async fn read(request: Request) -> Option<Asked> {
    let mut asked = head(&request);
    if asked.is_form {
        let mut parts = Multipart::from_request(request, &()).await.ok()?;
        while let Some(part) = parts.next_field().await.ok()? {
            if part.name() == Some("data") && part.file_name().is_some() {
                asked.file = Some(part.bytes().await.ok()?);
            }
        }
    } else {
        asked.body = axum::body::to_bytes(request.into_body(), LARGEST).await.ok()?;
    }
    Some(asked)
}

/// What a call says before its body.
fn head(request: &Request) -> Asked {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let kind = header("content-type").to_ascii_lowercase();
    let query = request.uri().query().unwrap_or_default().to_owned();
    Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        token: header("x-tts-access-token"),
        body: Bytes::new(),
        is_form: kind.starts_with("multipart/form-data"),
        is_json: kind.starts_with("application/json"),
        file: None,
    }
}

fn answered(answer: Result<Value, No>, retry_after: Option<u64>) -> Response {
    let request_id = "2026112012000001010203040506070809";
    let (status, body) = match answer {
        Ok(data) => (200, json!({ "code": 0, "message": "Success", "request_id": request_id, "data": data })),
        Err(no) => (no.status, json!({ "code": no.code, "message": no.words, "request_id": request_id })),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}
