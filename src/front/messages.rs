//! Messages: send, list, show.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use channel::ContentProblem;
use model::{AccountId, ContactId, Content, ConversationId, MessageId, Origin, Purpose, Status, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Accepted, MessageFilter, NewMessage, Recipient, StoreError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Query};
use crate::idempotency::Keyed;
use crate::page::{self, Listing};
use crate::problem::{Kind, Problem};
use crate::{content, schema};

/// The realtime connection that a request comes from.
pub(crate) const CONNECTION_HEADER: &str = "x-socket-id";
/// Longest `client_id`, `thread` and address.
const WORD_MAX: usize = 255;

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessage {
    /// The account to send from.
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    /// Who it is for.
    to: To,
    /// What it says.
    #[schema(value_type = schema::Content)]
    content: Value,
    /// What it is for; `transactional` if not given.
    #[schema(value_type = Option<schema::Purpose>)]
    purpose: Option<Purpose>,
    /// The message it answers; of the same conversation.
    #[schema(value_type = Option<Uuid>)]
    reply_to: Option<MessageId>,
    /// Your own id of it, given back in answers and events; at most 255 characters.
    client_id: Option<String>,
    /// When to send it; at once if not given or past.
    #[schema(value_type = Option<schema::Timestamp>)]
    send_at: Option<Timestamp>,
}

/// Who a message is for: exactly one of `conversation_id`, `contact_id` and `address`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct To {
    /// A conversation of the account.
    #[schema(value_type = Option<Uuid>)]
    conversation_id: Option<ConversationId>,
    /// A contact that the account knows.
    #[schema(value_type = Option<Uuid>)]
    contact_id: Option<ContactId>,
    /// An address at the provider; contact and conversation are made if need be.
    address: Option<String>,
    /// A thread or topic within the chat.
    thread: Option<String>,
}

impl To {
    fn recipient(&self) -> Result<Recipient, Problem> {
        match (self.conversation_id, self.contact_id, &self.address) {
            (Some(id), None, None) => Ok(Recipient::Conversation(id)),
            (None, Some(id), None) => Ok(Recipient::Contact(id)),
            (None, None, Some(address)) => Ok(Recipient::Address(address.trim().to_owned())),
            _ => Err(Problem::field(
                "to",
                "invalid",
                "give exactly one of `conversation_id`, `contact_id` and `address`",
            )),
        }
    }
}

impl SendMessage {
    fn check(&self) -> Result<(), Problem> {
        let mut problem = Problem::new(Kind::Validation);
        for (field, word) in
            [("to.address", &self.to.address), ("to.thread", &self.to.thread), ("client_id", &self.client_id)]
        {
            if word.as_ref().is_some_and(|word| word.trim().is_empty() || word.chars().count() > WORD_MAX) {
                problem = problem.and(field, "invalid", format!("1 to {WORD_MAX} characters"));
            }
        }
        problem.or_ok()
    }
}

impl From<ContentProblem> for Problem {
    fn from(problem: ContentProblem) -> Self {
        Self::field(format!("content.{}", problem.field), problem.code, problem.message)
    }
}

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
    body.check()?;
    let recipient = body.to.recipient()?;
    let mut said: Content = content::parse("content", &body.content)?;
    let unknown = || Problem::field("account_id", "not_found", "there is no such account");
    if !caller.sees(body.account_id) {
        return Err(unknown());
    }
    let account = match front.store.account(caller.workspace, body.account_id).await {
        Err(StoreError::NotFound(_)) => return Err(unknown()),
        account => account?,
    };
    let channel = front.channels.get(&account.channel).ok_or_else(|| {
        Problem::field("account_id", "unsupported", "its channel is switched off in this installation")
    })?;
    channel.check(&said)?;
    front.check_media(&caller, channel.as_ref(), &mut said).await?;
    if body.reply_to.is_some() && !channel.capabilities().replies {
        return Err(Problem::field("reply_to", "unsupported", "this channel has no replies"));
    }
    let new = NewMessage {
        account_id: account.id,
        channel: account.channel,
        recipient,
        content: said,
        purpose: body.purpose.unwrap_or(Purpose::Transactional),
        origin: Origin::Api,
        actor: caller.actor(),
        client_id: body.client_id,
        connection: connection(&headers),
        thread: body.to.thread,
        reply_to: body.reply_to,
        send_at: body.send_at,
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

/// The realtime connection that a request names.
pub(crate) fn connection(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONNECTION_HEADER)?.to_str().ok()?;
    (1..=WORD_MAX).contains(&value.len()).then(|| value.to_owned())
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
