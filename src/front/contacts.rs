//! Contacts: people and businesses that accounts talk to.

use axum::extract::State;
use axum::response::Response;
use model::{Contact, ContactId, Status};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::{ContactChange, ContactFilter, MessageFilter, Page, PageRequest, Patch};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json, Query, patch};
use crate::page::{self, Listing, Paging};
use crate::problem::{Kind, Problem};
use crate::schema;

/// Longest name and phone number.
const WORD_MAX: usize = 200;
/// Messages to a contact that are asked anew when it changes; those behind them stand in line anyway.
const WAITING: u32 = 200;

/// Which contacts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Part of the name, in any case.
    name: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What shall change about a contact; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeContact {
    /// What it is called.
    name: Option<String>,
    /// In international form.
    phone: Option<String>,
    /// Whatever the workspace wants to remember, all of it.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    /// IANA name of where it lives, for quiet hours; null: not known.
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<String>)]
    timezone: Patch<String>,
    /// Whether it wants no campaigns.
    opted_out: Option<bool>,
}

/// The contact as the caller sees it: known to an account of theirs, with those identities only.
fn seen(caller: &Caller, mut contact: Contact) -> Option<Contact> {
    if caller.key.accounts.is_some() {
        contact.identities.retain(|identity| caller.sees(identity.account_id));
        if contact.identities.is_empty() {
            return None;
        }
    }
    Some(contact)
}

async fn seen_contact(front: &Front, caller: &Caller, id: ContactId) -> Result<Contact, Problem> {
    let contact = front.store.contact(caller.workspace, id).await?;
    seen(caller, contact).ok_or_else(|| Problem::not_found("contact"))
}

impl Front {
    /// Has what waits for a contact asked anew: its hours or its will are others now.
    async fn look_again_at_contact(&self, caller: &Caller, id: ContactId) -> Result<(), Problem> {
        let filter =
            MessageFilter { contact: Some(id), status: Some(Status::Queued), ..MessageFilter::default() };
        let page = PageRequest { cursor: None, limit: WAITING };
        let waiting = self.store.messages(caller.workspace, &filter, page).await?;
        self.look_again_at(&waiting.data).await;
        Ok(())
    }
}

/// Lists contacts, oldest first.
#[utoipa::path(get, path = "/v1/contacts", tag = "contacts", params(Which),
    responses((status = 200, description = "Contacts", body = Listing<schema::Contact>)))]
async fn list_contacts(
    State(front): State<Front>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ContactsRead)?;
    let filter = ContactFilter { name: which.name };
    let request = page::request(which.cursor.as_deref(), which.limit)?;
    let page = front.store.contacts(caller.workspace, &filter, request).await?;
    let data = page.data.into_iter().filter_map(|contact| seen(&caller, contact)).collect();
    Ok(page::answer(Page { data, next_cursor: page.next_cursor }, |_| true))
}

/// Shows a contact.
#[utoipa::path(get, path = "/v1/contacts/{id}", tag = "contacts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The contact", body = schema::Contact)))]
async fn get_contact(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ContactId>,
) -> Result<axum::Json<Contact>, Problem> {
    caller.needs(Scope::ContactsRead)?;
    seen_contact(&front, &caller, id).await.map(axum::Json)
}

/// Lists a contact's messages in all its conversations, newest first.
#[utoipa::path(get, path = "/v1/contacts/{id}/messages", tag = "contacts", params(("id" = Uuid, Path), Paging),
    responses((status = 200, description = "Messages", body = Listing<schema::WaitingMessage>)))]
async fn contact_messages(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ContactId>,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    seen_contact(&front, &caller, id).await?;
    let filter =
        MessageFilter { account: caller.account(None), contact: Some(id), ..MessageFilter::default() };
    let page = front.store.messages(caller.workspace, &filter, paging.request()?).await?;
    front.messages_answer(&caller, page).await
}

/// Changes a contact.
#[utoipa::path(patch, path = "/v1/contacts/{id}", tag = "contacts", params(("id" = Uuid, Path)),
    request_body = ChangeContact,
    responses((status = 200, description = "Changed", body = schema::Contact)))]
async fn change_contact(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ContactId>,
    Json(body): Json<ChangeContact>,
) -> Result<axum::Json<Contact>, Problem> {
    caller.needs(Scope::ContactsWrite)?;
    let mut problem = Problem::new(Kind::Validation);
    for (field, word) in [("name", &body.name), ("phone", &body.phone)] {
        if word.as_ref().is_some_and(|word| word.trim().is_empty() || word.chars().count() > WORD_MAX) {
            problem = problem.and(field, "invalid", format!("1 to {WORD_MAX} characters"));
        }
    }
    if body.timezone.value().is_some_and(|zone| !model::is_timezone(zone)) {
        problem = problem.and("timezone", "invalid", "an IANA name, for example Europe/Berlin");
    }
    problem.or_ok()?;
    seen_contact(&front, &caller, id).await?;
    let change = ContactChange {
        name: body.name,
        phone: body.phone,
        attributes: body.attributes.map(Value::Object),
        timezone: body.timezone,
        opted_out: body.opted_out,
    };
    let moves = change.timezone.is_change() || change.opted_out.is_some();
    let changed = front.store.change_contact(caller.workspace, id, &change, &caller.actor()).await?;
    if moves {
        front.look_again_at_contact(&caller, id).await?;
    }
    seen(&caller, changed).map(axum::Json).ok_or_else(|| Problem::not_found("contact"))
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list_contacts))
        .routes(routes!(get_contact, change_contact))
        .routes(routes!(contact_messages))
}
