//! What is told while messages wait.

use std::collections::BTreeSet;

use model::Purpose;
use pacing::Step;

use crate::scene::{START, all, message, number, old_account, play, time};

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
