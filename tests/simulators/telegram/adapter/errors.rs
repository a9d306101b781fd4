//! Every refusal and every silence, by what the queue is told to do.

use std::time::Duration;

use adapters::AdaptersConfig;
use adapters::telegram::Telegram as Adapter;
use channel::{Channel, ChannelError, Credentials, ErrorClass};
use outbound::{Http, HttpConfig};
use serde_json::json;

use super::{Stage, text, to};
use crate::simulators::telegram::{Fault, Options, Standing};

const STOPPED: ErrorClass = ErrorClass::AccountStopped { reason: "token_revoked", lasting: None };

#[tokio::test]
async fn recipients_that_can_never_be_reached_fail_for_good() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let group = stage.bot.group("supergroup", "Team");
    for (chat, standing, code) in [
        (ada.chat, Standing::Blocked, "bot was blocked by the user"),
        (ada.chat, Standing::Deactivated, "user is deactivated"),
        (ada.chat, Standing::NeverStarted, "bot can't initiate conversation with a user"),
        (group, Standing::Kicked, "bot was kicked from the supergroup chat"),
    ] {
        stage.bot.set_standing(chat, standing);
        let error = stage.send(&to(chat, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
    }
    let error = stage.send(&to(424_242, text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "chat not found"));
    let long = stage.send(&to(stage.bot.person("Bob").chat, text(&"a".repeat(4097)))).await.unwrap_err();
    assert_eq!((long.class, long.code.as_str()), (ErrorClass::Permanent, "message is too long"));
}

#[tokio::test]
async fn a_group_that_became_a_supergroup_tells_its_new_id() {
    let stage = Stage::new().await;
    let group = stage.bot.group("group", "Team");
    let new = stage.bot.migrate(group);
    let error = stage.send(&to(group, text("hi"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry);
    assert_eq!(error.moved_to, Some(new.to_string()));
    stage.send(&to(new, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn a_token_that_is_wrong_or_was_taken_back_stops_the_account_and_is_never_shown() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    for token in ["7:never-existed", "nonsense", "", "../7:x/../../getMe?#"] {
        let credentials = Credentials::default().with("bot_token", token);
        let error = stage.channel.connect(&credentials, &json!({}), None).await.unwrap_err();
        assert_eq!(error.class, STOPPED, "{token}");
        assert!(token.is_empty() || !format!("{error:?} {error}").contains(token));
    }
    stage.bot.revoke();
    let error = stage.send(&to(ada.chat, text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (STOPPED, "401"));
}

#[tokio::test]
async fn faults_of_the_provider_by_what_they_mean_for_the_message() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    for (fault, class, code, carried_out) in [
        (Fault::TooMany(17), ErrorClass::RetryAfter(Some(Duration::from_secs(17))), "429", false),
        (Fault::Refuse(500, "Internal Server Error"), ErrorClass::Retry, "500", false),
        (Fault::Refuse(409, "Conflict"), ErrorClass::Retry, "409", false),
        (Fault::Gateway(502), ErrorClass::Retry, "502", false),
        (Fault::Gateway(503), ErrorClass::Retry, "503", false),
        (Fault::Gateway(504), ErrorClass::Ambiguous, "504", false),
        (Fault::Refuse(404, "Not Found: method not found"), ErrorClass::Permanent, "404", false),
        (Fault::Garbled, ErrorClass::Ambiguous, "unreadable", true),
        (Fault::Hangup { carried_out: true }, ErrorClass::Ambiguous, "closed", true),
        (Fault::Hangup { carried_out: false }, ErrorClass::Ambiguous, "closed", false),
        (Fault::Silence { carried_out: true }, ErrorClass::Ambiguous, "timeout", true),
    ] {
        let before = stage.bot.messages(ada.chat).len();
        stage.bot.meets("sendMessage", fault.clone());
        let error = stage.send(&to(ada.chat, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code), "{fault:?}");
        let after = stage.bot.messages(ada.chat).len();
        assert_eq!(after - before, usize::from(carried_out), "{fault:?}");
    }
    stage.bot.meets("sendMessage", Fault::Slow(Duration::from_millis(200)));
    stage.send(&to(ada.chat, text("hi"))).await.unwrap();
}

#[tokio::test]
async fn what_may_be_repeated_is_never_in_doubt() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let id = ada.writes("x").to_string();
    let chat = ada.chat.to_string();
    for fault in [Fault::Hangup { carried_out: true }, Fault::Gateway(504), Fault::Garbled] {
        stage.bot.meets("setMessageReaction", fault);
        let error =
            stage.channel.reactor().unwrap().react(&stage.login, &chat, &id, Some("👍")).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Retry);
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let stage = Stage::new().await;
    let http = Http::new(&HttpConfig::default()).unwrap();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let config = AdaptersConfig::new(http).with_base_url("telegram", format!("http://127.0.0.1:{port}"));
    let nowhere = Adapter::new(&config);
    let error: ChannelError = nowhere.send(&stage.login, &to(1, text("hi"))).await.unwrap_err();
    assert_eq!((error.class.clone(), error.code.as_str()), (ErrorClass::Retry, "connect"));
    assert!(!format!("{error:?} {error}").contains("simulated-token"));
}

#[tokio::test]
async fn the_limits_that_we_state_are_those_that_bite() {
    let stage = Stage::with(Options::default()).await;
    let ada = stage.bot.person("Ada");
    stage.send(&to(ada.chat, text("one"))).await.unwrap();
    let error = stage.send(&to(ada.chat, text("two"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::RetryAfter(Some(Duration::from_secs(1))));
    let limits = &stage.channel.capabilities().limits;
    let stated: Vec<_> = limits.iter().map(|limit| (limit.count, limit.seconds)).collect();
    assert_eq!(stated, [(30, 1.0), (1, 1.0), (20, 60.0)]);
}
