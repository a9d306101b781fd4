//! A conversation arrives by asking: the same events under the same keys, each once, at a pace that a shop bears.

use std::collections::BTreeSet;
use std::time::Duration;

use channel::{Channel, ErrorClass, Method, Polled, WebhookEvent, WebhookRequest};
use model::InboundKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::inbound::{everything, pointers};
use super::{Options, Stage, said};
use crate::simulators::tiktok::{Fault, text as words};

const ROUND: Option<Duration> = Some(Duration::from_secs(30));

async fn poll(stage: &Stage, cursor: Option<&str>) -> Polled {
    stage.channel.poller().unwrap().poll(&stage.login, cursor).await.unwrap()
}

/// Polls until the round is over; answers what it brought and where to go on.
async fn round(stage: &Stage, cursor: Option<&str>) -> (Vec<WebhookEvent>, String) {
    let mut polled = poll(stage, cursor).await;
    let mut events = std::mem::take(&mut polled.events);
    for _ in 0..1_000 {
        if polled.rest == ROUND {
            return (events, polled.cursor);
        }
        assert_eq!(polled.rest, Some(Duration::from_secs(1)), "there is a pause between polls");
        polled = poll(stage, Some(&polled.cursor)).await;
        events.append(&mut polled.events);
    }
    panic!("the round never ends");
}

fn texts(stage: &Stage, events: &[WebhookEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| said(&stage.parse(&event.payload)).words().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn a_poll_finds_what_webhooks_tell_under_the_same_keys_with_the_same_meaning() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    everything(&stage.server, &chat);
    let (polled, _) = round(&stage, None).await;
    let mut told = Vec::new();
    for notification in stage.server.notifications(&stage.app.0, &stage.shop) {
        let request = WebhookRequest {
            method: Method::Post,
            headers: &notification.headers,
            query: "",
            body: &notification.body,
        };
        told.append(&mut stage.channel.receive(&stage.login, &request).unwrap().events);
    }
    // That a conversation began is only told; everything else is found too.
    let keys = |events: &[WebhookEvent]| -> BTreeSet<_> {
        events.iter().map(|event| event.dedupe_key.clone()).collect()
    };
    let news: Vec<_> = told.into_iter().filter(|event| event.dedupe_key.starts_with("message:")).collect();
    assert_eq!((keys(&polled), polled.len()), (keys(&news), 16));
    for event in &polled {
        let same = news.iter().find(|told| told.dedupe_key == event.dedupe_key).unwrap();
        let (found, told) = (stage.parse(&event.payload), stage.parse(&same.payload));
        assert_eq!((&found.chat, found.at, &found.kind), (&told.chat, told.at, &told.kind));
        // Polls know names.
        assert!(found.from.unwrap().name.is_some());
    }
}

#[tokio::test]
async fn each_message_comes_once_and_in_order_however_many_pages_there_are() {
    let stage = Stage::new().await;
    let mut expected = BTreeSet::new();
    for chat in 0..45 {
        let id = stage.server.conversation(&stage.shop, &format!("buyer{chat}"));
        stage.advance(1);
        for n in 0..if chat % 9 == 0 { 23 } else { 1 } {
            stage.server.writes(&id, "TEXT", &words(&format!("{chat} {n}")));
            expected.insert(format!("{chat} {n}"));
        }
    }
    let (events, cursor) = round(&stage, None).await;
    let found = texts(&stage, &events);
    assert_eq!(found.len(), expected.len(), "none comes twice");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);

    let calls = stage.server.calls().len();
    let (events, cursor) = round(&stage, Some(&cursor)).await;
    assert!(events.is_empty());
    // Within what may turn up late nothing is left out; of 45 conversations all are.
    assert!(stage.server.calls().len() - calls <= 3);

    stage.advance(3_600);
    let chat = stage.server.conversation(&stage.shop, "buyer7");
    stage.server.writes(&chat, "TEXT", &words("one"));
    stage.server.writes(&chat, "TEXT", &words("two"));
    let (events, cursor) = round(&stage, Some(&cursor)).await;
    assert_eq!(texts(&stage, &events), ["one", "two"]);
    let calls = stage.server.calls().len();
    let polled = poll(&stage, Some(&cursor)).await;
    assert_eq!((polled.events.len(), polled.rest), (0, ROUND));
    assert_eq!(stage.server.calls().len() - calls, 1, "where nothing happened one call finds out");
}

#[tokio::test]
async fn a_poll_makes_no_more_calls_than_a_shop_bears() {
    let stage = Stage::with(Options { calls_per_second: Some(3), ..Options::default() }, true).await;
    for n in 0..5 {
        let chat = stage.server.conversation(&stage.shop, &format!("buyer{n}"));
        stage.server.writes(&chat, "TEXT", &words("hello"));
    }
    let first = poll(&stage, None).await;
    assert_eq!((stage.server.calls().len(), first.rest), (3, Some(Duration::from_secs(1))));
}

#[tokio::test]
async fn what_was_not_committed_comes_again_and_what_turns_up_late_is_found() {
    let stage = Stage::new().await;
    let (early, late) =
        (stage.server.conversation(&stage.shop, "Ada"), stage.server.conversation(&stage.shop, "Bob"));
    stage.server.writes(&early, "TEXT", &words("first"));
    let one = poll(&stage, None).await;
    let again = poll(&stage, None).await;
    assert_eq!(one, again);
    // Within the same second, and in a conversation in which something newer was seen elsewhere already.
    stage.server.writes(&late, "TEXT", &words("in the same second"));
    let (events, cursor) = round(&stage, Some(&one.cursor)).await;
    assert_eq!(texts(&stage, &events), ["in the same second"]);
    stage.advance(60);
    stage.server.writes(&early, "TEXT", &words("a minute later"));
    let (events, _) = round(&stage, Some(&cursor)).await;
    assert_eq!(texts(&stage, &events), ["a minute later"]);
}

#[tokio::test]
async fn a_list_in_any_order_is_read_whole() {
    let options = Options { newest_first: false, calls_per_second: None, ..Options::default() };
    let stage = Stage::with(options, true).await;
    let mut chats = Vec::new();
    for n in 0..50 {
        chats.push(stage.server.conversation(&stage.shop, &format!("buyer{n}")));
        stage.server.writes(&chats[n], "TEXT", &words("long ago"));
        stage.advance(600);
    }
    let (_, cursor) = round(&stage, None).await;
    stage.server.writes(&chats[3], "TEXT", &words("now"));
    let (events, _) = round(&stage, Some(&cursor)).await;
    assert_eq!(texts(&stage, &events), ["now"]);
}

#[tokio::test]
async fn the_first_poll_does_not_bring_all_there_ever_was() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    stage.server.writes(&chat, "TEXT", &words("days ago"));
    stage.advance(5 * 86_400);
    stage.server.writes(&chat, "TEXT", &words("while connecting"));
    stage.advance(60);
    let (events, _) = round(&stage, None).await;
    assert_eq!(texts(&stage, &events), ["while connecting"]);
}

#[tokio::test]
async fn one_conversation_that_is_gone_stands_in_nobodys_way() {
    let stage = Stage::new().await;
    let gone = stage.server.conversation(&stage.shop, "Ada");
    stage.server.writes(&gone, "TEXT", &words("lost"));
    stage.server.lose(&gone);
    let chat = stage.server.conversation(&stage.shop, "Bob");
    stage.server.writes(&chat, "TEXT", &words("found"));
    let (events, _) = round(&stage, None).await;
    assert_eq!(texts(&stage, &events), ["found"]);
}

#[tokio::test]
async fn a_place_that_tiktok_lost_begins_the_round_anew_and_loses_nothing() {
    let stage = Stage::new().await;
    for n in 0..30 {
        let chat = stage.server.conversation(&stage.shop, &format!("buyer{n}"));
        stage.server.writes(&chat, "TEXT", &words(&n.to_string()));
    }
    let mut polled = poll(&stage, None).await;
    let mut found = texts(&stage, &polled.events);
    // The first page's conversations, two or three a poll; then the second page is asked for.
    while stage.server.calls().iter().filter(|call| call.what.ends_with("/messages")).count() < 20 {
        polled = poll(&stage, Some(&polled.cursor)).await;
        found.append(&mut texts(&stage, &polled.events));
    }
    stage.server.meets("/conversations", Fault::Refuse(400, 36_009_004, "`page_token` is invalid."));
    let (events, _) = round(&stage, Some(&polled.cursor)).await;
    found.append(&mut texts(&stage, &events));
    assert_eq!(found.len(), 30);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 30);
}

#[tokio::test]
async fn a_poll_that_fails_says_how_and_a_wrong_cursor_is_none() {
    let stage = Stage::new().await;
    for (fault, class) in [
        (Fault::TooMany(Some(9)), ErrorClass::RetryAfter(Some(Duration::from_secs(9)))),
        (Fault::Hangup { carried_out: true }, ErrorClass::Retry),
        (Fault::Gateway(503), ErrorClass::Retry),
        (
            Fault::Refuse(401, 101_000, "no"),
            ErrorClass::AccountStopped { reason: "token_revoked", lasting: None },
        ),
    ] {
        stage.server.meets("/conversations", fault);
        let error = stage.channel.poller().unwrap().poll(&stage.login, None).await.unwrap_err();
        assert_eq!(error.class, class);
    }
    let error = stage.channel.poller().unwrap().poll(&stage.login, Some("17")).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "cursor"));
}

#[tokio::test]
async fn our_own_messages_are_found_as_echoes() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let sent = stage.send(&super::to(&chat, super::text("ours"))).await.unwrap();
    let (events, _) = round(&stage, None).await;
    let found = stage.parse(&events[0].payload);
    assert!(
        matches!(&found.kind, InboundKind::Message { provider_id, echo: true, .. } if *provider_id == sent.provider_id)
    );
}

/// Places to go on from with any part of them replaced: refused, or gone on from, never a panic and never for ever.
#[test]
fn no_cursor_whatever_is_wrong_with_it_ends_the_poll() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stage, cursor) = runtime.block_on(async {
        let stage = Stage::new().await;
        for n in 0..25 {
            let chat = stage.server.conversation(&stage.shop, &format!("buyer{n}"));
            stage.server.writes(&chat, "TEXT", &words("hello"));
        }
        let cursor = poll(&stage, None).await.cursor;
        (stage, serde_json::from_str::<Value>(&cursor).unwrap())
    });
    let mut places = Vec::new();
    pointers(&cursor, String::new(), &mut places);
    let odd = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!("first")),
        Just(json!({ "next": "nowhere" })),
        Just(json!([["../x", ""]])),
        any::<i64>().prop_map(|n| json!(n)),
    ];
    proptest!(ProptestConfig::with_cases(200), |(place in any::<prop::sample::Index>(), odd in odd)| {
        let mut cursor = cursor.clone();
        let place: &String = place.get(&places);
        *cursor.pointer_mut(place).unwrap() = odd;
        let answer = runtime.block_on(stage.channel.poller().unwrap().poll(&stage.login, Some(&cursor.to_string())));
        match answer {
            Ok(polled) => prop_assert!(polled.rest.is_some()),
            Err(error) => prop_assert_eq!(error.code, "cursor"),
        }
    });
}
