//! Connecting by form and on both of Meta's pages, tokens that end, and the app's shared address.

use std::collections::BTreeMap;

use channel::{Credentials, ErrorClass, Login, Method, WebhookRequest};
use serde_json::json;

use super::{ANNA, NOW, Stage, account};
use crate::simulators::meta::{App, Fault, escaped};
use crate::simulators::pages::Kind;

const REDIRECT: &str = "https://rookery.example/back";
const DAY: i64 = 86_400;

fn app(app: &App) -> Credentials {
    Credentials::default()
        .with("app_id", app.id.as_str())
        .with("app_secret", app.secret.as_str())
        .with("app_verify_token", "app word")
}

fn instagram_app(of: &App) -> Credentials {
    app(of).with("app_instagram_id", of.id.as_str()).with("app_instagram_secret", of.secret.as_str())
}

fn query(code: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("code".to_owned(), code.to_owned()), ("state".to_owned(), "s".to_owned())])
}

#[tokio::test]
async fn a_form_connects_a_page_with_what_it_shows() {
    let stage = Stage::new(Kind::Messenger).await;
    let profile = json!({ "get_started": { "payload": "start" }, "ice_breakers": [{ "question": "Open?", "payload": "o" }] });
    let settings = json!({ "messenger_profile": profile, "mine": 1 });
    let connected = stage.channel.connect(&stage.login.credentials, &settings, None).await.unwrap();
    let page = &stage.pages.page;
    assert_eq!((&connected.external_id, connected.name.as_deref()), (page, Some("Jasper's Market")));
    assert_eq!((&connected.settings["page_id"], &connected.settings["mine"]), (&json!(page), &json!(1)));
    assert!(stage.pages.subscribed(page).unwrap().contains("messaging_policy_enforcement"));
    assert_eq!(stage.pages.profile(page).unwrap()["get_started"]["payload"], "start");
    let other = json!({ "page_id": "1" });
    let error = stage.channel.connect(&stage.login.credentials, &other, None).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "page_id"));
    // A person's token speaks for no page.
    let person = Credentials::default().with("access_token", stage.pages.person_token());
    stage.channel.connect(&person, &json!({}), None).await.unwrap_err();
}

#[tokio::test]
async fn a_form_connects_an_account_by_either_login() {
    let by_page = Stage::new(Kind::Instagram).await;
    let profile = json!({ "messenger_profile": { "ice_breakers": [] } });
    let connected = by_page.channel.connect(&by_page.login.credentials, &profile, None).await.unwrap();
    assert_eq!(
        (&connected.external_id, connected.name.as_deref()),
        (&by_page.pages.account, Some("jaspers.market"))
    );
    assert_eq!(
        (&connected.settings["login"], &connected.settings["page_id"]),
        (&json!("facebook"), &json!(by_page.pages.page))
    );
    assert_eq!(by_page.pages.profile(&by_page.pages.page).unwrap()["platform"], "instagram");
    assert_eq!(by_page.channel.refresher().unwrap().refresh_at(&connected.credentials), None);
    let odd = json!({ "login": "myspace" });
    let error = by_page.channel.connect(&by_page.login.credentials, &odd, None).await.unwrap_err();
    assert_eq!(error.code, "login");

    let own = Stage::new(Kind::InstagramLogin).await;
    let settings = json!({ "login": "instagram", "messenger_profile": { "ice_breakers": [] } });
    own.pages.meta.core.make_long_lived(&own.pages.token, true);
    let connected = own.channel.connect(&own.login.credentials, &settings, None).await.unwrap();
    assert_eq!(
        (&connected.external_id, connected.name.as_deref()),
        (&own.pages.account, Some("jaspers.market"))
    );
    // Too young to be renewed: it has its sixty days.
    assert_eq!(connected.credentials.get("access_token"), own.pages.token);
    assert_eq!(connected.credentials.get("token_expires_at"), (NOW / 1_000_000 + 60 * DAY).to_string());
    // One of the names was not taken, so only those that are certain are asked for.
    let told = own.pages.subscribed(&own.pages.account).unwrap();
    assert_eq!(told, "messages,messaging_postbacks,messaging_seen,message_reactions");
    assert!(own.pages.profile(&own.pages.account).is_some());
    // An older one is renewed at once, to know its end.
    own.pages.meta.core.make_long_lived(&own.pages.token, false);
    let again = own.channel.connect(&own.login.credentials, &settings, None).await.unwrap();
    assert_ne!(again.credentials.get("access_token"), own.pages.token);
}

#[tokio::test]
async fn facebooks_page_connects_every_page_or_its_account() {
    for kind in [Kind::Messenger, Kind::Instagram] {
        let stage = Stage::new(kind).await;
        let second = stage.pages.add_page("Jasper's Other Market");
        let core = &stage.pages.meta.core;
        let of = app(&stage.pages.app);
        let oauth = stage.channel.apps().unwrap().oauth().unwrap();
        let page = oauth.page(&of, REDIRECT, "st&te").unwrap();
        assert!(page.contains("state=st%26te") && !page.contains(&stage.pages.app.secret), "{page}");
        let told = core.code(&stage.pages.app, REDIRECT, &stage.pages.person_token());
        let found = oauth.finish(&of, REDIRECT, &query(&told)).await.unwrap();
        let ids: Vec<_> = found.iter().map(|one| one.external_id.clone()).collect();
        let own = (stage.pages.page.clone(), stage.pages.account.clone());
        match kind {
            Kind::Messenger => assert_eq!(ids, [own.0, second.0]),
            _ => assert_eq!(ids, [own.1, second.1]),
        }
        // What is found can be connected as it is, and is told of only then.
        assert_eq!(stage.pages.subscribed(&stage.pages.page), None);
        let connected = stage.channel.connect(&found[0].credentials, &found[0].settings, None).await.unwrap();
        assert_eq!(connected.external_id, found[0].external_id);
        assert!(stage.pages.subscribed(&stage.pages.page).is_some());
        assert!(!found[0].credentials.has("app_secret"));
        let error = oauth.finish(&of, REDIRECT, &query(&told)).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "100/36007"));
        let nobody = core.code(&stage.pages.app, REDIRECT, &stage.pages.token);
        let error = oauth.finish(&of, REDIRECT, &query(&nobody)).await.unwrap_err();
        assert!(matches!(error.class, ErrorClass::AccountStopped { .. }), "{error}");
    }
}

#[tokio::test]
async fn instagrams_page_connects_the_account_and_its_token_is_renewed() {
    let stage = Stage::new(Kind::InstagramLogin).await;
    let core = &stage.pages.meta.core;
    let of = instagram_app(&stage.pages.app);
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let page = oauth.page(&of, REDIRECT, "st&te").unwrap();
    assert!(
        page.contains("/oauth/authorize?") && page.contains("instagram_business_manage_messages"),
        "{page}"
    );
    let told = core.code(&stage.pages.app, REDIRECT, &stage.pages.token);
    // Instagram writes a fragment behind it.
    let found = oauth.finish(&of, REDIRECT, &query(&format!("{told}#_"))).await.unwrap();
    let [found] = found.as_slice() else { panic!("one account: {found:?}") };
    assert_eq!((&found.external_id, &found.settings["login"]), (&stage.pages.account, &json!("instagram")));
    let end = NOW / 1_000_000 + 60 * DAY;
    assert_eq!(found.credentials.get("token_expires_at"), end.to_string());
    let connected = stage.channel.connect(&found.credentials, &found.settings, None).await.unwrap();
    assert_eq!(connected.credentials, found.credentials);

    let refresher = stage.channel.refresher().unwrap();
    let due = refresher.refresh_at(&connected.credentials).unwrap();
    assert_eq!(due.as_micros() / 1_000_000, end - 7 * DAY);
    let row = account("instagram", &connected.external_id, connected.settings.clone());
    let login = Login { account: row, credentials: connected.credentials.clone() };
    core.make_long_lived(connected.credentials.get("access_token"), false);
    core.meets("refresh_access_token", Fault::Gateway(502));
    assert_eq!(refresher.refresh(&login).await.unwrap_err().class, ErrorClass::Retry);
    let renewed = refresher.refresh(&login).await.unwrap();
    assert_ne!(renewed.get("access_token"), connected.credentials.get("access_token"));
    let error = oauth.finish(&of, REDIRECT, &query(&told)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
    assert!(!format!("{error:?}").contains(&stage.pages.app.secret));
}

#[tokio::test]
async fn an_apps_address_tells_whose_each_event_is_and_answers_metas_question() {
    for kind in [Kind::Messenger, Kind::Instagram] {
        let stage = Stage::new(kind).await;
        let apps = stage.channel.apps().unwrap();
        let secrets = app(&stage.pages.app);
        let element = stage.pages.by(ANNA, "message", json!({ "mid": "m_1", "text": "¿hi? 👋" }));
        let body = escaped(&stage.pages.delivery(&[element]));
        let headers = stage.pages.meta.core.webhook_headers(&stage.pages.app, body.as_bytes());
        let request =
            WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() };
        let events = apps.receive(&secrets, &request).unwrap().events;
        assert_eq!(events[0].account.as_deref(), Some(stage.pages.owner().1));
        let told = stage.channel.parse(&stage.login.account, &events[0].payload).unwrap();
        assert_eq!(told[0].chat, ANNA);
        assert_eq!(stage.channel.receive(&stage.login, &request).unwrap().events[0].account, None);
        let query = "hub.mode=subscribe&hub.challenge=42&hub.verify_token=app+word";
        let request = WebhookRequest { method: Method::Get, headers: &[], query, body: b"" };
        assert_eq!(apps.receive(&secrets, &request).unwrap().answer.unwrap().body, "42");
    }
}

#[tokio::test]
async fn either_secret_of_an_app_may_sign_what_instagram_tells() {
    let stage = Stage::new(Kind::InstagramLogin).await;
    let other = stage.pages.meta.core.app();
    let secrets = app(&stage.pages.app).with("app_instagram_secret", other.secret.as_str());
    let body = escaped(&stage.pages.delivery(&[stage.pages.by(ANNA, "read", json!({ "mid": "m_1" }))]));
    for signer in [&stage.pages.app, &other] {
        let headers = stage.pages.meta.core.webhook_headers(signer, body.as_bytes());
        let request =
            WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() };
        assert_eq!(stage.channel.apps().unwrap().receive(&secrets, &request).unwrap().events.len(), 1);
    }
}
