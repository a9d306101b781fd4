//! New contacts a day, warm-up, and the calendar that tells of both.

use std::time::Duration;

use model::{Class, Origin, Purpose, Scope, Timestamp, Zone};
use pacing::{Ask, CalendarDay, Chat, Decision, Facts, MaySend, PastSend, Profile, State, calendar, explain};

use crate::support::{T, bulk, decide, go, ms, past, person, wait};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// An account in Berlin (an hour ahead of UTC at `T`, 23:13 there) that was connected so long before `T`.
fn berlin(age: Duration) -> Facts {
    Facts {
        zone: "Europe/Berlin".parse().expect("a zone"),
        created_at: T - age,
        first_connected_at: Some(T - age),
        registered_at: None,
    }
}

/// Only the rule in question.
fn only(keys: &[&str], facts: Facts, scale: f64) -> Profile {
    let profile = person();
    let rules = profile.rules().iter().filter(|rule| keys.contains(&rule.key.as_ref()));
    let profile = Profile::of(rules.cloned().collect()).expect("rules of the table");
    profile.for_account(facts, scale).expect("a sensible scale")
}

fn stranger(chat: &str) -> Ask<'_> {
    Ask { contact: Chat { is_new: true, ..Chat::default() }, ..bulk(chat) }
}

/// Writes to so many strangers, one after the other.
fn meet(profile: &Profile, state: State, count: u32, now: Timestamp) -> State {
    (0..count).fold(state, |state, number| {
        let name = format!("stranger-{number}");
        let mut grant = go(decide(profile, &state, &stranger(&name), now));
        assert!(grant.is_new);
        assert!(grant.state.settle(profile, grant.token, grant.call_at, grant.call_at));
        grant.state
    })
}

#[test]
fn strangers_wait_for_midnight_where_the_account_lives_and_others_do_not() {
    let profile = only(&["new_contacts"], berlin(HOUR), 1.0);
    let state = meet(&profile, State::new(&profile), 30, T);
    let held = wait(decide(&profile, &state, &stranger("one more"), T));
    let midnight = T + ms(46 * 60_000 + 40_000);
    assert_eq!(
        (held.rule.as_str(), held.scope, held.until),
        ("new_contacts", Scope::Recipient, Some(midnight))
    );
    go(decide(&profile, &state, &bulk("a friend"), T));
    // The next day has an allowance of its own, and a clock that steps back over midnight finds the old one used up.
    let next = meet(&profile, state, 30, midnight);
    let back = wait(decide(&profile, &next, &stranger("again"), midnight - ms(20_000)));
    // It is a day old before the next one begins.
    assert_eq!(back.until, Some(T - HOUR + DAY));
}

#[test]
fn the_cap_rises_within_the_day_when_the_account_comes_of_age() {
    let profile = only(&["new_contacts"], berlin(Duration::from_mins(24 * 60 - 1)), 1.0);
    let state = meet(&profile, State::new(&profile), 30, T);
    let held = wait(decide(&profile, &state, &stranger("one more"), T));
    assert_eq!(held.until, Some(T + ms(60_000)));
    let state = meet(&profile, state, 20, held.until.unwrap());
    wait(decide(&profile, &state, &stranger("one more"), held.until.unwrap()));
    let view = explain(&profile, &state, held.until.unwrap());
    assert_eq!((view[0].used, view[0].of), (50, Some(50)));
    assert!(view[0].next_free.is_some());
}

#[test]
fn a_call_counts_in_both_days_that_it_touches_and_one_taken_back_in_none() {
    let facts = Facts { zone: Zone::UTC, ..berlin(HOUR) };
    let profile = only(&["new_contacts"], facts, 1.0);
    let midnight = T + ms((46 * 60 + 40) * 1_000) + HOUR;
    let mut grant = go(decide(&profile, &State::new(&profile), &stranger("a"), midnight - ms(1_000)));
    assert!(grant.state.settle(&profile, grant.token, grant.call_at, midnight + ms(1_000)));
    let used = |state: &State, at| explain(&profile, state, at)[0].used;
    assert_eq!((used(&grant.state, midnight - ms(1)), used(&grant.state, midnight)), (1, 1));

    let mut grant = go(decide(&profile, &State::new(&profile), &stranger("a"), T));
    assert_eq!(used(&grant.state, T), 1);
    assert!(grant.state.withdraw(grant.token));
    assert_eq!(used(&grant.state, T), 0);
}

#[test]
fn what_is_rebuilt_grants_no_second_allowance() {
    let profile = only(&["new_contacts"], berlin(HOUR), 1.0);
    // All were met at the day's begin, 23 hours ago.
    let at = T - Duration::from_hours(23);
    let met = |number: u32| PastSend { is_new: true, ..past(&format!("stranger-{number}"), at) };
    let state = State::rebuild(&profile, 1, (0..30).map(met), T);
    assert_eq!(wait(decide(&profile, &state, &stranger("one more"), T)).rule, "new_contacts");
    assert!(profile.horizon() >= Duration::from_hours(48));
    // An account that was never connected is as young as can be.
    let unknown = only(&["new_contacts"], Facts { first_connected_at: None, ..berlin(HOUR) }, 1.0);
    assert_eq!(explain(&unknown, &State::new(&unknown), T)[0].of, Some(30));
}

fn registered(hours: u32) -> Profile {
    let registered_at = Some(T - HOUR * hours);
    only(&["warm_up"], Facts { registered_at, zone: Zone::UTC, ..berlin(DAY * 400) }, 1.0)
}

fn agent(chat: &str) -> Ask<'_> {
    Ask { purpose: Purpose::Conversation, origin: Origin::Agent, class: Class::Interactive, ..bulk(chat) }
}

#[test]
fn a_fresh_number_is_silent_then_only_a_person_speaks_then_all_do() {
    let held = |hours, ask: &Ask<'_>| {
        let profile = registered(hours);
        let held = wait(decide(&profile, &State::new(&profile), ask, T));
        assert_eq!(held.rule, "warm_up");
        (held.scope, held.until.unwrap().since(T))
    };
    assert_eq!(held(0, &agent("a")), (Scope::Lane, DAY));
    assert_eq!(held(4, &bulk("a")), (Scope::Class, 92 * HOUR));
    assert_eq!(held(24, &bulk("a")), (Scope::Class, 72 * HOUR));
    let bot = Ask { origin: Origin::Ai, ..agent("a") };
    assert_eq!(held(95, &bot), (Scope::Job, HOUR));
    for (hours, ask) in [(24, agent("a")), (96, bulk("a")), (96, bot), (4_000, bulk("a"))] {
        let profile = registered(hours);
        go(decide(&profile, &State::new(&profile), &ask, T));
    }
    // Nobody said when it was registered: no warm-up.
    let profile = only(&["warm_up"], berlin(HOUR), 1.0);
    go(decide(&profile, &State::new(&profile), &bulk("a"), T));
}

#[test]
fn new_contacts_rise_by_the_day_while_it_warms_up() {
    let caps =
        [(24, 20), (96, 50), (191, 50), (192, 50), (216, 71), (240, 92), (264, 114), (288, 135), (335, 157)];
    for (hours, cap) in caps.into_iter().chain([(336, 178), (359, 178)]) {
        let profile = registered(hours);
        let view = explain(&profile, &State::new(&profile), T);
        assert_eq!(view[0].of, Some(cap), "after {hours} h");
    }
    let profile = registered(24);
    let met = |number: u32| PastSend { is_new: true, ..past(&number.to_string(), T) };
    let state = State::rebuild(&profile, 1, (0..20).map(met), T);
    let ask = Ask { contact: stranger("x").contact, ..agent("x") };
    let held = wait(decide(&profile, &state, &ask, T));
    assert_eq!((held.scope, held.until), (Scope::Recipient, Some(T + HOUR + ms(2_800_000))));
}

#[test]
fn a_scaled_account_lives_its_days_sooner() {
    let facts = Facts { zone: Zone::UTC, ..berlin(Duration::ZERO) };
    let profile = only(&["new_contacts"], facts, 3_600.0);
    let state = meet(&profile, State::new(&profile), 30, T);
    let held = wait(decide(&profile, &state, &stranger("one more"), T));
    // 22:13:20 there, and a second is an hour.
    assert_eq!(held.until.unwrap().since(T), Duration::from_micros(1_777_778));
    go(decide(&profile, &state, &stranger("one more"), held.until.unwrap()));
}

#[test]
fn the_calendar_tells_of_each_day_what_it_allows() {
    let facts = Facts { registered_at: Some(T), zone: Zone::UTC, ..berlin(Duration::ZERO) };
    let profile = only(&["new_contacts", "warm_up"], facts, 1.0);
    let days = calendar(&profile, T, 20);
    let line = |day: &CalendarDay| (day.date.clone(), day.may_send, day.new_contacts);
    let text = |date: &str, may_send, new_contacts| (date.to_owned(), may_send, Some(new_contacts));
    let lines: Vec<_> = days.iter().map(line).collect();
    assert_eq!(
        lines[..4],
        [
            text("2023-11-14", MaySend::None, 0),
            text("2023-11-15", MaySend::None, 0),
            text("2023-11-15", MaySend::Persons, 20),
            text("2023-11-16", MaySend::Persons, 20),
        ]
    );
    assert_eq!(days[1].until, T + DAY);
    assert!(days.windows(2).all(|pair| pair[0].until == pair[1].from));
    assert_eq!(lines.last(), Some(&text("2023-12-03", MaySend::All, 500)));
    assert!(matches!(decide(&profile, &State::new(&profile), &agent("a"), T), Decision::Wait(_)));
}
