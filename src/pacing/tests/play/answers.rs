//! The response rate as the play keeps it: campaigns that nobody answers slow down, and then rest.

use model::Purpose;
use pacing::{Play, Step};

use crate::scene::{DAY, HOUR, SECOND, START, after, all, message, number, old_account, play, sent, time};

/// A campaign to 30 contacts, `wrote` of whom write in the hour after; and one of 20 a day and an hour later.
fn two_campaigns(wrote: u64) -> Play {
    let mut play = play(&old_account(400));
    for id in 0..30 {
        play.add(message(id, &format!("c{id}"), Purpose::Campaign, START));
    }
    for id in 0..wrote {
        play.inbound(after(HOUR), &format!("c{id}"));
    }
    for id in 100..120 {
        play.add(message(id, &format!("c{id}"), Purpose::Campaign, after(25 * HOUR)));
    }
    play
}

/// The shortest pause between sends of the second campaign.
fn shortest(steps: &[Step]) -> i64 {
    let times: Vec<_> =
        sent(steps).into_iter().filter(|(id, _)| *id >= 100).map(|(_, at)| at.as_micros()).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).min().expect("there are several")
}

#[test]
fn who_is_answered_by_half_goes_on() {
    let steps = all(&mut two_campaigns(15));
    assert!(shortest(&steps) < 4 * SECOND, "{}", shortest(&steps));
}

#[test]
fn who_is_answered_by_fewer_waits_twice_as_long() {
    let steps = all(&mut two_campaigns(14));
    assert!(shortest(&steps) >= 4 * SECOND, "{}", shortest(&steps));
}

#[test]
fn who_is_hardly_answered_rests_until_the_campaign_is_a_week_old() {
    let steps = all(&mut two_campaigns(5));
    let told = steps.iter().filter_map(|step| match step {
        Step::Waits { id, at, wait } if wait.rule == "response_rate" => Some((number(*id), *at, wait.until)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    // Asked anew each day, until fewer than 20 of the first campaign lie in the week.
    assert_eq!(told.len(), 6, "{told:?}");
    assert!(told.iter().all(|(id, ..)| *id == 100), "the head alone is told: {told:?}");
    let first =
        steps.iter().find(|step| matches!(step, Step::Sent { id, .. } if number(*id) == 100)).unwrap();
    assert!(time(first) > after(7 * DAY) && time(first) < after(7 * DAY + 2 * HOUR), "{first:?}");
}

#[test]
fn who_is_expected_to_be_answered_goes_on() {
    for (share, rests) in [(1.0, false), (0.6, false), (0.1, true)] {
        let mut play = two_campaigns(0);
        play.expect_answers(share);
        assert_eq!(time(all(&mut play).last().unwrap()) > after(26 * HOUR), rests, "{share}");
    }
}

#[test]
fn who_was_reached_before_counts() {
    for wrote in [None, Some(after(-HOUR))] {
        let mut play = play(&old_account(400));
        for id in 0..30 {
            play.reached(&format!("c{id}"), after(-26 * HOUR), wrote);
        }
        play.add(message(100, "c100", Purpose::Campaign, START));
        let steps = all(&mut play);
        assert_eq!(time(steps.last().unwrap()) > after(HOUR), wrote.is_none(), "{wrote:?}");
    }
}
