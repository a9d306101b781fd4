//! Accounts: connect, list, change, delete.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Account, AccountId, ChannelAppId, Connection, Intake, Redelivery, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use store::{AccountChange, Created, NewAccount, Patch, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json, Query, patch};
use crate::channel_apps::without_app;
use crate::connect;
use crate::idempotency::Keyed;
use crate::oauth::FromOauth;
use crate::page::{Listing, Paging};
use crate::problem::{Kind, Problem};
use crate::rules::{Before, Rules};
use crate::schema;

/// Longest name of an account.
const NAME_MAX: usize = 200;
/// What `pace_scale` admits.
const PACE_SCALES: std::ops::RangeInclusive<f64> = 0.001..=100_000.0;

/// An account to connect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectAccount {
    /// The channel's name, as in `GET /v1/channels`.
    channel: String,
    /// The app it uses, of its channel's provider. If not given: the workspace's only one, else the installation's.
    #[schema(value_type = Option<Uuid>)]
    app_id: Option<ChannelAppId>,
    /// What people call it; the provider's name for it if not given.
    name: Option<String>,
    /// The fields of the channel's connect steps that are secret.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>, required = false)]
    credentials: BTreeMap<String, String>,
    /// The fields of the channel's connect steps that are not secret.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    settings: Map<String, Value>,
    /// One of those that came of a visit to the provider's page; then no credentials need to be given.
    oauth: Option<FromOauth>,
    /// How its events come: `webhook` or `poll`; by webhook if this service has an address, if not given.
    #[schema(value_type = Option<schema::Intake>)]
    intake: Option<Intake>,
    /// IANA name; UTC if not given.
    timezone: Option<String>,
    /// Divides every time of the pacing profile; only where the channel is a sandbox.
    pace_scale: Option<f64>,
    /// Its own numbers instead of the profile's, by rule, as `GET /v1/accounts/{id}/pace` shows them; `"off"` for none,
    /// null for the profile's own.
    #[schema(value_type = Option<Object>)]
    pacing: Option<Map<String, Value>>,
    /// When its number was registered: from then it is warmed up. Null: there is no warm-up.
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<schema::Timestamp>)]
    registered_at: Patch<Timestamp>,
    /// Has to be true for rules that are looser than the channel's profile. It is written to the audit log.
    #[serde(default)]
    i_accept_the_risk: bool,
    /// What becomes of calls whose outcome nobody knows; `at_least_once` if not given.
    #[schema(value_type = Option<schema::Redelivery>)]
    redelivery: Option<Redelivery>,
}

/// What shall change about an account; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeAccount {
    /// What people call it.
    name: Option<String>,
    /// Secrets to replace; they are checked with the provider.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    credentials: Option<BTreeMap<String, String>>,
    /// Settings to replace; null takes one away.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    /// How its events come: `webhook` or `poll`. The provider is told.
    #[schema(value_type = Option<schema::Intake>)]
    intake: Option<Intake>,
    /// IANA name.
    timezone: Option<String>,
    /// Divides every time of the pacing profile; only where the channel is a sandbox.
    pace_scale: Option<f64>,
    /// Its own numbers instead of the profile's, by rule, as `GET /v1/accounts/{id}/pace` shows them; `"off"` for none,
    /// null for the profile's own.
    #[schema(value_type = Option<Object>)]
    pacing: Option<Map<String, Value>>,
    /// When its number was registered: from then it is warmed up. Null: there is no warm-up.
    #[serde(default, deserialize_with = "patch")]
    #[schema(value_type = Option<schema::Timestamp>)]
    registered_at: Patch<Timestamp>,
    /// Has to be true for rules that are looser than the channel's profile. It is written to the audit log.
    #[serde(default)]
    i_accept_the_risk: bool,
    /// What becomes of calls whose outcome nobody knows.
    #[schema(value_type = Option<schema::Redelivery>)]
    redelivery: Option<Redelivery>,
}

/// An account as it is answered.
#[derive(Debug, Serialize)]
pub(crate) struct AccountView<'a> {
    #[serde(flatten)]
    account: Cow<'a, Account>,
    webhook_url: Option<String>,
}

impl Front {
    /// How an account is answered.
    pub(crate) fn account_view<'a>(&self, account: &'a Account) -> AccountView<'a> {
        let url = || self.config.webhook_url(&account.channel, account.id);
        let webhook_url = (account.intake == Intake::Webhook).then(url).flatten();
        let now = self.clock.now();
        let mut account = Cow::Borrowed(account);
        // Rows lose those that ended with the next one that begins.
        if account.holds.iter().any(|hold| hold.until <= now) {
            account.to_mut().holds.retain(|hold| hold.until > now);
        }
        AccountView { account, webhook_url }
    }

    /// An account that the caller sees.
    pub(crate) async fn seen_account(&self, caller: &Caller, id: AccountId) -> Result<Account, Problem> {
        caller.must_see(id, "account")?;
        Ok(self.store.account(caller.workspace, id).await?)
    }
}

/// Connects an account: its credentials are checked with the provider, and webhooks are set up where that is done by
/// API.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", request_body = ConnectAccount,
    params(("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request.")),
    responses((status = 201, description = "Connected", body = schema::Account)))]
#[expect(clippy::too_many_lines, reason = "one step after the other, each named where it is done")]
async fn connect_account(
    State(front): State<Front>,
    caller: Caller,
    request: Keyed<ConnectAccount>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    if caller.key.accounts.is_some() {
        return Err(Problem::new(Kind::Forbidden).because("a key that is limited to accounts cannot add one"));
    }
    let Keyed { body, idempotency } = request;
    let key = idempotency.as_ref();
    // Equal requests of one moment go one after the other: connecting tells the provider where to deliver, and only
    // one of them may have the last word.
    let _turn = match key {
        Some(key) => Some(self::turn(&front, &caller, &key.key).await),
        None => None,
    };
    if let Some(key) = key
        && let Some(Created::<Account>::Before { status, answer }) =
            front.store.answered_before(caller.workspace, key).await?
    {
        return Ok(replay(status, answer));
    }
    let channel = front.channels.get(&body.channel).ok_or_else(|| {
        let on: Vec<_> = front.channels.iter().map(|channel| channel.name()).collect();
        Problem::field("channel", "unsupported", format!("this service speaks {}", on.join(", ")))
    })?;
    check_plain(&front, channel.name(), body.name.as_deref(), body.timezone.as_deref(), body.pace_scale)?;
    let is_complete = body.oauth.is_none();
    connect::check_fields(channel.as_ref(), &body.credentials, &body.settings, is_complete)?;
    let (app_id, found) = match &body.oauth {
        Some(from) => {
            let (login, found) = front.oauth_candidate(&caller, channel.name(), from).await?;
            if body.app_id.is_some_and(|asked| asked != login.app_id) {
                return Err(Problem::field("app_id", "mismatch", "another app was let in"));
            }
            let settings = login.settings.as_object().cloned().unwrap_or_default();
            let settings = connect::merged(&found.settings, &settings);
            (Some(login.app_id), Some((found.credentials, settings)))
        }
        None => (body.app_id, None),
    };
    let app = front.choose_app(&caller, channel.as_ref(), app_id).await?;

    let rules = Rules {
        pacing: body.pacing,
        registered_at: body.registered_at,
        accepts_the_risk: body.i_accept_the_risk,
    };
    let nothing = json!({});
    let before = Before { pacing: &nothing, registered_at: None };
    let change = rules.change(channel.capabilities(), &before, front.clock.now())?;

    let id: AccountId = front.ids.id(front.clock.now());
    let (came, settings) = match found {
        Some((came, settings)) => (came, connect::merged(&settings, &body.settings)),
        None => (BTreeMap::new(), Value::Object(body.settings)),
    };
    let intake = connect::intake(&front, channel, id, body.intake, &settings)?;
    let (connection, connected) = if connect::is_paired(channel, intake) {
        if let Some(name) = body.credentials.keys().next() {
            let message = "an account with a session gets its credentials by being paired";
            return Err(Problem::field(format!("credentials.{name}"), "unsupported", message));
        }
        (Connection::Connecting, None)
    } else {
        let mut credentials = app.as_ref().map(|app| app.secrets.clone()).unwrap_or_default();
        credentials.extend(without_app(came, &BTreeMap::new()));
        credentials.extend(body.credentials.clone());
        let connected = connect::connect(&front, channel, id, intake, &credentials, settings.clone());
        let connection =
            if intake == Intake::Session { Connection::Connecting } else { Connection::Connected };
        (connection, Some(connected.await?))
    };
    let refresh_at = connected
        .as_ref()
        .and_then(|connected| connect::refresh_at(channel.as_ref(), &connected.credentials));
    let (credentials, settings, external_id, known_as) = match connected {
        Some(connected) => (
            without_app(connect::secrets(&connected.credentials), &body.credentials),
            connected.settings,
            Some(connected.external_id),
            connected.name,
        ),
        None => (BTreeMap::new(), settings, None, None),
    };
    let new = NewAccount {
        channel: body.channel.clone(),
        name: body.name.or(known_as).unwrap_or_else(|| body.channel.clone()),
        external_id,
        app_id: app.map(|app| app.id),
        credentials,
        refresh_at,
        settings,
        intake,
        connection,
        timezone: body.timezone.unwrap_or_else(|| "UTC".to_owned()),
        pacing: change.pacing.unwrap_or(nothing),
        pace_scale: body.pace_scale.unwrap_or(1.0),
        registered_at: rules.registered_at.value().copied(),
        redelivery: body.redelivery.unwrap_or(Redelivery::AtLeastOnce),
    };
    let created = front
        .store
        .create_account_as(caller.workspace, id, &new, &caller.actor(), key, |account| {
            json!(front.account_view(account))
        })
        .await;
    match created {
        Ok(Created::New(account)) => {
            front.hints.control().look();
            front.relay(caller.workspace).await;
            Ok((StatusCode::CREATED, axum::Json(front.account_view(&account))).into_response())
        }
        Ok(Created::Before { status, answer }) => Ok(replay(status, answer)),
        Err(error) => {
            if matches!(error, StoreError::Conflict(_)) {
                connect::restore(&front, caller.workspace, channel, &new).await;
            }
            Err(error.into())
        }
    }
}

/// The answer that was given before.
pub(crate) fn replay(status: u16, answer: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    (status, axum::Json(answer)).into_response()
}

async fn turn(front: &Front, caller: &Caller, key: &str) -> tokio::sync::OwnedMutexGuard<()> {
    let lock = front.turns.of(format!("{}/{key}", caller.workspace));
    lock.lock_owned().await
}

fn check_plain(
    front: &Front,
    channel: &str,
    name: Option<&str>,
    timezone: Option<&str>,
    pace_scale: Option<f64>,
) -> Result<(), Problem> {
    let mut problem = Problem::new(Kind::Validation);
    if name.is_some_and(|name| name.trim().is_empty() || name.chars().count() > NAME_MAX) {
        problem = problem.and("name", "invalid", format!("1 to {NAME_MAX} characters"));
    }
    if timezone.is_some_and(|zone| !model::is_timezone(zone)) {
        problem = problem.and("timezone", "invalid", "an IANA name, for example Europe/Berlin");
    }
    if let Some(scale) = pace_scale {
        if !front.config.scalable.contains(channel) && (scale - 1.0).abs() > f64::EPSILON {
            problem =
                problem.and("pace_scale", "unsupported", "only a sandbox account may be paced otherwise");
        } else if !PACE_SCALES.contains(&scale) {
            problem = problem.and(
                "pace_scale",
                "out_of_range",
                format!("must lie within {} and {}", PACE_SCALES.start(), PACE_SCALES.end()),
            );
        }
    }
    problem.or_ok()
}

/// Lists accounts, oldest first.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts", params(Paging),
    responses((status = 200, description = "Accounts", body = Listing<schema::Account>)))]
async fn list_accounts(
    State(front): State<Front>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let page = front.store.accounts(caller.workspace, paging.request()?).await?;
    let seen = page.data.iter().filter(|account| caller.sees(account.id));
    Ok(axum::Json(Listing {
        data: seen.map(|account| front.account_view(account)).collect(),
        next_cursor: page.next_cursor,
    })
    .into_response())
}

/// Shows an account.
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The account", body = schema::Account)))]
async fn get_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let account = front.seen_account(&caller, id).await?;
    Ok(axum::Json(front.account_view(&account)).into_response())
}

/// Changes an account. New credentials are checked with the provider and must be of the same login.
#[utoipa::path(patch, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = Uuid, Path)),
    request_body = ChangeAccount,
    responses((status = 200, description = "Changed", body = schema::Account)))]
async fn change_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
    Json(body): Json<ChangeAccount>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    let account = front.seen_account(&caller, id).await?;
    check_plain(&front, &account.channel, body.name.as_deref(), body.timezone.as_deref(), body.pace_scale)?;
    let rules = Rules {
        pacing: body.pacing,
        registered_at: body.registered_at,
        accepts_the_risk: body.i_accept_the_risk,
    };
    front.rules_change(&account, &rules)?;
    let repaced = rules.says_something() || body.timezone.is_some() || body.pace_scale.is_some();
    let mut change = AccountChange {
        registered_at: rules.registered_at,
        name: body.name,
        timezone: body.timezone,
        pace_scale: body.pace_scale,
        redelivery: body.redelivery,
        ..AccountChange::default()
    };
    let settings = body.settings.as_ref().map(|given| connect::merged(&account.settings, given));
    if body.settings.is_some() || body.credentials.is_some() || body.intake.is_some() {
        let channel = front.channels.get(&account.channel).ok_or_else(|| {
            Problem::new(Kind::Conflict).because("its channel is switched off in this installation")
        })?;
        let (credentials, given) = (body.credentials.unwrap_or_default(), body.settings.unwrap_or_default());
        connect::check_fields(channel.as_ref(), &credentials, &given, false)?;
        let asked = settings.as_ref().unwrap_or(&account.settings);
        let keeps_session = channel.sessions().is_some_and(|sessions| sessions.keeps(asked));
        if keeps_session != (account.intake == Intake::Session) {
            let message = "whether an account keeps a session is settled when it is made: make another one";
            return Err(Problem::field("settings", "unsupported", message));
        }
        let intake = match body.intake {
            by @ Some(_) => connect::intake(&front, channel, id, by, asked)?,
            None => account.intake,
        };
        if connect::is_paired(channel, intake) && !credentials.is_empty() {
            let message = "an account with a session gets its credentials by being paired";
            return Err(Problem::field("credentials", "unsupported", message));
        }
        if !credentials.is_empty() || intake != account.intake {
            let settings = settings.clone().unwrap_or_else(|| account.settings.clone());
            let connected =
                connect::reconnect(&front, channel, &account, intake, &credentials, settings).await?;
            change.intake = Some(intake);
            change.refresh_at =
                connect::refresh_at(channel.as_ref(), &connected.credentials).map_or(Patch::Clear, Patch::To);
            change.credentials = Some(connect::secrets(&connected.credentials));
            change.settings = Some(connected.settings);
            // A session is to be opened with what is valid now.
            let opens = intake == Intake::Session;
            change.connection = Some(if opens { Connection::Connecting } else { Connection::Connected });
        }
    }
    change.settings = change.settings.or(settings);
    let mut before = account;
    let account = loop {
        let rules = front.rules_change(&before, &rules)?;
        change.pacing_was = rules.pacing.is_some().then(|| before.pacing.clone());
        (change.pacing, change.loosened) = (rules.pacing, rules.loosened);
        match front.store.change_account(caller.workspace, id, &change, &caller.actor()).await {
            // Somebody changed other rules just now, and theirs hold, too.
            Err(StoreError::Changed) => before = front.seen_account(&caller, id).await?,
            changed => break changed?,
        }
    };
    if repaced {
        front.look_again(id);
    }
    if change.credentials.is_some() {
        // Its owner goes on with what is valid now.
        front.hints.control().restart(id);
    }
    Ok(axum::Json(front.account_view(&account)).into_response())
}

/// Deletes an account: what it had queued is canceled, its history stays.
#[utoipa::path(delete, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Deleted")))]
async fn delete_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    caller.must_see(id, "account")?;
    front.store.delete_account(caller.workspace, id).await?;
    front.hints.control().look();
    Ok(StatusCode::NO_CONTENT)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(connect_account, list_accounts)).routes(routes!(
        get_account,
        change_account,
        delete_account
    ))
}
