//! Events as they happen: server-sent events, numbered, so that a reader who comes back misses nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::sse;
use axum::response::{IntoResponse, Response, Sse};
use events::Listener;
use model::Event;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope, bearer};
use crate::body::Query;
use crate::compose;
use crate::problem::Problem;
use crate::schema;

/// A hint may get lost: rows are looked at in any case after this.
const LOOK: Duration = Duration::from_secs(5);
/// A comment tells proxies and readers that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Rows read at once.
const BATCH: u32 = 200;
/// How a browser names where it stopped.
const LAST_HEADER: &str = "last-event-id";

/// From where, and without whom.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Begin after this number; `Last-Event-ID` goes before it. Neither: only what happens from now on.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// This realtime connection's own name: what requests with this `X-Socket-Id` did is left out.
    connection: Option<String>,
}

/// The secret that opened the stream: a stream ends when its key does.
struct Secret(String);

impl FromRequestParts<Front> for Secret {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Front) -> Result<Self, Problem> {
        Ok(Self(bearer(parts).unwrap_or_default().to_owned()))
    }
}

struct Reader {
    front: Front,
    caller: Caller,
    secret: Secret,
    connection: Option<String>,
    after: i64,
    listener: Listener,
    closing: watch::Receiver<bool>,
    read: VecDeque<Event>,
}

impl Reader {
    fn shows(&self, event: &Event) -> bool {
        let own = self.connection.is_some() && event.connection == self.connection;
        let seen = match event.account_id {
            Some(account) => self.caller.sees(account),
            None => self.caller.key.accounts.is_none(),
        };
        seen && !own
    }

    /// The next event that the caller may see; none when the stream is over.
    async fn next(mut self) -> Option<(Result<sse::Event, Infallible>, Self)> {
        loop {
            while let Some(event) = self.read.pop_front() {
                self.after = event.seq;
                if self.shows(&event)
                    && let Ok(data) = serde_json::to_string(&event)
                {
                    let message =
                        sse::Event::default().id(event.seq.to_string()).event(event.kind.as_str()).data(data);
                    return Some((Ok(message), self));
                }
            }
            if *self.closing.borrow() {
                return None;
            }
            // Readers come back by themselves, so whatever goes wrong ends the stream.
            self.caller.key = self.front.authenticate(&self.secret.0).await.ok()??;
            self.caller.needs(Scope::MessagesRead).ok()?;
            let rows = self.front.store.events_after(self.caller.workspace, self.after, BATCH).await;
            self.read.extend(rows.ok()?);
            if self.read.is_empty() {
                tokio::select! {
                    () = self.listener.news(self.caller.workspace, LOOK) => {}
                    _ = self.closing.changed() => {}
                }
            }
        }
    }
}

/// Streams events as they happen, as `text/event-stream`: `id` is the event's number, `event` its kind, `data` the
/// event itself.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(Which, ("Last-Event-ID" = Option<i64>, Header, description = "The number of the last event that was seen.")),
    responses((status = 200, description = "Events", body = schema::Event, content_type = "text/event-stream")))]
async fn stream_events(
    State(front): State<Front>,
    caller: Caller,
    headers: HeaderMap,
    secret: Secret,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    // The ear first, then the eye: nothing falls between.
    let listener = front.hints.listen();
    let last = match headers.get(LAST_HEADER) {
        None => None,
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| Problem::field("Last-Event-ID", "invalid", "the `id` of an event"))?,
        ),
    };
    let after = match last.or(which.after) {
        Some(after) => after,
        None => front.store.last_event(caller.workspace).await?,
    };
    let reader = Reader {
        closing: front.closing.subscribe(),
        connection: which.connection.or_else(|| compose::connection(&headers)),
        front,
        caller,
        secret,
        after,
        listener,
        read: VecDeque::new(),
    };
    let stream = futures::stream::unfold(reader, Reader::next);
    Ok(Sse::new(stream).keep_alive(sse::KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(stream_events))
}
