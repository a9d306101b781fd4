//! What is played forward is what the lanes do: the same messages through [`pacing::Play`] and through the real lanes in
//! memory, with the same rules, are sent in the same order at the same times.

mod real;

use std::time::Duration;

use model::{Class, Origin, Purpose, Timestamp, Zone};
use pacing::{Chat, Facts, Planned, Play, Profile, State, Step};
use serde_json::json;
use uuid::Uuid;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 24 * 3_600 * SECOND;
/// 2026-03-02T20:00:00Z: four hours before the day's new contacts begin anew.
const START: i64 = 1_772_481_600 * SECOND;

/// What comes to an account.
#[derive(Debug, Clone, Default)]
struct Workload {
    messages: Vec<Planned>,
    /// Who writes to it, and when.
    inbound: Vec<(Timestamp, String)>,
}

/// One of the sends: when, which.
type Sent = (Timestamp, Uuid);

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(START + micros)
}

/// Rules like those for WhatsApp Web, without chance: what is drawn at random could be drawn in another order.
fn profile() -> Profile {
    let rules = json!({
        "gap_reply": {"min_s": 1, "max_s": 1}, "gap_bulk": {"min_s": 3, "max_s": 3}, "typing": "off",
        "per_minute": {"count": 12, "window_s": 60}, "batch": {"size": 30, "pause_s": 300},
        "new_contacts": {"steps": [{"from_days": 0, "count": 15}]},
        "identical_text": {"in_a_row": 4, "rest_h": 3},
        "quiet_hours": {"campaigns_from": "08:00", "campaigns_until": "21:00"},
    });
    let facts = Facts {
        zone: Zone::UTC,
        created_at: at(-DAY),
        first_connected_at: Some(at(-DAY)),
        registered_at: None,
    };
    let profile =
        Profile::named("whatsapp_web").expect("it is there").with(&rules).expect("the rules are sound");
    profile.for_account(facts, 1.0).expect("the facts are sound")
}

/// A generator of its own: the same workloads everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::from((self.0 >> 33) as u32) % end
    }
}

fn workload(seed: u64) -> Workload {
    let mut chance = Chance(seed);
    let mut workload = Workload::default();
    let chats = 2 + chance.below(60);
    let span = [1, 600 * SECOND, 6 * 3_600 * SECOND][usize::try_from(chance.below(3)).unwrap_or(0)];
    for id in 0..20 + chance.below(180) {
        let purpose = [Purpose::Conversation, Purpose::Transactional, Purpose::Campaign, Purpose::Campaign];
        let purpose = purpose[usize::try_from(chance.below(4)).unwrap_or(0)];
        let class = if chance.below(10) == 0 { Class::Normal } else { purpose.class() };
        let chat = chance.below(chats);
        workload.messages.push(Planned {
            id: Uuid::from_u128(u128::try_from(id).unwrap_or(0)),
            chat: format!("c{chat}"),
            is_group: false,
            purpose,
            origin: Origin::Api,
            class,
            chars: 10,
            text: (purpose == Purpose::Campaign && chance.below(2) == 0)
                .then(|| u64::try_from(chance.below(3)).unwrap_or(0)),
            contact: Chat { is_new: chat % 2 == 0, ..Chat::default() },
            at: at(chance.below(span)),
            after: None,
        });
        if chance.below(4) == 0 {
            workload.inbound.push((at(chance.below(span)), format!("c{}", chance.below(chats))));
        }
    }
    workload.messages.sort_by_key(|planned| planned.at);
    workload
}

fn played(workload: &Workload, profile: &Profile, width: u32, call: Duration) -> Vec<Sent> {
    let mut play = Play::new(profile.clone(), State::new(profile), width, call, 1, at(0));
    for (at, chat) in &workload.inbound {
        play.inbound(*at, chat);
    }
    for planned in &workload.messages {
        play.add(planned.clone());
    }
    let mut sent = Vec::new();
    while let Some(step) = play.next() {
        if let Step::Sent { at, id, .. } = step {
            sent.push((at, id));
        }
    }
    sent
}

#[test]
fn the_play_and_the_lanes_agree() {
    let profile = profile();
    for seed in 0..150 {
        let workload = workload(seed);
        for (width, call) in [(1, 0), (1, 700), (3, 900)] {
            let call = Duration::from_millis(call);
            let played = played(&workload, &profile, width, call);
            let real = real::run(&workload, &profile, width, call);
            assert_eq!(played.len(), workload.messages.len(), "seed {seed}, width {width}: all are sent");
            if let Some(place) = (0..real.len()).find(|place| real.get(*place) != played.get(*place)) {
                let from = place.saturating_sub(3);
                panic!(
                    "seed {seed}, width {width}, {call:?}: they part at send {place}:\nreal   {:?}\nplayed {:?}",
                    &real[from..(place + 3).min(real.len())],
                    &played[from..(place + 3).min(played.len())],
                );
            }
        }
    }
}
