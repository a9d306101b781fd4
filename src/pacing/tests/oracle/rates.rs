//! Under a constant backlog and without faults, at least nine tenths of what the rules jointly allow are used.

use model::{Origin, Purpose};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::bound::{Work, most};
use crate::calendar::{DAY, HOUR, MINUTE, SECOND, UTC, ZONES};
use crate::judge::violations;
use crate::plan::{Job, Plan, Trouble};
use crate::profiles;
use crate::table::Table;
use crate::trace::{Account, Contact, News};
use crate::world::{Fault, World};

/// 2026-03-02, a Monday.
const BEGIN: i64 = 1_772_409_600 * SECOND;

pub fn work() -> Work {
    Work {
        zone: UTC,
        first_connected: Some(BEGIN - 100 * DAY),
        registered: None,
        reply: false,
        campaign: false,
        person: false,
        new: false,
        chats: 400,
        calls: (SECOND / 20, SECOND / 2),
    }
}

/// More than the rules allow, from the begin on. That nobody answers is another matter.
pub fn plan(mut table: Table, work: &Work, jobs: usize) -> Plan {
    let mut rng = StdRng::seed_from_u64(1);
    let old =
        Contact { first_sent: Some(BEGIN - DAY), last_inbound: Some(BEGIN - 5 * DAY), ..Contact::default() };
    let contact = if work.new { Contact::default() } else { old };
    let chats = usize::try_from(work.chats).unwrap_or(1);
    let purpose = match work {
        _ if work.campaign => Purpose::Campaign,
        _ if work.reply || work.person => Purpose::Conversation,
        _ => Purpose::Transactional,
    };
    let official = table.wide;
    table.answers = None;
    let jobs = (0..jobs).map(|number| Job {
        id: rng.random(),
        chat: number % chats,
        purpose,
        origin: if work.person { Origin::Agent } else { Origin::Api },
        chars: rng.random_range(0..100),
        text: rng.random(),
        at: BEGIN,
    });
    let jobs = jobs.collect();
    let news = (0..if work.reply { chats } else { 0 }).map(|chat| (BEGIN, News::Inbound(chat)));
    Plan {
        seed: 1,
        account: Account {
            zone: work.zone,
            first_connected: work.first_connected,
            registered: work.registered,
            contacts: vec![contact; chats],
        },
        created: BEGIN - 100 * DAY,
        scale: 1,
        official,
        width: if official { 64 } else { 1 },
        workers: 1,
        table,
        overrides: if official { json!({}) } else { json!({ "response_rate": "off" }) },
        trouble: Trouble::default(),
        calls: work.calls,
        begin: BEGIN,
        jobs,
        news: news.collect(),
    }
}

/// The share of what is allowed that was sent until `end`.
fn share(plan: &Plan, work: &Work, length: i64) -> f64 {
    let mut world = World::new(plan, profiles::profile(plan), Fault::None);
    world.run(BEGIN + length);
    let found = violations(&plan.table, &world.trace);
    assert!(found.is_empty(), "{} violations, {:?}", found.len(), found.first());
    assert!(world.left() > 0, "there was too little to send for {length}");
    let sent = world.trace.calls.iter().filter(|call| call.start.steady <= BEGIN + length).count();
    let most = most(&plan.table, work, BEGIN, BEGIN + length, &mut StdRng::seed_from_u64(2));
    let number = |count| f64::from(u32::try_from(count).expect("a few thousand"));
    let share = number(i64::try_from(sent).unwrap_or(0)) / number(most);
    println!("{sent} of {most}: {share:.3}");
    share
}

fn nine_tenths(what: &str, table: Table, work: &Work, length: i64, jobs: usize) {
    let share = share(&plan(table, work, jobs), work, length);
    assert!(share >= 0.9, "{what}: {share:.3}");
}

#[test]
fn a_week_of_notices() {
    nine_tenths("notices", Table::whatsapp_web(), &work(), 7 * DAY, 70_000);
}

#[test]
fn a_day_of_answers_of_any_length() {
    for calls in [(0, 0), (SECOND / 20, SECOND / 2), (SECOND, 4 * SECOND)] {
        let work = Work { reply: true, calls, ..work() };
        nine_tenths("answers", Table::whatsapp_web(), &work, 20 * HOUR, 9_000);
    }
}

#[test]
fn two_contacts_get_what_they_may() {
    let work = Work { reply: true, chats: 2, ..work() };
    nine_tenths("two contacts", Table::whatsapp_web(), &work, 4 * HOUR, 3_000);
}

#[test]
fn new_contacts_from_the_first_day_on() {
    for zone in ZONES {
        let first_connected = Some(BEGIN - 5 * HOUR);
        let work = Work { zone, first_connected, campaign: true, new: true, chats: 1_300, ..work() };
        nine_tenths(zone.name, Table::whatsapp_web(), &work, 8 * DAY, 1_300);
    }
}

#[test]
fn a_thousand_new_contacts_a_day() {
    let work = Work { campaign: true, new: true, chats: 3_400, ..work() };
    nine_tenths("an old account", Table::whatsapp_web(), &work, 3 * DAY, 3_400);
}

#[test]
fn a_number_that_warms_up() {
    for person in [true, false] {
        let work = Work { registered: Some(BEGIN), person, new: true, chats: 1_500, ..work() };
        nine_tenths("warming up", Table::whatsapp_web(), &work, 15 * DAY, 1_500);
    }
}

#[test]
fn a_campaign_within_hours() {
    let work = Work { campaign: true, ..work() };
    let mut plan = plan(Table { hours: Some((9 * HOUR, 20 * HOUR)), ..Table::whatsapp_web() }, &work, 40_000);
    plan.overrides = json!({ "quiet_hours": { "campaigns_from": "09:00", "campaigns_until": "20:00" }, "response_rate": "off" });
    let share = share(&plan, &work, 7 * DAY);
    assert!(share >= 0.9, "{share:.3}");
}

#[test]
fn an_official_channel() {
    for (name, chats) in [
        ("telegram", 2_000),
        ("telegram", 8),
        ("whatsapp_cloud", 2_000),
        ("whatsapp_cloud", 3),
        ("slack", 5),
        ("discord", 2_000),
    ] {
        let work = Work { chats, calls: (SECOND / 20, SECOND * 3 / 4), ..work() };
        let length = if chats < 10 { 20 * MINUTE } else { MINUTE };
        nine_tenths(name, Table::official(name), &work, length, 10_000);
    }
}
