//! What is told while messages wait.

use std::collections::{BTreeMap, BTreeSet};

use model::{Purpose, Scope};
use pacing::{Play, Reasons, Step};
use serde_json::json;

use crate::scene::{
    HOUR, START, after, all, message, new_contact, number, old_account, old_account_with, play, time,
};

#[test]
fn what_is_told_comes_true_for_the_head_and_is_told_once() {
    let profile = old_account(400);
    let mut play = play(&profile);
    for id in 0..200 {
        play.add(message(id, &format!("c{}", id % 90), Purpose::Campaign, START));
    }
    let steps = all(&mut play);
    let mut told = BTreeSet::new();
    for (place, step) in steps.iter().enumerate() {
        let Step::Waits { id, wait, .. } = step else { continue };
        let until = wait.until.unwrap();
        assert!(until > time(step), "{step:?}");
        assert!(told.insert((number(*id), wait.rule.clone(), until)), "told twice: {step:?}");
        let next = steps[place + 1..].iter().find(|step| matches!(step, Step::Sent { .. })).unwrap();
        assert!(time(next) >= until, "{step:?} and then {next:?}");
        if let Step::Sent { id: sent, at, typed, .. } = next
            && sent == id
        {
            assert_eq!(*at, until + *typed, "{step:?} and then {next:?}");
        }
    }
    assert!(told.len() > 190, "nearly every send waits for the one before it");
    assert!(steps.is_sorted_by_key(time), "in time order");
}

#[test]
fn the_same_seed_plays_the_same() {
    let run = || {
        let mut play = play(&old_account(400));
        for id in 0..100 {
            play.add(message(id, &format!("c{}", id % 40), Purpose::Campaign, START));
        }
        all(&mut play)
    };
    assert_eq!(run(), run());
}

/// What made each message wait, by its number.
fn reasons(play: &mut Play) -> BTreeMap<u64, (String, Scope)> {
    let mut reasons = Reasons::new(START);
    let steps = all(play);
    let why = steps.iter().filter_map(|step| match step {
        Step::Sent { id, at, held, .. } => {
            reasons.sent(*at, held);
            Some((number(*id), reasons.why(held).map(|wait| (wait.rule.clone(), wait.scope))?))
        }
        _ => None,
    });
    why.collect()
}

#[test]
fn who_stands_behind_others_waits_for_the_rule_that_holds_them_longest() {
    let mut play = play(&old_account_with(0, &json!({"batch": {"size": 40}})));
    for id in 0..60 {
        play.add(message(id, &format!("c{id}"), Purpose::Campaign, START));
    }
    let why = reasons(&mut play);
    assert_eq!(why.get(&0), None, "it goes at once");
    let rule = |id| why[&id].0.as_str();
    assert_eq!((rule(1), rule(10), rule(39)), ("gap", "gap", "gap"));
    // A rest of five minutes after two of gaps.
    assert_eq!((rule(40), rule(59)), ("batch", "batch"));
}

#[test]
fn who_is_held_alone_waits_for_that_whoever_goes_meanwhile() {
    let mut play = play(&old_account_with(0, &json!({"batch": "off", "per_minute": {"count": 5}})));
    for id in 0..40 {
        play.add(new_contact(message(id, &format!("new {id}"), Purpose::Campaign, START)));
    }
    // The others take the lane's time until the day is over, and longer.
    for id in 100..6_000 {
        play.add(message(id, &format!("known {id}"), Purpose::Transactional, START));
    }
    play.add(message(7_000, "known 100", Purpose::Conversation, after(HOUR)));
    let why = reasons(&mut play);
    let of = |id: u64| (why[&id].0.as_str(), why[&id].1);
    assert_eq!(of(5_000), ("per_minute", Scope::Lane));
    for id in [30, 35, 39] {
        assert_eq!(of(id), ("new_contacts", Scope::Recipient), "{id}");
    }
}

#[test]
fn a_chat_that_was_just_written_to_waits_for_that() {
    let mut play = play(&old_account(400));
    for id in 0..3 {
        play.add(message(id, "one", Purpose::Transactional, START));
    }
    assert_eq!(reasons(&mut play)[&2], ("same_recipient".to_owned(), Scope::Recipient));
}
