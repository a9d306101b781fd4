//! The Gateway's side of an account: up, told, cut, resumed, refused.

use std::time::Duration;

use channel::{Channel, Session, SessionEnd, SessionEvent};
use model::{Inbound, InboundKind};
use serde_json::{Value, json};

use super::{Stage, adapter, text, to};
use crate::simulators::discord::{Options, Order};

impl Stage {
    async fn open(&self, cursor: Option<&str>) -> Box<dyn Session> {
        self.channel.sessions().unwrap().open_at(&self.login, cursor).await.unwrap()
    }

    async fn online(&self) -> Box<dyn Session> {
        let mut session = self.open(None).await;
        let SessionEvent::Online { external_id, name } = next(&mut session).await else {
            panic!("it comes up")
        };
        assert_eq!((external_id, name.as_deref()), (self.server.app(), Some("shop")));
        session
    }

    /// What the next events mean, with their keys.
    async fn told(&self, session: &mut Box<dyn Session>) -> Vec<(String, Inbound)> {
        match next(session).await {
            SessionEvent::Events(events) => events
                .into_iter()
                .flat_map(|event| {
                    let meant = self.channel.parse(&self.login.account, &event.payload).unwrap();
                    meant.into_iter().map(move |inbound| (event.dedupe_key.clone(), inbound))
                })
                .collect(),
            other => panic!("events: {other:?}"),
        }
    }

    /// What is told until `words` are.
    async fn until_said(&self, session: &mut Box<dyn Session>, words: &str) -> Vec<(String, Inbound)> {
        let mut all = Vec::new();
        while !all.iter().any(|(_, inbound)| said(inbound) == Some(words)) {
            all.extend(self.told(session).await);
        }
        all
    }

    fn says(&self, words: &str) -> u64 {
        self.server.writes(self.chat, self.ada, &json!({ "content": words }))
    }
}

async fn next(session: &mut Box<dyn Session>) -> SessionEvent {
    tokio::time::timeout(Duration::from_secs(15), session.next()).await.expect("the session says something")
}

fn said(inbound: &Inbound) -> Option<&str> {
    match &inbound.kind {
        InboundKind::Message { content, .. } => content.words(),
        _ => None,
    }
}

fn words(told: &[(String, Inbound)]) -> Vec<&str> {
    told.iter().filter_map(|(_, inbound)| said(inbound)).collect()
}

#[tokio::test]
async fn messages_come_and_our_own_do_not() {
    let stage = Stage::new().await;
    let mut session = stage.online().await;
    stage.send(&to(&stage.chat.to_string(), 1, text("ours"))).await.unwrap();
    let id = stage.says("theirs");
    let told = stage.until_said(&mut session, "theirs").await;
    assert_eq!(words(&told), ["theirs"]);
    let (key, inbound) = &told[0];
    assert_eq!((key.clone(), inbound.chat.clone()), (format!("message:{id}"), stage.chat.to_string()));
    assert_eq!(inbound.from.as_ref().unwrap().name.as_deref(), Some("Ada"));
    session.close().await;
    stage.server.until("the connection ends", |server| server.open() == 0).await;
    assert!(stage.server.was_closed_with(4000), "so that the session stays");
}

#[tokio::test]
async fn every_kind_of_event_is_told() {
    let stage = Stage::new().await;
    let mut session = stage.online().await;
    let id = stage.says("first");
    let (chat, user) = (stage.chat.to_string(), stage.ada.to_string());
    let edited = json!({ "id": id.to_string(), "channel_id": chat, "content": "second",
        "author": { "id": user, "username": "ada" }, "edited_timestamp": "2024-06-11T00:01:00.000000+00:00" });
    let about = json!({ "message_id": id.to_string(), "channel_id": chat, "user_id": user, "emoji": { "id": null, "name": "\u{1f44d}" } });
    let embeds = json!({ "id": id.to_string(), "channel_id": chat, "embeds": [{ "title": "preview" }] });
    for (what, body) in [
        ("MESSAGE_UPDATE", edited),
        ("MESSAGE_UPDATE", embeds),
        ("MESSAGE_REACTION_ADD", about.clone()),
        ("MESSAGE_REACTION_REMOVE", about.clone()),
        ("MESSAGE_REACTION_ADD", about),
        ("MESSAGE_DELETE", json!({ "id": id.to_string(), "channel_id": chat })),
        ("MESSAGE_DELETE_BULK", json!({ "ids": ["1", "2"], "channel_id": chat, "guild_id": "5" })),
        ("HOLOGRAM_CREATE", json!({ "depth": 3 })),
    ] {
        stage.server.dispatch(what, body);
    }
    stage.says("last");
    let told = stage.until_said(&mut session, "last").await;
    let kinds: Vec<_> =
        told.iter().map(|(_, inbound)| serde_json::to_value(&inbound.kind).unwrap()).collect();
    let kind = |place: usize| kinds[place]["kind"].as_str().unwrap();
    assert_eq!(
        (0..kinds.len()).map(kind).collect::<Vec<_>>(),
        [
            "message", "edited", "ignored", "reacted", "reacted", "reacted", "deleted", "deleted", "deleted",
            "ignored", "message"
        ]
    );
    assert_eq!((&kinds[3]["emoji"], &kinds[4]["emoji"]), (&json!(["\u{1f44d}"]), &json!([])));
    // A reaction that comes back is another event.
    assert_ne!(told[3].0, told[5].0);
    drop(session);
}

#[tokio::test]
async fn a_cut_line_is_resumed_and_nothing_is_lost_or_told_twice() {
    let stage = Stage::new().await;
    let mut session = stage.online().await;
    stage.says("one");
    assert_eq!(words(&stage.until_said(&mut session, "one").await), ["one"]);
    for (number, order) in [Order::Cut, Order::Reconnect, Order::Close(4000)].into_iter().enumerate() {
        stage.server.order(order);
        stage.server.until("it comes again", |server| server.counts().1 == number + 1).await;
        let words_now = format!("after {number}");
        stage.says(&words_now);
        assert_eq!(words(&stage.until_said(&mut session, &words_now).await), [words_now]);
    }
    assert_eq!(stage.server.counts().0, 1, "it is one session");
}

#[tokio::test]
async fn an_invalid_session_is_followed_by_a_new_one() {
    let stage = Stage::new().await;
    let mut session = stage.online().await;
    stage.server.order(Order::Invalid(true));
    stage.server.until("it resumes", |server| server.counts().1 == 1).await;
    stage.server.order(Order::Invalid(false));
    stage.server.until("it begins anew", |server| server.counts().0 == 2).await;
    stage.says("again");
    assert_eq!(words(&stage.until_said(&mut session, "again").await), ["again"]);
}

#[tokio::test]
async fn another_process_goes_on_where_this_one_committed() {
    let mut stage = Stage::new().await;
    let mut session = stage.online().await;
    stage.says("one");
    let before = stage.until_said(&mut session, "one").await;
    let cursor = session.cursor().expect("it has a place");
    // Told and, as this process dies, never committed.
    stage.says("two");
    stage.until_said(&mut session, "two").await;
    drop(session);
    stage.server.until("the connection ends", |server| server.open() == 0).await;
    stage.says("three");

    stage.channel = adapter(&stage.server);
    let mut session = stage.open(Some(&cursor)).await;
    let after = stage.until_said(&mut session, "three").await;
    assert_eq!(words(&after), ["two", "three"]);
    assert!(after.iter().all(|(key, _)| before.iter().all(|(known, _)| known != key)));
    let SessionEvent::Online { external_id, .. } = next(&mut session).await else { panic!("it is up") };
    assert_eq!(external_id, stage.server.app());
    let (identified, resumed, _) = stage.server.counts();
    assert_eq!((identified, resumed), (1, 1));
}

#[tokio::test]
async fn the_same_process_goes_on_without_a_cursor() {
    let stage = Stage::new().await;
    let mut session = stage.online().await;
    stage.says("one");
    stage.until_said(&mut session, "one").await;
    // Asking for more says that it is committed.
    let asked = tokio::time::timeout(Duration::from_millis(1), session.next()).await;
    assert!(asked.is_err(), "nothing happened meanwhile: {asked:?}");
    session.close().await;
    stage.says("two");
    let mut session = stage.open(None).await;
    assert_eq!(words(&stage.until_said(&mut session, "two").await), ["two"]);
}

#[tokio::test]
async fn a_place_that_discord_forgot_begins_a_new_session() {
    let stage = Stage::new().await;
    let url = stage.online().await.cursor().unwrap();
    let mut place: Value = serde_json::from_str(&url).unwrap();
    place["session"] = "long-gone".into();
    for cursor in [place.to_string(), "no cursor at all".to_owned()] {
        stage.server.until("the connection ends", |server| server.open() == 0).await;
        let mut session =
            adapter(&stage.server).sessions().unwrap().open_at(&stage.login, Some(&cursor)).await.unwrap();
        assert!(matches!(next(&mut session).await, SessionEvent::Online { .. }));
    }
}

#[tokio::test]
async fn heartbeats_keep_the_line() {
    let options = Options {
        enforce_limits: false,
        heartbeat_interval: Duration::from_millis(30),
        ..Options::default()
    };
    let stage = Stage::with(options).await;
    let mut session = stage.online().await;
    stage.server.until("hearts beat", |server| server.counts().2 >= 5).await;
    stage.says("still here");
    stage.until_said(&mut session, "still here").await;
    assert_eq!(stage.server.counts().0, 1);
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_refused() {
    for (code, word) in [(4004, "token"), (4013, "intent"), (4014, "message content intent")] {
        let stage = Stage::new().await;
        let mut session = stage.online().await;
        stage.server.order(Order::Close(code));
        let SessionEvent::Ended(SessionEnd::Refused(why)) = next(&mut session).await else {
            panic!("{code}")
        };
        assert!(why.contains(word), "{why}");
        assert!(matches!(next(&mut session).await, SessionEvent::Ended(_)), "nothing more comes");
    }
}

#[tokio::test]
async fn words_are_asked_for_only_with_leave_and_told_to_be_missing_without() {
    let mut stage = Stage::new().await;
    let channel = stage.server.channel();
    stage.server.set_may_read(false);
    let connected = stage.channel.connect(&stage.login.credentials, &json!({}), None).await.unwrap();
    stage.login.account.settings = connected.settings;
    let mut session = stage.online().await;
    assert_eq!(stage.server.intents() & (1 << 15), 0);
    stage.server.writes(channel, stage.ada, &json!({ "content": "secret" }));
    let told = stage.told(&mut session).await;
    let InboundKind::Message { content, .. } = &told[0].1.kind else { panic!("{told:?}") };
    assert!(matches!(content, model::Content::Unsupported { kind, .. } if kind == "message_content"));
    assert_eq!(told[0].1.chat_kind, model::ConversationKind::Group);
}

#[tokio::test]
async fn an_interaction_over_the_gateway_is_answered_by_a_call() {
    let stage = Stage::new().await;
    let mut session = stage.online().await;
    let acknowledger = stage.channel.acknowledger().unwrap();
    for (kind, data, answer) in [
        (2, json!({ "name": "order", "type": 1 }), 5),
        (3, json!({ "custom_id": "y", "component_type": 2 }), 6),
    ] {
        let told = stage.server.interaction(kind, stage.chat, stage.ada, data);
        let id: u64 = told["id"].as_str().unwrap().parse().unwrap();
        stage.server.dispatch("INTERACTION_CREATE", told);
        let SessionEvent::Events(events) = next(&mut session).await else { panic!("an event") };
        assert_eq!(events[0].dedupe_key, format!("interaction:{id}"));
        assert!(acknowledger.awaits(&events[0].payload));
        acknowledger.acknowledge(&stage.login, &events[0].payload).await.unwrap();
        acknowledger.acknowledge(&stage.login, &events[0].payload).await.expect("a repetition is harmless");
        let now = stage.server.interaction_now(id);
        assert_eq!((now.answer.unwrap()["type"].clone(), now.original), (json!(answer), None));
    }
}

#[tokio::test]
async fn a_session_needs_no_pairing_and_can_be_done_without() {
    let stage = Stage::new().await;
    let sessions = stage.channel.sessions().unwrap();
    assert!(!sessions.pairs());
    assert!(sessions.keeps(&json!({})) && sessions.keeps(&json!({ "gateway": true })));
    assert!(!sessions.keeps(&json!({ "gateway": false })));
    let mut session = stage.online().await;
    assert_eq!(session.log_out().await.unwrap_err().code, "unsupported");
    stage.server.revoke();
    let error = sessions.open(&stage.login).await.err().expect("it is revoked");
    assert!(matches!(error.class, channel::ErrorClass::AccountStopped { .. }));
}
