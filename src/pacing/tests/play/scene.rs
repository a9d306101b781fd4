//! What plays are made of.

use std::time::Duration;

use model::{Class, Origin, Purpose, Timestamp, Zone};
use pacing::{Chat, Facts, Planned, Play, Profile, State, Step};
use serde_json::{Value, json};
use uuid::Uuid;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// 2026-03-02T08:00:00Z, a Monday.
pub const START: Timestamp = Timestamp::from_micros(1_772_438_400 * SECOND);

/// So many microseconds after the start.
pub fn after(micros: i64) -> Timestamp {
    Timestamp::from_micros(START.as_micros() + micros)
}

/// An account on WhatsApp Web that was connected so many days before the start.
pub fn old_account(days: i64) -> Profile {
    old_account_with(days, &json!({}))
}

/// As [`old_account`], with rules of its own.
pub fn old_account_with(days: i64, rules: &Value) -> Profile {
    let facts = Facts {
        zone: Zone::UTC,
        created_at: after(-days * DAY),
        first_connected_at: Some(after(-days * DAY)),
        registered_at: None,
    };
    let profile = Profile::named("whatsapp_web").expect("the profile is there");
    let profile = profile.with(rules).expect("the rules are sound");
    profile.for_account(facts, 1.0).expect("the scale is sound")
}

/// A play of width 1 in which calls take no time.
pub fn play(profile: &Profile) -> Play {
    Play::new(profile.clone(), State::new(profile), 1, Duration::ZERO, 7, START)
}

/// A message to a known contact who never wrote.
pub fn message(id: u64, chat: &str, purpose: Purpose, at: Timestamp) -> Planned {
    Planned {
        id: Uuid::from_u64_pair(0, id),
        chat: chat.to_owned(),
        is_group: false,
        purpose,
        origin: Origin::Api,
        class: purpose.class(),
        chars: 0,
        text: None,
        contact: Chat::default(),
        at,
        after: None,
    }
}

pub fn new_contact(planned: Planned) -> Planned {
    Planned { contact: Chat { is_new: true, ..planned.contact }, ..planned }
}

/// The number that a message was given.
pub fn number(id: Uuid) -> u64 {
    id.as_u64_pair().1
}

/// All that happens.
pub fn all(play: &mut Play) -> Vec<Step> {
    std::iter::from_fn(|| play.next()).collect()
}

/// What was sent: numbers and times.
pub fn sent(steps: &[Step]) -> Vec<(u64, Timestamp)> {
    let of = |step: &Step| match step {
        Step::Sent { id, at, .. } => Some((number(*id), *at)),
        _ => None,
    };
    steps.iter().filter_map(of).collect()
}

pub const fn time(step: &Step) -> Timestamp {
    match step {
        Step::Sent { at, .. } | Step::Waits { at, .. } | Step::Refused { at, .. } => *at,
    }
}

/// The class a purpose does not have by itself.
pub fn of_class(planned: Planned, class: Class) -> Planned {
    Planned { class, ..planned }
}
