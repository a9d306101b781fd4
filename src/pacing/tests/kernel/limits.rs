//! Never over a limit, and still at least 90 % of it used.

use std::time::Duration;

use model::{Class, Pace};
use pacing::{Limit, Profile, Reach};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::lane::{Job, Lane, Trouble, random_job};
use crate::oracle::{self, SECOND, Table};

fn telegram() -> Profile {
    let limit = |name: &str, scope, count, secs| Limit {
        name: name.to_owned(),
        scope,
        count,
        window: Duration::from_secs(secs),
        burst: None,
        source: String::new(),
    };
    Profile::provider(&[
        limit("account", Reach::Account, 30, 1),
        limit("chat", Reach::Chat, 1, 1),
        limit("group", Reach::Group, 20, 60),
    ])
    .expect("sensible limits")
}

/// Bursts and idle hours, all kinds mixed.
fn mixed(rng: &mut StdRng, jobs: usize, chats: u32) -> Vec<Job> {
    let mut at = 0;
    let mut all = Vec::new();
    while all.len() < jobs {
        at += match rng.random_range(0..4) {
            0 => rng.random_range(0..1_200 * SECOND),
            _ => rng.random_range(0..20 * SECOND),
        };
        for _ in 0..rng.random_range(1..40) {
            let later = rng.random_range(0..3 * SECOND);
            all.push(random_job(rng, chats, at + later));
        }
    }
    all
}

fn judge(table: &Table, lane: &Lane) {
    let violations = table.violations(&lane.trace);
    assert!(violations.is_empty(), "{} of {}: {:#?}", violations.len(), lane.trace.len(), violations.first());
}

/// One in so many of the usual number of cases (`PROPTEST_CASES`, 256), with a seed.
pub fn fixed(one_in: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases / one_in,
        rng_seed: RngSeed::Fixed(20_261_101),
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(fixed(8))]

    #[test]
    fn a_person_never_breaks_the_table(
        seed: u64, chats in 1_u32..60, longest in 0_i64..12 * SECOND,
        deaths in 0_u32..60, losses in 0_u32..60, steps in 0_u32..30, withdrawals in 0_u32..60,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut lane = Lane::new(Profile::person(), 1, seed);
        lane.trouble = Trouble { deaths, losses, steps, withdrawals };
        lane.calls = (0, longest);
        lane.run(mixed(&mut rng, 400, chats), i64::MAX);
        prop_assert_eq!(lane.left(), 0);
        judge(&oracle::person(), &lane);
    }

    #[test]
    fn a_wide_lane_never_breaks_the_providers_limits(
        seed: u64, chats in 1_u32..200, width in 2_u32..64, longest in 0_i64..4 * SECOND,
        deaths in 0_u32..20, losses in 0_u32..60, steps in 0_u32..10, withdrawals in 0_u32..60,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut lane = Lane::new(telegram(), width, seed);
        lane.trouble = Trouble { deaths, losses, steps, withdrawals };
        lane.calls = (0, longest);
        lane.run(mixed(&mut rng, 600, chats), i64::MAX);
        prop_assert_eq!(lane.left(), 0);
        judge(&oracle::telegram(), &lane);
    }
}

/// Messages to ever new chats, one each `every`: less than the rules allow, so that work piles up.
fn backlog(count: u32, every: i64, pace: Pace, class: Class) -> impl Iterator<Item = Job> {
    let mut rng = StdRng::seed_from_u64(1);
    (0..count).map(move |n| Job {
        chat: format!("chat-{n}"),
        is_group: false,
        pace,
        class,
        ..random_job(&mut rng, 1, i64::from(n) * every)
    })
}

/// The share of what the rules jointly allow that a lane reached under a backlog.
fn share(table: &Table, lane: &Lane, end: i64, reply: bool) -> f64 {
    let mut rng = StdRng::seed_from_u64(2);
    let mut other = StdRng::seed_from_u64(3);
    let (least, longest) = lane.calls;
    let most = table.most(end, reply, || rng.random_range(least..=longest), || other.random());
    let sent = lane.trace.iter().filter(|call| call.start <= end).count();
    let number = |count| f64::from(u32::try_from(count).expect("a few thousand"));
    number(sent) / number(most)
}

#[test]
fn a_person_with_a_backlog_uses_nine_tenths_of_what_is_allowed() {
    for (pace, class) in
        [(Pace::Bulk, Class::Bulk), (Pace::Bulk, Class::Interactive), (Pace::Reply, Class::Interactive)]
    {
        for calls in [(0, 0), (SECOND / 20, SECOND / 2), (SECOND, 4 * SECOND)] {
            let end = 1_800 * SECOND;
            let mut lane = Lane::new(Profile::person(), 1, 11);
            lane.calls = calls;
            lane.run(backlog(500, 3 * SECOND, pace, class), end);
            judge(&oracle::person(), &lane);
            let share = share(&oracle::person(), &lane, end, pace == Pace::Reply);
            assert!(share >= 0.9, "{pace} {class} {calls:?}: {share}");
        }
    }
}

#[test]
fn a_wide_lane_with_a_backlog_uses_nine_tenths_of_what_is_allowed() {
    let end = 60 * SECOND;
    let mut lane = Lane::new(telegram(), 64, 12);
    lane.calls = (SECOND / 20, SECOND * 3 / 4);
    lane.run(backlog(2_000, 0, Pace::Bulk, Class::Bulk), end);
    judge(&oracle::telegram(), &lane);
    let share = share(&oracle::telegram(), &lane, end, false);
    assert!(share >= 0.9, "{share}");
}

#[test]
fn a_backlog_for_few_chats_uses_nine_tenths_of_what_they_may_get() {
    // Two recipients, one message each in 6 s: 1,200 in an hour is above 15 a minute, so 900 it is.
    let end = 3_600 * SECOND;
    let mut rng = StdRng::seed_from_u64(5);
    let mut lane = Lane::new(Profile::person(), 1, 13);
    lane.calls = (SECOND / 20, SECOND / 10);
    lane.run(
        (0..2_000).map(|_| Job {
            pace: Pace::Reply,
            class: Class::Interactive,
            ..random_job(&mut rng, 2, 0)
        }),
        end,
    );
    judge(&oracle::person(), &lane);
    assert!(lane.trace.len() >= 810, "{}", lane.trace.len());
}

#[test]
fn memory_does_not_grow_with_recipients() {
    let mut lane = Lane::new(Profile::person(), 1, 14);
    lane.run(backlog(3_000, 0, Pace::Bulk, Class::Bulk), 4 * 3_600 * SECOND);
    assert_eq!(lane.left(), 0);
    assert!(lane.largest < 1_000, "{} bytes", lane.largest);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = || {
        let mut lane = Lane::new(Profile::person(), 1, 15);
        lane.trouble = Trouble { deaths: 20, losses: 20, steps: 5, withdrawals: 20 };
        lane.run(mixed(&mut StdRng::seed_from_u64(15), 300, 20), i64::MAX);
        format!("{:?}", lane.trace)
    };
    assert_eq!(run(), run());
}

#[test]
fn gaps_are_uniform_however_often_one_looks() {
    let gap = Profile::person().rules().iter().find(|rule| rule.key == "gap_bulk").cloned().unwrap();
    let mut lane = Lane::new(Profile::of(vec![gap]).unwrap(), 1, 16);
    // Everybody of class interactive waits for himself, so each gap is looked at by many.
    lane.run(backlog(500, 3 * SECOND, Pace::Bulk, Class::Interactive), i64::MAX);
    let gaps: Vec<i64> = lane.trace.windows(2).map(|pair| pair[1].start - pair[0].answer).collect();
    let below = |limit| gaps.iter().filter(|gap| **gap < limit).count();
    assert!(gaps.iter().all(|gap| (2 * SECOND..5 * SECOND + SECOND / 50).contains(gap)));
    for (limit, share) in [(11, 25), (14, 50), (17, 75)] {
        let found = below(limit * SECOND / 4) / 5;
        assert!(found.abs_diff(share) < 6, "{found} % below {limit} quarters of a second");
    }
}
