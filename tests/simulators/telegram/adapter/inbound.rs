//! A conversation arrives, by polling and by webhook.

use channel::{Channel, ErrorClass, Method, Outgoing, WebhookRequest};
use model::{Content, ConversationKind, Inbound, InboundKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Stage, media, said, text, to};
use crate::simulators::telegram::Person;

/// Ada says and does everything once; `ours` is a message of the bot with a button.
fn everything(ada: &Person, ours: i64) -> String {
    let first = ada.writes("hello");
    ada.sends("photo", &b"\xFF\xD8\xFF"[..], Some("look"));
    ada.sends("voice", &b"OggS"[..], None);
    ada.sends("sticker", &b"RIFF"[..], None);
    ada.sends_location(52.5, 13.4);
    ada.answers(ours, "this one");
    ada.edits(first, "hello!");
    ada.reacts(ours, &["👍"]);
    ada.reacts(ours, &[]);
    let callback = ada.presses(ours, "yes");
    ada.blocks();
    ada.unblocks();
    callback
}

fn check(events: &[Inbound], ada: &Person, ours: i64) {
    assert!(events.iter().all(|event| event.chat == ada.chat.to_string()));
    assert!(events.iter().all(|event| event.chat_kind == ConversationKind::Direct));
    assert!(events.iter().all(|event| {
        let from = event.from.as_ref().unwrap();
        from.address == ada.id.to_string() && from.name.as_deref() == Some("Ada")
    }));
    assert_eq!(said(&events[0]), &Content::text("hello"));
    assert!(matches!(said(&events[1]), Content::Image { caption: Some(caption), .. } if caption == "look"));
    assert_eq!(media(&events[2]).mime.as_deref(), Some("audio/ogg"));
    assert!(matches!(said(&events[3]), Content::Sticker { emoji: Some(_), .. }));
    assert!(matches!(said(&events[4]), Content::Location { .. }));
    let InboundKind::Message { reply_to, echo, .. } = &events[5].kind else {
        panic!("not a message");
    };
    assert_eq!((reply_to.as_deref(), *echo), (Some(ours.to_string().as_str()), false));
    assert!(matches!(&events[6].kind, InboundKind::Edited { .. }));
    assert_eq!(said(&events[6]), &Content::text("hello!"));
    let reacted = |emoji: &[&str]| InboundKind::Reacted {
        provider_id: ours.to_string(),
        emoji: emoji.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(events[7].kind, reacted(&["👍"]));
    assert_eq!(events[8].kind, reacted(&[]));
    assert_eq!(
        said(&events[9]),
        &Content::Callback { data: "yes".to_owned(), title: Some("Yes".to_owned()) }
    );
    assert_eq!(events[10].kind, InboundKind::ContactBlocked { blocked: true });
    assert_eq!(events[11].kind, InboundKind::ContactBlocked { blocked: false });
    assert_eq!(events.len(), 12);
}

async fn question(stage: &Stage, ada: &Person) -> i64 {
    let content = json!({"type": "text", "text": "sure?", "buttons": [[{"title": "Yes", "data": "yes"}]]});
    stage.sent(ada.chat, content).await["message_id"].as_i64().unwrap()
}

/// Connects and polls once: from then on Telegram knows which kinds of updates are wanted.
async fn begin_polling(stage: &mut Stage, ada: &Person) -> String {
    stage.connect(None).await;
    ada.writes("/start");
    stage.poll(None).await.1
}

#[tokio::test]
async fn a_conversation_by_polling_and_a_pressed_button_is_answered() {
    let mut stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let start = begin_polling(&mut stage, &ada).await;
    let ours = question(&stage, &ada).await;
    let callback = everything(&ada, ours);
    let (events, cursor) = stage.poll(Some(&start)).await;
    check(&events, &ada, ours);

    // What was not confirmed comes again; the next poll confirms it.
    let (again, same) = stage.poll(Some(&start)).await;
    assert_eq!((again, &same), (events, &cursor));
    ada.writes("next");
    let (next, _) = stage.poll(Some(&cursor)).await;
    assert_eq!(next.len(), 1);
    assert_eq!(said(&next[0]), &Content::text("next"));

    let acknowledger = stage.channel.acknowledger().unwrap();
    for update in stage.bot.history() {
        if acknowledger.awaits(&update) {
            acknowledger.acknowledge(&stage.login, &update).await.unwrap();
        }
    }
    assert!(stage.bot.callback_answer(&callback).is_some());
    let answers = stage.bot.calls().iter().filter(|call| call.method == "answerCallbackQuery").count();
    assert_eq!(answers, 1);
}

#[tokio::test]
async fn a_poll_waits_until_something_happens() {
    let mut stage = Stage::new().await;
    stage.connect(None).await;
    let ada = stage.bot.person("Ada");
    let (polled, ()) = tokio::join!(stage.poll(None), async {
        stage.bot.until(|bot| bot.polling() == 1).await;
        ada.writes("good morning");
    });
    assert_eq!(said(&polled.0[0]), &Content::text("good morning"));
}

#[tokio::test]
async fn polling_beside_a_webhook_or_beside_another_poller_is_a_conflict() {
    let mut stage = Stage::new().await;
    stage.connect(Some("http://127.0.0.1:9/hook")).await;
    let poller = stage.channel.poller().unwrap();
    let error = poller.poll(&stage.login, None).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Retry, "409"));
    assert!(error.message.contains("webhook"));

    stage.connect(None).await;
    let ada = stage.bot.person("Ada");
    let poller = stage.channel.poller().unwrap();
    let (older, newer, ()) = tokio::join!(
        poller.poll(&stage.login, None),
        async {
            stage.bot.until(|bot| bot.polling() == 1).await;
            poller.poll(&stage.login, None).await
        },
        async {
            stage.bot.until(|bot| bot.calls().last().is_some_and(|call| call.status == 409)).await;
            ada.writes("for the newer one");
        }
    );
    assert_eq!(older.unwrap_err().code, "409");
    assert_eq!(newer.unwrap().events.len(), 1);
}

#[tokio::test]
async fn a_conversation_by_webhook_comes_signed_and_again_until_it_is_taken() {
    let mut stage = Stage::new().await;
    let (told, mut deliveries) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    // Every second delivery is turned away, as by a server that is being replaced.
    let counter = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let hook =
        axum::Router::new().fallback(move |headers: axum::http::HeaderMap, body: axum::body::Bytes| {
            let (told, counter) = (told.clone(), counter.clone());
            async move {
                if counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst) % 2 == 0 {
                    return axum::http::StatusCode::SERVICE_UNAVAILABLE;
                }
                let headers: Vec<_> = headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect();
                told.send((headers, body)).unwrap();
                axum::http::StatusCode::OK
            }
        });
    let server = tokio::spawn(async move { axum::serve(listener, hook).await });
    stage.connect(Some(&url)).await;
    let ada = stage.bot.person("Ada");
    let ours = question(&stage, &ada).await;
    everything(&ada, ours);

    let mut events = Vec::new();
    let mut keys = std::collections::BTreeSet::new();
    while events.len() < 12 {
        let (headers, body) = deliveries.recv().await.unwrap();
        let request = WebhookRequest { method: Method::Post, headers: &headers, query: "", body: &body };
        for event in stage.channel.receive(&stage.login, &request).unwrap().events {
            assert!(keys.insert(event.dedupe_key.clone()));
            events.extend(stage.channel.parse(&stage.login.account, &event.payload).unwrap());
        }
        let unsigned = WebhookRequest { headers: &[], ..request };
        assert!(stage.channel.receive(&stage.login, &unsigned).is_err());
    }
    check(&events, &ada, ours);
    stage.bot.until(|bot| bot.pending() == 0).await;
    server.abort();
}

#[tokio::test]
async fn groups_topics_channels_and_moves() {
    let mut stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let start = begin_polling(&mut stage, &ada).await;
    let group = stage.bot.group("group", "Team");
    let forum = stage.bot.group("supergroup", "Forum");
    let topic = stage.bot.topic(forum, "Orders");
    let news = stage.bot.group("channel", "News");
    ada.within(group).writes("in the group");
    ada.within(forum).on_topic(topic).writes("in the topic");
    ada.within(news).writes("in the channel");
    let new = stage.bot.migrate(group);
    stage.bot.tell("something_new", json!({"a": 1}));
    ada.writes_formatted("bold", &json!([{"type": "bold", "offset": 0, "length": 4}]));
    let (events, _) = stage.poll(Some(&start)).await;

    assert_eq!(events[0].chat_kind, ConversationKind::Group);
    assert_eq!(events[0].chat_title.as_deref(), Some("Team"));
    assert_eq!(events[1].thread, Some(topic.to_string()));
    assert_eq!(events[2].chat_kind, ConversationKind::Channel);
    for moved in &events[3..5] {
        assert_eq!(moved.chat, group.to_string());
        assert_eq!(moved.kind, InboundKind::ChatMoved { to: new.to_string() });
    }
    // A kind that nobody asked for is not sent at all.
    assert_eq!(
        said(&events[5]),
        &serde_json::from_value(json!({"type": "text", "text": "**bold**", "format": "markdown"})).unwrap()
    );
    assert_eq!(events.len(), 6);
}

#[tokio::test]
async fn a_moved_group_numbers_its_messages_anew_and_none_is_taken_for_another() {
    let mut stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let start = begin_polling(&mut stage, &ada).await;
    let group = stage.bot.group("group", "Team");
    ada.within(group).writes("before");
    let ours = stage.send(&to(group, text("ours"))).await.unwrap().provider_id;
    stage
        .channel
        .editor()
        .unwrap()
        .edit(&stage.login, &group.to_string(), &ours, &Content::text("ours!"))
        .await
        .unwrap();
    let new = stage.bot.migrate(group);
    ada.within(new).writes("after");
    let (events, _) = stage.poll(Some(&start)).await;
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.kind {
            InboundKind::Message { provider_id, .. } => Some(provider_id.as_str()),
            _ => None,
        })
        .collect();
    // In the simulator the second message of both chats has the number 2, as ours had.
    assert_eq!((ids.as_slice(), ours.as_str()), (&["group:1", "2"][..], "group:2"));

    let chat = new.to_string();
    let error = stage
        .channel
        .editor()
        .unwrap()
        .edit(&stage.login, &chat, &ours, &Content::text("x"))
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
    let answer = Outgoing { reply_to: Some(ours), ..to(new, text("as I said")) };
    let sent = stage.send(&answer).await.unwrap();
    assert!(stage.message(new, &sent.provider_id).get("reply_to_message").is_none());
}

#[tokio::test]
async fn numbers_may_start_anywhere_after_a_quiet_week() {
    let mut stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let start = begin_polling(&mut stage, &ada).await;
    ada.writes("last week");
    let (_, before) = stage.poll(Some(&start)).await;
    let confirming = stage.channel.poller().unwrap().poll(&stage.login, Some(&before));
    let (confirmed, ()) = tokio::join!(confirming, async {
        stage.bot.until(|bot| bot.polling() == 1 && bot.pending() == 0).await;
        stage.bot.renumber(17);
        ada.writes("this week");
    });
    let confirmed = confirmed.unwrap();
    assert_eq!((confirmed.events[0].dedupe_key.as_str(), confirmed.cursor.as_str()), ("17", "18"));
    ada.writes("and more");
    let (more, _) = stage.poll(Some(&confirmed.cursor)).await;
    assert_eq!(said(&more[0]), &Content::text("and more"));
}

/// Updates with any part of them replaced by anything: read or refused, never a panic.
#[test]
fn no_update_whatever_is_wrong_with_it_ends_the_reader() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(async {
        let mut stage = Stage::new().await;
        let ada = stage.bot.person("Ada");
        begin_polling(&mut stage, &ada).await;
        let ours = question(&stage, &ada).await;
        everything(&ada, ours);
        stage.bot.migrate(stage.bot.group("group", "Team"));
        ada.sends("animation", &b"GIF8"[..], None);
        ada.sends_contact("Bob", "+4930");
        ada.writes_formatted("bold", &json!([{"type": "bold", "offset": 0, "length": 4}]));
        stage
    });
    let updates = stage.bot.history();
    let odd = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}])),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        ".{0,8}".prop_map(|text| json!(text)),
    ];
    proptest!(ProptestConfig::with_cases(3_000), |(which in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), odd in odd)| {
        let mut update = which.get(&updates).clone();
        let mut places = Vec::new();
        pointers(&update, String::new(), &mut places);
        let place: &String = place.get(&places);
        *update.pointer_mut(place).unwrap() = odd;
        let _ = stage.channel.parse(&stage.login.account, &update);
        let _ = stage.channel.acknowledger().unwrap().awaits(&update);
    });
}

/// Every place in a JSON value.
fn pointers(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, inner)| pointers(inner, format!("{here}/{key}"), all));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, inner)| pointers(inner, format!("{here}/{index}"), all));
        }
        _ => {}
    }
    all.push(here);
}
