//! The OpenAPI document, made of the routes themselves, and a page to read it on.

use axum::Router;
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{Front, ProblemDetails, routes, schema};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Rookery",
        description = "A worker fleet for chat messages: what is asked of it is committed, paced and sent.",
        license(name = "MIT")
    ),
    components(schemas(ProblemDetails, schema::Event))
)]
struct Document;

/// The document of every route. Problems that any route may answer are added here, once.
pub fn openapi() -> OpenApi {
    let (_, routes) = routes::documented().split_for_parts();
    let mut document = Document::openapi();
    document.merge(routes);
    let scheme =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key, `rk_…`.")).build();
    document.components.get_or_insert_default().add_security_scheme("api_key", SecurityScheme::Http(scheme));
    for (path, item) in &mut document.paths.paths {
        let operations = [
            (&mut item.get, false),
            (&mut item.post, true),
            (&mut item.put, true),
            (&mut item.patch, true),
            (&mut item.delete, false),
        ];
        for (operation, writes) in operations {
            let Some(operation) = operation else { continue };
            let mut problems = vec![
                ("500", "Something broke on our side"),
                ("503", "Not available at the moment"),
                ("504", "It took too long"),
            ];
            if path.starts_with("/v1/") {
                operation.security = Some(vec![SecurityRequirement::new("api_key", [""; 0])]);
                problems.extend([("422", "Some fields are not right")]);
            }
            if operation.security.is_some() {
                problems.extend([
                    ("401", "A valid API key is needed"),
                    ("403", "The key may not do that"),
                    ("429", "Too many requests"),
                ]);
            }
            if path.contains('{') || path == "/metrics" {
                problems.push(("404", "There is no such thing here"));
            }
            if writes {
                problems.push(("409", "Its state does not allow that"));
            }
            if operation.request_body.is_some() {
                problems.extend([
                    ("400", "The request cannot be read"),
                    ("413", "The body is too large"),
                    ("415", "The body has the wrong media type"),
                ]);
            }
            // The only routes that ask a provider: credentials are checked.
            if matches!(path.as_str(), "/v1/accounts" | "/v1/accounts/{id}")
                && operation.request_body.is_some()
            {
                problems.push(("502", "The provider did not answer as it should"));
            }
            for (status, title) in problems {
                operation
                    .responses
                    .responses
                    .entry(status.to_owned())
                    .or_insert_with(|| RefOr::T(problem(title)));
            }
        }
    }
    document
}

fn problem(title: &str) -> utoipa::openapi::Response {
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemDetails::name()));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(title).content("application/problem+json", content).build()
}

/// The document and its page.
pub(crate) fn router() -> Router<Front> {
    let document = openapi();
    let page = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    Router::new().route("/openapi.json", get(|| async move { axum::Json(document) })).merge(page)
}
