//! Connecting: by form, on the seller's page, and tokens that are renewed before they end.

use std::collections::BTreeMap;

use channel::{Channel, ErrorClass, Login};
use model::Timestamp;
use serde_json::json;

use super::{NOW, Options, Stage, app_credentials, text, to};
use crate::simulators::tiktok::Fault;

const DAY: i64 = 86_400;

fn redirect(code: &str) -> BTreeMap<String, String> {
    [("code".to_owned(), code.to_owned()), ("state".to_owned(), "s".to_owned())].into()
}

#[tokio::test]
async fn a_form_connects_the_shop_that_is_meant() {
    let stage = Stage::new().await;
    let credentials = stage.login.credentials.clone().with("shop_cipher", "");
    let connected = stage.connect(&credentials, json!({})).await.unwrap();
    assert_eq!(
        (connected.external_id.as_str(), connected.name.as_deref()),
        (stage.shop.as_str(), Some("Shop"))
    );
    assert_eq!(connected.credentials.get("shop_cipher"), stage.cipher);
    assert_eq!(connected.settings["region"], "GB");

    // With a second shop somebody has to say which.
    let (second, cipher) = stage.server.shop("Seller", "Second shop");
    let error = stage.connect(&credentials, json!({})).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "shop"));
    assert!(error.message.contains(&second) && error.message.contains("Second shop"));
    let by_id = stage.connect(&credentials, json!({ "shop_id": second })).await.unwrap();
    let by_cipher =
        stage.connect(&credentials.clone().with("shop_cipher", cipher.as_str()), json!({})).await.unwrap();
    assert_eq!(
        (by_id.external_id.as_str(), by_cipher.external_id.as_str()),
        (second.as_str(), second.as_str())
    );
    assert_eq!(by_id.credentials.get("shop_cipher"), cipher);
    // A cipher that changed is found again by the shop's id.
    let old = credentials.clone().with("shop_cipher", "GCP_old");
    assert_eq!(stage.connect(&old, by_id.settings).await.unwrap().credentials.get("shop_cipher"), cipher);
    assert_eq!(stage.connect(&old, json!({})).await.unwrap_err().code, "shop");
}

#[tokio::test]
async fn an_app_without_leave_for_customer_service_does_not_connect() {
    let stage = Stage::new().await;
    stage.server.unscope(&stage.app.0, "seller.customer_service");
    let error = stage.connect(&stage.login.credentials, json!({})).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountStopped { reason: "restricted", lasting: None });
}

#[tokio::test]
async fn tiktok_is_told_where_events_go_and_an_app_without_leave_for_that_connects_all_the_same() {
    let stage = Stage::new().await;
    let url = "https://rookery.example/webhooks/tiktok/1";
    let credentials = &stage.login.credentials;
    stage.channel.connect(credentials, &json!({}), Some(url)).await.unwrap();
    for topic in ["NEW_MESSAGE", "NEW_CONVERSATION"] {
        assert_eq!(stage.server.webhook(&stage.shop, topic).as_deref(), Some(url));
    }
    stage.server.meets("/webhooks", Fault::Gateway(503));
    let error = stage.channel.connect(credentials, &json!({}), Some(url)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry);
    stage.server.unscope(&stage.app.0, "seller.authorization.info");
    stage.channel.connect(credentials, &json!({}), Some("https://elsewhere.example/")).await.unwrap();
    assert_eq!(stage.server.webhook(&stage.shop, "NEW_MESSAGE").as_deref(), Some(url));
}

#[tokio::test]
async fn the_sellers_page_needs_a_service_id_and_carries_the_state() {
    let stage = Stage::new().await;
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let app = app_credentials(&stage.app);
    let error = oauth.page(&app, "https://r.example/cb", "s").unwrap_err();
    assert!(error.class == ErrorClass::Permanent && error.message.contains("app_service_id"), "{error:?}");
    let app = app.with("app_service_id", "7431");
    let page = oauth.page(&app, "https://r.example/cb", "a b&c=d").unwrap();
    assert_eq!(page, "https://services.tiktokshop.com/open/authorize?service_id=7431&state=a%20b%26c%3Dd");
    let us = oauth.page(&app.clone().with("app_market", "us"), "", "s").unwrap();
    assert!(us.starts_with("https://services.us.tiktokshop.com/open/authorize?"), "{us}");
    assert!(oauth.page(&app.with("app_secret", ""), "", "s").unwrap_err().message.contains("app_secret"));
}

#[tokio::test]
async fn the_sellers_leave_brings_all_their_shops() {
    let stage = Stage::new().await;
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let app = app_credentials(&stage.app);
    let (second, _) = stage.server.shop("Seller", "Second shop");
    let code = stage.server.authorize(&stage.app.0, "Seller");
    let shops = oauth.finish(&app, "", &redirect(&code)).await.unwrap();
    let ids: Vec<_> = shops.iter().map(|shop| shop.external_id.as_str()).collect();
    assert_eq!(ids, [stage.shop.as_str(), second.as_str()]);
    for shop in &shops {
        assert_eq!(shop.credentials.get("access_token_ends"), (NOW + 7 * DAY).to_string());
        assert!(!shop.credentials.has("app_secret"), "the app's secrets stay with the app");
        // What was brought is enough to write.
        let mut credentials = shop.credentials.clone();
        for name in ["app_key", "app_secret"] {
            credentials = credentials.with(name, app.get(name));
        }
        let login = Login { account: super::account(&shop.external_id), credentials };
        let chat = stage.server.conversation(&shop.external_id, "Ada");
        stage.channel.send(&login, &to(&chat, text("hi"))).await.unwrap();
    }
    // A code is good for once; and who said no brings none.
    let error = oauth.finish(&app, "", &redirect(&code)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "36004004"));
    let error = oauth.finish(&app, "", &BTreeMap::new()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "denied"));
    let code = stage.server.authorize(&stage.app.0, "Nobody");
    assert_eq!(oauth.finish(&app, "", &redirect(&code)).await.unwrap_err().code, "no_shop");
}

#[tokio::test]
async fn tokens_are_renewed_a_day_before_they_end() {
    let mut stage = Stage::new().await;
    let code = stage.server.authorize(&stage.app.0, "Seller");
    let oauth = stage.channel.apps().unwrap().oauth().unwrap();
    let first = oauth.finish(&app_credentials(&stage.app), "", &redirect(&code)).await.unwrap().remove(0);
    for name in ["access_token", "refresh_token", "access_token_ends", "refresh_token_ends"] {
        stage.login.credentials = stage.login.credentials.clone().with(name, first.credentials.get(name));
    }
    let refresher = stage.channel.refresher().unwrap();
    let at = |seconds: i64| Some(Timestamp::from_micros(seconds * 1_000_000));
    assert_eq!(refresher.refresh_at(&stage.login.credentials), at(NOW + 6 * DAY));

    stage.advance(6 * 86_400);
    let renewed = refresher.refresh(&stage.login).await.unwrap();
    assert_eq!(refresher.refresh_at(&renewed), at(NOW + 12 * DAY));
    for name in ["access_token", "refresh_token"] {
        assert_ne!(renewed.get(name), stage.login.credentials.get(name), "{name}");
    }
    for name in ["shop_cipher", "app_key", "app_secret"] {
        assert_eq!(renewed.get(name), stage.login.credentials.get(name), "{name}");
    }
    // The old ones are worth nothing from then on.
    let error = refresher.refresh(&stage.login).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountStopped { reason: "token_revoked", lasting: None });
    let chat = stage.server.conversation(&stage.shop, "Ada");
    assert!(stage.send(&to(&chat, text("hi"))).await.is_err());
    stage.login.credentials = renewed;
    stage.send(&to(&chat, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn a_token_that_ended_stands_still_until_it_is_renewed() {
    let mut stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    stage.advance(8 * 86_400);
    let error = stage.send(&to(&chat, text("hi"))).await.unwrap_err();
    assert_eq!(error.code, "105002");
    assert!(matches!(error.class, ErrorClass::AccountStopped { reason: "token_revoked", lasting: Some(_) }));
    stage.login.credentials = stage.channel.refresher().unwrap().refresh(&stage.login).await.unwrap();
    stage.send(&to(&chat, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn tokens_whose_end_nobody_knows_are_renewed_at_once_and_those_without_a_refresh_token_never() {
    let stage = Stage::new().await;
    let refresher = stage.channel.refresher().unwrap();
    let credentials = stage.login.credentials.clone();
    assert_eq!(refresher.refresh_at(&credentials), Some(Timestamp::ZERO));
    assert_eq!(refresher.refresh_at(&credentials.clone().with("refresh_token", "")), None);
    // The refresh token's own end counts too.
    let ends = credentials.with("access_token_ends", (NOW + 7 * DAY).to_string());
    let ends = ends.with("refresh_token_ends", (NOW + 2 * DAY).to_string());
    assert_eq!(refresher.refresh_at(&ends), Some(Timestamp::from_micros((NOW + DAY) * 1_000_000)));
}

#[tokio::test]
async fn an_end_that_is_told_as_a_number_of_seconds_is_one() {
    let options = Options { relative_ends: true, calls_per_second: None, ..Options::default() };
    let stage = Stage::with(options, true).await;
    let renewed = stage.channel.refresher().unwrap().refresh(&stage.login).await.unwrap();
    assert_eq!(renewed.get("access_token_ends"), (NOW + 7 * DAY).to_string());
}

#[tokio::test]
async fn a_renewal_that_is_not_answered_is_in_doubt_and_one_that_meets_a_bad_moment_is_tried_again() {
    let stage = Stage::new().await;
    let refresher = stage.channel.refresher().unwrap();
    for (fault, class) in [
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous),
        (Fault::Gateway(503), ErrorClass::Retry),
        (Fault::TooMany(None), ErrorClass::RetryAfter(None)),
    ] {
        stage.server.meets("/refresh", fault);
        let error = refresher.refresh(&stage.login).await.unwrap_err();
        assert_eq!(error.class, class);
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains(&stage.app.1) && !shown.contains("GCP_refresh"), "{shown}");
    }
    refresher.refresh(&stage.login).await.unwrap();
}
