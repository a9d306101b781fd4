//! The provider's HTTP API, and the server that can close a connection without an answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, patch, post, put};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::actions::{self, act};
use crate::judge::End;
use crate::send::send;
use crate::wire::{self, Refusal};
use crate::world::{Stored, World};
use crate::{control, session_socket, updates};

/// The largest upload, in bytes.
const LARGEST_FILE: usize = 64 * 1024 * 1024;

pub(crate) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/accounts/verify", post(verify))
        .route("/v1/webhook", post(set_webhook))
        .route("/v1/messages", post(send_message))
        .route("/v1/messages/{id}", patch(edit).delete(delete))
        .route("/v1/messages/{id}/reaction", put(react))
        .route("/v1/typing", post(typing))
        .route("/v1/read", post(read))
        .route("/v1/updates", get(updates::poll))
        .route("/v1/session", get(session_socket::connect))
        .route("/v1/files", post(upload))
        .route("/v1/files/{id}", get(download))
        .merge(control::routes())
        .layer(DefaultBodyLimit::max(LARGEST_FILE))
        .with_state(world)
}

/// Marks an answer that must not go out: the connection is closed instead.
#[derive(Clone, Copy)]
struct Unanswered;

/// Serves connections until the sandbox stops, then lets open calls end.
pub(crate) async fn serve(world: Arc<World>, listener: TcpListener) {
    let router = router(Arc::clone(&world));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = world.stopped.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(Arc::clone(&world), router.clone(), stream));
            }
            // Out of file descriptors, most likely: others have to end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    drop(listener);
    connections.close();
    // Slow answers and long polls are not waited for.
    let _ = tokio::time::timeout(Duration::from_secs(1), connections.wait()).await;
}

async fn connection(world: Arc<World>, router: Router, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = router.call(request);
        async move {
            let answer = answer.await.map_err(io::Error::other)?;
            if answer.extensions().get::<Unanswered>().is_some() {
                return Err(io::Error::other("closed without an answer, as asked for"));
            }
            Ok(answer)
        }
    });
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        _ = connection.as_mut() => {}
        () = world.stopped.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = (status, Json(self.body())).into_response();
        if let Some(ms) = self.wait_ms
            && let Ok(seconds) = ms.div_ceil(1_000).to_string().parse()
        {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        answer
    }
}

impl IntoResponse for End {
    fn into_response(self) -> Response {
        match self {
            Self::Answer(body) => Json(body).into_response(),
            Self::Refuse(refusal) => refusal.into_response(),
            Self::Drop => {
                let mut answer = ().into_response();
                answer.extensions_mut().insert(Unanswered);
                answer
            }
        }
    }
}

/// The token of a caller whose account is known.
pub(crate) struct Token(pub(crate) String);

impl FromRequestParts<Arc<World>> for Token {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, world: &Arc<World>) -> Result<Self, Refusal> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .unwrap_or("")
            .to_owned();
        let mut state = world.lock();
        // A device moves its files by HTTP, and does all else over its session.
        if parts.uri.path().starts_with("/v1/files")
            && let Some(token) = state.desk.token(&token)
        {
            return Ok(Self(token.clone()));
        }
        state.account(&token, &world.config)?;
        Ok(Self(token))
    }
}

/// Reads a JSON body, whatever its content type says.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::new(400, "invalid_request", error.to_string()))
}

async fn verify(State(world): State<Arc<World>>, Token(token): Token) -> Json<Value> {
    let mut state = world.lock();
    let call = actions::call(&world, &state, &token, "verify", "accepted");
    actions::note(&world, &mut state, &token, call);
    let account = state.accounts.get(&token);
    Json(account.map_or(Value::Null, |account| json!({"id": account.id, "name": account.name})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetWebhook {
    /// None takes the webhook away: events then wait for polls.
    url: Option<String>,
}

async fn set_webhook(
    State(world): State<Arc<World>>,
    Token(token): Token,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    let SetWebhook { url } = body(&bytes)?;
    let secret = control::set_webhook(&world, &token, url, None)?;
    let mut state = world.lock();
    let call = actions::call(&world, &state, &token, "webhook", "accepted");
    actions::note(&world, &mut state, &token, call);
    Ok(Json(json!({ "secret": secret })))
}

async fn send_message(
    State(world): State<Arc<World>>,
    Token(token): Token,
    bytes: Bytes,
) -> Result<End, Refusal> {
    let message: wire::Send = body(&bytes)?;
    Ok(send(&world, &token, message).await)
}

async fn edit(
    State(world): State<Arc<World>>,
    Token(token): Token,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    act(&world, &token, "edit", Some(id), body(&bytes)?)?;
    Ok(Json(json!({})))
}

async fn delete(
    State(world): State<Arc<World>>,
    Token(token): Token,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    act(&world, &token, "delete", Some(id), body(&bytes)?)?;
    Ok(Json(json!({})))
}

async fn react(
    State(world): State<Arc<World>>,
    Token(token): Token,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    act(&world, &token, "react", Some(id), body(&bytes)?)?;
    Ok(Json(json!({})))
}

async fn typing(
    State(world): State<Arc<World>>,
    Token(token): Token,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    act(&world, &token, "typing", None, body(&bytes)?)?;
    Ok(Json(json!({})))
}

async fn read(
    State(world): State<Arc<World>>,
    Token(token): Token,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    act(&world, &token, "read", None, body(&bytes)?)?;
    Ok(Json(json!({})))
}

async fn upload(
    State(world): State<Arc<World>>,
    Token(token): Token,
    headers: HeaderMap,
    bytes: Bytes,
) -> Json<Value> {
    let mime = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream")
        .to_owned();
    let size = bytes.len();
    let mut state = world.lock();
    let id = state.store(Stored { bytes, mime }, world.config.file_cap);
    let mut call = actions::call(&world, &state, &token, "upload", "accepted");
    call.id = Some(id.clone());
    actions::note(&world, &mut state, &token, call);
    Json(json!({"id": id, "size": size}))
}

async fn download(
    State(world): State<Arc<World>>,
    Token(token): Token,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let mut state = world.lock();
    let file = state.files.get(&id).cloned();
    let outcome = if file.is_some() { "accepted" } else { "file_not_found" };
    let mut call = actions::call(&world, &state, &token, "download", outcome);
    call.id = Some(id);
    actions::note(&world, &mut state, &token, call);
    let Stored { bytes, mime } =
        file.ok_or_else(|| Refusal::new(404, "file_not_found", "no file has this id"))?;
    Ok(([(header::CONTENT_TYPE, mime)], bytes).into_response())
}
