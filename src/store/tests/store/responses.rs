//! The response to campaigns: each chat once, by its latest campaign that counts.

use std::time::Duration;

use model::{Actor, Change, Content, Inbound, Message, Purpose, Timestamp};
use store::{Created, Ended, NewAction, NewAttempt, NewMessage, OutcomeKind, ResponseRate};

use crate::bench::{Bench, START, on_both};
use crate::inbound::{from, ingest};

const DAY: Duration = Duration::from_hours(24);

/// A campaign message that the provider took now, or what else became of it.
async fn campaign(bench: &Bench, address: &str, outcome: OutcomeKind) -> Message {
    let message =
        bench.accept(&NewMessage { purpose: Purpose::Campaign, ..bench.text(address, "buy") }).await;
    let attempt = bench.start(&message, 1).await;
    let id = format!("{}", message.id);
    bench.store.end_attempt(Ended { outcome, ..bench.yes(&attempt, address, &id) }).await.unwrap();
    message
}

async fn wrote(bench: &Bench, address: &str, at: Timestamp) {
    let id = at.to_string();
    ingest(bench, vec![Inbound { at, ..from(address, &id, Content::text("yes?")) }]).await;
}

/// Of the week before yesterday.
async fn rate(bench: &Bench, not_before: Option<Timestamp>) -> (u32, u32) {
    let (after, until) = (bench.now() - DAY * 7, bench.now() - DAY);
    let rate = bench.store.response_rate(bench.account.id, after, until, not_before).await.unwrap();
    let facts = bench.store.response_facts(bench.account.id, after, until, not_before).await.unwrap();
    let wrote =
        facts.iter().filter(|fact| fact.last_inbound_at.is_some_and(|at| at > fact.last_sent_at)).count();
    let same = ResponseRate {
        recipients: u32::try_from(facts.len()).unwrap(),
        wrote: u32::try_from(wrote).unwrap(),
    };
    assert_eq!(rate, same, "both count the same");
    (rate.recipients, rate.wrote)
}

on_both! {
    async fn each_chat_counts_once_by_its_latest_campaign(bench: &Bench) {
        for address in ["alice", "bob", "carol"] {
            campaign(bench, address, OutcomeKind::Accepted).await;
        }
        wrote(bench, "alice", bench.now() + Duration::from_hours(1)).await;
        bench.advance(Duration::from_hours(2));
        campaign(bench, "bob", OutcomeKind::Accepted).await;
        wrote(bench, "bob", bench.now() - Duration::from_hours(1)).await;
        bench.sent("dave", "no campaign", "d1").await;
        assert_eq!(rate(bench, None).await, (0, 0), "they have a day to answer");
        bench.advance(DAY);
        assert_eq!(rate(bench, None).await, (3, 1), "bob did not answer the later one");
        wrote(bench, "bob", bench.now()).await;
        wrote(bench, "carol", bench.now()).await;
        assert_eq!(rate(bench, None).await, (3, 3));
        bench.advance(Duration::from_hours(6 * 24 - 1));
        assert_eq!(rate(bench, None).await, (1, 1), "a week is over for the first two");
    }

    async fn the_ends_of_the_week_are_exact(bench: &Bench) {
        campaign(bench, "alice", OutcomeKind::Accepted).await;
        let sent = bench.now();
        let tick = Duration::from_micros(1);
        for (at, recipients) in [(sent + DAY - tick, 0), (sent + DAY, 1), (sent + DAY * 7 - tick, 1), (sent + DAY * 7, 0)] {
            bench.clock.set(at);
            assert_eq!(rate(bench, None).await.0, recipients, "{at}");
        }
    }

    async fn what_was_sent_before_a_person_resumed_does_not_count(bench: &Bench) {
        campaign(bench, "alice", OutcomeKind::Accepted).await;
        bench.advance(Duration::from_hours(1));
        let resumed = bench.now();
        campaign(bench, "bob", OutcomeKind::Accepted).await;
        bench.advance(DAY);
        assert_eq!(rate(bench, None).await, (2, 0));
        assert_eq!(rate(bench, Some(START)).await, (2, 0));
        assert_eq!(rate(bench, Some(resumed)).await, (1, 0));
        assert_eq!(rate(bench, Some(bench.now())).await, (0, 0));
    }

    async fn who_may_have_got_one_counts_and_who_did_not_does_not(bench: &Bench) {
        let outcomes = [
            (OutcomeKind::Accepted, true),
            (OutcomeKind::Ambiguous, true),
            (OutcomeKind::Lost, true),
            (OutcomeKind::Refused, false),
            (OutcomeKind::Retry, false),
            (OutcomeKind::Held, false),
        ];
        for (n, (outcome, _)) in outcomes.iter().enumerate() {
            campaign(bench, &format!("chat{n}"), *outcome).await;
        }
        let reached = outcomes.iter().filter(|(_, reached)| *reached).count();
        bench.advance(DAY);
        assert_eq!(rate(bench, None).await, (u32::try_from(reached).unwrap(), 0));
    }

    async fn what_is_done_to_a_campaign_message_asks_nobody(bench: &Bench) {
        let message = campaign(bench, "alice", OutcomeKind::Accepted).await;
        wrote(bench, "alice", bench.now() + Duration::from_mins(1)).await;
        bench.advance(Duration::from_hours(1));
        let new = NewAction { message_id: message.id, change: Change::Delete, actor: Actor::system(), connection: None };
        let accepted = bench.store.accept_action(bench.workspace, &new, None, |action| serde_json::json!(action)).await.unwrap();
        let Created::New(action) = accepted else { panic!("there was no key") };
        let attempt = NewAttempt { subject: action.id.into(), ..bench.attempt(&message, 1) };
        assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
        bench.store.end_attempt(bench.yes(&attempt, "alice", "x")).await.unwrap();
        bench.advance(DAY);
        assert_eq!(rate(bench, None).await, (1, 1));
    }
}
