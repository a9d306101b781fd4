//! Messages: send, list, show.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{AccountId, ContactId, ConversationId, MessageId, Status};
use serde::Deserialize;
use serde_json::json;
use store::{Accepted, MessageFilter};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Query};
use crate::compose::{self, SendMessage, Senders};
use crate::idempotency::Keyed;
use crate::page::{self, Listing};
use crate::problem::Problem;
use crate::schema;

/// Accepts a message. It is committed when this answers; it leaves when the account's pace allows.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", request_body = SendMessage,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request."),
        ("X-Socket-Id" = Option<String>, Header, description = "The realtime connection that shall not hear of it."),
    ),
    responses((status = 202, description = "Accepted", body = schema::Message)))]
async fn send_message(
    State(front): State<Front>,
    caller: Caller,
    headers: HeaderMap,
    request: Keyed<SendMessage>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    let Keyed { body, idempotency } = request;
    let new = front.compose(&caller, &mut Senders::default(), body, compose::connection(&headers)).await?;
    let accepted = front
        .store
        .accept_message(caller.workspace, &new, idempotency.as_ref(), |message| json!(message))
        .await?;
    match accepted {
        Accepted::New(message) => {
            metrics::counter!("rookery_messages_accepted_total", "channel" => new.channel.clone())
                .increment(1);
            front.push_message(&message, &new.channel, front.clock.now()).await;
            Ok((StatusCode::ACCEPTED, axum::Json(message)).into_response())
        }
        Accepted::Before { status, answer } => Ok(replay(status, answer)),
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of this account.
    #[param(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// Of this conversation.
    #[param(value_type = Option<Uuid>)]
    conversation_id: Option<ConversationId>,
    /// With this contact.
    #[param(value_type = Option<Uuid>)]
    contact_id: Option<ContactId>,
    /// In this status.
    #[param(value_type = Option<schema::Status>)]
    status: Option<Status>,
    /// With this id of your own.
    client_id: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists messages, newest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(Which),
    responses((status = 200, description = "Messages", body = Listing<schema::Message>)))]
async fn list_messages(
    State(front): State<Front>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let filter = MessageFilter {
        account: caller.account(which.account_id),
        conversation: which.conversation_id,
        contact: which.contact_id,
        status: which.status,
        client_id: which.client_id,
    };
    let request = page::request(which.cursor.as_deref(), which.limit)?;
    let page = front.store.messages(caller.workspace, &filter, request).await?;
    Ok(page::answer(page, |message| caller.sees(message.account_id)))
}

/// Shows a message, and why it is not out yet.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The message", body = schema::WaitingMessage)))]
async fn get_message(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<MessageId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let message = front.seen_message(&caller, id).await?;
    let waiting = front.waiting(&message).await?;
    let mut answer = json!(message);
    answer["waiting"] = json!(waiting.wait);
    answer["expected_at"] = json!(waiting.expected_at);
    Ok(axum::Json(answer).into_response())
}

impl Front {
    /// A message that the caller sees.
    pub(crate) async fn seen_message(
        &self,
        caller: &Caller,
        id: MessageId,
    ) -> Result<model::Message, Problem> {
        let message = self.store.message(caller.workspace, id).await?;
        caller.must_see(message.account_id, "message")?;
        Ok(message)
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(send_message, list_messages)).routes(routes!(get_message))
}
