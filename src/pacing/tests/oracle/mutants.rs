//! The judge must be able to fail: each of these is a pacing that is a little wrong, and each is found out.

use pacing::{Facts, Limit};
use serde_json::{Value, json};

use crate::calendar::DAY;
use crate::judge::violations;
use crate::plan::{Focus, OFFICIAL, Plan};
use crate::profiles;
use crate::world::{Fault, World};

/// So many workloads may pass before a mutant is caught.
const MOST: u64 = 150;

enum Change {
    Rules(fn() -> Value),
    Limits(fn(&mut Limit)),
    Facts(fn(&mut Facts)),
    Lane(Fault),
}

struct Mutant {
    name: &'static str,
    focus: Focus,
    /// One of these rules is broken.
    breaks: &'static [&'static str],
    change: Change,
}

const fn mutant(name: &'static str, focus: Focus, breaks: &'static [&'static str], change: Change) -> Mutant {
    Mutant { name, focus, breaks, change }
}

fn hour() -> std::time::Duration {
    std::time::Duration::from_hours(1)
}

use Change::{Facts as Known, Lane, Limits, Rules};
use Focus::{Busy, Campaigns, Official, Unanswered, Untyped, Warm, Young};

#[rustfmt::skip]
fn mutants() -> Vec<Mutant> {
    vec![
        mutant("one more a minute", Busy, &["per_minute"], Rules(|| json!({"per_minute": {"count": 16, "window_s": 60}}))),
        mutant("a shorter minute", Busy, &["per_minute"], Rules(|| json!({"per_minute": {"count": 15, "window_s": 57}}))),
        mutant("one more in a batch", Busy, &["batch"], Rules(|| json!({"batch": {"size": 51, "pause_s": 300}}))),
        mutant("a shorter pause", Busy, &["batch"], Rules(|| json!({"batch": {"size": 50, "pause_s": 285}}))),
        mutant("no batches", Busy, &["batch"], Rules(|| json!({"batch": "off"}))),
        mutant("a shorter gap", Untyped, &["gap"], Rules(|| json!({"gap_bulk": {"min_s": 1.9, "max_s": 5}}))),
        mutant("a shorter gap before answers", Untyped, &["gap"], Rules(|| json!({"gap_reply": {"min_s": 0.28, "max_s": 1.5}}))),
        mutant("the same recipient sooner", Busy, &["same_recipient"], Rules(|| json!({"same_recipient": {"every_s": 5.7}}))),
        mutant("typing too short", Busy, &["typing"], Rules(|| json!({"typing": {"per_char_ms": [40, 80], "extra_ms": 500, "min_s": 0.4, "max_s": 2}}))),
        mutant("typing too long", Busy, &["typing"], Rules(|| json!({"typing": {"per_char_ms": [40, 80], "extra_ms": 500, "min_s": 0.5, "max_s": 2.1}}))),
        mutant("typing too fast", Busy, &["typing"], Rules(|| json!({"typing": {"per_char_ms": [36, 80], "extra_ms": 0, "min_s": 0.5, "max_s": 2}}))),
        mutant("one more a day", Young, &["new_contacts"], Rules(|| json!({"new_contacts": {"steps": [
            {"from_days": 0, "count": 31}, {"from_days": 1, "count": 51}, {"from_days": 3, "count": 101}, {"from_days": 7, "count": 201}]}}))),
        mutant("a day older", Young, &["new_contacts"], Known(|facts| facts.first_connected_at = facts.first_connected_at.map(|at| at - 24 * hour()))),
        mutant("days of another zone", Young, &["new_contacts"], Known(|facts| facts.zone = if facts.zone == model::Zone::UTC { "Asia/Tokyo" } else { "UTC" }.parse().expect("a zone"))),
        mutant("nobody is new", Young, &["new_contacts"], Lane(Fault::NobodyNew)),
        mutant("no warm-up", Warm, &["warm_up", "new_contacts"], Rules(|| json!({"warm_up": "off"}))),
        mutant("a number some hours older", Warm, &["warm_up", "new_contacts"], Known(|facts| facts.registered_at = facts.registered_at.map(|at| at - 4 * hour()))),
        mutant("a day more of silence", Campaigns, &["stale_contact"], Rules(|| json!({"stale_contact": {"after_days": 31}}))),
        mutant("nobody knows of silence", Campaigns, &["stale_contact"], Lane(Fault::NoSilence)),
        mutant("one more of a text", Campaigns, &["identical_text"], Rules(|| json!({"identical_text": {"in_a_row": 11, "rest_h": 24}}))),
        mutant("a shorter rest of a text", Campaigns, &["identical_text"], Rules(|| json!({"identical_text": {"in_a_row": 10, "rest_h": 22}}))),
        mutant("texts are not compared", Campaigns, &["identical_text"], Lane(Fault::NoTexts)),
        mutant("five minutes late", Campaigns, &["quiet_hours"], Rules(|| json!({"quiet_hours": {"campaigns_from": "09:00", "campaigns_until": "20:05"}}))),
        mutant("five minutes early", Campaigns, &["quiet_hours"], Rules(|| json!({"quiet_hours": {"campaigns_from": "08:55", "campaigns_until": "20:00"}}))),
        mutant("the account's hours alone", Campaigns, &["quiet_hours"], Lane(Fault::NoZone)),
        mutant("stop is not heard", Campaigns, &["opted_out"], Lane(Fault::NoOptOut)),
        mutant("no gap is doubled", Unanswered, &["gap"], Rules(|| rate(20, 0.0, 0.2, 24))),
        mutant("doubled too late", Unanswered, &["gap"], Rules(|| rate(20, 0.4, 0.2, 24))),
        mutant("campaigns go on", Unanswered, &["response_rate"], Rules(|| rate(20, 0.5, 0.0, 24))),
        mutant("campaigns go on longer", Unanswered, &["response_rate"], Rules(|| rate(20, 0.5, 0.14, 24))),
        mutant("more recipients first", Unanswered, &["gap", "response_rate"], Rules(|| rate(30, 0.5, 0.2, 24))),
        mutant("answers are counted too late", Unanswered, &["gap", "response_rate"], Rules(|| rate(20, 0.5, 0.2, 48))),
        mutant("answers are not counted", Unanswered, &["gap", "response_rate"], Lane(Fault::NoAnswers)),
        mutant("a restart forgets", Busy, &["batch", "gap", "per_minute", "same_recipient"], Lane(Fault::Forgets)),
        mutant("a restart forgets the day", Young, &["new_contacts"], Lane(Fault::Forgets)),
        mutant("dated at the start", Busy, &["gap", "per_minute", "same_recipient"], Lane(Fault::DatedAtStart)),
        mutant("the dead give back", Busy, &["batch", "gap", "per_minute", "same_recipient"], Lane(Fault::GivesBack)),
        mutant("nobody is on probation", Official("telegram"), &["probe"], Lane(Fault::NoProbation)),
        mutant("one more of a channel", Official("telegram"), &["account", "chat", "group"], Limits(|limit| limit.count += 1)),
        mutant("one more of a number", Official("whatsapp_cloud"), &["number"], Limits(|limit| if limit.name == "number" { limit.count += 1; })),
        mutant("a shorter second", Official("discord"), &["global"], Limits(|limit| limit.window = limit.window * 9 / 10)),
        mutant("a shorter second of a chat", Official("slack"), &["chat"], Limits(|limit| limit.window = limit.window * 9 / 10)),
        mutant("one more saved up", Official("whatsapp_cloud"), &["pair"], Limits(|limit| limit.burst = limit.burst.map(|burst| burst + 1))),
        mutant("tokens come sooner", Official("whatsapp_cloud"), &["pair"], Limits(|limit| if limit.name == "pair" { limit.window = limit.window * 8 / 10; })),
    ]
}

fn rate(recipients: u32, slow: f64, pause: f64, after: u32) -> Value {
    json!({"response_rate": {"recipients": recipients, "within_days": 7, "after_h": after,
        "slow_below": slow, "pause_below": pause, "pause_h": 24}})
}

/// The rules that a workload breaks, each with an example.
fn broken(seed: u64, focus: Focus, change: Option<&Change>) -> Vec<(&'static str, String)> {
    let plan = Plan::of(seed, focus);
    let (mut overrides, mut limits, mut facts) =
        (plan.overrides.clone(), profiles::limits(&plan), profiles::facts(&plan));
    let mut fault = Fault::None;
    match change {
        None => {}
        Some(Rules(rules)) => {
            let (Value::Object(all), Value::Object(own)) = (&mut overrides, rules()) else {
                panic!("rules are an object");
            };
            all.extend(own);
        }
        Some(Limits(change)) => limits.iter_mut().for_each(change),
        Some(Known(change)) => change(&mut facts),
        Some(Lane(wrong)) => fault = *wrong,
    }
    let mut world = World::new(&plan, profiles::of(&plan, &overrides, &limits, facts), fault);
    world.run(plan.begin + 60 * DAY);
    violations(&plan.table, &world.trace).into_iter().map(|found| (found.rule, found.text)).collect()
}

#[test]
fn whatever_is_a_little_wrong_is_found_out() {
    let mut missed = Vec::new();
    for Mutant { name, focus, breaks, change } in mutants() {
        let caught = (0..MOST)
            .find(|seed| broken(*seed, focus, Some(&change)).iter().any(|(rule, _)| breaks.contains(rule)));
        match caught {
            Some(seed) => println!("{name}: workload {seed}"),
            None => missed.push(name),
        }
    }
    assert!(missed.is_empty(), "not found out within {MOST} workloads: {missed:#?}");
}

#[test]
fn what_is_right_is_let_go() {
    let mut blamed = Vec::new();
    let official = OFFICIAL.map(Official);
    for focus in [Busy, Untyped, Young, Warm, Campaigns, Unanswered].into_iter().chain(official) {
        for seed in 0..MOST / 5 {
            blamed.extend(
                broken(seed, focus, None).first().map(|found| format!("{focus:?} {seed}: {found:?}")),
            );
        }
    }
    assert!(blamed.is_empty(), "{}: {}", blamed.len(), blamed.join("\n"));
}
