//! Whether an account is connected: connect, disconnect, restart. What must reach the account's owner goes over the
//! control path.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use events::Unconfirmed;
use model::{Account, AccountId, Connection, Intake};
use queue::{HoldTarget, LaneId};
use store::{AccountChange, Patch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, OptionalJson};
use crate::connect;
use crate::problem::{Kind, Problem};
use crate::schema;
use crate::sessions;

/// An owner that lives answers within milliseconds; one that was just lost is replaced within ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// By then an account without an owner has one.
pub(crate) const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Connects an account again with the credentials it has: they are checked with the provider, which is told where its
/// events go. Messages that waited leave. An account with a session is opened; if it is not paired, what a person has to do
/// is answered: ask again, or watch its events, for the code that follows.
#[utoipa::path(post, path = "/v1/accounts/{id}/connect", tag = "accounts", params(("id" = Uuid, Path)),
    request_body = Option<sessions::Connect>,
    responses(
        (status = 200, description = "Connected", body = schema::Account),
        (status = 202, description = "A person has to do something with their phone", body = schema::Pairing),
        (status = 409, description = "Its session ended", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn connect_again(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
    OptionalJson(asked): OptionalJson<sessions::Connect>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    let account = front.seen_account(&caller, id).await?;
    if account.intake == Intake::Session {
        return sessions::connect(&front, &caller, account, &asked).await;
    }
    if let Some(field) = asked.field() {
        return Err(Problem::field(field, "unsupported", "this account has no session to be paired"));
    }
    let channel = front.channels.get(&account.channel).ok_or_else(|| {
        Problem::new(Kind::Conflict).because("its channel is switched off in this installation")
    })?;
    let none = BTreeMap::new();
    let settings = account.settings.clone();
    let connected = connect::reconnect(&front, channel, &account, account.intake, &none, settings).await?;
    let change = AccountChange {
        refresh_at: connect::refresh_at(channel.as_ref(), &connected.credentials)
            .map_or(Patch::Clear, Patch::To),
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
    let account = front.seen_account(&caller, id).await?;
    let answer = set(&front, &caller, id, Connection::Disconnected, Some("a person disconnected it")).await?;
    if account.intake == Intake::Session {
        sessions::until_closed(&front, &caller, id).await?;
    }
    Ok(answer)
}

/// Has the network forget an account's device. It has to be paired anew to be connected again.
#[utoipa::path(post, path = "/v1/accounts/{id}/logout", tag = "accounts", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "Logged out", body = schema::Account),
        (status = 409, description = "It has no session, or is not connected", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
        (status = 503, description = "No owner confirmed it in time", body = crate::ProblemDetails,
            content_type = "application/problem+json"),
    ))]
async fn log_out_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    let account = front.seen_account(&caller, id).await?;
    let conflict = |why: &str| Err(Problem::new(Kind::Conflict).because(why));
    if account.intake != Intake::Session {
        return conflict("it has no session to log out of");
    }
    if account.connection != Connection::Connected {
        return conflict("it is not connected: only a session that is open can log out");
    }
    owned(&front, &caller, &account).await?;
    let order = front.ids.number();
    front.hints.control().log_out_confirmed(id, order, PATIENCE).await.map_err(unconfirmed)?;
    let account = front.store.account(caller.workspace, id).await?;
    Ok(axum::Json(front.account_view(&account)).into_response())
}

/// Somebody has to be there to be told. The lease of one that is gone may last a little longer than the news of its end.
async fn owned(front: &Front, caller: &Caller, account: &Account) -> Result<(), Problem> {
    let why = match front.store.account_owner(caller.workspace, account.id).await? {
        Some(_) if front.unserved(account).await?.is_none() => return Ok(()),
        _ => sessions::why_unowned(front, account).await?,
    };
    Err(Problem::new(Kind::Unavailable).because(why).after(TRY_AGAIN))
}

fn unconfirmed(why: Unconfirmed) -> Problem {
    let why = match why {
        Unconfirmed::Silence => {
            "the worker that owns the account did not confirm in time; it may still do it".to_owned()
        }
        Unconfirmed::Refused(why) => why,
    };
    Problem::new(Kind::Unavailable).because(why).after(TRY_AGAIN)
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
    let begins = account.intake == Intake::Session && account.connection == Connection::Connecting;
    if account.connection != Connection::Connected && !begins {
        return conflict("it is not connected: connect it first");
    }
    owned(&front, &caller, &account).await?;
    let order = front.ids.number();
    front.hints.control().restart_confirmed(id, order, PATIENCE).await.map_err(unconfirmed)?;
    Ok(StatusCode::ACCEPTED)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(connect_again))
        .routes(routes!(disconnect_account))
        .routes(routes!(restart_account))
        .routes(routes!(log_out_account))
}
