//! Connecting by form and on Meta's page, tokens that end, and the app's shared address.

use std::collections::BTreeMap;

use channel::{Channel, Credentials, ErrorClass, Login, Method, WebhookRequest};
use serde_json::json;

use super::{ANNA, Stage, account, text, to};
use crate::simulators::meta::escaped;

impl Stage {
    fn app(&self) -> Credentials {
        Credentials::default()
            .with("app_id", self.cloud.app.id.as_str())
            .with("app_secret", self.cloud.app.secret.as_str())
            .with("app_verify_token", "app word")
    }
}

#[tokio::test]
async fn a_form_connects_a_number_and_its_business() {
    let stage = Stage::new().await;
    let credentials = Credentials::default().with("access_token", stage.cloud.token.as_str());
    let settings =
        json!({ "phone_number_id": stage.cloud.number, "waba_id": stage.cloud.business, "mine": 1 });
    let connected = stage.channel.connect(&credentials, &settings, None).await.unwrap();
    assert_eq!(
        (connected.external_id.as_str(), connected.name.as_deref()),
        (stage.cloud.number.as_str(), Some("Jasper's Market"))
    );
    assert_eq!(connected.settings["display_phone_number"], "15550783881");
    assert_eq!(
        (&connected.settings["throughput"], &connected.settings["mine"]),
        (&json!("STANDARD"), &json!(1))
    );
    assert!(stage.cloud.is_subscribed() && stage.cloud.callback().is_none());

    let error = stage.channel.connect(&credentials, &json!({}), None).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "phone_number_id"));
    let settings = json!({ "phone_number_id": stage.cloud.number, "waba_id": "1" });
    assert_eq!(
        stage.channel.connect(&credentials, &settings, None).await.unwrap_err().class,
        ErrorClass::Permanent
    );
    let foreign = Credentials::default().with("access_token", stage.cloud.foreign_token());
    let error = stage.channel.connect(&foreign, &settings, None).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "100/33"));
}

#[tokio::test]
async fn a_number_has_an_address_of_its_own_once_it_answers_there() {
    let stage = Stage::new().await;
    let settings = json!({ "phone_number_id": stage.cloud.number });
    let url = "https://rookery.example/webhooks/1";
    let connect = |credentials: Credentials| {
        let (channel, settings) = (&stage.channel, &settings);
        async move { channel.connect(&credentials, settings, Some(url)).await.unwrap() }
    };
    let first = connect(stage.login.credentials.clone()).await;
    assert_eq!((&first.settings["webhook"], stage.cloud.callback()), (&json!("unverified"), None));
    stage.cloud.callback_answers(true);
    let second = connect(first.credentials.clone()).await;
    assert_eq!(second.settings["webhook"], "verified");
    let (told, word) = stage.cloud.callback().unwrap();
    assert_eq!((told.as_str(), word.as_str()), (url, first.credentials.get("verify_token")));
    // Meta asks with that word, and is answered.
    let query = format!("hub.mode=subscribe&hub.challenge=42&hub.verify_token={word}");
    let request = WebhookRequest { method: Method::Get, headers: &[], query: &query, body: b"" };
    let login = Login { credentials: second.credentials, ..stage.login.clone() };
    assert_eq!(stage.channel.receive(&login, &request).unwrap().answer.unwrap().body, "42");
    // Where an app has an address for all, none is given to one.
    let of_app = connect(stage.app().with("access_token", stage.cloud.token.as_str())).await;
    assert!(of_app.settings.get("webhook").is_none());
}

#[tokio::test]
async fn a_number_that_is_used_nowhere_yet_is_registered_with_its_pin() {
    let stage = Stage::new().await;
    stage.cloud.unregister();
    let settings = json!({ "phone_number_id": stage.cloud.number });
    let without = stage.login.credentials.clone();
    stage.channel.connect(&without, &settings, None).await.unwrap();
    let error = stage.send(&to(ANNA, text("hi"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountStopped { reason: "logged_out", lasting: None });
    let bad = stage.channel.connect(&without.clone().with("pin", "12"), &settings, None).await.unwrap_err();
    assert_eq!((bad.class, bad.code.as_str()), (ErrorClass::Permanent, "100"));
    let with = without.with("pin", "123456");
    for _ in 0..2 {
        stage.channel.connect(&with, &settings, None).await.unwrap();
    }
    assert_eq!(stage.cloud.meta.core.calls_of("register").len(), 2, "once it is, it is not registered again");
    stage.send(&to(ANNA, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn metas_page_connects_every_number_that_it_was_opened_for() {
    let stage = Stage::new().await;
    let second = stage.cloud.add_number("15550783882", "Jasper's Other Market");
    let core = &stage.cloud.meta.core;
    // A person's token is good for hours; a longer one is got for it.
    core.ends_at(&stage.cloud.token, 1_800_000_000);
    let redirect = "https://rookery.example/back";
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let page = oauth.page(&stage.app(), redirect, "st&te").unwrap();
    assert!(page.contains("state=st%26te") && page.contains("response_type=code"), "{page}");
    assert!(!page.contains(&stage.cloud.app.secret));
    let query =
        |code: String| BTreeMap::from([("code".to_owned(), code), ("state".to_owned(), "st&te".to_owned())]);
    let given = core.code(&stage.cloud.app, redirect, &stage.cloud.token);
    let connected = oauth.finish(&stage.app(), redirect, &query(given.clone())).await.unwrap();
    let ids: Vec<_> = connected.iter().map(|one| one.external_id.as_str()).collect();
    assert_eq!(ids, [stage.cloud.number.as_str(), second.as_str()]);
    assert_eq!(connected[0].settings["waba_id"], json!(stage.cloud.business));
    let credentials = &connected[0].credentials;
    assert_ne!(credentials.get("access_token"), stage.cloud.token);
    assert_eq!(credentials.get("token_expires_at"), (1_800_000_000 + 60 * 86_400).to_string());
    assert!(!credentials.has("app_secret") && stage.cloud.is_subscribed());
    let error = oauth.finish(&stage.app(), redirect, &query(given)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "100/36007"));
    let lacking = Credentials::default().with("app_id", "1");
    assert!(
        oauth
            .finish(&lacking, redirect, &query("x".to_owned()))
            .await
            .unwrap_err()
            .message
            .contains("app_secret")
    );
}

#[tokio::test]
async fn a_token_that_ends_is_renewed_before() {
    let stage = Stage::new().await;
    stage.cloud.meta.core.ends_at(&stage.cloud.token, 1_800_000_000);
    let given = stage.app().with("access_token", stage.cloud.token.as_str());
    let settings = json!({ "phone_number_id": stage.cloud.number });
    let connected = stage.channel.connect(&given, &settings, None).await.unwrap();
    let refresher = stage.channel.refresher().unwrap();
    let due = refresher.refresh_at(&connected.credentials).unwrap();
    assert_eq!(due.as_micros() / 1_000_000, 1_800_000_000 - 7 * 86_400);
    let login = Login { account: account(&stage.cloud.number, settings), credentials: connected.credentials };
    let renewed = refresher.refresh(&login).await.unwrap();
    assert!(refresher.refresh_at(&renewed).unwrap() > due);
    assert_ne!(renewed.get("access_token"), stage.cloud.token);
    assert_eq!(refresher.refresh_at(&stage.login.credentials), None);
}

#[tokio::test]
async fn an_apps_address_tells_whose_each_event_is() {
    let stage = Stage::new().await;
    let message = stage.cloud.message_change(ANNA, "wamid.1", "text", &json!({ "body": "¿hi? 👋" }));
    let update = json!({ "field": "account_update", "value": { "event": "VERIFIED_ACCOUNT" } });
    let body = escaped(&stage.cloud.delivery(&[message, update]));
    let headers = stage.cloud.meta.core.webhook_headers(&stage.cloud.app, body.as_bytes());
    let request =
        WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() };
    let response = stage.channel.apps().unwrap().receive(&stage.app(), &request).unwrap();
    let accounts: Vec<_> = response.events.iter().map(|event| event.account.clone().unwrap()).collect();
    assert_eq!(accounts, [stage.cloud.number.clone(), format!("waba:{}", stage.cloud.business)]);
    let told = stage.channel.parse(&stage.login.account, &response.events[0].payload).unwrap();
    assert_eq!((told[0].chat.as_str(), told[0].from.as_ref().unwrap().name.as_deref()), (ANNA, Some("Anna")));
}
