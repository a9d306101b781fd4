//! Telling accounts what happened: when its time has come, in order, signed, again until it is taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use serde_json::json;
use sha2::Sha256;

use crate::account::Webhook;
use crate::event::{Due, Event, Planned};
use crate::send::message_id;
use crate::world::World;

/// Events in one webhook call.
const BATCH: usize = 100;
/// How often a batch is tried, and the pauses between: 100 ms, doubling up to 2 s: two minutes, in which a
/// receiver can be started again.
const TRIES: u32 = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets planned events happen, until the sandbox stops.
pub(crate) async fn run_timeline(world: Arc<World>) {
    loop {
        let (due, next) = world.timeline.due(world.clock.micros());
        for due in due {
            happen(&world, due);
        }
        let until_next = async {
            match next {
                Some(at) => {
                    let wait = at.saturating_sub(world.clock.micros());
                    tokio::time::sleep(Duration::from_micros(wait)).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = world.stopped.cancelled() => return,
            () = world.timeline.earlier.notified() => {}
            () = until_next => {}
        }
    }
}

fn happen(world: &Arc<World>, due: Due) {
    let mut state = world.lock();
    let event = match due.body {
        Planned::Receipt { chat, message_id, status } => {
            state.event("receipt", json!({"chat": chat, "message_id": message_id, "status": status}))
        }
        Planned::Reply { chat, thread, message_id: answered, text } => {
            let id = message_id(state.next_id());
            if let Some(account) = state.accounts.get_mut(&due.token) {
                account.hears(world.keys.key(&[&chat]), world.clock.micros());
            }
            state.event(
                "message",
                json!({
                    "chat": chat,
                    "thread": thread,
                    "from": {"id": chat},
                    "message_id": id,
                    "reply_to": answered,
                    "content": {"type": "text", "text": text},
                }),
            )
        }
    };
    drop(state);
    tell(world, &due.token, event);
}

/// Hands an event to whoever listens to the account.
pub(crate) fn tell(world: &Arc<World>, token: &str, mut event: Event) {
    let mut state = world.lock();
    // Numbers rise in the order of this line, whoever made the event first: what is confirmed is all that was before.
    event.n = state.next_id();
    let Some(account) = state.accounts.get_mut(token) else {
        return;
    };
    if account.take_event(event, world.config.event_cap) {
        deliver(world, token);
    }
}

/// Starts to empty an account's outbox. Only for whoever was told to by the account: one at a time, so that order
/// is kept.
pub(crate) fn deliver(world: &Arc<World>, token: &str) {
    tokio::spawn(empty_outbox(Arc::clone(world), token.to_owned()));
}

async fn empty_outbox(world: Arc<World>, token: String) {
    loop {
        let (body, count, repeat) = {
            let mut state = world.lock();
            let Some(account) = state.accounts.get_mut(&token) else {
                return;
            };
            let count = account.outbox.len().min(BATCH);
            if count == 0 || account.settings.webhook.is_none() {
                account.delivering = false;
                return;
            }
            let events: Vec<String> = account.outbox.drain(..count).map(|event| event.json).collect();
            (format!(r#"{{"events":[{}]}}"#, events.join(",")), count as u64, account.settings.webhook_repeat)
        };
        let body = Bytes::from(body);
        let mut done = false;
        for _ in 0..repeat.max(1) {
            done = insist(&world, &token, &body).await;
        }
        let mut state = world.lock();
        let Some(account) = state.accounts.get_mut(&token) else {
            return;
        };
        if done {
            account.counts.webhook_events += count;
        } else {
            account.counts.events_lost += count;
        }
    }
}

/// Tries until the receiver takes `body`; false if it never does.
async fn insist(world: &World, token: &str, body: &Bytes) -> bool {
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES {
        // Looked up each time: connecting again may have moved the webhook.
        let webhook = world.lock().accounts.get(token).and_then(|account| account.settings.webhook.clone());
        let Some(webhook) = webhook else { return false };
        if post(world, &webhook, body).await {
            return true;
        }
        if let Some(account) = world.lock().accounts.get_mut(token) {
            account.counts.webhook_failures += 1;
        }
        tokio::select! {
            () = world.stopped.cancelled() => return false,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    tracing::warn!("a webhook took nothing; its events are dropped");
    false
}

async fn post(world: &World, webhook: &Webhook, body: &Bytes) -> bool {
    let request = Request::post(&webhook.url)
        .header(CONTENT_TYPE, "application/json")
        .header("x-sandbox-signature", signature(&webhook.secret, body))
        .body(Full::new(body.clone()));
    let Ok(request) = request else { return false };
    let answer = tokio::time::timeout(PATIENCE, world.webhooks.request(request)).await;
    matches!(answer, Ok(Ok(answer)) if answer.status().is_success())
}

/// What `X-Sandbox-Signature` says of `body`.
///
/// # Panics
/// Never: HMAC takes keys of any length.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
