//! Every refusal and every silence, by what the queue is told to do.

use std::time::Duration;

use channel::{Channel, ErrorClass};
use serde_json::json;

use super::{ROOM, Stage, adapter, text, to};
use crate::simulators::slack::{Fault, Options};

const STOPPED: ErrorClass = ErrorClass::AccountStopped { reason: "token_revoked", lasting: None };

#[tokio::test]
async fn faults_of_the_provider_by_what_they_mean_for_the_message() {
    let stage = Stage::new().await;
    let seconds = Duration::from_secs;
    for (fault, class, code, carried_out) in [
        (Fault::TooMany(Some(1)), ErrorClass::RecipientHeld(seconds(1)), "ratelimited", false),
        (Fault::TooMany(Some(60)), ErrorClass::RetryAfter(Some(seconds(60))), "ratelimited", false),
        (Fault::TooMany(None), ErrorClass::RetryAfter(None), "429", false),
        (Fault::Word("service_unavailable"), ErrorClass::Retry, "service_unavailable", false),
        (Fault::Word("fatal_error"), ErrorClass::Ambiguous, "fatal_error", false),
        (Fault::Word("restricted_action"), ErrorClass::Permanent, "restricted_action", false),
        (Fault::Word("invalid_auth"), STOPPED, "invalid_auth", false),
        (Fault::Gateway(502), ErrorClass::Retry, "502", false),
        (Fault::Gateway(504), ErrorClass::Ambiguous, "504", false),
        (Fault::Garbled, ErrorClass::Ambiguous, "unreadable", true),
        (Fault::Hangup { carried_out: true }, ErrorClass::Ambiguous, "closed", true),
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous, "closed", false),
        (Fault::Silence { carried_out: true }, ErrorClass::Ambiguous, "timeout", true),
    ] {
        let before = stage.slack.count(ROOM);
        stage.slack.meets("chat.postMessage", fault.clone());
        let error = stage.send(&to(ROOM, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code), "{fault:?}");
        assert_eq!(stage.slack.count(ROOM) - before, usize::from(carried_out), "{fault:?}");
    }
}

#[tokio::test]
async fn what_may_be_repeated_is_never_in_doubt() {
    let stage = Stage::new().await;
    let ts = stage.slack.writes(ROOM, "U024BE7LH", "hello");
    let reactor = stage.channel.reactor().unwrap();
    for fault in
        [Fault::Hangup { carried_out: true }, Fault::Gateway(504), Fault::Garbled, Fault::Word("fatal_error")]
    {
        stage.slack.meets("reactions.add", fault);
        let error = reactor.react(&stage.login, ROOM, &ts, Some("👍")).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retry);
    }
}

#[tokio::test]
async fn a_token_that_is_wrong_or_was_taken_back_stops_the_account_and_is_never_shown() {
    let stage = Stage::new().await;
    for token in ["xoxb-never-existed", "", "with\nnewline", "ünïcode"] {
        let credentials = stage.login.credentials.clone().with("bot_token", token);
        let error = stage.channel.connect(&credentials, &json!({}), None).await.unwrap_err();
        assert_eq!(error.class, STOPPED, "{token}");
        assert!(token.is_empty() || !format!("{error:?} {error}").contains(token));
    }
    stage.slack.revoke();
    let error = stage.send(&to(ROOM, text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (STOPPED, "token_revoked"));
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let stage = Stage::new().await;
    stage.slack.forbid("chat:write");
    let error = stage.send(&to(ROOM, text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "missing_scope"));
    assert!(error.message.contains("chat:write"), "{}", error.message);
}

#[tokio::test]
async fn channels_that_cannot_be_written_to_fail_for_good() {
    let stage = Stage::new().await;
    stage.slack.archive("C0ARCHIVE");
    for (room, code) in
        [("C0ARCHIVE", "is_archived"), ("C0NOWHERE", "channel_not_found"), ("W0NOBODY1", "user_not_found")]
    {
        let error = stage.send(&to(room, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let stage = Stage::new().await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let nowhere = adapter(&format!("http://127.0.0.1:{port}"));
    let error = nowhere.send(&stage.login, &to(ROOM, text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Retry, "connect"));
}

#[tokio::test]
async fn the_limit_that_we_state_is_the_one_that_bites() {
    let stage = Stage::with(Options::default()).await;
    stage.slack.room("C024BE91L");
    stage.send(&to(ROOM, text("one"))).await.unwrap();
    // On a slow machine a second may go by between two sends.
    let error = loop {
        if let Err(error) = stage.send(&to(ROOM, text("two"))).await {
            break error;
        }
    };
    assert_eq!(error.class, ErrorClass::RecipientHeld(Duration::from_secs(1)));
    stage.send(&to("C024BE91L", text("another channel goes on"))).await.unwrap();
    let limits = &stage.channel.capabilities().limits;
    assert_eq!(limits.iter().map(|limit| (limit.count, limit.seconds)).collect::<Vec<_>>(), [(1, 1.0)]);
}
