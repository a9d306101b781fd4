//! Previews.

use model::{Origin, Purpose};
use pacing::{HoldOn, More, Step};

use crate::scene::{DAY, HOUR, START, after, all, message, old_account, play, time};

fn more(messages: u32, new_contacts: u32) -> More {
    More {
        messages,
        new_contacts,
        purpose: Purpose::Campaign,
        origin: Origin::Broadcast,
        chars: 100,
        text: None,
        last_inbound_at: None,
        start: START,
    }
}

#[test]
fn a_preview_is_the_play_of_what_it_is_about() {
    let mut ahead = play(&old_account(400));
    let mut real = play(&old_account(400));
    for id in 0..40 {
        ahead.add(message(id, &format!("c{id}"), Purpose::Transactional, START));
        real.add(message(id, &format!("c{id}"), Purpose::Transactional, START));
    }
    for id in 40..340 {
        real.add(message(id, &format!("c{id}"), Purpose::Campaign, START));
    }
    let preview = ahead.preview(&more(300, 0), 100_000);
    let steps = all(&mut real);
    let finish = steps.iter().rfind(|step| matches!(step, Step::Sent { .. })).map(time).unwrap();
    let (told, real) = (preview.finish.unwrap().since(START), finish.since(START));
    assert!(told.abs_diff(real) < real / 20, "{told:?} and {real:?}");
    assert!(!preview.estimate && preview.sent == 300 && preview.refused == 0);
    let (sent, others) =
        preview.timeline.iter().fold((0, 0), |sum, part| (sum.0 + part.sent, sum.1 + part.others));
    assert_eq!((sent, others), (300, 40));
    assert!(preview.timeline.windows(2).all(|pair| pair[0].until == pair[1].from), "without holes");
}

#[test]
fn ten_thousand_messages_make_a_timeline_that_can_be_read() {
    let preview = play(&old_account(400)).preview(&more(10_000, 3_000), 1_000_000);
    assert!(preview.timeline.len() <= 100, "{} entries", preview.timeline.len());
    assert_eq!(preview.sent, 10_000);
    assert_eq!(preview.timeline.last().unwrap().until, preview.finish.unwrap());
}

#[test]
fn months_are_told_by_parts_that_say_what_they_were_made_of() {
    let known = More { purpose: Purpose::Transactional, ..more(100_000, 100_000) };
    let preview = play(&old_account(400)).preview(&known, 1_000_000);
    let parts = &preview.timeline;
    // A thousand a day: a hundred days, each of the sends and of what is left of it.
    assert!((50..=100).contains(&parts.len()), "{} entries", parts.len());
    let whole = &parts[..parts.len() - 1];
    assert!(whole.iter().all(|part| part.rule == "new_contacts" && part.merged == 2), "{parts:#?}");
    assert!(parts.windows(2).all(|pair| pair[0].until == pair[1].from), "without holes");
    assert_eq!(parts.iter().map(|part| part.sent).sum::<u32>(), preview.sent);
    for part in parts {
        let all: std::time::Duration = part.rules.iter().map(|held| held.wait).sum();
        assert_eq!(all, part.until.since(part.from), "{part:?}");
        assert!(part.rules.iter().any(|held| held.rule == "per_minute"), "{part:?}");
    }
}

#[test]
fn a_hold_without_an_end_has_no_finish() {
    let mut held = play(&old_account(400));
    held.hold(&HoldOn::Campaigns, model::Timestamp::from_micros(i64::MAX), "paused");
    let preview = held.preview(&more(10, 0), 1_000);
    assert_eq!((preview.finish, preview.estimate, preview.sent), (None, false, 0));
    assert!(preview.timeline.is_empty());
}

#[test]
fn a_preview_that_is_cut_short_says_so_and_goes_on_at_the_same_pace() {
    let whole = play(&old_account(400)).preview(&more(3_000, 0), 1_000_000);
    let short = play(&old_account(400)).preview(&more(3_000, 0), 1_000);
    assert!(short.estimate && !whole.estimate);
    let (short, whole) = (short.finish.unwrap().since(START), whole.finish.unwrap().since(START));
    assert!(short.abs_diff(whole) < whole / 10, "{short:?} and {whole:?}");
}

#[test]
fn what_starts_later_is_reckoned_from_then() {
    let later = More { start: after(DAY), ..more(100, 0) };
    let preview = play(&old_account(400)).preview(&later, 1_000_000);
    let finish = preview.finish.unwrap();
    assert!(finish > after(DAY) && finish < after(DAY + HOUR), "{finish}");
    assert!(preview.timeline.first().unwrap().from >= after(DAY), "{:?}", preview.timeline);
}
