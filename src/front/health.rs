//! Whether the process lives, whether it can serve, and its metrics.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
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

/// Whether the database and the queue answer.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200, description = "Ready", body = Health)))]
async fn ready(State(front): State<Front>) -> Result<axum::Json<Health>, Problem> {
    front.store.ping().await?;
    front.lanes.now().await?;
    Ok(ok())
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
