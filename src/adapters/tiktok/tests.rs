//! The channel without a network: what it says of itself, and what it keeps to itself.

use channel::{APP_PREFIX, Apps, Channel, ConnectStep, Credentials};
use model::Content;
use outbound::{Http, HttpConfig};
use serde_json::json;

use super::connect::{Shop, meant};
use super::{TikTok, number, word};
use crate::AdaptersConfig;

fn tiktok() -> TikTok {
    TikTok::new(&AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap()))
}

#[test]
fn content_that_tiktok_would_refuse_is_named_before_anything_is_stored() {
    let content = |json| serde_json::from_value::<Content>(json).unwrap();
    for (bad, field, code) in [
        (json!({"type": "text", "text": "a".repeat(2001)}), "text", "too_long"),
        (json!({"type": "text", "text": "a", "buttons": [[{"title": "x"}]]}), "buttons", "unsupported"),
        (json!({"type": "image", "media": {"url": "https://x.y"}, "caption": "a"}), "caption", "unsupported"),
        (json!({"type": "video", "media": {"url": "https://x.y"}}), "type", "unsupported"),
        (
            json!({"type": "native", "body": {"type": "ORDER_CARD", "content": {}}}),
            "body.content.order_id",
            "empty",
        ),
        (json!({"type": "native", "body": 7}), "body.type", "invalid"),
    ] {
        let problem = tiktok().check(&content(bad)).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.code), (field, code));
    }
    assert_eq!(tiktok().check(&content(json!({"type": "text", "text": "🎉".repeat(2000)}))), Ok(()));
}

#[test]
fn an_apps_secrets_are_known_by_their_names_and_the_form_asks_for_no_app() {
    let fields = Apps::fields(&tiktok());
    assert!(fields.iter().all(|field| field.name.starts_with(APP_PREFIX)));
    let steps = tiktok().connect_steps();
    let [ConnectStep::Fields { fields }] = steps.as_slice() else { panic!("one form: {steps:?}") };
    let required: Vec<_> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    assert_eq!(required, ["access_token"]);
}

#[test]
fn no_secret_shows_in_debug_output() {
    let credentials = Credentials::default().with("app_secret", "s3cret").with("access_token", "t0ken");
    let shown = format!("{:?} {credentials:?}", tiktok());
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
}

#[test]
fn numbers_and_ids_are_read_however_they_are_written() {
    for (value, as_number, as_word) in [
        (json!(7), Some(7), Some("7")),
        (json!("7"), Some(7), Some("7")),
        (json!(" 7"), Some(7), Some(" 7")),
        (json!("x"), None, Some("x")),
        (json!(""), None, None),
        (json!(null), None, None),
        (json!([7]), None, None),
    ] {
        assert_eq!((number(&value), word(&value).as_deref()), (as_number, as_word), "{value}");
    }
}

#[test]
fn a_seller_without_a_shop_connects_none() {
    let none: &[Shop] = &[];
    assert_eq!(meant(none, "", None).unwrap_err().code, "shop");
}
