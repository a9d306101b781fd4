//! Providers' webhooks: verified over the raw bytes, committed, acknowledged. What they mean is a job's business.
//!
//! An account has an address of its own, and an app has one for all its accounts. Events of accounts that nobody connected are
//! kept as nobody's and acknowledged, too: a provider that is refused them stops delivering everybody else's.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use channel::{Login, Method, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse};
use model::{AccountId, ChannelAppId};
use queue::Push;
use store::NewInboundEvent;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Kind, Problem};
use crate::{Front, body, connect};

/// A request as it arrived.
struct Arrived {
    method: Method,
    headers: Vec<(String, String)>,
    query: String,
    body: Bytes,
}

impl Arrived {
    async fn read(front: &Front, method: Method, request: Request) -> Result<Self, Problem> {
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let query = request.uri().query().unwrap_or_default().to_owned();
        Ok(Self { method, headers, query, body: body::bytes(request, front).await? })
    }

    fn request(&self) -> WebhookRequest<'_> {
        WebhookRequest { method: self.method, headers: &self.headers, query: &self.query, body: &self.body }
    }
}

/// Counts what a channel made of a webhook, and turns it away if it is not the provider's.
fn judged(
    channel: &'static str,
    received: Result<WebhookResponse, WebhookError>,
) -> Result<WebhookResponse, Problem> {
    let outcome = match &received {
        Ok(_) => "accepted",
        Err(WebhookError::Signature) => "signature",
        Err(WebhookError::Malformed(_)) => "malformed",
    };
    metrics::counter!("rookery_webhooks_total", "channel" => channel, "outcome" => outcome).increment(1);
    received.map_err(|error| match error {
        WebhookError::Signature => Problem::new(Kind::Unauthorized).because(error.to_string()),
        WebhookError::Malformed(_) => Problem::new(Kind::Malformed).because(error.to_string()),
    })
}

/// What the provider reads.
fn answer(response: WebhookResponse) -> Response {
    match response.answer {
        Some(answer) => ([(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response(),
        None => String::new().into_response(),
    }
}

fn kept(event: &WebhookEvent) -> NewInboundEvent {
    NewInboundEvent { dedupe_key: event.dedupe_key.clone(), payload: event.payload.clone() }
}

fn count_events(channel: &'static str, new: usize, unrouted: usize) {
    metrics::counter!("rookery_inbound_events_total", "channel" => channel).increment(new as u64);
    if unrouted > 0 {
        metrics::counter!("rookery_inbound_events_unrouted_total", "channel" => channel)
            .increment(unrouted as u64);
    }
}

/// A webhook of one account.
async fn for_account(
    front: &Front,
    channel: &str,
    account: &str,
    method: Method,
    request: Request,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("webhook");
    let id: AccountId = account.parse().map_err(|_| unknown())?;
    let channel = front.channels.get(channel).ok_or_else(unknown)?;
    let (account, credentials) = front.store.login(id).await?.ok_or_else(unknown)?;
    if account.channel != channel.name() {
        return Err(unknown());
    }
    let login = Login { account, credentials: connect::bag(&credentials) };
    let arrived = Arrived::read(front, method, request).await?;
    let response = judged(channel.name(), channel.receive(&login, &arrived.request()))?;
    // A provider may tell of all accounts of an app wherever it was pointed to: others' are not this one's.
    let is_own = |event: &&WebhookEvent| match (&event.account, &login.account.external_id) {
        (Some(meant), Some(own)) => meant == own,
        _ => true,
    };
    let (own, others): (Vec<_>, Vec<_>) = response.events.iter().partition(is_own);
    let taken = |events: Vec<&WebhookEvent>| events.into_iter().map(kept).collect::<Vec<_>>();
    let (own, others) = (taken(own), taken(others));
    if !others.is_empty() {
        let unrouted = front.store.record_inbound(None, channel.name(), &others).await?;
        count_events(channel.name(), 0, unrouted);
    }
    if !own.is_empty() {
        let new = front.store.record_inbound(Some(id), channel.name(), &own).await?;
        count_events(channel.name(), new, 0);
        if new > 0 {
            front.push(vec![Push::ingest_events(id).routed(front.pin(id).await)]).await;
        }
    }
    Ok(answer(response))
}

/// A webhook of all accounts of an app.
async fn for_app(
    front: &Front,
    channel: &str,
    app: &str,
    method: Method,
    request: Request,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("webhook");
    let id: ChannelAppId = app.parse().map_err(|_| unknown())?;
    let channel = front.channels.get(channel).ok_or_else(unknown)?;
    let apps = channel.apps().ok_or_else(unknown)?;
    let (app, secrets) = front.store.channel_app_secrets(id).await?.ok_or_else(unknown)?;
    if app.provider != apps.provider() {
        return Err(unknown());
    }
    let arrived = Arrived::read(front, method, request).await?;
    let response = judged(channel.name(), apps.receive(&connect::bag(&secrets), &arrived.request()))?;
    let events: Vec<_> = response.events.iter().map(|event| (event.account.clone(), kept(event))).collect();
    if !events.is_empty() {
        let delivered = front.store.record_for_app(id, channel.name(), &events).await?;
        count_events(channel.name(), delivered.new.values().sum(), delivered.unrouted);
        let mut pushes = Vec::with_capacity(delivered.new.len());
        for account in delivered.new.into_keys() {
            pushes.push(Push::ingest_events(account).routed(front.pin(account).await));
        }
        if !pushes.is_empty() {
            front.push(pushes).await;
        }
    }
    Ok(answer(response))
}

/// Takes a provider's webhook for one account.
#[utoipa::path(post, path = "/webhooks/{channel}/{account_id}", tag = "webhooks",
    params(("channel" = String, Path), ("account_id" = Uuid, Path)),
    request_body(content = String, description = "The provider's own form", content_type = "*/*"),
    responses(
        (status = 200, description = "Committed; what the provider wants to read", body = serde_json::Value, content_type = "*/*"),
        (status = 400, description = "Not in the provider's form", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 401, description = "The signature is missing or wrong", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn receive_webhook(
    State(front): State<Front>,
    Path((channel, account)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    for_account(&front, &channel, &account, Method::Post, request).await
}

/// Answers a provider that asks whether this is the right place for an account's events.
#[utoipa::path(get, path = "/webhooks/{channel}/{account_id}", tag = "webhooks",
    params(("channel" = String, Path), ("account_id" = Uuid, Path)),
    responses(
        (status = 200, description = "It is; what the provider wants to read", body = serde_json::Value, content_type = "*/*"),
        (status = 400, description = "Not in the provider's form", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 401, description = "The token is wrong", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn answer_webhook(
    State(front): State<Front>,
    Path((channel, account)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    for_account(&front, &channel, &account, Method::Get, request).await
}

/// Takes a provider's webhook for all accounts of an app.
#[utoipa::path(post, path = "/webhooks/{channel}/app/{app_id}", tag = "webhooks",
    params(("channel" = String, Path), ("app_id" = Uuid, Path)),
    request_body(content = String, description = "The provider's own form", content_type = "*/*"),
    responses(
        (status = 200, description = "Committed; what the provider wants to read", body = serde_json::Value, content_type = "*/*"),
        (status = 400, description = "Not in the provider's form", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 401, description = "The signature is missing or wrong", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn receive_app_webhook(
    State(front): State<Front>,
    Path((channel, app)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    for_app(&front, &channel, &app, Method::Post, request).await
}

/// Answers a provider that asks whether this is the right place for the events of an app's accounts.
#[utoipa::path(get, path = "/webhooks/{channel}/app/{app_id}", tag = "webhooks",
    params(("channel" = String, Path), ("app_id" = Uuid, Path)),
    responses(
        (status = 200, description = "It is; what the provider wants to read", body = serde_json::Value, content_type = "*/*"),
        (status = 400, description = "Not in the provider's form", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 401, description = "The token is wrong", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn answer_app_webhook(
    State(front): State<Front>,
    Path((channel, app)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    for_app(&front, &channel, &app, Method::Get, request).await
}

/// The routes of this file.
pub(crate) fn router(body_limit: usize) -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(receive_webhook, answer_webhook))
        .routes(routes!(receive_app_webhook, answer_app_webhook))
        .layer(DefaultBodyLimit::max(body_limit))
}
