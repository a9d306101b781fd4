//! Every refusal and every silence, by what the queue is told to do.

use std::time::Duration;

use channel::{Channel, ErrorClass};

use super::{NOW, Options, Stage, text, to};
use crate::simulators::tiktok::Fault;

const fn stopped(reason: &'static str) -> ErrorClass {
    ErrorClass::AccountStopped { reason, lasting: None }
}

#[tokio::test]
async fn faults_of_the_provider_by_what_they_mean_for_the_message() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    for (fault, class, code, carried_out) in [
        (Fault::TooMany(Some(17)), ErrorClass::RetryAfter(Some(Duration::from_secs(17))), "36009002", false),
        (Fault::TooMany(None), ErrorClass::RetryAfter(None), "36009002", false),
        (Fault::Refuse(200, 36_009_002, "busy"), ErrorClass::RetryAfter(None), "36009002", false),
        (Fault::Refuse(500, 36_009_003, "internal"), ErrorClass::Retry, "36009003", false),
        (Fault::Refuse(200, 36_009_007, "upstream"), ErrorClass::Retry, "36009007", false),
        (Fault::Refuse(200, 45_101_001, "internal"), ErrorClass::Ambiguous, "45101001", false),
        (Fault::Refuse(400, 36_009_037, "sandbox"), ErrorClass::Permanent, "36009037", false),
        (Fault::Refuse(403, 36_009_033, "address"), stopped("restricted"), "36009033", false),
        (Fault::Gateway(502), ErrorClass::Retry, "502", false),
        (Fault::Gateway(503), ErrorClass::Retry, "503", false),
        (Fault::Gateway(504), ErrorClass::Ambiguous, "504", false),
        (Fault::Gateway(429), ErrorClass::RetryAfter(None), "429", false),
        (Fault::Garbled, ErrorClass::Ambiguous, "unreadable", true),
        (Fault::Hangup { carried_out: true }, ErrorClass::Ambiguous, "closed", true),
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous, "closed", false),
        (Fault::Silence { carried_out: true }, ErrorClass::Ambiguous, "timeout", true),
    ] {
        let before = stage.server.messages(&chat).len();
        stage.server.meets("/messages", fault.clone());
        let error = stage.send(&to(&chat, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code), "{fault:?}");
        let after = stage.server.messages(&chat).len();
        assert_eq!(after - before, usize::from(carried_out), "{fault:?}");
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_never_in_doubt() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    for fault in [Fault::Hangup { carried_out: true }, Fault::Gateway(504), Fault::Garbled] {
        stage.server.meets("/read", fault);
        let error = stage.channel.reader().unwrap().mark_read(&stage.login, &chat, "1").await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retry);
    }
    let buyer = format!("buyer:{}", stage.server.buyer(&stage.shop, "Bob"));
    stage.server.meets("/conversations", Fault::Hangup { carried_out: true });
    assert_eq!(stage.send(&to(&buyer, text("hi"))).await.unwrap_err().class, ErrorClass::Retry);
    // The conversation was begun all the same; to begin it again opens it.
    stage.send(&to(&buyer, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn a_conversation_that_is_closed_to_the_shop_fails_the_message_and_says_the_rule() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    for (code, words) in
        [(45_109_001, "Closed."), (45_100_007, "You can not send messages in this conversation.")]
    {
        stage.server.close(&chat, code, words);
        let error = stage.send(&to(&chat, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "cannot_send_message"));
        assert!(error.message.contains("60 days of an order"), "{}", error.message);
    }
}

#[tokio::test]
async fn what_stops_the_whole_account_fails_no_message() {
    let mut stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let hi = to(&chat, text("hi"));
    let good = stage.login.credentials.clone();
    for (name, value, class, code) in [
        ("access_token", "GCP_wrong", stopped("token_revoked"), "36009004"),
        ("app_secret", "wrong-secret", stopped("token_revoked"), "106001"),
        ("app_key", "wrong-key", stopped("token_revoked"), "36009004"),
        ("shop_cipher", "", stopped("restricted"), "106013"),
        ("shop_cipher", "GCP_another", stopped("token_revoked"), "101000"),
    ] {
        stage.login.credentials = good.clone().with(name, value);
        let error = stage.send(&hi).await.unwrap_err();
        assert_eq!((error.class.clone(), error.code.as_str()), (class, code), "{name}");
        assert!(value.is_empty() || !format!("{error:?} {error}").contains(value), "{error:?}");
    }
    stage.login.credentials = good;
    stage.server.unscope(&stage.app.0, "seller.customer_service");
    let error = stage.send(&hi).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (stopped("restricted"), "105005"));
    assert!(error.message.contains("customer service scope"));

    let stage = Stage::new().await;
    stage.server.deactivate(&stage.shop);
    let error = stage.send(&to("1", text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (stopped("restricted"), "36009043"));
    stage.server.revoke("Seller");
    assert_eq!(stage.send(&to("1", text("hi"))).await.unwrap_err().class, stopped("token_revoked"));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    stage.server.meets("/messages", Fault::Refuse(400, 36_009_004, "Invalid timestamp. It is too old."));
    let error = stage.send(&to(&chat, text("hi"))).await.unwrap_err();
    assert_eq!(error.class, stopped("token_revoked"));
    assert!(error.message.contains("clock"));
    // Each call is dated by the clock that was given.
    stage.send(&to(&chat, text("hi"))).await.unwrap();
    assert_eq!(stage.server.calls().last().unwrap().query["timestamp"], NOW.to_string());
}

#[tokio::test]
async fn calls_over_the_limit_are_held_back_for_as_long_as_said() {
    let stage = Stage::with(Options { calls_per_second: Some(3), ..Options::default() }, true).await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let mut refused = None;
    for _ in 0..200 {
        if let Err(error) = stage.send(&to(&chat, text("hi"))).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.unwrap().class, ErrorClass::RetryAfter(Some(Duration::from_secs(1))));
    let limits = &stage.channel.capabilities().limits;
    assert_eq!(limits.iter().map(|limit| (limit.count, limit.seconds)).collect::<Vec<_>>(), [(3, 1.0)]);
}
