//! Single decisions: what is answered, and what it says.

use model::{Class, Pace, Scope};
use pacing::{
    Ask, Bucket, Decision, Facts, Gap, Kind, Limit, PastSend, Profile, Reach, State, StateError, admit,
    explain,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::time::Duration;
use uuid::Uuid;

use crate::support::{T, ask, bulk, decide, go, ms, one, past, person, send, wait};

#[test]
fn a_gap_holds_its_class_and_a_slow_conversation_only_itself() {
    let profile = person();
    let (state, answered) = send(&profile, &State::new(&profile), &bulk("a"), T);
    let held = |class, pace| wait(decide(&profile, &state, &ask("b", class, pace), answered));
    let first = held(Class::Bulk, Pace::Bulk);
    assert_eq!((first.rule.as_str(), first.scope), ("gap", Scope::Class));
    assert!(first.detail.is_some());
    assert_eq!(held(Class::Interactive, Pace::Bulk).scope, Scope::Pace);
    // The reply's typing covers the shortest gap, so it starts at once.
    let reply = go(decide(&profile, &state, &ask("b", Class::Interactive, Pace::Reply), answered));
    assert_eq!(reply.call_at, answered + reply.typing);
    // The bulk message starts to type within the gap and calls at its end.
    let later = first.until.unwrap();
    let grant = go(decide(&profile, &state, &bulk("b"), later));
    assert_eq!(grant.call_at, answered + ms(2_000));
    assert_eq!(later, grant.call_at - grant.typing);
}

#[test]
fn the_rule_that_ends_last_is_named() {
    let profile = person();
    let (state, answered) = send(&profile, &State::new(&profile), &bulk("a"), T);
    let again = wait(decide(&profile, &state, &bulk("a"), answered));
    assert_eq!((again.rule.as_str(), again.scope), ("same_recipient", Scope::Recipient));
    let grant = go(decide(&profile, &state, &bulk("a"), again.until.unwrap()));
    assert_eq!(grant.call_at, answered + ms(6_000));
}

#[test]
fn the_sixteenth_in_a_minute_holds_the_lane() {
    let profile = person();
    let mut state = State::new(&profile);
    let mut now = T;
    let mut first = None;
    let mut before = T;
    for n in 0..15 {
        before = now;
        (state, now) = send(&profile, &state, &bulk(&format!("chat-{n}")), now + ms(2_000));
        first = first.or(Some(now));
    }
    let held = wait(decide(&profile, &state, &bulk("new"), now));
    assert_eq!((held.rule.as_str(), held.scope), ("per_minute", Scope::Lane));
    let grant = go(decide(&profile, &state, &bulk("new"), held.until.unwrap()));
    assert_eq!(grant.call_at, first.unwrap() + ms(60_000));

    let view = explain(&profile, &state, now);
    let minute = view.iter().find(|rule| rule.rule == "per_minute").unwrap();
    assert_eq!((minute.used, minute.limit.as_str()), (15, "15 in any 60 s"));
    assert_eq!(minute.next_free, Some(first.unwrap() + ms(60_000)));
    let recipients = view.iter().find(|rule| rule.rule == "same_recipient").unwrap();
    assert_eq!((recipients.used, recipients.next_free), (2, Some(before + ms(6_000))));
}

#[test]
fn an_open_grant_counts_as_now_until_it_ends() {
    let profile = person();
    let mut grant = go(decide(&profile, &State::new(&profile), &bulk("a"), T));
    let much_later = T + ms(3_600_000);
    assert_eq!(wait(decide(&profile, &grant.state, &bulk("b"), much_later)).rule, "gap");
    assert_eq!(grant.state.open_grants().len(), 1);
    assert!(grant.state.expire_grant(&profile, grant.token, much_later));
    // Dated at the lease's end, it still counts, and it cannot end twice.
    let held = wait(decide(&profile, &grant.state, &bulk("a"), much_later + ms(1_000)));
    assert_eq!(held.rule, "same_recipient");
    assert!(!grant.state.settle(&profile, grant.token, T, T));
}

#[test]
fn a_grant_that_was_not_used_can_be_taken_back() {
    let profile = person();
    let mut grant = go(decide(&profile, &State::new(&profile), &bulk("a"), T));
    assert!(grant.state.withdraw(grant.token));
    assert!(!grant.state.withdraw(grant.token));
    go(decide(&profile, &grant.state, &bulk("a"), T));
}

#[test]
fn wide_lanes_keep_a_twentieth_as_slack_and_count_open_calls() {
    let profile = one("account", Reach::Account, 3, ms(1_000));
    let ask = |chat| Ask { width: 8, ..bulk(chat) };
    let mut state = State::new(&profile);
    let mut grants = Vec::new();
    for chat in ["a", "b", "c"] {
        let grant = admit(&profile, &state, &ask(chat), T, &mut || grants.len() as u64);
        let grant = go(grant);
        assert_eq!((grant.call_at, grant.typing), (T, Duration::ZERO));
        state = grant.state;
        grants.push(grant.token);
    }
    let held = wait(decide(&profile, &state, &ask("d"), T));
    assert_eq!((held.rule.as_str(), held.scope, held.until), ("account", Scope::Lane, Some(T + ms(1_050))));
    // One settled: it is dated at its start. Two are open still, long after their window: they count all the same.
    assert!(state.settle(&profile, grants[0], T, T + ms(900)));
    let mut fourth = go(decide(&profile, &state, &ask("d"), T + ms(1_050)));
    wait(decide(&profile, &fourth.state, &ask("e"), T + ms(5_000)));
    assert!(fourth.state.settle(&profile, grants[1], T, T + ms(5_000)));
    go(decide(&profile, &fourth.state, &ask("e"), T + ms(5_000)));
}

#[test]
fn an_open_call_to_a_chat_holds_that_chat_alone() {
    let profile = one("chat", Reach::Chat, 2, ms(1_000));
    let ask = |chat| Ask { width: 8, ..bulk(chat) };
    let first = go(decide(&profile, &State::new(&profile), &ask("a"), T));
    let second = go(decide(&profile, &first.state, &ask("a"), T));
    let held = wait(decide(&profile, &second.state, &ask("a"), T + ms(3_000)));
    assert_eq!((held.rule.as_str(), held.scope), ("chat", Scope::Recipient));
    go(decide(&profile, &second.state, &ask("b"), T));
}

#[test]
fn a_send_is_never_dated_before_its_grant() {
    let profile = person();
    let mut grant = go(decide(&profile, &State::new(&profile), &bulk("a"), T));
    let before = T - ms(3_600_000);
    assert!(grant.state.settle(&profile, grant.token, before, before));
    let next = wait(decide(&profile, &grant.state, &bulk("a"), grant.call_at));
    let next = go(decide(&profile, &grant.state, &bulk("a"), next.until.unwrap()));
    assert_eq!(next.call_at, grant.call_at + ms(6_000));
}

#[test]
fn a_hundred_thousand_decisions_stay_small() {
    let profile = person();
    let mut state = State::new(&profile);
    let mut now = T;
    for n in 0..100_000_u128 {
        let chat = format!("chat-{n}");
        let ask = Ask { id: Uuid::from_u128(n), ..bulk(&chat) };
        match decide(&profile, &state, &ask, now) {
            Decision::Go(grant) => {
                now = grant.call_at + ms(80);
                state = grant.state;
                assert!(state.settle(&profile, grant.token, grant.call_at, now));
            }
            Decision::Wait(wait) => now = wait.until.unwrap(),
            Decision::Refuse { reason, .. } => panic!("{reason}"),
        }
    }
    assert!(state.to_bytes().len() < 1_000);
}

#[test]
fn a_bucket_lets_its_burst_go_and_then_one_at_a_time() {
    let mut rules = one("pair", Reach::Chat, 1, ms(6_000)).rules().to_vec();
    rules[0].kind = Kind::Bucket(Bucket { every: ms(6_000), burst: 45 });
    let profile = Profile::of(rules).unwrap();
    let mut state = State::new(&profile);
    let mut now = T;
    let mut history = Vec::new();
    for _ in 0..45 {
        let grant = go(decide(&profile, &state, &bulk("a"), now));
        history.push(past("a", now));
        state = grant.state;
        assert!(state.settle(&profile, grant.token, now, now));
        now = now + ms(1);
    }
    let held = wait(decide(&profile, &state, &bulk("a"), now));
    assert_eq!((held.scope, held.until), (Scope::Recipient, Some(T + ms(6_000))));
    go(decide(&profile, &state, &bulk("b"), now));
    // What is rebuilt never allows more than what was lost.
    let rebuilt = State::rebuild(&profile, 1, history.into_iter(), now);
    assert!(wait(decide(&profile, &rebuilt, &bulk("a"), now)).until >= held.until);
}

#[test]
fn a_rebuilt_state_takes_the_longest_gap_and_counts_what_is_open_as_now() {
    let profile = Profile::person();
    let past = |ended_at| PastSend { ended_at, ..past("a", T) };
    let gap = |state: &State, now| {
        let held = wait(decide(&profile, state, &bulk("b"), now));
        assert_eq!(held.rule, "gap");
        go(decide(&profile, state, &bulk("b"), held.until.unwrap())).call_at
    };
    let ended = State::rebuild(&profile, 1, [past(Some(T + ms(50)))].into_iter(), T + ms(1_000));
    assert_eq!(gap(&ended, T + ms(1_000)), T + ms(5_050));
    let open = State::rebuild(&profile, 1, [past(None)].into_iter(), T + ms(1_000));
    assert_eq!(gap(&open, T + ms(1_000)), T + ms(6_000));
    // A clock that ran ahead when the send was dated freezes nobody.
    let future = State::rebuild(&profile, 1, [past(Some(T + ms(9_000_000)))].into_iter(), T + ms(1_000));
    assert_eq!(gap(&future, T + ms(1_000)), T + ms(6_000));
}

#[test]
fn a_rebuilt_batch_has_what_was_lost_where_it_began() {
    let profile = person();
    // Its worker died; when that was noticed, others had long followed it.
    let lost = PastSend {
        started_at: T + ms(200_000),
        ended_at: Some(T + ms(700_000)),
        was_accepted: false,
        ..past("a", T)
    };
    let others = (0..48).map(|n| past("b", T + ms(450_000 + n * 10_000)));
    let history: Vec<_> = [past("a", T), lost].into_iter().chain(others).collect();
    let now = T + ms(930_000);
    let rebuilt = State::rebuild(&profile, 1, history.clone().into_iter(), now);
    assert_eq!(wait(decide(&profile, &rebuilt, &bulk("c"), now)).rule, "batch");
    // Without it there was a pause before the others.
    let rebuilt = State::rebuild(&profile, 1, history.into_iter().filter(|send| send.was_accepted), now);
    go(decide(&profile, &rebuilt, &bulk("c"), now));
}

#[test]
fn a_clock_that_stepped_back_behind_what_was_pruned_waits() {
    let profile = person();
    let (mut state, answered) = send(&profile, &State::new(&profile), &bulk("a"), T);
    assert_eq!(state.binds_until(&profile), answered + ms(300_000));
    state.prune(&profile, answered + ms(3_600_000));
    assert!(state.to_bytes().len() < 100, "{}", String::from_utf8_lossy(&state.to_bytes()));
    let held = wait(decide(&profile, &state, &bulk("a"), T));
    assert_eq!((held.rule.as_str(), held.scope), ("clock", Scope::Lane));
    go(decide(&profile, &state, &bulk("a"), held.until.unwrap()));
    assert!(held.until.unwrap() <= answered + ms(300_000));
}

#[test]
fn nonsense_is_refused_by_name() {
    let refused = |count, window| {
        let limit = Limit {
            name: "calls".to_owned(),
            scope: Reach::Account,
            count,
            window,
            burst: None,
            source: String::new(),
        };
        Profile::provider(&[limit]).unwrap_err().field
    };
    assert_eq!(refused(0, ms(1_000)), "calls.count");
    assert_eq!(refused(2, Duration::ZERO), "calls.window_s");
    assert_eq!(refused(2, Duration::MAX), "calls.window_s");
    assert_eq!(refused(1, Duration::ZERO), "calls.every_s");
    let limit = |name: &str| Limit {
        name: name.to_owned(),
        scope: Reach::Chat,
        count: 2,
        window: ms(1_000),
        burst: None,
        source: String::new(),
    };
    assert_eq!(Profile::provider(&[limit("")]).unwrap_err().field, ".name");
    assert_eq!(Profile::provider(&[limit("x"), limit("x")]).unwrap_err().field, "x.key");
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(person().for_account(Facts::UNKNOWN, scale).unwrap_err().field, "pace_scale");
    }
    let mut rules = person().rules().to_vec();
    rules[0].kind = Kind::Gap(Pace::Reply, Gap { min: ms(5), max: ms(4) });
    assert_eq!(Profile::of(rules).unwrap_err().field, "gap_reply.min_s");

    let nobody = Ask { width: 0, ..bulk("a") };
    let profile = person();
    let Decision::Refuse { reason, .. } = decide(&profile, &State::new(&profile), &nobody, T) else {
        panic!("a lane of width 0 admits");
    };
    assert!(reason.contains("width"));
}

#[test]
fn a_scaled_profile_is_the_same_but_quicker() {
    let profile = person().for_account(Facts::UNKNOWN, 60.0).unwrap();
    let (state, answered) = send(&profile, &State::new(&profile), &bulk("a"), T);
    let again = wait(decide(&profile, &state, &bulk("a"), answered));
    let grant = go(decide(&profile, &state, &bulk("a"), again.until.unwrap()));
    // Each conversion rounds up.
    assert!(grant.call_at.since(answered + ms(100)) <= Duration::from_micros(1), "{grant:?}");
    assert!(grant.typing <= ms(34));
    // Two days and the hours by which they may be longer, because a clock may step back over midnight.
    assert_eq!(profile.horizon(), Duration::from_mins(51));
}

#[test]
fn bytes_of_another_release_or_other_rules_are_not_used() {
    let profile = person();
    let (state, _) = send(&profile, &State::new(&profile), &bulk("a"), T);
    let bytes = state.to_bytes();
    assert_eq!(State::from_bytes(&profile, &bytes).unwrap(), state);
    let other = person().for_account(Facts::UNKNOWN, 2.0).unwrap();
    assert!(matches!(State::from_bytes(&other, &bytes), Err(StateError::OtherRules)));
    let newer = String::from_utf8(bytes).unwrap().replace(r#""v":2"#, r#""v":3"#);
    assert!(matches!(State::from_bytes(&profile, newer.as_bytes()), Err(StateError::Version(3))));
    assert!(matches!(State::from_bytes(&profile, b""), Err(StateError::Unreadable(_))));
}

/// The same cases in every run.
fn fixed() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(20_261_101);
    ProptestConfig { rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed())]

    #[test]
    fn typing_is_drawn_from_the_id_alone(id: u128, chars: u32, other: u32) {
        let profile = person();
        let ask = Ask { id: Uuid::from_u128(id), chars, ..bulk("a") };
        let typing = |now, random: u64| go(admit(&profile, &State::new(&profile), &ask, now, &mut || random)).typing;
        let drawn = typing(T, 0);
        prop_assert!((ms(500)..=ms(2_000)).contains(&drawn));
        prop_assert_eq!(drawn, typing(T + Duration::from_secs(other.into()), other.into()));
    }

    #[test]
    fn damaged_bytes_harm_nobody(place: usize, byte: u8, cut: bool) {
        let profile = person();
        let (state, answered) = send(&profile, &State::new(&profile), &bulk("a"), T);
        let open = go(decide(&profile, &state, &bulk("b"), answered + ms(6_000)));
        let mut bytes = open.state.to_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if cut {
            bytes.truncate(place);
        }
        if let Ok(mut state) = State::from_bytes(&profile, &bytes) {
            let _ = decide(&profile, &state, &bulk("a"), T);
            let _ = explain(&profile, &state, T);
            state.settle(&profile, open.token, T, T);
            state.prune(&profile, T);
        }
    }
}
