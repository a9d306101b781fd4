//! The HTTP server: the API, the files, and the faults that a call may meet.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request as Incoming, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt;

use super::Shared;
use super::answer::{Refusal, Reply};
use super::check::File;
use super::faults::Fault;
use super::limits::{self, Headers};
use super::routes::{self, Request};
use super::state::Call;

/// Largest request that Discord reads.
const MAX_REQUEST: usize = 25 * 1024 * 1024;

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

async fn handle(State(shared): State<Arc<Shared>>, incoming: Incoming) -> Response {
    let path = incoming.uri().path().to_owned();
    if path.starts_with("/attachments/") {
        return download(&shared, &path, incoming.uri().query().unwrap_or_default());
    }
    let agent = header(&incoming, &USER_AGENT);
    let Some(below) = path.strip_prefix("/api/v10/").filter(|_| agent.starts_with("DiscordBot (")) else {
        return refused(&Refusal::page(403), None);
    };
    let what = format!("{} {}", incoming.method(), path.trim_start_matches("/api/v10"));
    // The body is read whole before anything happens.
    let request = match read(incoming, below).await {
        Ok(request) => request,
        Err(refusal) => return refused(&refusal, None),
    };
    let (reply, headers, fault) = shared.act(|state| {
        let place = state.faults.iter().position(|(meant, _)| what.starts_with(meant.as_str()));
        let fault = place.map(|place| state.faults.remove(place).1);
        let mut headers = None;
        let reply = match &fault {
            Some(Fault::Refuse(status, code, words)) => Err(Refusal::new(*status, *code, words)),
            Some(Fault::TooMany(scope, seconds)) => {
                // Whoever is told so counts from when they hear it.
                let margin = Duration::from_millis(100);
                state.busy_until = Some(Instant::now() + Duration::from_secs_f64(*seconds) + margin);
                Err(Refusal::too_many(scope, *seconds))
            }
            Some(Fault::Page(status)) => Err(Refusal::page(*status)),
            Some(Fault::Hangup { carried_out: false }) => Ok(Value::Null),
            _ => admitted(&shared, state, &request, &mut headers),
        };
        let status = match &reply {
            Ok(Value::Null) => 204,
            Ok(_) => 200,
            Err(refusal) => refusal.status,
        };
        state.calls.push(Call { what, body: request.body, status });
        (reply, headers, fault)
    });
    shared.has_news();
    match fault {
        Some(Fault::Hangup { .. }) => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(Hangup);
            response
        }
        Some(Fault::Garbled) => (StatusCode::OK, "{\"id\":\"12").into_response(),
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            answered(reply, headers.as_ref())
        }
        _ => answered(reply, headers.as_ref()),
    }
}

/// Carries the call out if the limits let it.
fn admitted(
    shared: &Shared,
    state: &mut super::state::State,
    request: &Request,
    headers: &mut Option<Headers>,
) -> Reply {
    // Calls about interactions are not limited with the others.
    let is_exempt = matches!(request.path.first().map(String::as_str), Some("interactions" | "webhooks"));
    if shared.options.enforce_limits && !is_exempt {
        let bucket = routes::bucket(request);
        *headers = Some(limits::admit(state, &bucket, Instant::now(), shared.options.time_scale)?);
    }
    routes::call(shared, state, request)
}

/// A file, as long as its link leads to it.
fn download(shared: &Shared, path: &str, query: &str) -> Response {
    let found = shared.act(|state| {
        let is_good = query.split('&').any(|part| part == format!("ex={:x}", state.link_age));
        state.files.get(path).cloned().filter(|_| is_good)
    });
    match found {
        Some(bytes) => bytes.into_response(),
        None => (StatusCode::NOT_FOUND, "This content is no longer available.").into_response(),
    }
}

fn header(incoming: &Incoming, name: &HeaderName) -> String {
    incoming.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// A part of a path as it was meant.
fn decoded(part: &str) -> String {
    let form = format!("x={}", part.replace('+', "%2B"));
    let first = url::form_urlencoded::parse(form.as_bytes()).next();
    first.map(|(_, part)| part.into_owned()).unwrap_or_default()
}

async fn read(incoming: Incoming, below: &str) -> Result<Request, Refusal> {
    let mut request = Request {
        method: incoming.method().to_string(),
        path: below.split('/').map(decoded).collect(),
        authorization: header(&incoming, &AUTHORIZATION),
        body: Value::Null,
        files: Vec::new(),
    };
    let kind = header(&incoming, &CONTENT_TYPE);
    if kind.starts_with("multipart/form-data") {
        multipart(incoming, &mut request).await?;
        return Ok(request);
    }
    let too_large = |_| Refusal::new(413, 40_005, "Request entity too large");
    let bytes = axum::body::to_bytes(incoming.into_body(), MAX_REQUEST).await.map_err(too_large)?;
    if !bytes.is_empty() {
        let body =
            kind.starts_with("application/json").then(|| serde_json::from_slice(&bytes).ok()).flatten();
        request.body =
            body.ok_or_else(|| Refusal::new(400, 50_109, "The request body contains invalid JSON."))?;
    }
    Ok(request)
}

async fn multipart(incoming: Incoming, request: &mut Request) -> Result<(), Refusal> {
    let broken = || Refusal::new(400, 50_035, "Invalid Form Body");
    let mut parts = Multipart::from_request(incoming, &()).await.map_err(|_| broken())?;
    let mut total = 0;
    while let Some(part) = parts.next_field().await.map_err(|_| broken())? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let mime = part.content_type().unwrap_or("application/octet-stream").to_owned();
        let bytes: Bytes = part.bytes().await.map_err(|_| broken())?;
        total += bytes.len();
        if total > MAX_REQUEST {
            return Err(Refusal::new(413, 40_005, "Request entity too large"));
        }
        match file_name {
            None if name == "payload_json" => {
                request.body = serde_json::from_slice(&bytes).map_err(|_| broken())?;
            }
            Some(file_name) if name == format!("files[{}]", request.files.len()) => {
                request.files.push(File { name: file_name, mime, bytes });
            }
            _ => return Err(broken()),
        }
    }
    Ok(())
}

fn answered(reply: Reply, headers: Option<&Headers>) -> Response {
    let mut response = match reply {
        Ok(Value::Null) => StatusCode::NO_CONTENT.into_response(),
        Ok(body) => axum::Json(body).into_response(),
        Err(refusal) => return refused(&refusal, headers),
    };
    tell(&mut response, headers);
    response
}

fn refused(refusal: &Refusal, headers: Option<&Headers>) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = if refusal.body.is_null() {
        (status, [(CONTENT_TYPE, "text/html")], "<html>error code: 1015</html>").into_response()
    } else {
        (status, axum::Json(&refusal.body)).into_response()
    };
    tell(&mut response, headers);
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    if let Some(scope) = refusal.scope {
        set("x-ratelimit-scope", scope);
        if scope == "global" {
            set("x-ratelimit-global", "true");
        } else {
            set("x-ratelimit-limit", &limits::BUCKET.to_string());
        }
    }
    if let Some(seconds) = refusal.retry_after {
        // Whole seconds for everybody, and as exact as the body has it for who reads further.
        set("retry-after", &seconds.ceil().to_string());
        set("x-ratelimit-reset-after", &format!("{seconds:.3}"));
    }
    response
}

fn tell(response: &mut Response, headers: Option<&Headers>) {
    let Some(told) = headers else { return };
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    };
    set("x-ratelimit-limit", limits::BUCKET.to_string());
    set("x-ratelimit-remaining", told.remaining.to_string());
    set("x-ratelimit-reset-after", format!("{:.3}", told.reset_after));
    set("x-ratelimit-bucket", told.bucket.replace([' ', '/'], "-"));
}
