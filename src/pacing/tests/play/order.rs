//! The promises of lanes, one by one: which message goes when several wait.

use std::time::Duration;

use model::{Class, Pace, Purpose, Timestamp};
use pacing::{Bucket, Chat, HoldOn, Kind, Planned, Play, Profile, Reach, Rule, State, Step};

use crate::scene::{HOUR, MINUTE, SECOND, START, after, all, message, of_class, old_account, play, sent};

/// Nothing but what is given: a send each second.
fn one_a_second() -> Profile {
    Profile::of(vec![Rule {
        key: "pulse".into(),
        name: "pulse".into(),
        kind: Kind::Bucket(Bucket { every: Duration::from_secs(1), burst: 1 }),
        reach: Reach::Account,
        source: "a test".into(),
    }])
    .expect("the rule is sound")
}

fn order(messages: impl IntoIterator<Item = Planned>) -> Vec<u64> {
    let mut play = play(&one_a_second());
    messages.into_iter().for_each(|planned| play.add(planned));
    sent(&all(&mut play)).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn higher_classes_go_first_and_the_chats_of_a_class_take_turns() {
    let campaign = |id, chat| message(id, chat, Purpose::Campaign, START);
    let reply = |id, chat| message(id, chat, Purpose::Conversation, START);
    let order = order([
        campaign(1, "a"),
        campaign(2, "a"),
        campaign(3, "b"),
        campaign(4, "c"),
        message(5, "d", Purpose::Transactional, START),
        reply(6, "e"),
        reply(7, "b"),
        reply(8, "e"),
    ]);
    // b keeps its turn in the higher class, and goes behind the others when it was served; so does a, later.
    assert_eq!(order, [7, 6, 8, 5, 1, 4, 3, 2]);
}

#[test]
fn a_chat_keeps_the_order_of_its_class() {
    let messages =
        (0..50).map(|id| message(id, "a", Purpose::Campaign, after(i64::try_from(id).unwrap() % 7)));
    let mut messages: Vec<_> = messages.collect();
    let played = order(messages.clone());
    // What is there when the play begins joins as it was added; all others when they come.
    messages.sort_by_key(|planned| planned.at);
    let expected: Vec<_> = messages.iter().map(|planned| crate::scene::number(planned.id)).collect();
    assert_eq!(played, expected);
}

#[test]
fn a_message_with_a_wait_holds_its_class_and_the_lower_ones_of_its_chat() {
    let mut play = play(&one_a_second());
    let retried = Planned { after: Some(after(HOUR)), ..message(1, "a", Purpose::Transactional, START) };
    play.add(retried);
    play.add(message(2, "a", Purpose::Transactional, START));
    play.add(message(3, "a", Purpose::Campaign, START));
    play.add(message(4, "a", Purpose::Conversation, START));
    play.add(message(5, "b", Purpose::Campaign, START));
    let expected = [(4, 0), (5, SECOND), (1, HOUR), (2, HOUR + SECOND), (3, HOUR + 2 * SECOND)];
    assert_eq!(sent(&all(&mut play)), expected.map(|(id, at)| (id, after(at))));
}

#[test]
fn holds_hold_what_they_name_and_no_more() {
    let mut play = play(&one_a_second());
    play.hold(&HoldOn::Chat("a".to_owned()), after(MINUTE), "provider");
    play.hold(&HoldOn::Class(Class::Normal), after(2 * MINUTE), "paused");
    play.hold(&HoldOn::Campaigns, after(3 * MINUTE), "response_rate");
    play.add(message(1, "a", Purpose::Conversation, START));
    play.add(message(2, "b", Purpose::Transactional, START));
    play.add(message(3, "c", Purpose::Campaign, START));
    play.add(of_class(message(4, "d", Purpose::Campaign, START), Class::Interactive));
    play.add(of_class(message(5, "e", Purpose::Conversation, START), Class::Bulk));
    play.add(message(6, "f", Purpose::Conversation, START));
    let expected =
        [(6, 0), (5, SECOND), (1, MINUTE), (2, 2 * MINUTE), (4, 3 * MINUTE), (3, 3 * MINUTE + SECOND)];
    assert_eq!(sent(&all(&mut play)), expected.map(|(id, at)| (id, after(at))));
}

#[test]
fn a_hold_on_the_account_holds_all_of_it() {
    let mut play = play(&one_a_second());
    play.hold(&HoldOn::Lane, after(HOUR), "provider");
    play.add(message(1, "a", Purpose::Conversation, START));
    assert_eq!(sent(&all(&mut play)), [(1, after(HOUR))]);
}

#[test]
fn a_reply_overtakes_a_campaign_that_waits() {
    let profile = old_account(400);
    let mut play = play(&profile);
    for id in 0..500 {
        play.add(message(id, &format!("c{id}"), Purpose::Campaign, START));
    }
    play.inbound(after(30 * SECOND), "friend");
    let reply = message(1_000, "friend", Purpose::Conversation, after(30 * SECOND));
    play.add(reply);
    let sent = sent(&all(&mut play));
    let place = sent.iter().position(|(id, _)| *id == 1_000).unwrap();
    let before = sent[..place].iter().filter(|(_, at)| *at > after(30 * SECOND)).count();
    assert!(before <= 1, "{before} campaign messages went before the reply");
}

#[test]
fn as_many_are_under_way_as_the_lane_is_wide_and_one_of_a_chat() {
    let none = Profile::of(Vec::new()).unwrap();
    let call = Duration::from_secs(1);
    let mut play = Play::new(none.clone(), State::new(&none), 3, call, 1, START);
    for id in 0..9 {
        let chat = if id < 3 { "a".to_owned() } else { format!("c{id}") };
        play.add(message(id, &chat, Purpose::Transactional, START));
    }
    let expected = [(0, 0), (3, 0), (4, 0), (5, 1), (6, 1), (7, 1), (8, 2), (1, 2), (2, 3)];
    assert_eq!(sent(&all(&mut play)), expected.map(|(id, at)| (id, after(at * SECOND))));
}

#[test]
fn a_reply_is_one_for_a_day() {
    let profile = old_account(400);
    let mut play = play(&profile);
    let day = 24 * HOUR;
    let wrote = |chat: &str, id, at: Timestamp| Planned {
        contact: Chat { last_inbound_at: Some(START), ..Chat::default() },
        ..message(id, chat, Purpose::Conversation, at)
    };
    play.add(wrote("a", 1, after(day)));
    // It was a reply when it came and waits for so long that it is none any more.
    play.hold(&HoldOn::Chat("b".to_owned()), after(day + 1), "provider");
    play.add(wrote("b", 2, after(day - 10 * MINUTE)));
    let paces: Vec<_> = all(&mut play)
        .iter()
        .filter_map(|step| match step {
            Step::Sent { pace, .. } => Some(*pace),
            _ => None,
        })
        .collect();
    assert_eq!(paces, [Pace::Reply, Pace::Bulk]);
}
