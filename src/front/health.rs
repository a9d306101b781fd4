//! Whether the process lives, whether it can serve, and its metrics.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::problem::{Kind, Problem};

/// What is well.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}

fn ok() -> axum::Json<Health> {
    axum::Json(Health { status: "ok".to_owned() })
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "It lives", body = Health)))]
async fn live() -> axum::Json<Health> {
    ok()
}

/// Who is slower than this does not answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer is believed: whoever asks all the time must not write all the time.
const WELL: Duration = Duration::from_secs(1);
const UNWELL: Duration = Duration::from_millis(200);

/// What was found out last.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Result<(), Problem>)>>);

impl Front {
    /// One at a time: those who ask meanwhile get the same answer.
    async fn is_ready(&self) -> Result<(), Problem> {
        let mut last = self.readiness.0.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < if answer.is_ok() { WELL } else { UNWELL }
        {
            return answer.clone();
        }
        let answer = self.look().await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    /// Writes a row and asks the queue, which answers only if it holds what the rows say.
    async fn look(&self) -> Result<(), Problem> {
        let stuck = |what: &str| {
            Problem::new(Kind::Unavailable).because(format!("{what} does not answer")).after(PATIENCE)
        };
        let writable = timeout(PATIENCE, self.store.check_writable());
        let answering = timeout(PATIENCE, self.lanes.now());
        let (writable, answering) = tokio::join!(writable, answering);
        writable.map_err(|_| stuck("the database"))??;
        answering.map_err(|_| stuck("the queue"))??;
        Ok(())
    }
}

/// Whether the service can do its work: the database takes a write, and the queue answers and is whole.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Ready", body = Health),
    (status = 503, description = "Not ready, and why", body = crate::ProblemDetails,
        content_type = "application/problem+json"),
))]
async fn ready(State(front): State<Front>) -> Result<axum::Json<Health>, Problem> {
    front.is_ready().await.map(|()| ok())
}

/// The process's metrics, in Prometheus' text form.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("api_key" = ["operator"])),
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
async fn show_metrics(State(front): State<Front>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::Operator)?;
    let render = front
        .config
        .metrics
        .as_ref()
        .ok_or_else(|| Problem::new(Kind::NotFound).because("metrics are switched off"))?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render()).into_response())
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(show_metrics))
}
