//! Whether an account sends: its state, pause and resume.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use model::{AccountId, Sending, Wait};
use queue::{HoldTarget, JobPlace, LaneId};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json};
use crate::problem::Problem;
use crate::schema;
use crate::waiting;

/// Jobs of a lane that are looked at.
const LOOKED_AT: usize = 1_000;
/// Longest reason.
const REASON_MAX: usize = 200;

/// Why an account is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    /// For the people who wonder; at most 200 characters.
    reason: Option<String>,
}

/// Shows whether an account is connected, who sees to its events, whether it sends, and how much waits in its lane.
#[utoipa::path(get, path = "/v1/accounts/{id}/status", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Its state", body = schema::AccountStatus)))]
async fn account_status(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let account = front.seen_account(&caller, id).await?;
    let now = front.clock.now();
    let unserved = front.unserved(&account).await?;
    let pin = account.pinned_to.map(|worker| json!({"worker": worker, "lives": unserved.is_none()}));
    let waiting: Option<Wait> = waiting::stopped(&account, now).or(unserved);
    let jobs = front.lanes.jobs(LaneId::send(id), LOOKED_AT).await?;
    let claimed = jobs.iter().filter(|(_, place)| matches!(place, JobPlace::Claimed { .. })).count();
    let owner =
        if account.intake.is_owned() { front.store.account_owner(caller.workspace, id).await? } else { None };
    let step = front.step(&account, owner.as_ref());
    let owner = owner.map(|owner| {
        json!({
            "worker": owner.worker, "generation": owner.generation, "since": owner.since, "error": owner.error,
        })
    });
    Ok(axum::Json(json!({
        "connection": account.connection,
        "connection_detail": account.connection_detail,
        "intake": account.intake,
        "owner": owner,
        "pin": pin,
        "step": step,
        "sending": account.sending,
        "sending_reason": account.sending_reason,
        "sending_until": account.sending_until,
        "holds": account.holds.iter().filter(|hold| hold.until > now).collect::<Vec<_>>(),
        "waiting": waiting,
        "lane": {"waiting": jobs.len() - claimed, "claimed": claimed, "more": jobs.len() == LOOKED_AT},
    }))
    .into_response())
}

/// Pauses an account: nothing leaves until a person resumes it. What is under way ends.
#[utoipa::path(post, path = "/v1/accounts/{id}/pause", tag = "accounts", params(("id" = Uuid, Path)),
    request_body = Pause, responses((status = 200, description = "Paused", body = schema::Account)))]
async fn pause_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
    Json(body): Json<Pause>,
) -> Result<Response, Problem> {
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_MAX) {
        return Err(Problem::field("reason", "too_long", format!("at most {REASON_MAX} characters")));
    }
    set_sending(&front, &caller, id, Sending::Paused, body.reason.as_deref()).await
}

/// Resumes an account, whatever paused, stopped or held it.
#[utoipa::path(post, path = "/v1/accounts/{id}/resume", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "Resumed", body = schema::Account)))]
async fn resume_account(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    set_sending(&front, &caller, id, Sending::Active, None).await
}

async fn set_sending(
    front: &Front,
    caller: &Caller,
    id: AccountId,
    sending: Sending,
    reason: Option<&str>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsWrite)?;
    caller.must_see(id, "account")?;
    let actor = caller.actor();
    let account = front.store.set_sending(caller.workspace, id, sending, reason, None, &actor.0).await?;
    let held = (sending == Sending::Paused).then_some("paused");
    front.set_hold(HoldTarget::Lane(LaneId::send(id)), held).await;
    if sending == Sending::Active {
        // What held only a part is over, too: the row says so.
        front.look_again(id);
    }
    front.hints.control().look();
    front.relay(caller.workspace).await;
    Ok(axum::Json(front.account_view(&account)).into_response())
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(account_status))
        .routes(routes!(pause_account))
        .routes(routes!(resume_account))
}
