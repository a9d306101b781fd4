//! What is done to a message after it was sent: react to it, edit it, take it back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use channel::{Capabilities, Channel};
use model::{Change, Message, MessageId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Created, Idempotency, NewAction};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::body::Id;
use crate::compose::connection;
use crate::idempotency::Keyed;
use crate::problem::{Kind, Problem};
use crate::{content, schema};

/// Longest emoji: families and flags are made of several characters.
const EMOJI_MAX: usize = 32;

/// Our reaction to a message.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct React {
    /// The emoji; null takes the reaction back.
    emoji: Option<String>,
}

/// What a message shall say instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditMessage {
    /// All of it.
    #[schema(value_type = schema::Content)]
    content: Value,
}

/// Sets our reaction to a message, of either side, or takes it back.
#[utoipa::path(put, path = "/v1/messages/{id}/reaction", tag = "messages", request_body = React,
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request."),
        ("X-Socket-Id" = Option<String>, Header, description = "The realtime connection that shall not hear of it."),
    ),
    responses((status = 202, description = "Accepted", body = schema::Action)))]
async fn react(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
    headers: HeaderMap,
    request: Keyed<React>,
) -> Result<Response, Problem> {
    let (message, _) = front.acted_upon(&caller, id, "reactions", |can| can.reactions).await?;
    let Keyed { body, idempotency } = request;
    let fits = |emoji: &String| (1..=EMOJI_MAX).contains(&emoji.chars().count()) && !emoji.trim().is_empty();
    if !body.emoji.as_ref().is_none_or(fits) {
        return Err(Problem::field("emoji", "invalid", format!("1 to {EMOJI_MAX} characters, or null")));
    }
    front.accept_action(&caller, &message, Change::Reaction(body.emoji), &headers, idempotency).await
}

/// Replaces what one of the account's own messages says. One that has not left yet leaves with the new content.
#[utoipa::path(patch, path = "/v1/messages/{id}", tag = "messages", request_body = EditMessage,
    params(
        ("id" = Uuid, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request."),
        ("X-Socket-Id" = Option<String>, Header, description = "The realtime connection that shall not hear of it."),
    ),
    responses((status = 202, description = "Accepted", body = schema::Action)))]
async fn edit_message(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
    headers: HeaderMap,
    request: Keyed<EditMessage>,
) -> Result<Response, Problem> {
    let (message, channel) = front.acted_upon(&caller, id, "edits", |can| can.edits).await?;
    let Keyed { body, idempotency } = request;
    let mut said = content::parse("content", &body.content)?;
    front.check_media(&caller, channel.as_ref(), &mut said).await?;
    channel.check(&said)?;
    front.accept_action(&caller, &message, Change::Edit(said), &headers, idempotency).await
}

/// Takes one of the account's own messages back for everyone. One that has not left yet is canceled.
#[utoipa::path(delete, path = "/v1/messages/{id}", tag = "messages",
    params(
        ("id" = Uuid, Path),
        ("X-Socket-Id" = Option<String>, Header, description = "The realtime connection that shall not hear of it."),
    ),
    responses(
        (status = 202, description = "Accepted", body = schema::Action),
        (status = 409, description = "Its state does not allow that", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn delete_message(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (message, _) = front.acted_upon(&caller, id, "deletions", |can| can.deletes).await?;
    front.accept_action(&caller, &message, Change::Delete, &headers, None).await
}

impl Front {
    /// A message that the caller may act upon, and its channel, which must be able to do it.
    async fn acted_upon(
        &self,
        caller: &Caller,
        id: MessageId,
        what: &str,
        can: impl Fn(&Capabilities) -> bool,
    ) -> Result<(Message, Arc<dyn Channel>), Problem> {
        caller.needs(Scope::MessagesWrite)?;
        let message = self.seen_message(caller, id).await?;
        let account = self.store.account(caller.workspace, message.account_id).await?;
        let channel = self.channels.get(&account.channel).ok_or_else(|| {
            Problem::new(Kind::Conflict).because("its channel is switched off in this installation")
        })?;
        if !can(channel.capabilities()) {
            return Err(Problem::field("id", "unsupported", format!("this channel has no {what}")));
        }
        Ok((message, Arc::clone(channel)))
    }

    async fn accept_action(
        &self,
        caller: &Caller,
        message: &Message,
        change: Change,
        headers: &HeaderMap,
        idempotency: Option<Idempotency>,
    ) -> Result<Response, Problem> {
        let new = NewAction {
            message_id: message.id,
            change,
            actor: caller.actor(),
            connection: connection(headers),
        };
        let accepted = self
            .store
            .accept_action(caller.workspace, &new, idempotency.as_ref(), |action| json!(action))
            .await?;
        match accepted {
            Created::New(action) => {
                if matches!(new.change, Change::Edit(_)) {
                    // One that waits because so many others say the same may say something else now.
                    self.look_again_at(std::slice::from_ref(message)).await;
                }
                if let Some(push) = self.pending(action.id.into()).await? {
                    self.push(vec![push]).await;
                }
                self.relay(caller.workspace).await;
                Ok((StatusCode::ACCEPTED, axum::Json(action)).into_response())
            }
            Created::Before { status, answer } => Ok(replay(status, answer)),
        }
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(edit_message, delete_message)).routes(routes!(react))
}
