//! Connecting on a page of the provider: the page to open, the way back from it, and what may be connected then.
//!
//! What the provider gives back unchanged is random, good for one return within ten minutes, and belongs to whoever began. The
//! credentials that come of it stay here, sealed, until an account is made of them or their time is over.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use channel::{Channel, Connected, OAuth};
use model::{ChannelAppId, OauthLoginId};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use store::{NewOauthLogin, OauthCandidate, OauthLogin, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, Scope};
use crate::body::{Id, Json};
use crate::problem::{Kind, Problem};
use crate::{Front, connect, schema};

/// How long a person may take on the provider's page.
const VISIT: Duration = Duration::from_mins(10);
/// How long what came of it is kept.
const KEPT: Duration = Duration::from_mins(30);

/// A page to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartOauth {
    /// The channel's name, as in `GET /v1/channels`.
    channel: String,
    /// The app that is let in. If not given: the workspace's only one, else the installation's.
    #[schema(value_type = Option<Uuid>)]
    app_id: Option<ChannelAppId>,
    /// The fields of the channel's connect steps that are not secret.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    settings: Map<String, Value>,
}

/// What an account is made of: one of those that came of a visit to the provider's page.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromOauth {
    /// The visit.
    #[schema(value_type = Uuid)]
    pub(crate) id: OauthLoginId,
    /// Which of its candidates.
    pub(crate) external_id: String,
}

fn hash(state: &str) -> Vec<u8> {
    Sha256::digest(state).to_vec()
}

fn ability(channel: &dyn Channel) -> Option<&dyn OAuth> {
    channel.apps()?.oauth()
}

/// Gives the page of the provider on which a person lets an app in. They come back to this service, and from there to the
/// frontend, with the visit's id.
#[utoipa::path(post, path = "/v1/oauth/start", tag = "accounts", request_body = StartOauth,
    responses((status = 201, description = "Open this page", body = schema::OauthPage)))]
async fn start_oauth(
    State(front): State<Front>,
    caller: Caller,
    Json(body): Json<StartOauth>,
) -> Result<Response, Problem> {
    may_connect(&caller)?;
    let channel = front.channels.get(&body.channel);
    let Some((channel, oauth)) = channel.and_then(|channel| Some((channel, ability(channel.as_ref())?)))
    else {
        let message =
            "no channel of this name is connected on a page: `oauth` of GET /v1/channels says which are";
        return Err(Problem::field("channel", "unsupported", message));
    };
    connect::check_fields(channel.as_ref(), &BTreeMap::new(), &body.settings, false)?;
    let Some(app) = front.choose_app(&caller, channel.as_ref(), body.app_id).await? else {
        let message = "there is no app to let in: register one with POST /v1/channel_apps";
        return Err(Problem::field("app_id", "required", message));
    };
    let Some(redirect) = front.config.oauth_redirect(channel.name()) else {
        let message = "this service has no address to come back to: its operator sets ROOKERY_PUBLIC_URL";
        return Err(Problem::field("channel", "unavailable", message));
    };
    let mut random = [0; 32];
    front.ids.fill(&mut random);
    let state = random.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let url = oauth
        .page(&connect::bag(&app.secrets), &redirect, &state)
        .map_err(|error| Problem::field("app_id", "refused", error))?;
    let new = NewOauthLogin {
        channel: channel.name().to_owned(),
        app_id: app.id,
        actor: caller.actor(),
        state_hash: hash(&state),
        settings: Value::Object(body.settings),
        lasting: VISIT,
    };
    let (id, expires_at) = front.store.begin_oauth(caller.workspace, &new).await?;
    let answer = json!({"id": id, "url": url, "expires_at": expires_at});
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// Takes a person back from a page of a provider, and sends them on to the frontend: with `oauth` (the visit's id, for `GET
/// /v1/oauth/{id}`) or `oauth_error` in the query.
#[utoipa::path(get, path = "/oauth/{channel}/callback", tag = "accounts", params(("channel" = String, Path)),
    responses(
        (status = 303, description = "On to the frontend"),
        (status = 200, description = "A page, where no frontend is configured", body = String, content_type = "text/html"),
        (status = 400, description = "The same, when nothing came of it", body = String, content_type = "text/html"),
    ))]
async fn return_from_oauth(
    State(front): State<Front>,
    Path(channel): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("page");
    let channel = front.channels.get(&channel).ok_or_else(unknown)?;
    let oauth = ability(channel.as_ref()).ok_or_else(unknown)?;
    let state = query.get("state").map(String::as_str).unwrap_or_default();
    let Some(login) = front.store.return_from_oauth(channel.name(), &hash(state)).await? else {
        return Ok(back(&front, Err("state")));
    };
    let app = front.store.channel_app_secrets(login.app_id).await?;
    let redirect = front.config.oauth_redirect(channel.name());
    let (Some((_, secrets)), Some(redirect)) = (app, redirect) else {
        return Ok(back(&front, Err("app")));
    };
    match oauth.finish(&connect::bag(&secrets), &redirect, &query).await {
        Ok(found) if !found.is_empty() => {
            let candidates: Vec<OauthCandidate> = found.into_iter().map(candidate).collect();
            front.store.finish_oauth(login.id, Ok(&candidates), KEPT).await?;
            Ok(back(&front, Ok(login.id)))
        }
        Ok(_) => {
            front
                .store
                .finish_oauth(login.id, Err("no account that can be connected was let in"), KEPT)
                .await?;
            Ok(back(&front, Err("nothing")))
        }
        Err(error) => {
            let words = connect::told(&error, secrets.values().chain(query.values()));
            tracing::info!(
                channel = channel.name(),
                error = words,
                "nothing came of a visit to a provider's page"
            );
            front.store.finish_oauth(login.id, Err(&words), KEPT).await?;
            Ok(back(&front, Err("refused")))
        }
    }
}

fn candidate(found: Connected) -> OauthCandidate {
    OauthCandidate {
        external_id: found.external_id,
        name: found.name,
        credentials: found.credentials.into_secrets(),
        settings: found.settings,
    }
}

/// Where a person goes who came back.
fn back(front: &Front, came: Result<OauthLoginId, &'static str>) -> Response {
    if let Some(frontend) = &front.config.frontend_url {
        let and = if frontend.contains('?') { '&' } else { '?' };
        let place = match came {
            Ok(id) => format!("{frontend}{and}oauth={id}"),
            Err(why) => format!("{frontend}{and}oauth_error={why}"),
        };
        if let Ok(place) = HeaderValue::from_str(&place) {
            return (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response();
        }
    }
    let (status, words) = match came {
        Ok(_) => (StatusCode::OK, "Done. You can close this page and go on where you came from."),
        Err("state") => (
            StatusCode::BAD_REQUEST,
            "This page was opened too late, or twice. Please begin again where you came from.",
        ),
        Err(_) => (StatusCode::BAD_REQUEST, "Nothing was connected. Please begin again where you came from."),
    };
    let page = format!("<!doctype html><html lang=\"en\"><title>Rookery</title><p>{words}</p></html>");
    (status, Html(page)).into_response()
}

/// Shows what came of a visit to a provider's page: the accounts that may be connected now, with `oauth` of `POST
/// /v1/accounts`. Only who began it sees it.
#[utoipa::path(get, path = "/v1/oauth/{id}", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "What came of it", body = schema::OauthVisit)))]
async fn get_oauth(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<OauthLoginId>,
) -> Result<Response, Problem> {
    may_connect(&caller)?;
    let login = front.store.oauth_login(caller.workspace, id, &caller.actor()).await?;
    let status = match (&login.candidates, &login.error) {
        (Some(_), _) => "ready",
        (None, Some(_)) => "failed",
        (None, None) => "pending",
    };
    let shown = |found: &OauthCandidate| json!({"external_id": found.external_id, "name": found.name});
    let candidates: Vec<Value> = login.candidates.iter().flatten().map(shown).collect();
    Ok(axum::Json(json!({
        "id": login.id,
        "channel": login.channel,
        "app_id": login.app_id,
        "status": status,
        "error": login.error,
        "candidates": candidates,
        "expires_at": login.expires_at,
    }))
    .into_response())
}

fn may_connect(caller: &Caller) -> Result<(), Problem> {
    caller.needs(Scope::AccountsWrite)?;
    if caller.key.accounts.is_some() {
        return Err(Problem::new(Kind::Forbidden).because("a key that is limited to accounts cannot add one"));
    }
    Ok(())
}

impl Front {
    /// What came of a visit that an account is to be made of, and the app that was let in.
    pub(crate) async fn oauth_candidate(
        &self,
        caller: &Caller,
        channel: &str,
        from: &FromOauth,
    ) -> Result<(OauthLogin, OauthCandidate), Problem> {
        let gone = || {
            let message =
                "there is no such visit of yours to a page of this channel's provider, or it is over";
            Problem::field("oauth.id", "not_found", message)
        };
        let login = match self.store.oauth_login(caller.workspace, from.id, &caller.actor()).await {
            Err(StoreError::NotFound(_)) => return Err(gone()),
            login => login?,
        };
        if login.channel != channel {
            return Err(gone());
        }
        let of_id = |found: &&OauthCandidate| found.external_id == from.external_id;
        let found = login.candidates.iter().flatten().find(of_id).cloned();
        let found = found.ok_or_else(|| {
            Problem::field("oauth.external_id", "not_found", "it is none of those that came of the visit")
        })?;
        Ok((login, found))
    }
}

/// The routes of this file that clients call.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(start_oauth)).routes(routes!(get_oauth))
}

/// The route that people come back to.
pub(crate) fn callback() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(return_from_oauth))
}
