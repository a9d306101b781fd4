//! All routes, and what every request passes on its way to one.

use std::any::Any;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;

use crate::problem::{Kind, Problem};
use crate::{
    Front, FrontConfig, account_connection, account_health, account_state, accounts, actions, api_keys,
    audit, channel_apps, channels, compose, contacts, conversations, dead_jobs, files, health, leftover,
    message_actions, message_batch, messages, oauth, openapi, pace, queues, rate, request, stream, templates,
    uploads, webhooks,
};

/// What clients call, with a key.
fn api() -> OpenApiRouter<Front> {
    let routers: &[fn() -> OpenApiRouter<Front>] = &[
        accounts::router,
        account_state::router,
        account_health::router,
        account_connection::router,
        pace::router,
        channels::router,
        channel_apps::router,
        oauth::router,
        messages::router,
        message_batch::router,
        message_actions::router,
        templates::router,
        actions::router,
        conversations::router,
        contacts::router,
        stream::router,
        api_keys::router,
        audit::router,
        queues::router,
        dead_jobs::router,
        uploads::router,
    ];
    routers.iter().fold(OpenApiRouter::new(), |all, router| all.merge(router()))
}

/// What providers and machines call.
fn machines(config: &FrontConfig) -> OpenApiRouter<Front> {
    health::router()
        .merge(webhooks::router(config.webhook_body_limit))
        .merge(oauth::callback())
        .merge(files::router())
}

/// Every documented route.
pub(crate) fn documented() -> OpenApiRouter<Front> {
    api().merge(machines(&FrontConfig::default()))
}

/// The whole service.
pub(crate) fn router(front: Front) -> Router {
    let (api, _) = api().split_for_parts();
    let (machines, _) = machines(&front.config).split_for_parts();
    rate::limit(api, &front.config)
        .layer(DefaultBodyLimit::max(front.config.body_limit))
        .merge(machines)
        .merge(openapi::router())
        .fallback(|| async { Problem::new(Kind::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Kind::MethodNotAllowed) })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(front.clone(), request::limit_time))
        .layer(middleware::from_fn_with_state(front.clone(), request::limit_crowd))
        .layer(cors(&front.config.cors_origins))
        .layer(middleware::from_fn_with_state(front.clone(), request::observe))
        .layer(middleware::from_fn(leftover::take_in))
        .with_state(front)
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(Kind::Internal).into_response()
}

fn cors(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            request::ID_HEADER,
            HeaderName::from_static(compose::CONNECTION_HEADER),
        ])
        .expose_headers([request::ID_HEADER, header::RETRY_AFTER])
}
