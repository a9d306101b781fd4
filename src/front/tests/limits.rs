//! What every request meets: rates, times, panics, browsers; and keys that may not make mightier ones.

use std::time::Duration;

use axum::http::Method;
use front::{FrontConfig, RateLimit};
use serde_json::json;

use crate::support::App;

#[tokio::test]
async fn a_key_and_an_address_may_call_only_so_often() {
    let limit = Some(RateLimit { per_second: 1, burst: 3 });
    let app = App::with(FrontConfig { rate_per_key: limit, ..FrontConfig::default() }).await;
    for _ in 0..3 {
        app.get("/v1/channels").await.ok(200);
    }
    let refused = app.get("/v1/channels").await;
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.problem(429).0, "/problems/rate-limited");
    let other = app.key_with(vec!["messages:read".to_owned()], None).await;
    app.get_as(&other, "/v1/channels").await.ok(200);
    app.get("/healthz").await.ok(200);

    let app = App::with(FrontConfig { rate_per_address: limit, ..FrontConfig::default() }).await;
    for n in 0..3 {
        app.get_as(&format!("rk_{n}"), "/v1/channels").await.problem(401);
    }
    app.get_as("rk_4", "/v1/channels").await.problem(429);
}

#[tokio::test]
async fn a_provider_that_hangs_does_not_hang_the_caller() {
    let app =
        App::with(FrontConfig { request_timeout: Duration::from_millis(50), ..FrontConfig::default() }).await;
    let body = json!({"channel": "fake", "credentials": {"token": "hangs:x"}});
    assert_eq!(app.post("/v1/accounts", body).await.problem(504).0, "/problems/timeout");
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_service_goes_on() {
    let app = App::new().await;
    let body = json!({"channel": "fake", "credentials": {"token": "panics:x"}});
    let answer = app.call(Method::POST, "/v1/accounts", Some(body), &[("x-request-id", "r-1")]).await;
    assert_eq!(answer.headers["x-request-id"], "r-1");
    assert_eq!(answer.problem(500).0, "/problems/internal");
    app.get("/readyz").await.ok(200);
}

#[tokio::test]
async fn browsers_of_known_origins_may_call() {
    let app = App::with(FrontConfig {
        cors_origins: vec!["https://shop.example".to_owned()],
        ..FrontConfig::default()
    })
    .await;
    let ask = async |origin: &str| {
        let extra = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ];
        app.call(Method::OPTIONS, "/v1/messages", None, &extra).await
    };
    assert_eq!(
        ask("https://shop.example").await.headers["access-control-allow-origin"],
        "https://shop.example"
    );
    assert!(!ask("https://evil.example").await.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_key_makes_none_that_may_do_more() {
    let app = App::new().await;
    let (mine, other) = (app.account("one").await, app.account("two").await);
    let scopes = vec!["keys:write".to_owned(), "messages:read".to_owned()];
    let maker = app.key_with(scopes, Some(vec![mine.parse().unwrap()])).await;
    let ask = async |body| app.post_as(&maker, "/v1/api_keys", body).await;
    assert_eq!(ask(json!({"name": "x", "scopes": ["operator"]})).await.field(), "scopes[0]");
    assert_eq!(ask(json!({"name": "x", "scopes": ["teapot"]})).await.field(), "scopes[0]");
    assert_eq!(ask(json!({"name": "", "scopes": ["messages:read"]})).await.field(), "name");
    assert_eq!(
        ask(json!({"name": "x", "scopes": ["messages:read"], "accounts": [other]})).await.field(),
        "accounts[0]"
    );
    let made = ask(json!({"name": "x", "scopes": ["messages:read"]})).await.ok(201);
    assert_eq!(made["accounts"], json!([mine]));

    // Nor does it make one void that may do more; its own kind it may.
    let keys = app.get("/v1/api_keys").await.ok(200);
    let strong = keys["data"].as_array().unwrap().iter().find(|key| key["accounts"].is_null()).unwrap();
    let bearer = format!("Bearer {maker}");
    let revoke = async |id: &serde_json::Value| {
        let path = format!("/v1/api_keys/{}", id.as_str().unwrap());
        app.call(axum::http::Method::DELETE, &path, None, &[("authorization", &bearer)]).await
    };
    revoke(&strong["id"]).await.problem(403);
    revoke(&made["id"]).await.ok(204);
}
