//! Channels as data: what each can do, and how an account of it is connected.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::Caller;
use crate::page::Listing;
use crate::schema;

/// Lists the channels of this installation: capabilities, limits with their sources, and connect steps.
#[utoipa::path(get, path = "/v1/channels", tag = "channels",
    responses((status = 200, description = "Channels", body = Listing<schema::Channel>)))]
async fn list_channels(State(front): State<Front>, _: Caller) -> Response {
    let data: Vec<_> = front
        .channels
        .iter()
        .map(|channel| {
            let app =
                channel.apps().map(|apps| json!({"provider": apps.provider(), "fields": apps.fields()}));
            json!({
                "name": channel.name(),
                "capabilities": channel.capabilities(),
                "connect_steps": channel.connect_steps(),
                "app": app,
                "oauth": channel.apps().is_some_and(|apps| apps.oauth().is_some()),
                "window": channel.capabilities().window,
                "polls": channel.poller().is_some(),
                "sessions": channel.sessions().is_some(),
            })
        })
        .collect();
    axum::Json(Listing { data, next_cursor: None }).into_response()
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(list_channels))
}
