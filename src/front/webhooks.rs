//! Providers' webhooks: verified over the raw bytes, committed, acknowledged. What they mean is a job's business.

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use channel::{Login, Method, WebhookError, WebhookRequest};
use model::AccountId;
use queue::Push;
use store::NewInboundEvent;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{Kind, Problem};
use crate::{Front, body, connect};

/// Takes a provider's webhook for one account.
#[utoipa::path(post, path = "/webhooks/{channel}/{account_id}", tag = "webhooks",
    params(("channel" = String, Path), ("account_id" = Uuid, Path)),
    request_body(content = String, description = "The provider's own form", content_type = "*/*"),
    responses(
        (status = 200, description = "Committed", body = String, content_type = "text/plain"),
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
    let unknown = || Problem::not_found("webhook");
    let id: AccountId = account.parse().map_err(|_| unknown())?;
    let channel = front.channels.get(&channel).ok_or_else(unknown)?;
    let (account, credentials) = front.store.login(id).await?.ok_or_else(unknown)?;
    if account.channel != channel.name() {
        return Err(unknown());
    }
    let login = Login { account, credentials: connect::bag(&credentials) };
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let bytes = body::bytes(request, &front).await?;
    let received = channel.receive(
        &login,
        &WebhookRequest { method: Method::Post, headers: &headers, query: &query, body: &bytes },
    );
    let outcome = match &received {
        Ok(_) => "accepted",
        Err(WebhookError::Signature) => "signature",
        Err(WebhookError::Malformed(_)) => "malformed",
    };
    metrics::counter!("rookery_webhooks_total", "channel" => channel.name(), "outcome" => outcome)
        .increment(1);
    let response = received.map_err(|error| match error {
        WebhookError::Signature => Problem::new(Kind::Unauthorized).because(error.to_string()),
        WebhookError::Malformed(_) => Problem::new(Kind::Malformed).because(error.to_string()),
    })?;
    let events: Vec<NewInboundEvent> = response
        .events
        .into_iter()
        .map(|event| NewInboundEvent { dedupe_key: event.dedupe_key, payload: event.payload })
        .collect();
    if !events.is_empty() {
        let new = front.store.record_inbound(Some(id), channel.name(), &events).await?;
        metrics::counter!("rookery_inbound_events_total", "channel" => channel.name()).increment(new as u64);
        if new > 0 {
            front.push(vec![Push::ingest_events(id).routed(front.pin(id).await)]).await;
        }
    }
    Ok(match response.answer {
        Some(answer) => ([(header::CONTENT_TYPE, answer.content_type)], answer.body).into_response(),
        None => StatusCode::OK.into_response(),
    })
}

/// The routes of this file.
pub(crate) fn router(body_limit: usize) -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(receive_webhook)).layer(DefaultBodyLimit::max(body_limit))
}
