//! Connecting on a page of the provider: a state is good once, and candidates are for who began.

use front::FrontConfig;
use serde_json::{Value, json};

use crate::support::{App, SECRET};

const FRONTEND: &str = "https://app.example/accounts?tab=new";

async fn app(frontend: Option<&str>) -> App {
    let app = App::with(FrontConfig {
        public_url: Some("https://rookery.example".to_owned()),
        frontend_url: frontend.map(str::to_owned),
        ..FrontConfig::default()
    })
    .await;
    let credentials = json!({"app_id": "7", "app_secret": SECRET});
    app.post("/v1/channel_apps", json!({"provider": "bazaar", "credentials": credentials})).await.ok(201);
    app
}

/// Begins, and gives the answer and the state that the provider would give back.
async fn begin(app: &App) -> (Value, String) {
    let asked = json!({"channel": "mall", "settings": {"phone": "1"}});
    let begun = app.post("/v1/oauth/start", asked).await.ok(201);
    let (page, state) = begun["url"].as_str().unwrap().rsplit_once("&state=").unwrap();
    let redirect = "https://rookery.example/oauth/mall/callback";
    assert_eq!(page, format!("https://mall.example/oauth?client_id=7&redirect_uri={redirect}"));
    let state = state.to_owned();
    (begun, state)
}

#[tokio::test]
async fn a_person_comes_back_with_accounts_and_one_is_connected() {
    let app = app(Some(FRONTEND)).await;
    let (begun, state) = begin(&app).await;
    let path = format!("/v1/oauth/{}", begun["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.ok(200)["status"], "pending");
    let returned = app.get(&format!("/oauth/mall/callback?code=one%2Btwo&state={state}")).await;
    assert_eq!(returned.status, 303);
    let place = format!("{FRONTEND}&oauth={}", begun["id"].as_str().unwrap());
    assert_eq!(returned.headers["location"].to_str().unwrap(), place);

    let visit = app.get(&path).await;
    assert!(!visit.text.contains(SECRET), "{}", visit.text);
    let visit = visit.ok(200);
    let candidates =
        json!([{"external_id": "one", "name": "Page one"}, {"external_id": "two", "name": "Page two"}]);
    assert_eq!((&visit["status"], &visit["candidates"]), (&json!("ready"), &candidates));
    let connect = |id: &Value, external_id: &str| json!({"channel": "mall", "oauth": {"id": id, "external_id": external_id}});
    let account = app.post("/v1/accounts", connect(&begun["id"], "two")).await.ok(201);
    assert_eq!((&account["external_id"], &account["app_id"]), (&json!("two"), &visit["app_id"]));
    assert_eq!(account["settings"], json!({"region": "eu", "phone": "1"}));
    let own = app.store.own_secrets(account["id"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(own.into_keys().collect::<Vec<_>>(), ["token", "webhook_secret"]);

    assert_eq!(app.post("/v1/accounts", connect(&begun["id"], "three")).await.field(), "oauth.external_id");
    let nowhere = json!(uuid::Uuid::nil());
    assert_eq!(app.post("/v1/accounts", connect(&nowhere, "two")).await.field(), "oauth.id");
    let all = store::SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
    let colleague = app.key_with(all, None).await;
    app.get_as(&colleague, &path).await.problem(404);
    let stolen = app.post_as(&colleague, "/v1/accounts", connect(&begun["id"], "one")).await;
    assert_eq!(stolen.field(), "oauth.id", "only who began may go on");
}

#[tokio::test]
async fn a_state_is_good_once_for_its_channel() {
    let app = app(Some("https://app.example")).await;
    let (_, state) = begin(&app).await;
    let place = async |path: String| {
        let returned = app.get(&path).await;
        assert_eq!((returned.status.as_u16(), returned.text.as_str()), (303, ""));
        returned.headers["location"].to_str().unwrap().to_owned()
    };
    let wrong = "https://app.example?oauth_error=state";
    assert_eq!(place("/oauth/mall/callback?code=one&state=guessed".to_owned()).await, wrong);
    assert_eq!(place("/oauth/mall/callback?code=one".to_owned()).await, wrong);
    app.get(&format!("/oauth/fake/callback?code=one&state={state}")).await.problem(404);
    let good = format!("/oauth/mall/callback?code=one&state={state}");
    assert!(place(good.clone()).await.starts_with("https://app.example?oauth="));
    assert_eq!(place(good).await, wrong, "it was used");
}

#[tokio::test]
async fn a_providers_no_is_told_without_secrets_and_without_a_frontend_on_a_page() {
    let app = app(None).await;
    let (begun, state) = begin(&app).await;
    let returned = app.get(&format!("/oauth/mall/callback?code=denied-code&state={state}")).await;
    assert_eq!(returned.status, 400);
    assert!(returned.text.contains("Nothing was connected"), "{}", returned.text);
    let visit = app.get(&format!("/v1/oauth/{}", begun["id"].as_str().unwrap())).await;
    assert!(!visit.text.contains(SECRET) && !visit.text.contains("denied-code"), "{}", visit.text);
    let visit = visit.ok(200);
    assert_eq!((&visit["status"], &visit["candidates"]), (&json!("failed"), &json!([])));
    assert!(visit["error"].as_str().unwrap().contains("access_denied"));
    let (_, state) = begin(&app).await;
    assert_eq!(app.get(&format!("/oauth/mall/callback?code=one&state={state}")).await.status, 200);
    let (_, state) = begin(&app).await;
    assert_eq!(app.get(&format!("/oauth/mall/callback?code=&state={state}")).await.status, 400);
}

#[tokio::test]
async fn what_cannot_be_begun_names_its_field() {
    let app = App::with(FrontConfig::default()).await;
    let start = |channel: &str| json!({"channel": channel});
    assert_eq!(app.post("/v1/oauth/start", start("fake")).await.field(), "channel");
    assert_eq!(app.post("/v1/oauth/start", start("mall")).await.field(), "app_id");
    let credentials = json!({"app_id": "7", "app_secret": SECRET});
    app.post("/v1/channel_apps", json!({"provider": "bazaar", "credentials": credentials})).await.ok(201);
    assert_eq!(app.post("/v1/oauth/start", start("mall")).await.field(), "channel", "there is no way back");
}
