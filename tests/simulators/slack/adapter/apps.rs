//! Connecting: with a token, on Slack's page, and tokens that end.

use std::collections::BTreeMap;

use channel::{Channel, ChannelError, Connected, Credentials, ErrorClass};
use serde_json::{Value, json};

use super::{NOW, ROOM, Stage, text, to};

fn app() -> Credentials {
    Credentials::default()
        .with("app_client_id", "1234.5678")
        .with("app_client_secret", "simulated-client-secret")
        .with("app_signing_secret", "simulated-signing-secret")
}

fn query(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

async fn connect(stage: &Stage, settings: &Value) -> Result<Connected, ChannelError> {
    stage.channel.connect(&stage.login.credentials, settings, None).await
}

#[tokio::test]
async fn an_account_is_a_workspace_and_an_app_however_it_was_found_out() {
    let stage = Stage::new().await;
    let connected = connect(&stage, &json!({"mine": 1})).await.unwrap();
    assert_eq!(connected.external_id, "T024BE91L:A024BE91L");
    assert_eq!(connected.name.as_deref(), Some("Shop"));
    assert_eq!(connected.settings["bot_user_id"], "UBOT00000");
    assert_eq!(connected.settings["mine"], 1);

    stage.slack.forbid("users:read");
    let error = connect(&stage, &json!({})).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "app_unknown"));
    let told = connect(&stage, &json!({"slack_app_id": "A024BE91L"})).await.unwrap();
    assert_eq!(told.external_id, connected.external_id);
    stage.slack.change_bot(|bot| bot.tells_app = true);
    assert_eq!(connect(&stage, &json!({})).await.unwrap().external_id, connected.external_id);

    stage.slack.change_bot(|bot| bot.everywhere = true);
    assert_eq!(connect(&stage, &json!({})).await.unwrap().external_id, "E024BE91L:A024BE91L");
    stage.slack.change_bot(|bot| bot.is_person = true);
    assert_eq!(connect(&stage, &json!({})).await.unwrap_err().code, "not_a_bot");
}

#[tokio::test]
async fn events_of_the_app_belong_to_the_account_that_connecting_made() {
    let stage = Stage::new().await;
    let events = stage.slack.events();
    let message = events
        .envelope(&json!({"type": "message", "channel": ROOM, "user": "U1", "text": "a", "ts": "1.000001"}));
    let pressed = events.pressed(ROOM, "1.000001", "U1", &json!({"action_id": "a"}));
    for body in [message, pressed] {
        let headers = crate::simulators::slack::sign(&stage.slack.signing_secret(), NOW, &body);
        let request = channel::WebhookRequest {
            method: channel::Method::Post,
            headers: &headers,
            query: "",
            body: &body,
        };
        let response = stage.channel.apps().unwrap().receive(&app(), &request).unwrap();
        assert_eq!(response.events[0].account, stage.login.account.external_id);
    }
}

#[tokio::test]
async fn a_person_lets_the_app_in() {
    let stage = Stage::new().await;
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let back = "https://us.example/back";
    let code = stage.slack.agreed(back);
    let accounts = oauth.finish(&app(), back, &query("code", &code)).await.unwrap();
    let [account] = accounts.as_slice() else { panic!("one bot a workspace") };
    assert_eq!(account.external_id, "T024BE91L:A024BE91L");
    assert_eq!(account.credentials.get("bot_token"), stage.slack.token());
    assert!(account.credentials.names().all(|name| !name.starts_with("app_")), "the app's stay with the app");
    assert!(account.settings["scopes"].as_array().unwrap().contains(&json!("chat:write")));
    assert_eq!(stage.channel.refresher().unwrap().refresh_at(&account.credentials), None, "it lasts");

    let again = oauth.finish(&app(), back, &query("code", &code)).await.unwrap_err();
    assert_eq!((again.class, again.code.as_str()), (ErrorClass::Permanent, "invalid_code"));
    let denied = oauth.finish(&app(), back, &query("error", "access_denied")).await.unwrap_err();
    assert_eq!((denied.class, denied.code.as_str()), (ErrorClass::Permanent, "access_denied"));
    assert_eq!(oauth.finish(&app(), back, &BTreeMap::new()).await.unwrap_err().code, "no_code");
    let wrong = app().with("app_client_secret", "s3cret-but-wrong");
    let code = stage.slack.agreed(back);
    let error = oauth.finish(&wrong, back, &query("code", &code)).await.unwrap_err();
    assert_eq!(error.code, "bad_client_secret");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_before() {
    let mut stage = Stage::new().await;
    stage.slack.change_app(|app| app.rotation = true);
    let back = "https://us.example/back";
    let code = stage.slack.agreed(back);
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let account = oauth.finish(&app(), back, &query("code", &code)).await.unwrap().remove(0);
    let refresher = stage.channel.refresher().unwrap();
    let renew_at = refresher.refresh_at(&account.credentials).unwrap();
    assert_eq!(renew_at.as_micros() / 1_000_000, NOW + 43_200 - 7_200);

    // As the store gives them: with the app's beside.
    stage.login.credentials = app()
        .into_secrets()
        .into_iter()
        .fold(account.credentials, |all, (name, secret)| all.with(&name, secret));
    stage.slack.change_bot(|bot| bot.standing = Some("token_expired"));
    let error = stage.send(&to(ROOM, text("hi"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry, "it is about to be renewed");
    let renewed = stage.channel.refresher().unwrap().refresh(&stage.login).await.unwrap();
    assert_ne!(renewed.get("refresh_token"), stage.login.credentials.get("refresh_token"));
    // The old one was taken back.
    let error = stage.channel.refresher().unwrap().refresh(&stage.login).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountStopped { reason: "token_revoked", lasting: None });
    stage.login.credentials = renewed;
    stage.send(&to(ROOM, text("hi"))).await.unwrap();
}
