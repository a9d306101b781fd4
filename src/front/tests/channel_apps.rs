//! Apps: registered once, used by many accounts, told about at one address.

use axum::body::Body;
use axum::http::{Method, Request};
use model::WorkspaceId;
use serde_json::{Value, json};

use crate::support::{Answer, App, SECRET};

const VERIFY: &str = "a-token-to-verify-by";

fn app_body(name: &str) -> Value {
    json!({
        "provider": "bazaar",
        "name": name,
        "credentials": {"app_id": format!("id-of-{name}"), "app_secret": format!("{name}-{SECRET}"), "app_verify_token": VERIFY},
    })
}

async fn register(app: &App, key: &str, name: &str) -> String {
    let made = app.post_as(key, "/v1/channel_apps", app_body(name)).await;
    assert!(!made.text.contains(SECRET) && !made.text.contains(VERIFY), "{}", made.text);
    made.ok(201)["id"].as_str().unwrap().to_owned()
}

fn account_body(login: &str) -> Value {
    json!({"channel": "mall", "credentials": {"token": format!("{login}:{SECRET}")}})
}

async fn connect(app: &App, key: &str, login: &str) -> Value {
    app.post_as(key, "/v1/accounts", account_body(login)).await.ok(201)
}

/// A key of another workspace.
async fn stranger(app: &App) -> (WorkspaceId, String) {
    let workspace = app.store.create_workspace("other").await.unwrap();
    let all = store::SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
    (workspace, app.key_in(workspace, all, None).await)
}

async fn told(app: &App, of: &str, secret: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/webhooks/mall/app/{of}"))
        .header("x-fake-secret", secret);
    app.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// The ids of the events that an account has to read.
async fn events(app: &App, account: &str) -> Vec<i64> {
    let pending = app.store.unprocessed_events(account.parse().unwrap(), 100).await.unwrap();
    pending.iter().map(|event| event.payload["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_app_lives_and_its_secrets_are_never_shown() {
    let app = App::new().await;
    let id = register(&app, &app.key, "one").await;
    let path = format!("/v1/channel_apps/{id}");
    let shown = app.get(&path).await;
    assert!(!shown.text.contains(SECRET), "{}", shown.text);
    let shown = shown.ok(200);
    assert_eq!(shown["credentials"], json!(["app_id", "app_secret", "app_verify_token"]));
    let url = format!("https://rookery.example/webhooks/mall/app/{id}");
    assert_eq!(shown["webhook_urls"], json!({"mall": url}));
    assert_eq!(app.get("/v1/channel_apps").await.ok(200)["data"], json!([shown]));

    let changed = app.patch(&path, json!({"name": "uno", "settings": {"note": "ours"}})).await.ok(200);
    assert_eq!((&changed["name"], &changed["settings"]), (&json!("uno"), &json!({"note": "ours"})));
    let account = connect(&app, &app.key, "page").await;
    assert_eq!(account["app_id"], id);
    app.delete(&path).await.problem(409);
    app.delete(&format!("/v1/accounts/{}", account["id"].as_str().unwrap())).await.ok(204);
    app.delete(&path).await.ok(204);
    app.get(&path).await.problem(404);
    assert_eq!(told(&app, &id, &format!("one-{SECRET}"), &json!({"events": []})).await.status, 404);

    let log = app.get("/v1/audit").await;
    assert!(!log.text.contains(SECRET), "{}", log.text);
    let log = log.ok(200);
    let actions: Vec<_> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(json!(actions), json!(["channel_app.deleted", "channel_app.changed", "channel_app.created"]));
}

#[tokio::test]
async fn mistakes_about_apps_name_their_field() {
    let app = App::new().await;
    let with = |name: &str, value: Value| {
        let mut body = app_body("one");
        body[name] = value;
        body
    };
    for (body, field) in [
        (with("provider", json!("pigeon")), "provider"),
        (with("credentials", json!({"app_id": "x"})), "credentials.app_secret"),
        (with("credentials", json!({"app_id": "x", "app_secret": " "})), "credentials.app_secret"),
        (with("credentials", json!({"app_id": "x", "app_secret": "y", "token": "z"})), "credentials.token"),
        (with("name", json!("")), "name"),
    ] {
        assert_eq!(app.post("/v1/channel_apps", body.clone()).await.field(), field, "{body}");
    }
    assert_eq!(app.get("/v1/channel_apps").await.ok(200)["data"], json!([]));

    let id = register(&app, &app.key, "one").await;
    let asked = |channel: &str, id: &str| {
        let mut body = account_body("page");
        (body["channel"], body["app_id"]) = (json!(channel), json!(id));
        body
    };
    assert_eq!(app.post("/v1/accounts", asked("fake", &id)).await.field(), "app_id");
    let nowhere = uuid::Uuid::nil().to_string();
    assert_eq!(app.post("/v1/accounts", asked("mall", &nowhere)).await.field(), "app_id");
    let (_, key) = stranger(&app).await;
    assert_eq!(app.post_as(&key, "/v1/accounts", asked("mall", &id)).await.field(), "app_id");
    app.get_as(&key, &format!("/v1/channel_apps/{id}")).await.problem(404);
    register(&app, &app.key, "two").await;
    assert_eq!(app.post("/v1/accounts", account_body("page")).await.field(), "app_id", "which of the two?");

    let reader = app.key_with(vec!["accounts:read".to_owned()], None).await;
    app.get_as(&reader, "/v1/channel_apps").await.ok(200);
    app.post_as(&reader, "/v1/channel_apps", app_body("three")).await.problem(403);
}

#[tokio::test]
async fn an_account_uses_its_apps_secrets_and_keeps_none_of_them() {
    let app = App::new().await;
    assert_eq!(
        app.post("/v1/accounts", account_body("page")).await.field(),
        "credentials",
        "there is no app"
    );
    let id = register(&app, &app.key, "one").await;
    let account = connect(&app, &app.key, "page").await["id"].as_str().unwrap().to_owned();
    let login = async || app.store.login(account.parse().unwrap()).await.unwrap().unwrap().1;
    let own = async || app.store.own_secrets(account.parse().unwrap()).await.unwrap();
    assert_eq!(login().await["app_secret"], format!("one-{SECRET}"));
    assert_eq!(own().await.into_keys().collect::<Vec<_>>(), ["token", "webhook_secret"]);

    let change = json!({"credentials": {"app_secret": "another"}});
    app.patch(&format!("/v1/channel_apps/{id}"), change).await.ok(200);
    assert_eq!(login().await["app_secret"], "another", "a change counts at once");
    app.post(&format!("/v1/accounts/{account}/connect"), json!({})).await.ok(200);
    assert!(!own().await.contains_key("app_secret"));

    let change = json!({"credentials": {"app_secret": "its own"}});
    app.patch(&format!("/v1/accounts/{account}"), change).await.ok(200);
    assert_eq!(
        (login().await["app_secret"].as_str(), own().await["app_secret"].as_str()),
        ("its own", "its own")
    );
    assert_eq!(login().await["app_id"], "id-of-one");
}

#[tokio::test]
async fn the_installations_app_is_there_for_every_workspace_and_nobody_changes_it() {
    let app = App::new().await;
    let secrets = [("app_id", "7"), ("app_secret", SECRET)];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let id = app.store.keep_default_app("bazaar", &secrets).await.unwrap();
    assert_eq!(
        app.store.keep_default_app("bazaar", &secrets).await.unwrap(),
        id,
        "every start says so again"
    );
    let (_, key) = stranger(&app).await;
    for key in [&app.key, &key] {
        let seen = app.get_as(key, "/v1/channel_apps").await.ok(200);
        assert_eq!((&seen["data"][0]["id"], &seen["data"][0]["workspace_id"]), (&json!(id), &Value::Null));
        assert_eq!(connect(&app, key, "page").await["app_id"], json!(id));
    }
    let path = format!("/v1/channel_apps/{id}");
    app.patch(&path, json!({"name": "mine"})).await.problem(403);
    app.delete(&path).await.problem(403);
    let own = register(&app, &app.key, "own").await;
    assert_eq!(connect(&app, &app.key, "other").await["app_id"], own, "its own goes first");
}

#[tokio::test]
async fn an_apps_webhook_reaches_every_account_that_it_means() {
    let app = App::new().await;
    let secrets = [("app_id", "7"), ("app_secret", SECRET), ("app_verify_token", VERIFY)];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let id = app.store.keep_default_app("bazaar", &secrets).await.unwrap().to_string();
    let (_, key) = stranger(&app).await;
    let account = async |key: &str, login| connect(&app, key, login).await["id"].as_str().unwrap().to_owned();
    let (mine, theirs) = (account(&app.key, "page").await, account(&key, "page").await);
    let (other, gone) = (account(&app.key, "other").await, account(&app.key, "gone").await);
    app.delete(&format!("/v1/accounts/{gone}")).await.ok(204);

    let event = |id: i64, account: &str| json!({"id": id, "account": account});
    let body = json!({"events": [event(1, "page"), event(2, "other"), event(3, "nobody"), event(4, "gone"), {"id": 5}]});
    assert_eq!(told(&app, &id, "wrong", &body).await.status, 401);
    let nothing = app.store.unprocessed_events(mine.parse().unwrap(), 10).await.unwrap();
    assert!(nothing.is_empty(), "a wrong signature leaves nothing");
    for _ in 0..2 {
        let answer = told(&app, &id, SECRET, &body).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.ok(200), json!({"taken": 5}));
        assert_eq!((events(&app, &mine).await, events(&app, &theirs).await), (vec![1], vec![1]));
        assert_eq!((events(&app, &other).await, events(&app, &gone).await), (vec![2], vec![]));
    }
    assert_eq!(told(&app, &id, SECRET, &json!({"no": "events"})).await.status, 400);
    assert_eq!(told(&app, &uuid::Uuid::nil().to_string(), SECRET, &body).await.status, 404);

    let asked = |token: &str| format!("/webhooks/mall/app/{id}?challenge=42&verify_token={token}");
    let answer = app.get(&asked(VERIFY)).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "42"));
    assert_eq!(app.get(&asked("wrong")).await.status, 401);
    assert_eq!(app.get(&format!("/webhooks/fake/app/{id}")).await.status, 404, "that channel has no apps");
}
