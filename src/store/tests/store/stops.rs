//! Stops that end by themselves: who changes one says which, so that what somebody else said meanwhile stays.

use std::time::Duration;

use model::{Account, Actor, Hold, HoldReach, InboundKind, NoticeEffect, Sending, Timestamp};
use serde_json::json;
use store::IngestSummary;

use crate::bench::{Bench, on_both};
use crate::inbound::{ingest, of};

async fn stop(bench: &Bench, until: Option<Timestamp>) -> Account {
    let (workspace, id, sending) = (bench.workspace, bench.account.id, Sending::Stopped);
    bench.store.set_sending(workspace, id, sending, Some("banned"), until, "system").await.unwrap()
}

async fn account(bench: &Bench) -> Account {
    bench.store.account(bench.workspace, bench.account.id).await.unwrap()
}

async fn told(bench: &Bench) -> i64 {
    bench.count("SELECT count(*) FROM events WHERE kind = 'account.status'").await
}

async fn states(bench: &Bench) -> Vec<(String, i64)> {
    let counted = bench.store.accounts_by_state().await.unwrap();
    let mut states: Vec<_> = counted.into_iter().map(|counted| (counted.state, counted.accounts)).collect();
    states.sort();
    states
}

async fn noticed(bench: &Bench, effect: NoticeEffect) -> IngestSummary {
    let kind = InboundKind::AccountNotice {
        what: "account_update".to_owned(),
        detail: "DISABLED_UPDATE".to_owned(),
        effect,
    };
    ingest(bench, vec![of("", bench.now(), kind)]).await
}

fn stopped_until(until: Option<Timestamp>) -> NoticeEffect {
    NoticeEffect::Stopped { reason: "restricted".to_owned(), until }
}

on_both! {
    async fn a_notice_is_told_and_one_of_an_end_stops_as_an_error_does(bench: &Bench) {
        let summary = noticed(bench, NoticeEffect::None).await;
        assert_eq!((summary.notices, summary.sending), (1, None));
        let notices = bench.json("SELECT data FROM events WHERE kind = 'account.notice'").await;
        assert_eq!((&notices[0]["what"], &notices[0]["detail"]), (&json!("account_update"), &json!("DISABLED_UPDATE")));
        assert_eq!((account(bench).await.sending, told(bench).await), (Sending::Active, 1));

        let until = bench.now() + Duration::from_hours(2);
        let summary = noticed(bench, stopped_until(Some(until))).await;
        assert_eq!(summary.sending, Some(stopped_until(Some(until))));
        let stopped = account(bench).await;
        let stands = (stopped.sending, stopped.sending_reason.as_deref(), stopped.sending_until);
        assert_eq!(stands, (Sending::Stopped, Some("restricted"), Some(until)));
        assert_eq!(told(bench).await, 2);
        // What finds out that the stop is over ends it, as any other.
        bench.advance(Duration::from_hours(2));
        assert!(bench.store.end_stop(&stopped).await.unwrap());

        noticed(bench, stopped_until(None)).await;
        assert_eq!(account(bench).await.sending_until, None);
        assert_eq!(noticed(bench, NoticeEffect::Restored).await.sending, Some(NoticeEffect::Restored));
        let restored = account(bench).await;
        assert_eq!((restored.sending, restored.sending_reason), (Sending::Active, None));
        assert_eq!(noticed(bench, NoticeEffect::Restored).await.sending, None, "it sends already");
    }

    async fn a_notice_changes_nothing_that_a_person_paused_and_nothing_that_is_over(bench: &Bench) {
        let past = bench.now();
        bench.advance(Duration::from_secs(1));
        assert_eq!(noticed(bench, stopped_until(Some(past))).await.sending, None);
        assert_eq!(account(bench).await.sending, Sending::Active);
        let (workspace, id) = (bench.workspace, bench.account.id);
        bench.store.set_sending(workspace, id, Sending::Paused, Some("lunch"), None, "user:1").await.unwrap();
        for effect in [stopped_until(None), NoticeEffect::Restored] {
            assert_eq!(noticed(bench, effect).await.sending, None);
            assert_eq!(account(bench).await.sending_reason.as_deref(), Some("lunch"));
        }
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'account.notice'").await, 3);
    }

    async fn a_stop_ends_once_and_leaves_holds_alone(bench: &Bench) {
        let until = bench.now() + Duration::from_mins(1);
        let hold = Hold {
            reach: HoldReach::Bulk,
            rule: "provider".to_owned(),
            until: bench.now() + Duration::from_hours(1),
            since: bench.now(),
            detail: None,
        };
        bench.store.hold_account(bench.account.id, hold.clone()).await.unwrap();
        let stopped = stop(bench, Some(until)).await;
        let before = told(bench).await;
        assert!(bench.store.end_stop(&stopped).await.unwrap());
        let active = account(bench).await;
        assert_eq!((active.sending, active.sending_reason, active.sending_until), (Sending::Active, None, None));
        assert_eq!(active.holds, [hold]);
        assert!(!bench.store.end_stop(&stopped).await.unwrap(), "it has ended");
        assert_eq!(told(bench).await, before + 1);
    }

    async fn what_came_in_between_stays(bench: &Bench) {
        let until = bench.now() + Duration::from_mins(1);
        let stopped = stop(bench, Some(until)).await;
        let later = until + Duration::from_mins(1);
        assert!(bench.store.prolong_stop(&stopped, later).await.unwrap());
        assert!(!bench.store.end_stop(&stopped).await.unwrap(), "another stop holds by now");
        let prolonged = account(bench).await;
        assert_eq!((prolonged.sending_until, prolonged.sending_reason.as_deref()), (Some(later), Some("banned")));

        let (workspace, id) = (bench.workspace, bench.account.id);
        let person = Actor("user:1".to_owned());
        bench.store.set_sending(workspace, id, Sending::Paused, None, None, &person.0).await.unwrap();
        assert!(!bench.store.end_stop(&prolonged).await.unwrap(), "a person paused it");
        assert!(!bench.store.prolong_stop(&prolonged, later).await.unwrap());
        assert_eq!(account(bench).await.sending, Sending::Paused);

        let forever = stop(bench, None).await;
        assert!(!bench.store.end_stop(&forever).await.unwrap(), "only a person ends that");
    }

    async fn a_stop_that_is_tried_in_vain_is_tried_later_each_time(bench: &Bench) {
        let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
        let stop = async |at: Timestamp, lasting| {
            let account = account(bench).await;
            bench.store.stop_account(&account, "banned", at, Some(lasting)).await.unwrap().unwrap().until.unwrap()
        };
        let mut at = bench.now();
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = stop(at, minute).await;
            assert_eq!(until.since(at), minute * minutes);
            // Calls that were under way say nothing new.
            assert_eq!(stop(at + Duration::from_secs(1), minute).await.max(until), account(bench).await.sending_until.unwrap());
            at = account(bench).await.sending_until.unwrap();
        }
        assert_eq!(stop(at, 3 * hour).await.since(at), 3 * hour, "as long as the provider says");
        assert!(bench.store.end_stop(&account(bench).await).await.unwrap());
        assert_eq!(stop(at, minute).await.since(at), minute, "it went well in between");
        let (workspace, id) = (bench.workspace, bench.account.id);
        bench.store.set_sending(workspace, id, Sending::Active, None, None, "user:1").await.unwrap();
        assert_eq!(stop(at + minute, minute).await.since(at), 2 * minute, "a person lets it begin anew");
        bench.store.set_sending(workspace, id, Sending::Paused, None, None, "user:1").await.unwrap();
        assert_eq!(bench.store.stop_account(&account(bench).await, "banned", at, None).await.unwrap(), None);
        assert_eq!(account(bench).await.sending, Sending::Paused, "what a person said stays");
    }

    async fn accounts_are_counted_by_what_they_do(bench: &Bench) {
        assert_eq!(states(bench).await, [("active".to_owned(), 1)]);
        let hold = Hold {
            reach: HoldReach::Account,
            rule: "breaker".to_owned(),
            until: bench.now() + Duration::from_mins(1),
            since: bench.now(),
            detail: None,
        };
        bench.store.hold_account(bench.account.id, hold).await.unwrap();
        assert_eq!(states(bench).await, [("breaker".to_owned(), 1)]);
        stop(bench, None).await;
        assert_eq!(states(bench).await, [("stopped".to_owned(), 1)]);
    }
}
