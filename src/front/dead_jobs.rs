//! Dead jobs: what was given up on, to be tried again or discarded.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::Job;
use queue::Push;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::Query;
use crate::page::{self, Listing};
use crate::problem::{Kind, Problem};
use crate::schema;

/// Which part of the listing.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most rows of the page, 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists dead jobs in order of their ids.
#[utoipa::path(get, path = "/v1/dead_jobs", tag = "queues", params(Which),
    responses((status = 200, description = "Dead jobs", body = Listing<schema::DeadJob>)))]
async fn list_dead_jobs(
    State(front): State<Front>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Operator)?;
    let limit = page::limit(which.limit)?;
    let mut data = front.store.dead_jobs(which.cursor.as_deref().unwrap_or_default(), limit + 1).await?;
    let more = data.len() > limit as usize;
    data.truncate(limit as usize);
    let next_cursor = data.last().filter(|_| more).map(|job| job.job.clone());
    Ok(axum::Json(Listing { data, next_cursor }).into_response())
}

/// Tries a dead job again.
#[utoipa::path(post, path = "/v1/dead_jobs/{job}/retry", tag = "queues", params(("job" = String, Path)),
    responses((status = 204, description = "Queued again")))]
async fn retry_dead_job(
    State(front): State<Front>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::Operator)?;
    let unknown = || Problem::not_found("dead job");
    let job: Job = id.parse().map_err(|_| unknown())?;
    let dead = front.store.dead_job(&id).await?.ok_or_else(unknown)?;
    let push = match job {
        Job::SendMessage(message) => front.pending(message.into()).await?,
        Job::PerformAction(action) => front.pending(action.into()).await?,
        // Long too late.
        Job::MarkRead(_) | Job::ShowTyping(_) | Job::HideTyping(_) => None,
        Job::ReleaseMessage(message) => {
            let account = dead.lane.parse().map_err(|_| unknown())?;
            Some(Push::release_message(message, account, front.clock.now()))
        }
        Job::IngestEvents(account) => Some(Push::ingest_events(account)),
        Job::FetchMedia(media) => {
            let account = dead.lane.parse().map_err(|_| unknown())?;
            Some(Push::fetch_media(media, account))
        }
        Job::RelayEvents(workspace) => Some(Push::relay_events(workspace)),
    };
    let push = push.ok_or_else(|| {
        Problem::new(Kind::Conflict)
            .because("what it is for does not wait any more: retry the message itself, or discard the job")
    })?;
    front.store.unbury_job(&id).await?;
    front.push(vec![push]).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Discards a dead job.
#[utoipa::path(delete, path = "/v1/dead_jobs/{job}", tag = "queues", params(("job" = String, Path)),
    responses((status = 204, description = "Discarded")))]
async fn discard_dead_job(
    State(front): State<Front>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::Operator)?;
    if front.store.unbury_job(&id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("dead job"))
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list_dead_jobs))
        .routes(routes!(retry_dead_job))
        .routes(routes!(discard_dead_job))
}
