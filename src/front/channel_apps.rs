//! Apps: what a developer registered at a provider, with secrets that many accounts share; and which of them an account uses.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use channel::{APP_PREFIX, Channel, ConnectField};
use model::{ChannelAppId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::{ChannelApp, ChannelAppChange, Created, NewChannelApp, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json, Query};
use crate::idempotency::Keyed;
use crate::page::{Listing, Paging};
use crate::problem::{Kind, Problem};
use crate::{Front, schema};

/// Longest name of an app.
const NAME_MAX: usize = 200;

/// An app to register here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateChannelApp {
    /// Whose app it is, as `GET /v1/channels` says.
    provider: String,
    /// What people call it; the provider's name if not given. At most 200 characters.
    name: Option<String>,
    /// The fields that `GET /v1/channels` lists for the app.
    #[schema(value_type = BTreeMap<String, String>)]
    credentials: BTreeMap<String, String>,
    /// Whatever you want to remember; no secrets.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    settings: Map<String, Value>,
}

/// What shall change about an app; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeChannelApp {
    /// What people call it.
    name: Option<String>,
    /// Secrets to replace. All accounts of the app use the new ones at once.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, required = false)]
    credentials: BTreeMap<String, String>,
    /// Whatever you want to remember: all of it.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

/// An app as it is answered: without its secrets.
#[derive(Debug, Serialize)]
struct AppView<'a> {
    id: ChannelAppId,
    workspace_id: Option<WorkspaceId>,
    provider: &'a str,
    name: &'a str,
    credentials: &'a [String],
    settings: &'a Value,
    webhook_urls: BTreeMap<&'a str, Option<String>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// An app that an account is to use, with its secrets.
#[derive(Debug)]
pub(crate) struct ChosenApp {
    pub(crate) id: ChannelAppId,
    pub(crate) secrets: BTreeMap<String, String>,
}

impl Front {
    /// The channels that a provider's apps serve.
    fn channels_of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a dyn Channel> {
        self.channels.iter().filter_map(move |channel| {
            let channel: &'a dyn Channel = channel.as_ref();
            channel.apps().is_some_and(|apps| apps.provider() == provider).then_some(channel)
        })
    }

    fn app_view<'a>(&'a self, app: &'a ChannelApp) -> AppView<'a> {
        let urls = self.channels_of(&app.provider).map(|channel| {
            let name = channel.name();
            (name, self.config.app_webhook_url(name, app.id))
        });
        AppView {
            id: app.id,
            workspace_id: app.workspace_id,
            provider: &app.provider,
            name: &app.name,
            credentials: &app.secrets,
            settings: &app.settings,
            webhook_urls: urls.collect(),
            created_at: app.created_at,
            updated_at: app.updated_at,
        }
    }

    /// What a provider's apps are made of: the fields of all its channels.
    fn app_fields(&self, provider: &str) -> Result<Vec<ConnectField>, Problem> {
        let mut fields: Vec<ConnectField> = Vec::new();
        for apps in self.channels_of(provider).filter_map(|channel| channel.apps()) {
            for field in apps.fields() {
                match fields.iter_mut().find(|known| known.name == field.name) {
                    // What one of its channels does without, an app may be without.
                    Some(known) => known.required &= field.required,
                    None => fields.push(field),
                }
            }
        }
        if fields.is_empty() {
            let known: Vec<_> = self.channels.iter().filter_map(|channel| channel.apps()).collect();
            let mut known: Vec<_> = known.iter().map(|apps| apps.provider()).collect();
            known.dedup();
            let message = format!("no channel has apps of it; there are apps of {}", known.join(", "));
            return Err(Problem::field("provider", "unsupported", message));
        }
        Ok(fields)
    }

    /// The app that an account of a channel is to use: the one that is asked for; else the workspace's only one, else the
    /// installation's, if there is one.
    pub(crate) async fn choose_app(
        &self,
        caller: &Caller,
        channel: &dyn Channel,
        asked: Option<ChannelAppId>,
    ) -> Result<Option<ChosenApp>, Problem> {
        let Some(apps) = channel.apps() else {
            return match asked {
                Some(_) => Err(Problem::field("app_id", "unsupported", "this channel has no apps")),
                None => Ok(None),
            };
        };
        let found = if let Some(id) = asked {
            let app = match self.store.channel_app(caller.workspace, id).await {
                Err(StoreError::NotFound(_)) => {
                    return Err(Problem::field("app_id", "not_found", "there is no such app"));
                }
                app => app?,
            };
            if app.provider != apps.provider() {
                let message = format!(
                    "it is an app of {}, and this channel's are of {}",
                    app.provider,
                    apps.provider()
                );
                return Err(Problem::field("app_id", "mismatch", message));
            }
            Some(id)
        } else {
            let all = self.store.channel_apps_of(caller.workspace, apps.provider()).await?;
            let (own, shared): (Vec<_>, Vec<_>) = all.into_iter().partition(|app| app.workspace_id.is_some());
            match (&own[..], &shared[..]) {
                ([only], _) => Some(only.id),
                (_, [default, ..]) => Some(default.id),
                ([], []) => None,
                _ => {
                    let message = "this workspace has several apps of the channel's provider: say which one";
                    return Err(Problem::field("app_id", "required", message));
                }
            }
        };
        let Some(id) = found else { return Ok(None) };
        let opened = self.store.channel_app_secrets(id).await?;
        Ok(opened.map(|(_, secrets)| ChosenApp { id, secrets }))
    }
}

/// Compares what was given with what an app is made of; `complete` demands the required fields.
fn check(
    fields: &[ConnectField],
    name: Option<&str>,
    credentials: &BTreeMap<String, String>,
    complete: bool,
) -> Result<(), Problem> {
    let mut problem = Problem::new(Kind::Validation);
    if name.is_some_and(|name| name.trim().is_empty() || name.chars().count() > NAME_MAX) {
        problem = problem.and("name", "invalid", format!("1 to {NAME_MAX} characters"));
    }
    for name in credentials.keys().filter(|name| fields.iter().all(|field| field.name != **name)) {
        problem =
            problem.and(format!("credentials.{name}"), "unknown_field", "such an app has no such field");
    }
    for field in fields {
        let given = credentials.get(field.name).map(|value| !value.trim().is_empty());
        if given == Some(false) || (complete && field.required && given.is_none()) {
            problem = problem.and(format!("credentials.{}", field.name), "required", field.help);
        }
    }
    problem.or_ok()
}

/// Apps belong to no account, so a key for some accounts may not change what all of them use.
fn may_write(caller: &Caller) -> Result<(), Problem> {
    caller.needs(Scope::AccountsWrite)?;
    if caller.key.accounts.is_some() {
        let why = "a key that is limited to accounts cannot change what all accounts use";
        return Err(Problem::new(Kind::Forbidden).because(why));
    }
    Ok(())
}

/// Registers an app: what a developer made at a provider, and what many accounts share. Its secrets are kept sealed and never
/// shown; enter its `webhook_urls` at the provider.
#[utoipa::path(post, path = "/v1/channel_apps", tag = "channels", request_body = CreateChannelApp,
    params(("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request.")),
    responses((status = 201, description = "Registered", body = schema::ChannelApp)))]
async fn create_channel_app(
    State(front): State<Front>,
    caller: Caller,
    request: Keyed<CreateChannelApp>,
) -> Result<Response, Problem> {
    may_write(&caller)?;
    let Keyed { body, idempotency } = request;
    let fields = front.app_fields(&body.provider)?;
    check(&fields, body.name.as_deref(), &body.credentials, true)?;
    let new = NewChannelApp {
        name: body.name.unwrap_or_else(|| body.provider.clone()),
        provider: body.provider,
        secrets: body.credentials,
        settings: Value::Object(body.settings),
    };
    let (key, actor) = (idempotency.as_ref(), caller.actor());
    let created = front
        .store
        .create_channel_app(caller.workspace, &new, &actor, key, |app| json!(front.app_view(app)))
        .await?;
    Ok(match created {
        Created::New(app) => (StatusCode::CREATED, axum::Json(front.app_view(&app))).into_response(),
        Created::Before { status, answer } => replay(status, answer),
    })
}

/// Lists apps: the workspace's own, oldest first, and those of the installation (`workspace_id` null).
#[utoipa::path(get, path = "/v1/channel_apps", tag = "channels", params(Paging),
    responses((status = 200, description = "Apps", body = Listing<schema::ChannelApp>)))]
async fn list_channel_apps(
    State(front): State<Front>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let page = front.store.channel_apps(caller.workspace, paging.request()?).await?;
    let data: Vec<_> = page.data.iter().map(|app| front.app_view(app)).collect();
    Ok(axum::Json(Listing { data, next_cursor: page.next_cursor }).into_response())
}

/// Shows an app.
#[utoipa::path(get, path = "/v1/channel_apps/{id}", tag = "channels", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The app", body = schema::ChannelApp)))]
async fn get_channel_app(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ChannelAppId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let app = front.store.channel_app(caller.workspace, id).await?;
    Ok(axum::Json(front.app_view(&app)).into_response())
}

/// Changes an app. All its accounts use new secrets at once. The installation's own are changed by its operator.
#[utoipa::path(patch, path = "/v1/channel_apps/{id}", tag = "channels", params(("id" = Uuid, Path)),
    request_body = ChangeChannelApp,
    responses((status = 200, description = "Changed", body = schema::ChannelApp)))]
async fn change_channel_app(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ChannelAppId>,
    Json(body): Json<ChangeChannelApp>,
) -> Result<Response, Problem> {
    may_write(&caller)?;
    let app = front.own_app(&caller, id).await?;
    // With its channel switched off there is nothing to compare with, but its name may change.
    let fields = if body.credentials.is_empty() { Vec::new() } else { front.app_fields(&app.provider)? };
    check(&fields, body.name.as_deref(), &body.credentials, false)?;
    let change = ChannelAppChange {
        name: body.name,
        secrets: body.credentials,
        settings: body.settings.map(Value::Object),
    };
    let app = front.store.change_channel_app(caller.workspace, id, &change, &caller.actor()).await?;
    if !change.secrets.is_empty() {
        // Calls read them anew; what is open goes on with what is valid now.
        for account in front.store.accounts_of_app(id).await? {
            front.hints.control().restart(account);
        }
    }
    Ok(axum::Json(front.app_view(&app)).into_response())
}

/// Deletes an app and its secrets. It must have no accounts any more.
#[utoipa::path(delete, path = "/v1/channel_apps/{id}", tag = "channels", params(("id" = Uuid, Path)),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, description = "Accounts use it", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn delete_channel_app(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<ChannelAppId>,
) -> Result<StatusCode, Problem> {
    may_write(&caller)?;
    front.own_app(&caller, id).await?;
    front.store.delete_channel_app(caller.workspace, id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Front {
    /// An app that the caller may change.
    async fn own_app(&self, caller: &Caller, id: ChannelAppId) -> Result<ChannelApp, Problem> {
        let app = self.store.channel_app(caller.workspace, id).await?;
        if app.workspace_id.is_none() {
            let why = "it is the installation's own: its operator sets it by environment variables";
            return Err(Problem::new(Kind::Forbidden).because(why));
        }
        Ok(app)
    }
}

/// What the store keeps of an account's secrets: none of its app's, unless they were given for this very account.
pub(crate) fn without_app(
    mut secrets: BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    secrets.retain(|name, _| !name.starts_with(APP_PREFIX) || own.contains_key(name));
    secrets
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(create_channel_app, list_channel_apps)).routes(routes!(
        get_channel_app,
        change_channel_app,
        delete_channel_app
    ))
}
