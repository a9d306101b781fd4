//! Accounts: connected by asking the provider, and never telling a secret.

use axum::http::Method;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{App, SECRET};

fn body(login: &str) -> Value {
    json!({"channel": "fake", "name": "Shop", "credentials": {"token": format!("{login}:{SECRET}")}})
}

#[tokio::test]
async fn an_account_lives() {
    let app = App::new().await;
    let answer = app.post("/v1/accounts", body("one")).await;
    assert!(!answer.text.contains(SECRET));
    let account = answer.ok(201);
    let id = account["id"].as_str().unwrap();
    assert_eq!(account["external_id"], "one");
    assert_eq!((&account["connection"], &account["intake"]), (&json!("connected"), &json!("webhook")));
    let url = format!("https://rookery.example/webhooks/fake/{id}");
    assert_eq!(account["webhook_url"], url);
    assert_eq!(*app.fake.delivers_to.lock().unwrap(), [url]);

    let path = format!("/v1/accounts/{id}");
    assert_eq!(app.get(&path).await.ok(200), account);
    assert_eq!(app.get("/v1/accounts").await.ok(200)["data"], json!([account]));
    let change = json!({"name": "Store", "timezone": "Europe/Berlin", "settings": {"region": "eu"}});
    let changed = app.patch(&path, change).await.ok(200);
    assert_eq!((&changed["name"], &changed["settings"]), (&json!("Store"), &json!({"region": "eu"})));
    app.patch(&path, json!({"credentials": {"token": "one:a-new-token"}})).await.ok(200);
    assert_eq!(app.patch(&path, json!({"credentials": {"token": "two:x"}})).await.field(), "credentials");

    app.delete(&path).await.ok(204);
    app.get(&path).await.problem(404);
    app.delete(&path).await.problem(404);
}

#[tokio::test]
async fn mistakes_name_their_field() {
    let app = App::new().await;
    let with = |name: &str, value: Value| {
        let mut body = body("one");
        body[name] = value;
        body
    };
    for (body, field) in [
        (with("channel", json!("pigeon")), "channel"),
        (with("credentials", json!({})), "credentials.token"),
        (with("credentials", json!({"token": "x", "colour": "red"})), "credentials.colour"),
        (with("settings", json!({"token": "x"})), "settings.token"),
        (with("settings", json!({"colour": "x"})), "settings.colour"),
        (with("name", json!("")), "name"),
        (with("timezone", json!("Mars")), "timezone"),
        (with("pace_scale", json!(2)), "pace_scale"),
        (with("redelivery", json!("never")), "redelivery"),
        (with("intake", json!("pigeon")), "intake"),
        (with("intake", json!("session")), "intake"),
        (with("colour", json!("red")), "colour"),
    ] {
        assert_eq!(app.post("/v1/accounts", body.clone()).await.field(), field, "{body}");
    }
    assert_eq!(app.get("/v1/accounts").await.ok(200)["data"], json!([]));
}

#[tokio::test]
async fn a_secret_in_the_wrong_form_is_not_quoted() {
    let app = App::new().await;
    for credentials in [json!(SECRET), json!({"token": [SECRET]}), json!({"token": {SECRET: 1}})] {
        let answer = app.post("/v1/accounts", json!({"channel": "fake", "credentials": credentials})).await;
        assert!(!answer.text.contains(SECRET), "{}", answer.text);
        assert!(answer.field().starts_with("credentials"));
    }
}

#[tokio::test]
async fn a_providers_no_is_told_without_the_secret() {
    let app = App::new().await;
    let refused = app.post("/v1/accounts", body("refused")).await;
    assert!(!refused.text.contains(SECRET), "{}", refused.text);
    assert!(refused.text.contains("is not valid"));
    assert_eq!(refused.field(), "credentials");
    app.post("/v1/accounts", body("away")).await.problem(502);
    let busy = app.post("/v1/accounts", body("busy")).await;
    assert_eq!(busy.headers["retry-after"], "8");
    busy.problem(503);
}

#[tokio::test]
async fn equal_requests_connect_one_account() {
    let app = App::new().await;
    let calls = (0..20).map(|_| app.post_keyed("k", "/v1/accounts", body("one")));
    let answers = join_all(calls).await;
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.json(), answers[0].json());
    }
    assert_eq!(app.fake.delivers_to.lock().unwrap().len(), 1);
    app.post_keyed("k", "/v1/accounts", body("two")).await.problem(422);
}

#[tokio::test]
async fn events_come_by_webhook_where_a_provider_reaches_us_and_else_are_asked_for() {
    let app = App::with(front::FrontConfig::default()).await;
    let polled = app.post("/v1/accounts", body("one")).await.ok(201);
    assert_eq!((&polled["intake"], &polled["webhook_url"]), (&json!("poll"), &json!(null)));
    assert!(app.fake.delivers_to.lock().unwrap().is_empty());
    let path = format!("/v1/accounts/{}", polled["id"].as_str().unwrap());
    assert_eq!(app.patch(&path, json!({"intake": "webhook"})).await.field(), "intake");

    let app = App::new().await;
    let mut asked = body("one");
    asked["intake"] = json!("poll");
    let polled = app.post("/v1/accounts", asked).await.ok(201);
    assert_eq!((&polled["intake"], &polled["webhook_url"]), (&json!("poll"), &json!(null)));
    let path = format!("/v1/accounts/{}", polled["id"].as_str().unwrap());
    let told = app.patch(&path, json!({"intake": "webhook"})).await.ok(200);
    assert_eq!(told["intake"], "webhook");
    assert_eq!(*app.fake.delivers_to.lock().unwrap(), [told["webhook_url"].as_str().unwrap()]);
}

#[tokio::test]
async fn messages_of_a_disconnected_account_say_why_they_wait() {
    let app = App::new().await;
    let id = app.account("one").await;
    let path = format!("/v1/accounts/{id}");
    let apart = app.post(&format!("{path}/disconnect"), json!({})).await.ok(200);
    assert_eq!(apart["connection"], "disconnected");
    let message = app.text(&id, "anna", "hi").await;
    let message = app.get(&format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.ok(200);
    assert_eq!(message["waiting"]["rule"], "disconnected");
    let again = app.post(&format!("{path}/connect"), json!({})).await.ok(200);
    assert_eq!((&again["connection"], &again["connection_detail"]), (&json!("connected"), &json!(null)));
    assert_eq!(app.fake.delivers_to.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_login_is_connected_once_and_keeps_its_webhooks() {
    let app = App::new().await;
    let id = app.account("one").await;
    app.post("/v1/accounts", body("one")).await.problem(409);
    let last = app.fake.delivers_to.lock().unwrap().last().cloned();
    assert_eq!(last, Some(format!("https://rookery.example/webhooks/fake/{id}")));
}

#[tokio::test]
async fn keys_see_only_what_they_may() {
    let app = App::new().await;
    let (mine, other) = (app.account("one").await, app.account("two").await);
    let all: Vec<String> = store::SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
    let limited = app.key_with(all.clone(), Some(vec![mine.parse().unwrap()])).await;
    let seen = app.get_as(&limited, "/v1/accounts").await.ok(200);
    assert_eq!(seen["data"].as_array().unwrap().len(), 1);
    app.get_as(&limited, &format!("/v1/accounts/{mine}")).await.ok(200);
    app.get_as(&limited, &format!("/v1/accounts/{other}")).await.problem(404);
    app.post_as(&limited, "/v1/accounts", body("three")).await.problem(403);
    let message = app.text(&other, "anna", "hi").await;
    app.get_as(&limited, &format!("/v1/messages/{}", message["id"].as_str().unwrap())).await.problem(404);
    assert_eq!(app.get_as(&limited, "/v1/messages").await.ok(200)["data"], json!([]));

    let stranger = app.store.create_workspace("other").await.unwrap();
    let stranger = app.key_in(stranger, all, None).await;
    app.get_as(&stranger, &format!("/v1/accounts/{mine}")).await.problem(404);
    let body = json!({"account_id": mine, "to": {"address": "a"}, "content": {"type": "text", "text": "x"}});
    assert_eq!(app.post_as(&stranger, "/v1/messages", body).await.field(), "account_id");

    let reader = app.key_with(vec!["messages:read".to_owned()], None).await;
    app.get_as(&reader, "/v1/accounts").await.problem(403);
    app.get_as("rk_nonsense", "/v1/accounts").await.problem(401);
    app.get_as("", "/v1/accounts").await.problem(401);
    app.get_as(&reader, "/metrics").await.problem(403);
    assert_eq!(app.get("/metrics").await.text, "up 1\n");
}

#[tokio::test]
async fn a_channel_that_is_switched_off_connects_nobody_takes_no_webhook_and_accepts_nothing() {
    let mut app = App::new().await;
    let (off, on) =
        (app.account("one").await, json!({"channel": "plain", "credentials": {"token": "two:x"}}));
    app.router = app.without("fake");
    assert_eq!(app.post("/v1/accounts", body("three")).await.field(), "channel");
    let path = format!("/v1/accounts/{off}");
    app.post(&format!("{path}/connect"), json!({})).await.problem(409);
    app.patch(&path, json!({"credentials": {"token": "one:new"}})).await.problem(409);
    let address = format!("/webhooks/fake/{off}");
    let hook = app.call(Method::POST, &address, Some(json!({"id": 1})), &[]).await;
    assert_eq!(hook.status, 404);
    let text = |account: &str| json!({"account_id": account, "to": {"address": "anna"}, "content": {"type": "text", "text": "hi"}});
    assert_eq!(app.post("/v1/messages", text(&off)).await.field(), "account_id");
    assert_eq!(app.get(&path).await.ok(200)["id"], off, "it can be looked at");
    let on = app.post("/v1/accounts", on).await.ok(201);
    app.post("/v1/messages", text(on["id"].as_str().unwrap())).await.ok(202);
    let names: Vec<_> = app.get("/v1/channels").await.ok(200)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| channel["name"].clone())
        .collect();
    assert_eq!(json!(names), json!(["device", "mall", "plain"]));
}
