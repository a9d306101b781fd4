//! Conversations: what people work on.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{AccountId, ContactId, Conversation, ConversationId, ConversationStatus, Job};
use queue::Push;
use serde::Deserialize;
use store::{ConversationFilter, PageRequest};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json, Query};
use crate::page::{self, Listing};
use crate::problem::Problem;
use crate::schema;
use crate::windows::ConversationView;

/// Longest assignee.
const ASSIGNEE_MAX: usize = 200;

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Of this account.
    #[param(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// With this contact.
    #[param(value_type = Option<Uuid>)]
    contact_id: Option<ContactId>,
    /// In this status.
    #[param(value_type = Option<schema::ConversationStatus>)]
    status: Option<ConversationStatus>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Which part of a conversation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Part {
    /// Older than this cursor, newest first.
    before: Option<String>,
    /// Newer than this cursor, oldest first.
    after: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What shall change about a conversation; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeConversation {
    /// Where it stands.
    #[schema(value_type = Option<schema::ConversationStatus>)]
    status: Option<ConversationStatus>,
    /// Who works on it; at most 200 characters.
    assignee: Option<String>,
}

/// Whether somebody types.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Typing {
    /// Whether it is shown.
    on: bool,
}

impl Front {
    /// Has a sign shown to the other side. It has no row: should the queue be away, it is not shown.
    async fn push_sign(&self, sign: Job, conversation: &Conversation) {
        let order = self.clock.now().as_micros() / 1_000;
        let push = Push::sign(sign, conversation.account_id, conversation.id, order);
        let push = push.routed(self.route(conversation.account_id, None).await);
        if let Err(error) = self.lanes.push(vec![push]).await {
            tracing::debug!(%error, "a sign did not reach the queue");
        }
    }

    async fn seen_conversation(&self, caller: &Caller, id: ConversationId) -> Result<Conversation, Problem> {
        let conversation = self.store.conversation(caller.workspace, id).await?;
        caller.must_see(conversation.account_id, "conversation")?;
        Ok(conversation)
    }
}

/// Lists conversations, those with the newest message first.
#[utoipa::path(get, path = "/v1/conversations", tag = "conversations", params(Which),
    responses((status = 200, description = "Conversations", body = Listing<schema::Conversation>)))]
async fn list_conversations(
    State(front): State<Front>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let filter = ConversationFilter {
        account: caller.account(which.account_id),
        status: which.status,
        contact: which.contact_id,
    };
    let request = page::request(which.cursor.as_deref(), which.limit)?;
    let page = front.store.conversations(caller.workspace, &filter, request).await?;
    let seen = page.data.into_iter().filter(|conversation| caller.sees(conversation.account_id)).collect();
    let data = front.conversation_views(&caller, seen).await?;
    Ok(axum::Json(Listing { data, next_cursor: page.next_cursor }).into_response())
}

/// Shows a conversation.
#[utoipa::path(get, path = "/v1/conversations/{id}", tag = "conversations", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The conversation", body = schema::Conversation)))]
async fn get_conversation(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<axum::Json<ConversationView>, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let conversation = front.seen_conversation(&caller, id).await?;
    front.conversation_view(&caller, conversation).await.map(axum::Json)
}

/// Lists a conversation's messages: the newest first and back from `before`, or on from `after`.
#[utoipa::path(get, path = "/v1/conversations/{id}/messages", tag = "conversations",
    params(("id" = Uuid, Path), Part),
    responses((status = 200, description = "Messages", body = Listing<schema::WaitingMessage>)))]
async fn conversation_messages(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    Query(part): Query<Part>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    front.seen_conversation(&caller, id).await?;
    let (field, cursor, rising) = match (part.before, part.after) {
        (Some(_), Some(_)) => {
            return Err(Problem::field("after", "invalid", "give `before` or `after`, not both"));
        }
        (None, Some(after)) => ("after", Some(after), true),
        (before, None) => ("before", before, false),
    };
    let cursor = cursor.map(|text| page::read_cursor(field, &text)).transpose()?;
    let request = PageRequest { cursor, limit: page::limit(part.limit)? };
    let page = front.store.conversation_messages(caller.workspace, id, rising, request).await?;
    front.messages_answer(&caller, page).await
}

/// Changes who works on a conversation and where it stands.
#[utoipa::path(patch, path = "/v1/conversations/{id}", tag = "conversations", params(("id" = Uuid, Path)),
    request_body = ChangeConversation,
    responses((status = 200, description = "Changed", body = schema::Conversation)))]
async fn change_conversation(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    Json(body): Json<ChangeConversation>,
) -> Result<axum::Json<ConversationView>, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    if body.assignee.as_ref().is_some_and(|name| name.chars().count() > ASSIGNEE_MAX) {
        return Err(Problem::field("assignee", "too_long", format!("at most {ASSIGNEE_MAX} characters")));
    }
    front.seen_conversation(&caller, id).await?;
    let changed =
        front.store.change_conversation(caller.workspace, id, body.status, body.assignee.as_deref()).await?;
    front.conversation_view(&caller, changed).await.map(axum::Json)
}

/// Sets a conversation's unread count to zero, and shows the other side that it was read, where its channel can.
#[utoipa::path(post, path = "/v1/conversations/{id}/read", tag = "conversations", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Read")))]
async fn read_conversation(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ConversationId>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    let conversation = front.seen_conversation(&caller, id).await?;
    front.store.mark_read(caller.workspace, id).await?;
    let account = front.store.account(caller.workspace, conversation.account_id).await;
    let channel = account.ok().and_then(|account| front.channels.get(&account.channel));
    if channel.is_some_and(|channel| channel.reader().is_some()) {
        front.push_sign(Job::MarkRead(id), &conversation).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the other side that somebody types, or does not any more. It is shown within five seconds or not at all, and
/// each network takes it back by itself after a while.
#[utoipa::path(post, path = "/v1/conversations/{id}/typing", tag = "conversations", params(("id" = Uuid, Path)),
    request_body = Typing, responses((status = 204, description = "Told")))]
async fn type_in_conversation(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ConversationId>,
    Json(body): Json<Typing>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    let conversation = front.seen_conversation(&caller, id).await?;
    let account = front.store.account(caller.workspace, conversation.account_id).await?;
    let channel = front.channels.get(&account.channel);
    if !channel.is_some_and(|channel| channel.capabilities().typing) {
        return Err(Problem::field("id", "unsupported", "this channel cannot show typing"));
    }
    let sign = if body.on { Job::ShowTyping(id) } else { Job::HideTyping(id) };
    front.push_sign(sign, &conversation).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list_conversations))
        .routes(routes!(get_conversation, change_conversation))
        .routes(routes!(conversation_messages))
        .routes(routes!(read_conversation))
        .routes(routes!(type_in_conversation))
}
