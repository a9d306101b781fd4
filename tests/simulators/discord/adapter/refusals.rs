//! Each refusal, as it comes over the wire, and what it means.

use std::time::Duration;

use channel::{Channel, ErrorClass};

use super::{Stage, adapter, text, to};
use crate::simulators::discord::Fault;

#[tokio::test]
async fn each_refusal_has_its_class() {
    let revoked = || ErrorClass::AccountStopped { reason: "token_revoked", lasting: None };
    let held = Duration::from_millis(40);
    for (fault, class) in [
        (Fault::Refuse(401, 0, "401: Unauthorized"), revoked()),
        (Fault::Refuse(401, 50_014, "Invalid authentication token"), revoked()),
        (Fault::Refuse(403, 50_007, "Cannot send messages to this user"), ErrorClass::Permanent),
        (Fault::Refuse(403, 50_001, "Missing Access"), ErrorClass::Permanent),
        (Fault::Refuse(403, 50_013, "Missing Permissions"), ErrorClass::Permanent),
        (Fault::Refuse(400, 200_000, "Blocked by AutoMod"), ErrorClass::Permanent),
        (Fault::Refuse(429, 20_016, "Slow mode"), ErrorClass::RecipientHeld(Duration::from_secs(5))),
        (Fault::Refuse(503, 130_000, "API resource is overloaded"), ErrorClass::Retry),
        (Fault::Refuse(500, 0, "500: Internal Server Error"), ErrorClass::Retry),
        (Fault::TooMany("user", 0.04), ErrorClass::RecipientHeld(held)),
        (Fault::TooMany("shared", 0.04), ErrorClass::RecipientHeld(held)),
        (Fault::TooMany("global", 0.04), ErrorClass::RetryAfter(Some(held))),
        (Fault::Page(429), ErrorClass::RetryAfter(None)),
        (Fault::Page(502), ErrorClass::Retry),
        (Fault::Page(504), ErrorClass::Ambiguous),
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous),
        (Fault::Garbled, ErrorClass::Ambiguous),
        (Fault::Slow(Duration::from_secs(20)), ErrorClass::Ambiguous),
    ] {
        // What one refusal taught is not known to the next.
        let mut stage = Stage::new().await;
        stage.channel = adapter(&stage.server);
        stage.server.meets("POST", fault.clone());
        let error = stage.send(&to(&stage.chat.to_string(), 1, text("hi"))).await.unwrap_err();
        assert_eq!(error.class, class, "{fault:?}");
        let shown = format!("{error:?}");
        assert!(!shown.contains("simulated.bot-token"), "{shown}");
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_never_in_doubt() {
    let stage = Stage::new().await;
    stage.server.meets("POST", Fault::Hangup { carried_out: true });
    let chat = stage.chat.to_string();
    let error = stage.channel.typist().unwrap().typing(&stage.login, &chat, true).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry);
}

#[tokio::test]
async fn a_held_bot_is_not_asked_again() {
    let stage = Stage::new().await;
    let chat = stage.chat.to_string();
    stage.server.meets("POST", Fault::TooMany("global", 30.0));
    for number in 1..5 {
        let error = stage.send(&to(&chat, number, text("hi"))).await.unwrap_err();
        assert!(matches!(error.class, ErrorClass::RetryAfter(Some(_))), "{error:?}");
    }
    let refused = stage.server.calls().into_iter().filter(|call| call.status == 429).count();
    assert_eq!(refused, 1, "refusals are counted by Discord: one is enough");
}

#[tokio::test]
async fn a_revoked_token_stops_the_account() {
    let stage = Stage::new().await;
    stage.server.revoke();
    let error = stage.send(&to(&stage.chat.to_string(), 1, text("hi"))).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::AccountStopped { reason: "token_revoked", .. }));
}
