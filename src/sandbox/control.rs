//! `/control`: how a harness tells the sandbox what to count and lets contacts write, and reads what it saw.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use axum::routing::{get, post, put};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::Webhook;
use crate::deliver::{deliver, signature, tell};
use crate::http::body;
use crate::limits::Limit;
use crate::report::{Call, Report};
use crate::send::message_id;
use crate::session_control;
use crate::watch::Watches;
use crate::wire::Refusal;
use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/control/accounts/{token}", put(put_account))
        .route("/control/apps/{name}", put(put_app))
        .route("/control/inbound", post(post_inbound))
        .route("/control/record", get(record))
        .route("/control/report", get(report))
        .route("/control/reset", post(reset))
        .merge(session_control::routes())
}

/// What to set for an account; what is left out stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// What `verify` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The limits to count by; counting starts anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<Limit>>,
    /// The app that it belongs to, whose limits bind it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// For how long after a contact wrote what is sent to it is a reply, ms; a day unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_window_ms: Option<u64>,
    /// Whether each message is answered with `echo: …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<bool>,
    /// Whether a repeated client id is answered with the first message's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<bool>,
    /// From taking a message to its delivered receipt, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_ms: Option<u64>,
    /// From there to its read receipt, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_ms: Option<u64>,
    /// From there to the reply, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_ms: Option<u64>,
    /// How often each webhook is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_repeat: Option<u32>,
    /// Where events go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
}

/// Where events go.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Plain HTTP. None takes the webhook away.
    pub url: Option<String>,
    /// The key to sign with; one is made if it is left out.
    #[serde(default)]
    pub secret: Option<String>,
}

/// Something that a contact does. JSON: `{token, chat, from?, type?, …}`; all other fields go into the event as
/// they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InboundEvent {
    /// The account's token.
    pub token: String,
    /// The chat.
    pub chat: String,
    /// Who does it: an id, or `{id, name, phone}`. The chat itself unless said.
    #[serde(default)]
    pub from: Option<Value>,
    /// `message` unless said; whatever is not known is told all the same.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// `content` of a message, `message_id` of what it is about, `emoji`, `chat_kind`, …
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

async fn put_account(
    State(world): State<Arc<World>>,
    Path(token): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    let id = set_account(&world, &token, body(&bytes)?)?;
    Ok(Json(json!({ "id": id })))
}

/// Registers the account of `token` if it is new, and sets what is said. Answers its id.
pub(crate) fn set_account(world: &Arc<World>, token: &str, to: AccountSettings) -> Result<String, Refusal> {
    if !token.starts_with("sandbox-") {
        return Err(Refusal::new(400, "invalid_token", "a token begins with sandbox-"));
    }
    let limits = to.limits.map(|limits| Watches::new(&limits, world.clock)).transpose()?;
    let id = {
        let mut state = world.lock();
        let account = state.register(token, &world.config);
        if let Some(name) = to.name {
            account.name = name;
        }
        if let Some(limits) = limits {
            account.limits = limits;
        }
        let settings = &mut account.settings;
        settings.app = to.app.or_else(|| settings.app.take());
        settings.reply_window_ms = to.reply_window_ms.unwrap_or(settings.reply_window_ms);
        settings.reply = to.reply.unwrap_or(settings.reply);
        settings.dedupe = to.dedupe.unwrap_or(settings.dedupe);
        settings.delivered_ms = to.delivered_ms.unwrap_or(settings.delivered_ms);
        settings.read_ms = to.read_ms.unwrap_or(settings.read_ms);
        settings.reply_ms = to.reply_ms.unwrap_or(settings.reply_ms);
        settings.webhook_repeat = to.webhook_repeat.unwrap_or(settings.webhook_repeat);
        world.save(token, account);
        account.id.clone()
    };
    if let Some(webhook) = to.webhook {
        set_webhook(world, token, webhook.url, webhook.secret)?;
    }
    Ok(id)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppSettings {
    /// The limits to count by; counting starts anew.
    limits: Vec<Limit>,
}

async fn put_app(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    bytes: Bytes,
) -> Result<Json<Value>, Refusal> {
    let AppSettings { limits } = body(&bytes)?;
    set_app(&world, name, &limits)?;
    Ok(Json(json!({})))
}

/// Sets the limits that all accounts of an app share.
pub(crate) fn set_app(world: &World, name: String, limits: &[Limit]) -> Result<(), Refusal> {
    let watches = Watches::new(limits, world.clock)?;
    world.lock().apps.insert(name, watches);
    Ok(())
}

/// Sets where events go and answers the key that they are signed with: the one given, or one that follows from
/// the token, so that connecting again changes nothing. Events that wait go the new way.
pub(crate) fn set_webhook(
    world: &Arc<World>,
    token: &str,
    url: Option<String>,
    secret: Option<String>,
) -> Result<Option<String>, Refusal> {
    let mut state = world.lock();
    let account = state.account(token, &world.config)?;
    account.settings.webhook = url.map(|url| Webhook {
        url,
        secret: secret.unwrap_or_else(|| signature(token, b"webhook secret").replace("sha256=", "whs_")),
    });
    let secret = account.settings.webhook.as_ref().map(|webhook| webhook.secret.clone());
    let starts = account.turn_events();
    if starts {
        deliver(world, token);
    }
    world.save(token, account);
    Ok(secret)
}

async fn post_inbound(State(world): State<Arc<World>>, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let (event, message) = inbound(&world, body(&bytes)?)?;
    Ok(Json(json!({"event_id": event, "message_id": message})))
}

/// Lets a contact do something. Answers the event's id and, for a message, the message's.
pub(crate) fn inbound(world: &Arc<World>, event: InboundEvent) -> Result<(String, Option<String>), Refusal> {
    let InboundEvent { token, chat, from, kind, mut fields } = event;
    let kind = kind.unwrap_or_else(|| "message".to_owned());
    let mut state = world.lock();
    state.account(&token, &world.config)?;
    let from = match from {
        None => json!({"id": chat}),
        Some(Value::String(id)) => json!({"id": id}),
        Some(party) => party,
    };
    fields.insert("chat".to_owned(), chat.as_str().into());
    fields.insert("from".to_owned(), from);
    let mut message = None;
    if kind == "message" {
        let now = world.clock.micros();
        state.account(&token, &world.config)?.hears(world.keys.key(&[&chat]), now);
        let fresh = state.next_id();
        let id = fields.entry("message_id").or_insert_with(|| message_id(fresh).into());
        message = id.as_str().map(str::to_owned);
    }
    let event = state.event(&kind, Value::Object(fields));
    drop(state);
    let id = format!("ev{}", event.n);
    tell(world, &token, event);
    Ok((id, message))
}

#[derive(Deserialize)]
struct RecordQuery {
    account: Option<String>,
    after: Option<u64>,
    limit: Option<usize>,
}

async fn record(State(world): State<Arc<World>>, Query(query): Query<RecordQuery>) -> Json<Vec<Call>> {
    let limit = query.limit.unwrap_or(1_000);
    Json(world.calls(query.account.as_deref(), query.after.unwrap_or(0), limit))
}

async fn report(State(world): State<Arc<World>>) -> Json<Report> {
    Json(world.report())
}

async fn reset(State(world): State<Arc<World>>) -> Json<Value> {
    world.reset();
    Json(json!({}))
}
