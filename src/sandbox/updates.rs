//! `GET /v1/updates`: events for those who ask instead of being told.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::http::Token;
use crate::wire::Refusal;
use crate::world::World;

/// Most events of one answer.
const PAGE: usize = 100;
/// The longest wait, ms.
const LONGEST: u64 = 50_000;

#[derive(Deserialize)]
pub(crate) struct Poll {
    /// What the last answer gave: events up to there were received and are forgotten.
    cursor: Option<u64>,
    /// How long to wait for an event.
    wait_ms: Option<u64>,
}

pub(crate) async fn poll(
    State(world): State<Arc<World>>,
    Token(token): Token,
    Query(Poll { cursor, wait_ms }): Query<Poll>,
) -> Result<Response, Refusal> {
    let wait = Duration::from_millis(wait_ms.unwrap_or(25_000).min(LONGEST));
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        let news = world.lock().account(&token, &world.config)?.news.clone();
        let news = news.notified();
        let mut news = std::pin::pin!(news);
        // Listening begins before looking, so that nothing falls between.
        news.as_mut().enable();
        if let Some(page) = page(&world, &token, cursor)? {
            return Ok(page);
        }
        let waited = async {
            tokio::select! {
                () = news => false,
                () = world.stopped.cancelled() => true,
                () = tokio::time::sleep_until(deadline) => true,
            }
        };
        if waited.await {
            return Ok(answer(&[], cursor.unwrap_or(0)));
        }
    }
}

fn page(world: &World, token: &str, cursor: Option<u64>) -> Result<Option<Response>, Refusal> {
    let mut state = world.lock();
    let account = state.account(token, &world.config)?;
    if account.settings.webhook.is_some() {
        return Err(Refusal::new(409, "webhook_set", "events go to the webhook; take it away to poll"));
    }
    if let Some(cursor) = cursor {
        account.updates.retain(|event| event.n > cursor);
    }
    let page: Vec<_> = account.updates.iter().take(PAGE).collect();
    let Some(last) = page.last().map(|event| event.n) else {
        return Ok(None);
    };
    let events: Vec<&str> = page.iter().map(|event| event.json.as_str()).collect();
    Ok(Some(answer(&events, last)))
}

fn answer(events: &[&str], cursor: u64) -> Response {
    let body = format!(r#"{{"events":[{}],"cursor":"{cursor}"}}"#, events.join(","));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
