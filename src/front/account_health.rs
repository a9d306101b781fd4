//! How an account fares: what a person looks at when messages do not leave.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use model::{AccountId, HoldReach};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, Scope};
use crate::body::Id;
use crate::problem::Problem;
use crate::{Front, schema, waiting};

/// The rule behind the hold of an account whose calls failed too often in a row.
const BREAKER: &str = "breaker";

/// Shows how an account fares: whether it is connected and sends, what its provider last said, what waits and for how long, and
/// when its credentials are renewed. The breaker of the account is the fleet's; that of the provider's host is what this process
/// knows by its own calls, and each worker has one of its own (`rookery_provider_breaker_open` tells of all).
#[utoipa::path(get, path = "/v1/accounts/{id}/health", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "How it fares", body = schema::AccountHealth)))]
async fn account_health(
    State(front): State<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let account = front.seen_account(&caller, id).await?;
    let now = front.clock.now();
    let health = front.store.account_health(id).await?;
    let owner =
        if account.intake.is_owned() { front.store.account_owner(caller.workspace, id).await? } else { None };
    let unserved = front.unserved(&account).await?;
    let breaker = account
        .holds
        .iter()
        .filter(|hold| hold.reach == HoldReach::Account && hold.rule == BREAKER && hold.until > now)
        .max_by_key(|hold| hold.until);
    let last_error =
        health.last_error.map(|error| json!({"code": error.code, "words": error.words, "at": error.at}));
    let oldest_wait_seconds = health.oldest_queued_at.map(|at| now.since(at).as_secs());
    Ok(axum::Json(json!({
        "connection": account.connection,
        "connection_detail": account.connection_detail,
        "sending": account.sending,
        "sending_reason": account.sending_reason,
        "sending_until": account.sending_until,
        "holds": account.holds.iter().filter(|hold| hold.until > now).collect::<Vec<_>>(),
        "waiting": waiting::stopped(&account, now).or(unserved),
        "failures_in_a_row": account.failures_in_a_row,
        "last_error": last_error,
        "last_success_at": health.last_success_at,
        "intake_error": owner.and_then(|owner| owner.error),
        "breaker": {
            "open": breaker.is_some(),
            "until": breaker.map(|hold| hold.until),
        },
        "provider": front.provider_here(&account.channel),
        "queue": {
            "depth": health.depth,
            "oldest_queued_at": health.oldest_queued_at,
            "oldest_wait_seconds": oldest_wait_seconds,
        },
        "credentials": {
            "refresh_at": health.refresh_at,
            "failures_in_a_row": health.refresh_failures,
        },
    }))
    .into_response())
}

impl Front {
    /// What this process knows of a channel's provider; null where it cannot know.
    fn provider_here(&self, channel: &str) -> Value {
        let url = self.channels.get(channel).and_then(|channel| channel.provider_url());
        match (url, &self.config.provider_down) {
            (Some(url), Some(down)) => {
                let down = down(url);
                json!({
                    "open": down.is_some(),
                    "retry_in_seconds": down.map(|left| left.as_secs().max(1)),
                    "known_by": "this_process",
                })
            }
            _ => Value::Null,
        }
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(account_health))
}
