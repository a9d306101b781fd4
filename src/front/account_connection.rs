//! Whether an account is connected: connect, disconnect, restart. What must reach the account's owner goes over the
//! control path.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::{Account, AccountId, Connection};
use queue::{HoldTarget, LaneId};
use store::AccountChange;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::Id;
use crate::connect;
use crate::problem::{Kind, Problem};
use crate::schema;

/// An owner that lives answers within milliseconds; one that was just lost is replaced within ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// By then an account without an owner has one.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Connects an account again with the credentials it has: they are checked with the provider, which is told where its
/// events go. Messages that waited leave.
#[utoipa::path(post, path = "/v1/accounts/{id}/connect", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Connected", body = schema::Account)))]
async fn connect_again(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    let account = front.seen_account(&caller, id).await?;
    let channel = front.channels.get(&account.channel).ok_or_else(|| {
        Problem::new(Kind::Conflict).because("its channel is switched off in this installation")
    })?;
    let none = BTreeMap::new();
    let settings = account.settings.clone();
    let connected = connect::reconnect(&front, channel, &account, account.intake, &none, settings).await?;
    let change = AccountChange {
        credentials: Some(connect::secrets(&connected.credentials)),
        settings: Some(connected.settings),
        ..AccountChange::default()
    };
    front.store.change_account(caller.workspace, id, &change, &caller.actor()).await?;
    set(&front, &caller, id, Connection::Connected, None).await
}

/// Disconnects an account: nobody asks for its events and its messages wait, until it is connected again. A provider
/// that delivers by webhook goes on delivering.
#[utoipa::path(post, path = "/v1/accounts/{id}/disconnect", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Disconnected", body = schema::Account)))]
async fn disconnect_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    caller.must_see(id, "account")?;
    set(&front, &caller, id, Connection::Disconnected, Some("a person disconnected it")).await
}

async fn set(
    front: &Front,
    caller: &Caller,
    id: AccountId,
    connection: Connection,
    detail: Option<&str>,
) -> Result<Response, Problem> {
    let actor = caller.actor();
    let account: Account =
        front.store.set_connection(caller.workspace, id, connection, detail, &actor.0).await?;
    if connection == Connection::Connected {
        // Its messages waited for this; whatever else holds them is found in the rows again.
        front.set_hold(HoldTarget::Lane(LaneId::send(id)), None).await;
    }
    front.hints.control().look();
    front.relay(caller.workspace).await;
    Ok(axum::Json(front.account_view(&account)).into_response())
}

/// Has the account's owner begin its poll or session anew, and answers once it did.
#[utoipa::path(post, path = "/v1/accounts/{id}/restart", tag = "accounts", params(("id" = Uuid, Path)),
    responses(
        (status = 202, description = "Its owner began anew"),
        (status = 409, description = "It has nothing to begin anew", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "No owner confirmed it in time", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn restart_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    let account = front.seen_account(&caller, id).await?;
    let conflict = |why: &str| Err(Problem::new(Kind::Conflict).because(why));
    if !account.intake.is_owned() {
        return conflict("its provider delivers events by webhook: there is nothing to begin anew");
    }
    if account.connection != Connection::Connected {
        return conflict("it is not connected: connect it first");
    }
    if front.store.account_owner(caller.workspace, id).await?.is_none() {
        return Err(Problem::new(Kind::Unavailable)
            .because("no worker owns the account at the moment; if workers run, one will within seconds")
            .after(TRY_AGAIN));
    }
    let order = front.ids.number();
    front.hints.control().restart_confirmed(id, order, PATIENCE).await.map_err(|_| {
        Problem::new(Kind::Unavailable)
            .because("the worker that owns the account did not confirm in time; it may still do it")
            .after(TRY_AGAIN)
    })?;
    Ok(StatusCode::ACCEPTED)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(connect_again))
        .routes(routes!(disconnect_account))
        .routes(routes!(restart_account))
}
