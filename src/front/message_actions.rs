//! What a person may still change about a message, and what happened to it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use model::{Message, MessageId, Status};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json};
use crate::page::Listing;
use crate::problem::Problem;
use crate::schema;

/// What became of a message of which nobody knows.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolve {
    /// Its answer.
    r#as: Resolution,
}

/// What a person says became of a message.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Resolution {
    /// The contact has it.
    Sent,
    /// The contact does not have it: send it again.
    Resend,
    /// The contact does not have it: give it up.
    Failed,
}

/// Shows what happened to a message: waits, attempts, events, in order of time.
#[utoipa::path(get, path = "/v1/messages/{id}/timeline", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Its timeline", body = Listing<schema::TimelineEntry>)))]
async fn message_timeline(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    front.seen_message(&caller, id).await?;
    let data = front.store.timeline(caller.workspace, id).await?;
    Ok(axum::Json(Listing { data, next_cursor: None }).into_response())
}

/// Withdraws a message that has not left yet.
#[utoipa::path(post, path = "/v1/messages/{id}/cancel", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Canceled", body = schema::Message)))]
async fn cancel_message(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
) -> Result<axum::Json<Message>, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    front.seen_message(&caller, id).await?;
    let message = front.store.cancel_message(caller.workspace, id, &caller.actor()).await?;
    front.relay(caller.workspace).await;
    Ok(axum::Json(message))
}

/// Sends a failed or unknown message again, at its old place.
#[utoipa::path(post, path = "/v1/messages/{id}/retry", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Queued again", body = schema::Message)))]
async fn retry_message(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
) -> Result<axum::Json<Message>, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    front.seen_message(&caller, id).await?;
    retry(&front, &caller, id).await.map(axum::Json)
}

/// Says what became of a message of which nobody knows.
#[utoipa::path(post, path = "/v1/messages/{id}/resolve", tag = "messages", params(("id" = Uuid, Path)),
    request_body = Resolve, responses((status = 200, description = "Resolved", body = schema::Message)))]
async fn resolve_message(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
    Json(body): Json<Resolve>,
) -> Result<axum::Json<Message>, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    let before = front.seen_message(&caller, id).await?;
    let status = match body.r#as {
        Resolution::Sent => Status::Sent,
        Resolution::Failed => Status::Failed,
        Resolution::Resend if before.status == Status::Unknown => {
            return retry(&front, &caller, id).await.map(axum::Json);
        }
        // The store says why not.
        Resolution::Resend => Status::Unknown,
    };
    let message = front.store.resolve_message(caller.workspace, id, status, &caller.actor()).await?;
    front.relay(caller.workspace).await;
    Ok(axum::Json(message))
}

async fn retry(front: &Front, caller: &Caller, id: MessageId) -> Result<Message, Problem> {
    let message = front.store.retry_message(caller.workspace, id, &caller.actor()).await?;
    let channel = front.store.channel_of(message.account_id).await?.unwrap_or_default();
    front.push_message(&message, &channel, front.clock.now()).await;
    Ok(message)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(message_timeline))
        .routes(routes!(cancel_message))
        .routes(routes!(retry_message))
        .routes(routes!(resolve_message))
}
