//! Templates: texts with variables and variations that messages are made of.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channel::Channel;
use model::{AccountId, Content, Template, TemplateId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{Created, NewTemplate, TemplateChange};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json, Query};
use crate::compose::Senders;
use crate::idempotency::Keyed;
use crate::page::{Listing, Paging};
use crate::problem::{Kind, Problem};
use crate::{Front, rendering, schema};

/// Longest name.
const NAME_MAX: usize = 200;
/// Samples of a preview.
const SAMPLES: std::ops::RangeInclusive<usize> = 1..=20;
/// Seeds tried for each sample that differs from those before.
const TRIES: u64 = 20;
/// More texts than this are not counted: nobody runs out of them, and every client reads the number as it is.
const MOST_TEXTS: u64 = 1_000_000_000;

/// A template to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateTemplate {
    /// What people call it; unique in the workspace, at most 200 characters.
    name: String,
    /// The text, with `{{ variables }}` and `{variations|alternatives}`.
    text: String,
    /// What is said instead on a channel, by the channel's name.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, required = false)]
    variants: BTreeMap<String, String>,
}

/// What shall change about a template; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeTemplate {
    /// What people call it.
    name: Option<String>,
    /// The text.
    text: Option<String>,
    /// What is said instead, by channel: all of it.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    variants: Option<BTreeMap<String, String>>,
}

/// What to show of a template.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewTemplate {
    /// The account to send from: decides the variant, the length that is admitted, and `account.name`.
    #[schema(value_type = Option<Uuid>)]
    account_id: Option<AccountId>,
    /// Variables, as for a message; `contact` and `account` too, which a message knows by itself.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    variables: Map<String, Value>,
    /// How many samples, 1 to 20; 3 if not given. Fewer come back when there are not as many texts.
    #[schema(minimum = 1, maximum = 20)]
    samples: Option<usize>,
}

/// A template as it is answered.
#[derive(Debug, Serialize)]
struct TemplateView<'a> {
    #[serde(flatten)]
    template: &'a Template,
    variables: BTreeSet<String>,
}

impl<'a> From<&'a Template> for TemplateView<'a> {
    fn from(template: &'a Template) -> Self {
        let texts = std::iter::once(&template.text).chain(template.variants.values());
        let variables = texts.flat_map(|text| templates::check(text).unwrap_or_default()).collect();
        Self { template, variables }
    }
}

/// Refuses what can never be a message.
fn check(
    front: &Front,
    name: Option<&str>,
    text: Option<&str>,
    variants: Option<&BTreeMap<String, String>>,
) -> Result<(), Problem> {
    let mut problem = Problem::new(Kind::Validation);
    if name.is_some_and(|name| name.trim().is_empty() || name.chars().count() > NAME_MAX) {
        problem = problem.and("name", "invalid", format!("1 to {NAME_MAX} characters"));
    }
    let variants = variants.into_iter().flatten();
    for (channel, _) in variants.clone().filter(|(channel, _)| front.channels.get(channel).is_none()) {
        let on: Vec<_> = front.channels.iter().map(|channel| channel.name()).collect();
        let message = format!("there is no such channel; this service speaks {}", on.join(", "));
        problem = problem.and(format!("variants.{channel}"), "unsupported", message);
    }
    let fields = text.map(|text| ("text".to_owned(), text)).into_iter();
    let fields = fields.chain(variants.map(|(channel, text)| (format!("variants.{channel}"), text.as_str())));
    for (field, text) in fields {
        if text.trim().is_empty() {
            problem = problem.and(field, "empty", "a text needs at least one visible character");
        } else if let Err(error) = templates::check(text) {
            problem = problem.and(field, "invalid", error);
        }
    }
    problem.or_ok()
}

/// Templates belong to no account, so a key for some of them may use but not change what all send.
fn may_write(caller: &Caller) -> Result<(), Problem> {
    caller.needs(Scope::MessagesWrite)?;
    if caller.key.accounts.is_some() {
        let why = "a key that is limited to accounts cannot change what all accounts send";
        return Err(Problem::new(Kind::Forbidden).because(why));
    }
    Ok(())
}

/// Makes a template. Its texts are checked: braces, variables, filters.
///
/// `{{ order.id }}` is a variable, which a message must be given; `{{ contact.name | default("there") }}` has a word for when it is
/// not. Filters: `capitalize`, `date("%d.%m.%Y")`, `default`, `first`, `join(", ")`, `last`, `length`, `lower`, `title`, `trim`,
/// `upper`. `{hi|hello|hey {there|friend}}` is one of its alternatives, chosen anew for each message. `{% if … %}` and
/// `{% for … %}` are there, too. `\{`, `\}` and `\|` are the characters themselves.
#[utoipa::path(post, path = "/v1/templates", tag = "templates", request_body = CreateTemplate,
    params(("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request.")),
    responses((status = 201, description = "Made", body = schema::Template)))]
async fn create_template(
    State(front): State<Front>,
    caller: Caller,
    request: Keyed<CreateTemplate>,
) -> Result<Response, Problem> {
    may_write(&caller)?;
    let Keyed { body, idempotency } = request;
    check(&front, Some(&body.name), Some(&body.text), Some(&body.variants))?;
    let new = NewTemplate { name: body.name, text: body.text, variants: body.variants };
    let key = idempotency.as_ref();
    let created = front
        .store
        .create_template(caller.workspace, &new, key, |made| json!(TemplateView::from(made)))
        .await?;
    Ok(match created {
        Created::New(made) => (StatusCode::CREATED, axum::Json(TemplateView::from(&*made))).into_response(),
        Created::Before { status, answer } => replay(status, answer),
    })
}

/// Lists templates, oldest first.
#[utoipa::path(get, path = "/v1/templates", tag = "templates", params(Paging),
    responses((status = 200, description = "Templates", body = Listing<schema::Template>)))]
async fn list_templates(
    State(front): State<Front>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let page = front.store.templates(caller.workspace, paging.request()?).await?;
    let data: Vec<_> = page.data.iter().map(TemplateView::from).collect();
    Ok(axum::Json(Listing { data, next_cursor: page.next_cursor }).into_response())
}

/// Shows a template.
#[utoipa::path(get, path = "/v1/templates/{id}", tag = "templates", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The template", body = schema::Template)))]
async fn get_template(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<TemplateId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let template = front.store.template(caller.workspace, id).await?;
    Ok(axum::Json(TemplateView::from(&template)).into_response())
}

/// Changes a template. Messages that were made of it stay as they are.
#[utoipa::path(patch, path = "/v1/templates/{id}", tag = "templates", params(("id" = Uuid, Path)),
    request_body = ChangeTemplate,
    responses((status = 200, description = "Changed", body = schema::Template)))]
async fn change_template(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<TemplateId>,
    Json(body): Json<ChangeTemplate>,
) -> Result<Response, Problem> {
    may_write(&caller)?;
    check(&front, body.name.as_deref(), body.text.as_deref(), body.variants.as_ref())?;
    let change = TemplateChange { name: body.name, text: body.text, variants: body.variants };
    let template = front.store.change_template(caller.workspace, id, &change).await?;
    Ok(axum::Json(TemplateView::from(&template)).into_response())
}

/// Deletes a template. Messages that were made of it stay.
#[utoipa::path(delete, path = "/v1/templates/{id}", tag = "templates", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Deleted")))]
async fn delete_template(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<TemplateId>,
) -> Result<StatusCode, Problem> {
    may_write(&caller)?;
    front.store.delete_template(caller.workspace, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows what messages of a template would say. Nothing is sent or kept.
#[utoipa::path(post, path = "/v1/templates/{id}/preview", tag = "templates", params(("id" = Uuid, Path)),
    request_body = PreviewTemplate,
    responses((status = 200, description = "Samples", body = schema::TemplatePreview)))]
async fn preview_template(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<TemplateId>,
    Json(body): Json<PreviewTemplate>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesRead)?;
    let wanted = body.samples.unwrap_or(3);
    if !SAMPLES.contains(&wanted) {
        let message = format!("must lie within {} and {}", SAMPLES.start(), SAMPLES.end());
        return Err(Problem::field("samples", "out_of_range", message));
    }
    let template = front.store.template(caller.workspace, id).await?;
    let mut variables = body.variables;
    // As with a message: they are there, though nothing may be known of them.
    for known in ["account", "contact"] {
        rendering::add(&mut variables, known, json!({}));
    }
    let sender = match body.account_id {
        Some(id) => Some(Senders::default().get(&front, &caller, id).await?),
        None => None,
    };
    let text = match &sender {
        Some((account, _)) => {
            rendering::add(&mut variables, "account", json!({"name": account.name}));
            template.text_for(&account.channel)
        }
        None => &template.text,
    };
    let filled = templates::fill(text, &variables).map_err(|error| rendering::problem("text", &error))?;
    let samples = samples(&filled, wanted);
    if let Some((_, channel)) = &sender {
        samples.iter().try_for_each(|sample| fits(channel.as_ref(), sample))?;
    }
    let texts = filled.texts().min(MOST_TEXTS);
    Ok(axum::Json(json!({"samples": samples, "texts": texts})).into_response())
}

/// Texts that differ, in the order in which they come up.
fn samples(filled: &templates::Filled, wanted: usize) -> Vec<String> {
    let mut samples: Vec<String> = Vec::with_capacity(wanted);
    for seed in 0..TRIES * wanted as u64 {
        let sample = filled.pick(seed);
        if !samples.contains(&sample) {
            samples.push(sample);
        }
        if samples.len() == wanted {
            break;
        }
    }
    samples
}

fn fits(channel: &dyn Channel, sample: &str) -> Result<(), Problem> {
    let said = Content::text(sample);
    channel.check(&said).map_err(|problem| Problem::field("text", problem.code, problem.message))
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(create_template, list_templates))
        .routes(routes!(get_template, change_template, delete_template))
        .routes(routes!(preview_template))
}
