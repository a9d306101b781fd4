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
use crate::{Front, FrontConfig, accounts, health, messages, openapi, request, webhooks};

/// Every documented route.
pub(crate) fn documented(config: &FrontConfig) -> OpenApiRouter<Front> {
    let api = OpenApiRouter::new().merge(accounts::router()).merge(messages::router());
    OpenApiRouter::new()
        .merge(api)
        .merge(health::router())
        .layer(DefaultBodyLimit::max(config.body_limit))
        .merge(webhooks::router(config.webhook_body_limit))
}

/// The whole service.
pub(crate) fn router(front: Front) -> Router {
    let (router, _) = documented(&front.config).split_for_parts();
    router
        .merge(openapi::router())
        .fallback(|| async { Problem::new(Kind::NotFound) })
        .method_not_allowed_fallback(|| async { Problem::new(Kind::MethodNotAllowed) })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(front.clone(), request::limit_time))
        .layer(cors(&front.config.cors_origins))
        .layer(middleware::from_fn_with_state(front.clone(), request::observe))
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
            HeaderName::from_static(messages::CONNECTION_HEADER),
        ])
        .expose_headers([request::ID_HEADER, header::RETRY_AFTER])
}
