//! Batches, and what binds campaigns: words, answers, hours, silence, stop words; and probes.

use std::time::Duration;

use model::{Class, Purpose, Scope, Timestamp};
use pacing::{Ask, Chat, Decision, PastSend, Profile, Response, Started, State, admit, explain};
use serde_json::json;

use crate::support::{T, bulk, decide, go, ms, past, person, wait};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn campaign(chat: &str, text: u64) -> Ask<'_> {
    Ask { purpose: Purpose::Campaign, text: Some(text), ..bulk(chat) }
}

/// Only the rules in question.
fn only(keys: &[&str]) -> Profile {
    let profile = person();
    let rules = profile.rules().iter().filter(|rule| keys.contains(&rule.key.as_ref()));
    Profile::of(rules.cloned().collect()).expect("rules of the table")
}

fn sent(profile: &Profile, state: &State, ask: &Ask<'_>, now: Timestamp) -> State {
    let mut grant = go(decide(profile, state, ask, now));
    assert!(grant.state.settle(profile, grant.token, now, now));
    grant.state
}

#[test]
fn after_a_batch_the_account_rests_and_a_natural_rest_begins_a_new_one() {
    let profile = only(&["batch"]);
    let mut state = State::new(&profile);
    for second in 0..49 {
        state = sent(&profile, &state, &bulk("a"), T + ms(second * 1_000));
    }
    // The 50th within the pause fills it; replies wait, too.
    let full = sent(&profile, &state, &bulk("a"), T + ms(340_000));
    let reply = Ask { purpose: Purpose::Conversation, class: Class::Interactive, ..bulk("b") };
    let held = wait(decide(&profile, &full, &reply, T + ms(341_000)));
    assert_eq!((held.rule.as_str(), held.scope, held.until), ("batch", Scope::Lane, Some(T + ms(640_000))));
    let view = &explain(&profile, &full, T + ms(341_000))[0];
    assert_eq!((view.used, view.of, view.next_free), (50, Some(50), held.until));
    // After a rest of five minutes the 50th is the first.
    let fresh = sent(&profile, &state, &bulk("a"), T + ms(348_000));
    assert_eq!(explain(&profile, &fresh, T + ms(348_000))[0].used, 1);
    go(decide(&profile, &fresh, &bulk("a"), T + ms(349_000)));
    // One that is open counts, and one that is taken back does not.
    let mut open = go(decide(&profile, &state, &bulk("a"), T + ms(49_000)));
    assert_eq!(wait(decide(&profile, &open.state, &bulk("b"), T + ms(50_000))).rule, "batch");
    assert!(open.state.withdraw(open.token));
    go(decide(&profile, &open.state, &bulk("b"), T + ms(50_000)));
    // What is rebuilt has the same batch.
    let ledger = (0..50).map(|second| past("a", T + ms(second * 1_000)));
    let rebuilt = State::rebuild(&profile, 1, ledger, T + ms(60_000));
    assert_eq!(wait(decide(&profile, &rebuilt, &bulk("a"), T + ms(60_000))).until, Some(T + ms(349_000)));
}

#[test]
fn a_call_that_may_have_started_late_leaves_no_rest_before_it() {
    let profile = only(&["batch"]);
    let mut state = State::new(&profile);
    for second in 0..49 {
        state = sent(&profile, &state, &bulk("a"), T + ms(second * 1_000));
    }
    // It began somewhere between: a rest of five minutes is possible, and nothing to rely on.
    let mut grant = go(decide(&profile, &state, &bulk("a"), T + ms(49_000)));
    let started = Started { earliest: T + ms(50_000), latest: T + ms(400_000) };
    assert!(grant.state.settle(&profile, grant.token, started, T + ms(401_000)));
    let held = wait(decide(&profile, &grant.state, &bulk("a"), T + ms(402_000)));
    assert_eq!((held.rule.as_str(), held.until), ("batch", Some(T + ms(701_000))));
}

#[test]
fn the_same_words_go_to_ten_in_a_row_and_other_words_free_them() {
    let profile = only(&["identical_text"]);
    let mut state = State::new(&profile);
    for second in 0..10 {
        state = sent(&profile, &state, &campaign("a", 7), T + ms(second * 1_000));
    }
    let now = T + ms(10_000);
    let held = wait(decide(&profile, &state, &campaign("a", 7), now));
    assert_eq!(
        (held.rule.as_str(), held.scope, held.until),
        ("identical_text", Scope::Job, Some(T + ms(9_000) + DAY))
    );
    assert_eq!(state.worn_texts(&profile, now), [7]);
    go(decide(&profile, &state, &campaign("a", 7), held.until.unwrap()));
    // A notice is none of its business, and does not end the row.
    let after = sent(&profile, &state, &bulk("a"), now);
    wait(decide(&profile, &after, &campaign("a", 7), now));
    let after = sent(&profile, &state, &campaign("a", 8), now);
    assert!(after.worn_texts(&profile, now).is_empty());
    go(decide(&profile, &after, &campaign("a", 7), now));
    // A call that may not have been made ends no row.
    let mut open = go(decide(&profile, &state, &campaign("a", 8), now));
    assert!(open.state.expire_grant(&profile, open.token, now));
    assert_eq!(wait(decide(&profile, &open.state, &campaign("a", 7), now)).until, held.until);
}

#[test]
fn a_rebuilt_row_is_as_full_as_it_was() {
    let profile = only(&["identical_text"]);
    let said = |text, at, was_accepted| PastSend {
        purpose: Purpose::Campaign,
        text: Some(text),
        was_accepted,
        ..past("a", at)
    };
    let row = (0..10).map(|second| said(7, T + ms(second * 1_000), true));
    let free = |history: Vec<PastSend>, now| {
        let state = State::rebuild(&profile, 1, history.into_iter(), now);
        matches!(decide(&profile, &state, &campaign("a", 7), now), Decision::Go(_))
    };
    let later = T + HOUR * 23;
    assert!(!free(row.clone().collect(), later));
    assert!(!free(row.clone().chain([said(8, T + HOUR, false)]).collect(), later));
    assert!(free(row.clone().chain([said(8, T + HOUR, true)]).collect(), later));
    assert!(free(row.collect(), T + DAY + ms(9_000)));
    // One that may continue what nobody remembers is taken for full.
    let trickle = [said(7, T, true), said(7, T + HOUR * 23, true), said(7, T + HOUR * 46, true)];
    assert!(!free(trickle.to_vec(), T + HOUR * 47));
}

#[test]
fn few_answers_double_the_gap_and_hardly_any_pause_campaigns() {
    let profile = only(&["gap_bulk", "response_rate"]);
    let state = sent(&profile, &State::new(&profile), &campaign("a", 1), T);
    let held = |wrote, ask: &Ask<'_>| {
        let ask = Ask { response: Some(Response { recipients: 20, wrote }), ..ask.clone() };
        let held = wait(decide(&profile, &state, &ask, T));
        (held.rule, held.scope, held.until.unwrap().since(T))
    };
    assert_eq!(held(10, &campaign("b", 2)), ("gap".to_owned(), Scope::Class, ms(2_000)));
    assert_eq!(held(9, &campaign("b", 2)), ("gap".to_owned(), Scope::Class, ms(4_000)));
    // Every send of bulk pace is slowed, but only campaigns rest.
    assert_eq!(held(3, &bulk("b")), ("gap".to_owned(), Scope::Class, ms(4_000)));
    assert_eq!(held(4, &campaign("b", 2)).2, ms(4_000));
    assert_eq!(held(3, &campaign("b", 2)), ("response_rate".to_owned(), Scope::Class, DAY));
    let transactional = Ask { class: Class::Normal, ..campaign("b", 2) };
    assert_eq!(held(3, &transactional).1, Scope::Job);
    let few = Ask { response: Some(Response { recipients: 19, wrote: 0 }), ..campaign("b", 2) };
    assert_eq!(wait(decide(&profile, &state, &few, T)).until, Some(T + ms(2_000)));
    let asked = profile.response_rate(T).unwrap();
    assert_eq!((asked.since, asked.until, asked.pause), (T - DAY * 7, T - DAY, DAY));
}

#[test]
fn campaigns_wait_for_the_window_where_the_contact_lives() {
    let window = json!({"quiet_hours": {"campaigns_from": "09:00", "campaigns_until": "20:00"}});
    let profile = only(&["quiet_hours"]).with(&window).unwrap();
    let state = State::new(&profile);
    let night = wait(decide(&profile, &state, &campaign("a", 1), T));
    assert_eq!((night.rule.as_str(), night.scope), ("quiet_hours", Scope::Job));
    assert_eq!(night.until.unwrap().to_string(), "2023-11-15T09:00:00.000000Z");
    let honolulu = Chat { zone: Some("Pacific/Honolulu".parse().unwrap()), ..Chat::default() };
    go(decide(&profile, &state, &Ask { contact: honolulu, ..campaign("a", 1) }, T));
    go(decide(&profile, &state, &bulk("a"), T));
    // Typing may begin before the window does, the call may not.
    let typed = only(&["quiet_hours", "typing"]).with(&window).unwrap();
    let held = wait(decide(&typed, &State::new(&typed), &campaign("a", 1), T)).until.unwrap();
    let grant = go(decide(&typed, &State::new(&typed), &campaign("a", 1), held));
    assert_eq!(Some(grant.call_at), night.until);
}

#[test]
fn a_wait_names_the_end_of_all_that_follows_it() {
    // The rest after a batch ends when the window is closed.
    let window =
        json!({"quiet_hours": {"campaigns_from": "09:00", "campaigns_until": "22:14"}, "batch": {"size": 1}});
    let profile = only(&["batch", "quiet_hours"]).with(&window).unwrap();
    let state = sent(&profile, &State::new(&profile), &campaign("a", 1), T);
    let held = wait(decide(&profile, &state, &campaign("b", 1), T + ms(1_000)));
    assert_eq!((held.rule.as_str(), held.scope), ("quiet_hours", Scope::Job));
    go(decide(&profile, &state, &campaign("b", 1), held.until.unwrap()));
}

#[test]
fn who_fell_silent_or_said_stop_gets_no_campaign_and_everything_else() {
    let profile = person();
    let state = State::new(&profile);
    let refused = |contact: Chat| {
        go(decide(&profile, &state, &Ask { contact: contact.clone(), ..bulk("a") }, T));
        match decide(&profile, &state, &Ask { contact, ..campaign("a", 1) }, T) {
            Decision::Refuse { rule, .. } => Some(rule),
            _ => None,
        }
    };
    let month = DAY * 30;
    let silent =
        |since| Chat { last_inbound_at: Some(since), first_sent_at: Some(T - DAY * 90), ..Chat::default() };
    assert_eq!(refused(silent(T - month)), Some("stale_contact"));
    assert_eq!(refused(silent(T - month + ms(1))), None);
    let never = |since| Chat { first_sent_at: Some(since), ..Chat::default() };
    assert_eq!(refused(never(T - month)), Some("stale_contact"));
    assert_eq!(refused(never(T - DAY)), None);
    assert_eq!(refused(Chat::default()), None);
    assert_eq!(refused(Chat { opted_out: true, ..Chat::default() }), Some("opted_out"));
    let official = Profile::provider(&[]).unwrap();
    let ask = Ask { contact: Chat { opted_out: true, ..Chat::default() }, ..campaign("a", 1) };
    assert!(matches!(
        decide(&official, &State::new(&official), &ask, T),
        Decision::Refuse { rule: "opted_out", .. }
    ));
}

#[test]
fn an_account_that_fails_is_tried_with_one_at_a_time_however_wide_it_is() {
    let profile = Profile::provider(&[]).unwrap();
    let probe = Ask { width: 30, probing: true, ..bulk("a") };
    let mut first = go(decide(&profile, &State::new(&profile), &probe, T));
    let held = wait(decide(&profile, &first.state, &probe, T));
    assert_eq!((held.rule.as_str(), held.scope), ("probe", Scope::Lane));
    go(decide(&profile, &first.state, &Ask { probing: false, ..probe.clone() }, T));
    assert!(first.state.settle(&profile, first.token, T, T));
    go(decide(&profile, &first.state, &probe, T));
    let failures = profile.failures().unwrap();
    assert_eq!(failures.pause(1), ms(5_000));
    assert_eq!((failures.pause(5), failures.pause(4_000)), (ms(80_000), HOUR));
    assert!(failures.is_open(5) && !failures.is_open(4));
}

#[test]
fn a_year_is_decided_in_seconds_and_kept_in_a_line() {
    let profile = Profile::person();
    let (mut state, mut now, mut sends) = (State::new(&profile), T, 0);
    for number in 0..20_000_u128 {
        let chat = format!("chat-{}", number % 700);
        let ask = Ask { id: uuid::Uuid::from_u128(number), ..campaign(&chat, (number % 3) as u64) };
        match admit(&profile, &state, &ask, now, &mut || 1) {
            Decision::Go(grant) => {
                now = grant.call_at;
                state = grant.state;
                assert!(state.settle(&profile, grant.token, now, now));
                sends += 1;
            }
            Decision::Wait(wait) => now = wait.until.unwrap(),
            Decision::Refuse { reason, .. } => panic!("{reason}"),
        }
    }
    assert!(sends > 7_000, "{sends}");
    assert!(state.to_bytes().len() < 1_000, "{}", String::from_utf8_lossy(&state.to_bytes()));
}
