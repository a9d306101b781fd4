//! Messages: send, list, show.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{AccountId, ContactId, ConversationId, Message, MessageId, Status};
use serde::Deserialize;
use serde_json::json;
use store::{Accepted, Idempotency, MessageFilter, Page};
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
use crate::waiting::with_wait;

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
    let composed = front.compose(&caller, &mut Senders::default(), body, compose::connection(&headers)).await;
    let new = match composed {
        Ok(new) => new,
        Err(problem) => return front.accepted_before(&caller, idempotency.as_ref()).await.ok_or(problem),
    };
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

/// Lists messages, newest first. What is queued says why, and when it is expected to leave.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(Which),
    responses((status = 200, description = "Messages", body = Listing<schema::WaitingMessage>)))]
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
    front.messages_answer(&caller, page).await
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
    Ok(axum::Json(with_wait(&message, &waiting)).into_response())
}

impl Front {
    /// What an equal request was answered, when this one cannot be accepted any more: its template may be gone since.
    async fn accepted_before(&self, caller: &Caller, key: Option<&Idempotency>) -> Option<Response> {
        match self.store.answered_before::<Message>(caller.workspace, key?).await {
            Ok(Some(Accepted::Before { status, answer })) => Some(replay(status, answer)),
            _ => None,
        }
    }

    /// The messages of a page that the caller sees, each with what it waits for.
    pub(crate) async fn messages_answer(
        &self,
        caller: &Caller,
        page: Page<Message>,
    ) -> Result<Response, Problem> {
        let seen: Vec<_> = page.data.into_iter().filter(|message| caller.sees(message.account_id)).collect();
        let data = self.with_waits(&seen).await?;
        Ok(axum::Json(Listing { data, next_cursor: page.next_cursor }).into_response())
    }

    /// A message that the caller sees.
    pub(crate) async fn seen_message(&self, caller: &Caller, id: MessageId) -> Result<Message, Problem> {
        let message = self.store.message(caller.workspace, id).await?;
        caller.must_see(message.account_id, "message")?;
        Ok(message)
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(send_message, list_messages)).routes(routes!(get_message))
}
