//! Every refusal and every silence, by what the queue is told to do.

use std::time::Duration;

use channel::{Channel, ErrorClass};
use serde_json::json;

use super::{ANNA, Stage, text, to};
use crate::simulators::meta::{Fault, Refusal};
use crate::simulators::whatsapp_cloud::{Options, Person};

fn refuse(status: u16, code: i64) -> Fault {
    Fault::Refuse(Refusal::new(status, code, "words of Meta's"))
}

#[tokio::test]
async fn faults_of_the_provider_by_what_they_mean_for_the_message() {
    let stage = Stage::new().await;
    let limit = Refusal::new(400, 80_007, "(#80007) Rate limit issues").with_regain_minutes(12);
    let stopped = |reason| ErrorClass::AccountStopped { reason, lasting: None };
    for (fault, class, code, carried_out) in [
        (Fault::Refuse(limit), ErrorClass::RetryAfter(Some(Duration::from_mins(12))), "80007", false),
        (refuse(429, 130_429), ErrorClass::RetryAfter(None), "130429", false),
        (refuse(400, 4), ErrorClass::RetryAfter(None), "4", false),
        (refuse(500, 131_016), ErrorClass::Retry, "131016", false),
        (refuse(503, 2), ErrorClass::Retry, "2", false),
        (Fault::Gateway(502), ErrorClass::Retry, "502", false),
        (Fault::Gateway(504), ErrorClass::Ambiguous, "504", false),
        (refuse(403, 131_031), stopped("banned"), "131031", false),
        (refuse(400, 368), stopped("restricted"), "368", false),
        (Fault::Refuse(Refusal::token(Some(460))), stopped("token_revoked"), "190/460", false),
        (refuse(400, 100), ErrorClass::Permanent, "100", false),
        (Fault::Garbled, ErrorClass::Ambiguous, "unreadable", true),
        (Fault::Hangup { carried_out: true }, ErrorClass::Ambiguous, "closed", true),
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous, "closed", false),
    ] {
        let before = stage.cloud.messages().len();
        stage.cloud.meta.core.meets("messages", fault.clone());
        let error = stage.send(&to(ANNA, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code), "{fault:?}");
        let after = stage.cloud.messages().len();
        assert_eq!(after - before, usize::from(carried_out), "{fault:?}");
    }
    stage.cloud.meta.core.meets("messages", Fault::Slow(Duration::from_millis(200)));
    stage.send(&to(ANNA, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn what_may_be_repeated_is_never_in_doubt() {
    let stage = Stage::new().await;
    let id = stage.cloud.wrote(ANNA);
    for fault in [
        Fault::Hangup { carried_out: true },
        Fault::Gateway(504),
        Fault::Garbled,
        Fault::Silence { carried_out: true },
    ] {
        stage.cloud.meta.core.meets("messages", fault);
        let error =
            stage.channel.reactor().unwrap().react(&stage.login, ANNA, &id, Some("👍")).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retry);
    }
    // A file that went up, and nobody knows: nothing was sent, so it may go up again.
    stage.cloud.meta.core.meets("media", Fault::Hangup { carried_out: true });
    let image = json!({ "type": "image", "media": { "media_id": "018f0000-0000-7000-8000-00000000000a", "mime": "image/png" } });
    let mut message = to(ANNA, image);
    message.file = Some(bytes::Bytes::from_static(b"x"));
    assert_eq!(stage.send(&message).await.unwrap_err().class, ErrorClass::Retry);
    assert!(stage.cloud.messages().iter().all(|message| message.body["type"] == "reaction"));
}

#[tokio::test]
async fn people_who_cannot_be_reached_fail_for_good() {
    let stage = Stage::new().await;
    for code in [131_026, 131_021, 131_030, 130_403, 130_472, 131_050, 137_000] {
        let person = Person { window_open: true, refuses: Some((code, "words")), ..Person::default() };
        stage.cloud.set_person("16505550000", person);
        let error = stage.send(&to("16505550000", text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code), (ErrorClass::Permanent, code.to_string()));
    }
}

#[tokio::test]
async fn a_token_that_was_taken_back_stops_the_account_and_is_never_shown() {
    let stage = Stage::new().await;
    stage.cloud.meta.core.revoke(&stage.cloud.token, 463);
    let error = stage.send(&to(ANNA, text("hi"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::AccountStopped { reason: "token_revoked", lasting: None });
    assert_eq!(error.code, "190/463");
    assert!(!format!("{error:?} {error}").contains(&stage.cloud.token));
}

#[tokio::test]
async fn the_limits_that_we_state_are_those_that_bite() {
    // Windows a hundred times as long: nothing comes back within the test.
    let stage = Stage::with(Options { enforce_limits: true, time_scale: 0.01 }).await;
    for n in 0..45 {
        stage.send(&to(ANNA, text("hi"))).await.unwrap_or_else(|error| panic!("{n}: {error}"));
    }
    let error = stage.send(&to(ANNA, text("hi"))).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::RecipientHeld(_)), "{error:?}");
    // 80 in a second, whoever they are to: some of them went to Anna, and few come back in the test's time.
    let mut taken = 45;
    let error = loop {
        let person = format!("1650556{taken:04}");
        stage.cloud.person(&person);
        match stage.send(&to(&person, text("hi"))).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 120, "the number's limit bites");
    };
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::RetryAfter(None), "130429"));
    assert!(taken >= 79, "{taken}");
    let limits = &stage.channel.capabilities().limits;
    let stated: Vec<_> = limits.iter().map(|limit| (limit.count, limit.seconds, limit.burst)).collect();
    assert_eq!(stated, [(80, 1.0, None), (1, 6.0, Some(45))]);
}
