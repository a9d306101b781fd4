//! What Meta refuses, and what goes wrong on the way.

use std::time::Duration;

use channel::ErrorClass;
use serde_json::json;

use super::{ANNA, Stage, text, to};
use crate::simulators::meta::{Fault, Refusal};
use crate::simulators::pages::{Kind, Person};

#[tokio::test]
async fn each_refusal_means_what_it_should() {
    let stage = Stage::new(Kind::Messenger).await;
    let stopped = |reason| ErrorClass::AccountStopped { reason, lasting: None };
    for (status, code, subcode, class) in [
        (400, 10, 2_018_278, ErrorClass::Permanent),
        (400, 100, 2_018_001, ErrorClass::Permanent),
        (400, 551, 1_545_041, ErrorClass::Permanent),
        (400, 100, 2_534_037, ErrorClass::Permanent),
        (400, 10, 2_018_065, stopped("restricted")),
        (403, 200, 2_534_041, stopped("restricted")),
        (400, 368, 0, stopped("restricted")),
        (401, 190, 463, stopped("token_revoked")),
        (400, 4, 0, ErrorClass::RetryAfter(None)),
        (400, 80_006, 0, ErrorClass::RetryAfter(None)),
        (400, 613, 2_018_338, ErrorClass::RetryAfter(None)),
        (500, 2, 0, ErrorClass::Retry),
        (400, 1200, 0, ErrorClass::Retry),
        (400, 10, 2_018_321, ErrorClass::RecipientHeld(Duration::from_mins(1))),
    ] {
        let refusal = Refusal::new(status, code, "no").with_subcode(subcode);
        stage.pages.meta.core.meets("messages", Fault::Refuse(refusal));
        let error = stage.send(&to(ANNA, text("hi"))).await.unwrap_err();
        assert_eq!(error.class, class, "{code}/{subcode}: {error}");
    }
}

#[tokio::test]
async fn only_a_send_can_be_in_doubt() {
    let stage = Stage::new(Kind::Instagram).await;
    let core = &stage.pages.meta.core;
    for (fault, class) in [
        (Fault::Silence { carried_out: true }, ErrorClass::Ambiguous),
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous),
        (Fault::Garbled, ErrorClass::Ambiguous),
        (Fault::Gateway(504), ErrorClass::Ambiguous),
        (Fault::Gateway(502), ErrorClass::Retry),
        (Fault::Gateway(429), ErrorClass::RetryAfter(None)),
    ] {
        core.meets("messages", fault.clone());
        let error = stage.send(&to(ANNA, text("hi"))).await.unwrap_err();
        assert_eq!(error.class, class, "{fault:?}: {error}");
    }
    core.meets("messages", Fault::Hangup { carried_out: true });
    let error = stage.channel.typist().unwrap().typing(&stage.login, ANNA, true).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry);
}

#[tokio::test]
async fn nobody_there_and_a_person_who_refuses_end_the_message() {
    for (kind, code) in [(Kind::Messenger, "100/2018001"), (Kind::InstagramLogin, "100/2534014")] {
        let stage = Stage::new(kind).await;
        let error = stage.send(&to("1", text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
        let refuses = Some((10, 2_018_108, "(#10) This user can't receive messages"));
        stage.pages.set_person("2", Person { refuses, ..Person::default() });
        assert_eq!(stage.send(&to("2", text("hi"))).await.unwrap_err().class, ErrorClass::Permanent);
    }
}

#[tokio::test]
async fn the_limit_of_films_is_told_with_its_time() {
    let stage = Stage::with(Kind::Messenger, Some(Duration::from_hours(1))).await;
    let film = to(ANNA, json!({ "type": "video", "media": { "url": "https://a.example/1.mp4" } }));
    for _ in 0..10 {
        stage.send(&film).await.unwrap();
    }
    let error = stage.send(&film).await.unwrap_err();
    stage.send(&to(ANNA, text("words go on"))).await.unwrap();
    assert_eq!(error.class, ErrorClass::RetryAfter(Some(Duration::from_mins(1))));
    assert_eq!(error.code, "613");
}

#[tokio::test]
async fn a_file_that_is_gone_is_gone() {
    let stage = Stage::new(Kind::Messenger).await;
    let core = &stage.pages.meta.core;
    let url = core.put_file(bytes::Bytes::from_static(b"x"), "image/png", false);
    core.drop_file(&url);
    let fetcher = stage.channel.media_fetcher().unwrap();
    let media = |url: &str| model::Media { provider_ref: Some(url.to_owned()), ..model::Media::default() };
    assert_eq!(fetcher.fetch(&stage.login, &media(&url), 9).await.unwrap_err().class, ErrorClass::Permanent);
    let elsewhere = fetcher.fetch(&stage.login, &media("https://evil.example/x"), 9).await.unwrap_err();
    assert_eq!((elsewhere.class, elsewhere.code.as_str()), (ErrorClass::Permanent, "host"));
}
