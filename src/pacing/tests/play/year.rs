//! What a play costs: a year of one account, and a campaign that waits for weeks.

use std::time::Instant;

use model::{Origin, Purpose};
use pacing::Step;
use serde_json::json;

use crate::scene::{DAY, HOUR, SECOND, after, message, new_contact, old_account, old_account_with, play};

/// A generator of its own, so that the year is the same one everywhere.
fn random(seed: &mut u64) -> i64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    i64::from((*seed >> 33) as u32)
}

#[test]
fn a_year_of_one_account_is_played_in_seconds() {
    let profile = old_account(400);
    let mut play = play(&profile);
    let mut seed = 1;
    let mut id = 0;
    for day in 0..365 {
        let open = day * DAY;
        // Every morning a campaign to 300 contacts, a fifth of them new; all day people write and are answered.
        for place in 0..300 {
            let chat = format!("c{}", random(&mut seed) % 8_000);
            let campaign = message(id, &chat, Purpose::Campaign, after(open + place * SECOND / 100));
            let mut campaign = if place % 5 == 0 { new_contact(campaign) } else { campaign };
            campaign.text = Some(id);
            campaign.chars = 120;
            play.add(campaign);
            id += 1;
        }
        for _ in 0..248 {
            let chat = format!("c{}", random(&mut seed) % 8_000);
            let at = open + random(&mut seed) % (10 * HOUR);
            play.inbound(after(at), &chat);
            let mut answer =
                message(id, &chat, Purpose::Conversation, after(at + random(&mut seed) % (60 * SECOND)));
            answer.origin = Origin::Agent;
            answer.chars = 40;
            play.add(answer);
            id += 1;
        }
    }
    let started = Instant::now();
    let mut sent = 0;
    let mut last = after(0);
    while let Some(step) = play.next() {
        let at = crate::scene::time(&step);
        assert!(at >= last, "time goes back at {step:?}");
        last = at;
        sent += u64::from(matches!(step, Step::Sent { .. } | Step::Refused { .. }));
    }
    println!("a year: {sent} messages, {} asks in {:?}", play.asks(), started.elapsed());
    assert_eq!(sent, id);
    assert!(play.asks() <= 5 * id, "{} asks for {id} messages", play.asks());
}

#[test]
fn a_hundred_thousand_new_contacts_are_not_asked_about_every_day() {
    let profile = old_account(400);
    let mut play = play(&profile);
    let all = 100_000;
    for id in 0..all {
        let mut campaign = new_contact(message(id, &format!("c{id}"), Purpose::Campaign, after(0)));
        campaign.text = Some(id);
        play.add(campaign);
    }
    let started = Instant::now();
    let mut sent = 0;
    while let Some(step) = play.next() {
        sent += u64::from(matches!(step, Step::Sent { .. }));
    }
    println!("a campaign: {sent} messages, {} asks in {:?}", play.asks(), started.elapsed());
    assert_eq!(sent, all);
    assert!(play.asks() <= 4 * all, "{} asks", play.asks());
}

#[test]
fn what_waits_for_the_same_is_asked_about_together() {
    let rules = json!({
        "quiet_hours": {"campaigns_from": "09:00", "campaigns_until": "20:00"}, "identical_text": {"in_a_row": 10, "rest_h": 1},
    });
    let profile = old_account_with(400, &rules);
    let mut play = play(&profile);
    let all = 20_000;
    let zones = ["Europe/Madrid", "America/Lima", "Asia/Tokyo"];
    for id in 0..all {
        let mut planned = match id % 10 {
            // People begin conversations, too: at bulk pace, in the class of replies.
            0 => message(id, &format!("c{id}"), Purpose::Conversation, after(0)),
            _ => message(id, &format!("c{id}"), Purpose::Campaign, after(0)),
        };
        let zone = usize::try_from(id % 3).unwrap();
        planned.contact.zone = zones[zone].parse().ok();
        planned.text = Some(id % 2);
        play.add(if id % 4 == 0 { new_contact(planned) } else { planned });
    }
    let mut sent = 0;
    while let Some(step) = play.next() {
        sent += u64::from(matches!(step, Step::Sent { .. }));
    }
    println!("waiting together: {sent} messages, {} asks", play.asks());
    assert_eq!(sent, all);
    assert!(play.asks() <= 4 * all, "{} asks", play.asks());
}
