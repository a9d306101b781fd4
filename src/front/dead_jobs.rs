//! Dead jobs: what was given up on, to be tried again or discarded.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

use model::{AccountId, Job, MessageId, Queue, Status};
use queue::Push;
use serde::Deserialize;
use serde_json::json;
use store::{DeadJob, DeadJobFilter};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Json, Query};
use crate::page::{self, Listing};
use crate::problem::{Kind, Problem};
use crate::schema;

/// Between two dead jobs that are tried again in one go: what was too much once shall not come back at once.
const BETWEEN: Duration = Duration::from_millis(50);
/// The word in the reason of a message that failed with its job.
const POISON: &str = "worker_lost";

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
    let after = which.cursor.unwrap_or_default();
    let (data, next_cursor) = front.dead_page(&DeadJobFilter::default(), &after, limit).await?;
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
    let dead = front.store.dead_job(&id).await?.ok_or_else(|| Problem::not_found("dead job"))?;
    match front.revive(&caller, &dead).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(why) => Err(Problem::new(Kind::Conflict).because(why)),
    }
}

/// Dead jobs to try again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryDeadJobs {
    /// Only those of this queue.
    #[schema(value_type = Option<schema::Queue>)]
    queue: Option<Queue>,
    /// Only those of this lane; for `send` the account's id.
    lane: Option<String>,
    /// Most jobs to look at, 1 to 200; 50 if not given.
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the answer before.
    cursor: Option<String>,
}

/// Tries all dead jobs that match again, at most 20 a second, and answers when that is done. What cannot be tried again
/// stays and says why; go on with `next_cursor`. While one such request runs, another is refused.
#[utoipa::path(post, path = "/v1/dead_jobs/retry", tag = "queues", request_body = RetryDeadJobs,
    responses((status = 200, description = "What became of them", body = schema::RetriedJobs)))]
async fn retry_dead_jobs(
    State(front): State<Front>,
    caller: Caller,
    Json(body): Json<RetryDeadJobs>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Operator)?;
    let limit = page::limit(body.limit)?;
    let filter = DeadJobFilter { queue: body.queue.map(|queue| queue.as_str().to_owned()), lane: body.lane };
    let _turn = front.retrying.try_lock().map_err(|_| {
        Problem::new(Kind::Conflict).because("dead jobs are being retried already: wait until that ends")
    })?;
    let after = body.cursor.unwrap_or_default();
    let (data, next_cursor) = front.dead_page(&filter, &after, limit).await?;
    let (mut retried, mut kept) = (Vec::new(), Vec::new());
    for dead in &data {
        match front.revive(&caller, dead).await? {
            Ok(()) => {
                retried.push(dead.job.as_str());
                tokio::time::sleep(BETWEEN).await;
            }
            Err(reason) => kept.push(json!({"job": dead.job, "reason": reason})),
        }
    }
    let answer = json!({"retried": retried, "kept": kept, "next_cursor": next_cursor});
    Ok(axum::Json(answer).into_response())
}

/// Why a job cannot be tried again, and what to do instead.
type Reason = String;

impl Front {
    async fn dead_page(
        &self,
        filter: &DeadJobFilter,
        after: &str,
        limit: u32,
    ) -> Result<(Vec<DeadJob>, Option<String>), Problem> {
        let mut data = self.store.dead_jobs(filter, after, limit + 1).await?;
        let more = data.len() > limit as usize;
        data.truncate(limit as usize);
        let next_cursor = data.last().filter(|_| more).map(|job| job.job.clone());
        Ok((data, next_cursor))
    }

    /// Queues a dead job again, and its message if that failed with it.
    async fn revive(&self, caller: &Caller, dead: &DeadJob) -> Result<Result<(), Reason>, Problem> {
        let Ok(job) = dead.job.parse::<Job>() else {
            return Ok(Err(
                "this release does not know such a job: discard it, or run the release that made it"
                    .to_owned(),
            ));
        };
        let account = dead.lane.parse::<AccountId>();
        let lane = account.as_ref().ok().copied();
        let lost = || "its lane is no account: discard it".to_owned();
        let push = match job {
            Job::SendMessage(message) => match self.pending(message.into()).await? {
                None => self.revive_message(caller, message).await?,
                push => push.ok_or_else(String::new),
            },
            Job::PerformAction(action) => self.pending(action.into()).await?.ok_or_else(|| {
                "the action does not wait any more: ask for it anew, or discard the job".to_owned()
            }),
            Job::MarkRead(_) | Job::ShowTyping(_) | Job::HideTyping(_) => {
                Err("it is long too late for it: discard the job".to_owned())
            }
            Job::ReleaseMessage(message) => account
                .map(|account| Push::release_message(message, account, self.clock.now()))
                .map_err(|_| lost()),
            Job::IngestEvents(account) => Ok(Push::ingest_events(account)),
            Job::FetchMedia(media) => {
                account.map(|account| Push::fetch_media(media, account)).map_err(|_| lost())
            }
            Job::RefreshAccount(account) => Ok(Push::refresh_account(account)),
            Job::RelayEvents(workspace) => Ok(Push::relay_events(workspace)),
        };
        match push {
            Ok(mut push) => {
                if let (None, Some(account)) = (push.route, lane) {
                    push.route = self.pin(account).await;
                }
                self.store.unbury_job(&dead.job).await?;
                self.push(vec![push]).await;
                Ok(Ok(()))
            }
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// A message that failed because its workers were lost is queued again. One that failed otherwise is its sender's to
    /// decide on.
    async fn revive_message(&self, caller: &Caller, id: MessageId) -> Result<Result<Push, Reason>, Problem> {
        let Some(fate) = self.store.fate_of_message(id).await? else {
            return Ok(Err("its message is gone: discard the job".to_owned()));
        };
        let reason = fate.reason.unwrap_or_default();
        let is_poison = reason.split(':').next() == Some(POISON);
        match fate.status {
            Status::Failed if is_poison => {}
            Status::Failed => {
                return Ok(Err(format!(
                    "the message failed for another reason ({reason}): retry the message itself, or discard the job"
                )));
            }
            Status::Unknown => {
                return Ok(Err(
                    "nobody knows what became of the message: resolve the message itself".to_owned()
                ));
            }
            status => return Ok(Err(format!("the message is {status}: discard the job"))),
        }
        self.store.retry_message(fate.workspace_id, id, &caller.actor()).await?;
        self.relay(fate.workspace_id).await;
        let push = self.pending(id.into()).await?;
        Ok(push.ok_or_else(|| "the message does not wait any more: discard the job".to_owned()))
    }
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
        .routes(routes!(retry_dead_jobs))
        .routes(routes!(discard_dead_job))
}
