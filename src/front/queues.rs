//! Queues as an operator sees them: what waits where, and why.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::Queue;
use queue::{HoldTarget, LaneId, QueueSummary};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::Query;
use crate::page::{self, Listing};
use crate::problem::Problem;
use crate::schema;

/// How much is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Much {
    /// Most rows, 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl Much {
    fn rows(&self) -> Result<usize, Problem> {
        Ok(page::limit(self.limit)? as usize)
    }
}

fn queue_of(word: &str) -> Result<Queue, Problem> {
    word.parse().map_err(|_| Problem::not_found("queue"))
}

fn view(summary: &QueueSummary) -> Value {
    json!({
        "queue": summary.queue,
        "held": summary.held,
        "lanes": summary.lanes,
        "waiting": summary.waiting,
        "claimed": summary.claimed,
    })
}

/// Lists the queues with what they hold.
#[utoipa::path(get, path = "/v1/queues", tag = "queues",
    responses((status = 200, description = "Queues", body = Listing<schema::QueueSummary>)))]
async fn list_queues(State(front): State<Front>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Operator)?;
    let mut data = Vec::new();
    for queue in Queue::ALL {
        data.push(view(&front.lanes.inspect(*queue, 0).await?));
    }
    Ok(axum::Json(Listing { data, next_cursor: None }).into_response())
}

/// Lists a queue's lanes, those with the oldest due time first.
#[utoipa::path(get, path = "/v1/queues/{queue}/lanes", tag = "queues", params(("queue" = schema::Queue, Path), Much),
    responses((status = 200, description = "Lanes", body = Listing<schema::LaneSummary>)))]
async fn list_lanes(
    State(front): State<Front>,
    caller: Caller,
    Path(queue): Path<String>,
    Query(much): Query<Much>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Operator)?;
    let summary = front.lanes.inspect(queue_of(&queue)?, much.rows()?).await?;
    let data: Vec<_> = summary
        .first
        .iter()
        .map(|lane| {
            json!({
                "lane": lane.lane.name,
                "waiting": lane.waiting,
                "claimed": lane.claimed,
                "due": lane.due,
                "held": lane.held,
            })
        })
        .collect();
    Ok(axum::Json(Listing { data, next_cursor: None }).into_response())
}

/// Lists jobs of a lane and where they are.
#[utoipa::path(get, path = "/v1/queues/{queue}/lanes/{lane}/jobs", tag = "queues",
    params(("queue" = schema::Queue, Path), ("lane" = String, Path), Much),
    responses((status = 200, description = "Jobs", body = Listing<schema::QueuedJob>)))]
async fn list_jobs(
    State(front): State<Front>,
    caller: Caller,
    Path((queue, lane)): Path<(String, String)>,
    Query(much): Query<Much>,
) -> Result<Response, Problem> {
    caller.needs(Scope::Operator)?;
    let lane = LaneId { queue: queue_of(&queue)?, name: lane };
    let jobs = front.lanes.jobs(lane, much.rows()?).await?;
    let data: Vec<_> = jobs
        .into_iter()
        .map(|(job, place)| {
            let mut view = json!(place);
            view["job"] = json!(job);
            view
        })
        .collect();
    Ok(axum::Json(Listing { data, next_cursor: None }).into_response())
}

/// Pauses a queue: its workers claim nothing from it until it is resumed.
#[utoipa::path(post, path = "/v1/queues/{queue}/pause", tag = "queues", params(("queue" = schema::Queue, Path)),
    responses((status = 204, description = "Paused")))]
async fn pause_queue(
    State(front): State<Front>,
    caller: Caller,
    Path(queue): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::Operator)?;
    let queue = queue_of(&queue)?;
    front.store.pause_queue(queue).await?;
    front.set_hold(HoldTarget::Queue(queue), Some("paused")).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Resumes a queue.
#[utoipa::path(post, path = "/v1/queues/{queue}/resume", tag = "queues", params(("queue" = schema::Queue, Path)),
    responses((status = 204, description = "Resumed")))]
async fn resume_queue(
    State(front): State<Front>,
    caller: Caller,
    Path(queue): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.needs(Scope::Operator)?;
    let queue = queue_of(&queue)?;
    front.store.resume_queue(queue).await?;
    front.set_hold(HoldTarget::Queue(queue), None).await;
    Ok(StatusCode::NO_CONTENT)
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list_queues))
        .routes(routes!(list_lanes))
        .routes(routes!(list_jobs))
        .routes(routes!(pause_queue))
        .routes(routes!(resume_queue))
}
