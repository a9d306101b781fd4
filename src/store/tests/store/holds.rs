//! What holds an account back, how often its calls failed, and what decides its pacing.

use std::time::Duration;

use model::{Account, Actor, Hold, HoldReach, Sending};
use serde_json::json;
use store::{AccountChange, Patch, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, nobody, on_both};

fn hold(bench: &Bench, reach: HoldReach, rule: &str, minutes: u64) -> Hold {
    let (since, until) = (bench.now(), bench.now() + Duration::from_mins(minutes));
    Hold { reach, rule: rule.to_owned(), until, since, detail: Some(format!("{rule} for {minutes} min")) }
}

async fn account(bench: &Bench) -> Account {
    bench.store.account(bench.workspace, bench.account.id).await.unwrap()
}

fn person() -> Actor {
    Actor("user:1".to_owned())
}

on_both! {
    async fn the_later_end_stays_for_each_reach_and_rule(bench: &Bench) {
        let put = async |reach, rule, minutes| {
            bench.store.hold_account(bench.account.id, hold(bench, reach, rule, minutes)).await.unwrap()
        };
        assert!(put(HoldReach::Account, "provider", 2).await);
        assert!(!put(HoldReach::Account, "provider", 1).await, "a later one holds already");
        assert!(put(HoldReach::Account, "failures", 1).await);
        assert!(put(HoldReach::Campaigns, "provider", 1).await);
        let held = account(bench).await;
        assert_eq!(held.holds.len(), 3);
        assert_eq!(held.held(HoldReach::Account, bench.now()), Some(&hold(bench, HoldReach::Account, "provider", 2)));
        assert_eq!(held.held(HoldReach::Bulk, bench.now()), None);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'account.held'").await, 3);
        let view = bench.store.load_send(bench.accept_text("alice", "hi").await.id.into()).await.unwrap().unwrap();
        assert_eq!(view.account.holds, held.holds, "a worker sees them where it looks anyway");

        bench.advance(Duration::from_secs(90));
        assert!(put(HoldReach::Bulk, "tier", 1).await);
        let rules: Vec<_> = account(bench).await.holds.into_iter().map(|hold| (hold.reach, hold.rule)).collect();
        let left = [(HoldReach::Account, "provider".to_owned()), (HoldReach::Bulk, "tier".to_owned())];
        assert_eq!(rules, left, "ended ones are gone");
        assert!(!bench.store.hold_account(nobody(), hold(bench, HoldReach::Account, "provider", 1)).await.unwrap());
    }

    async fn all_who_hold_it_at_once_stay_in_the_list(bench: &Bench) {
        let mut crowd = JoinSet::new();
        for n in 0..20 {
            let (store, id) = (bench.store.clone(), bench.account.id);
            let hold = hold(bench, HoldReach::Account, &format!("rule{n}"), 1);
            crowd.spawn(async move { store.hold_account(id, hold).await.unwrap() });
        }
        assert!(crowd.join_all().await.into_iter().all(|changed| changed));
        assert_eq!(account(bench).await.holds.len(), 20);
    }

    async fn what_is_lifted_is_lifted_and_nothing_else(bench: &Bench) {
        for (reach, rule) in [(HoldReach::Account, "provider"), (HoldReach::Account, "failures"), (HoldReach::Bulk, "tier")] {
            bench.store.hold_account(bench.account.id, hold(bench, reach, rule, 5)).await.unwrap();
        }
        let lift = async |which: fn(&Hold) -> bool, actor: &Actor| {
            let lifted = bench.store.lift_holds(bench.workspace, bench.account.id, which, actor).await.unwrap();
            (lifted.holds.len(), lifted.campaigns_resumed_at)
        };
        let told = async || bench.count("SELECT count(*) FROM events WHERE kind = 'account.held'").await;
        assert_eq!(lift(|hold| hold.rule == "failures", &Actor::system()).await, (2, None));
        assert_eq!(told().await, 4);
        assert_eq!(lift(|hold| hold.rule == "failures", &Actor::system()).await, (2, None));
        assert_eq!(told().await, 4, "nothing was lifted");
        bench.store.hold_account(bench.account.id, hold(bench, HoldReach::Campaigns, "response_rate", 5)).await.unwrap();
        assert_eq!(lift(|hold| hold.reach == HoldReach::Campaigns, &Actor::system()).await, (2, None));
        bench.store.hold_account(bench.account.id, hold(bench, HoldReach::Campaigns, "response_rate", 5)).await.unwrap();
        let resumed = lift(|hold| hold.reach == HoldReach::Campaigns, &person()).await;
        assert_eq!(resumed, (2, Some(bench.now())), "a person lets campaigns go on");
        let other = bench.store.lift_holds(nobody(), bench.account.id, |_| true, &person()).await;
        assert!(matches!(other, Err(StoreError::NotFound("account"))));
    }

    async fn a_person_who_resumes_lifts_all_holds_and_the_system_none(bench: &Bench) {
        let set = async |sending, actor: &str| {
            bench.store.set_sending(bench.workspace, bench.account.id, sending, Some("lunch"), None, actor).await.unwrap()
        };
        bench.store.hold_account(bench.account.id, hold(bench, HoldReach::Account, "provider", 5)).await.unwrap();
        let paused = set(Sending::Paused, "user:1").await;
        assert_eq!((paused.sending_reason.as_deref(), paused.holds.len()), (Some("lunch"), 1));
        assert_eq!(set(Sending::Active, "system").await.holds.len(), 1, "a stop ended by itself");
        let active = set(Sending::Active, "user:1").await;
        assert_eq!((active.sending, active.holds.len(), active.campaigns_resumed_at), (Sending::Active, 0, None));
        bench.store.hold_account(bench.account.id, hold(bench, HoldReach::Campaigns, "response_rate", 5)).await.unwrap();
        assert_eq!(set(Sending::Active, "user:1").await.campaigns_resumed_at, Some(bench.now()));
    }

    async fn failures_in_a_row_are_counted_however_many_count(bench: &Bench) {
        let mut crowd = JoinSet::new();
        for _ in 0..20 {
            let (store, id, now) = (bench.store.clone(), bench.account.id, bench.now());
            crowd.spawn(async move { store.count_failure(id, now).await.unwrap() });
        }
        let mut counts = crowd.join_all().await;
        counts.sort_unstable();
        assert_eq!(counts, (1..=20).collect::<Vec<_>>());
        assert_eq!(bench.store.count_failure(nobody(), bench.now()).await.unwrap(), 0);
        let failed = account(bench).await;
        assert_eq!(failed.failures_in_a_row, 20);
        bench.store.clear_failures(bench.account.id).await.unwrap();
        assert_eq!(account(bench).await.failures_in_a_row, 0);
        bench.advance(Duration::from_secs(1));
        let before = account(bench).await;
        bench.store.clear_failures(bench.account.id).await.unwrap();
        assert_eq!(account(bench).await, before, "there was nothing to write");
    }

    async fn an_alert_is_an_event_of_its_account(bench: &Bench) {
        let data = json!({"rule": "response_rate", "detail": "3 of 20 wrote"});
        bench.store.alert_account(&bench.account, &data).await.unwrap();
        assert_eq!(bench.json("SELECT data FROM events WHERE kind = 'account.alert'").await, [data]);
    }

    async fn what_decides_pacing_is_audited_as_it_was_and_as_it_is(bench: &Bench) {
        let audited = async || bench.json("SELECT detail FROM audit_log WHERE action = 'account.pacing' ORDER BY id").await;
        let change = async |change: AccountChange| {
            bench.store.change_account(bench.workspace, bench.account.id, &change, &person()).await.unwrap()
        };
        change(AccountChange { name: Some("other".to_owned()), ..AccountChange::default() }).await;
        assert_eq!(audited().await, Vec::<serde_json::Value>::new());

        let pacing = json!({"per_minute": {"count": 30, "window_s": 60}, "batch": "off"});
        let loosened = vec!["batch".to_owned(), "per_minute".to_owned()];
        let registered_at = bench.now() - Duration::from_hours(50);
        let after = change(AccountChange {
            pacing: Some(pacing.clone()),
            loosened: loosened.clone(),
            registered_at: Patch::To(registered_at),
            ..AccountChange::default()
        })
        .await;
        assert_eq!((&after.pacing, after.registered_at), (&pacing, Some(registered_at)));
        assert_eq!(account(bench).await, after);
        let log = audited().await;
        assert_eq!(log[0]["before"]["pacing"], json!({}));
        assert_eq!((&log[0]["after"]["pacing"], &log[0]["loosened"]), (&pacing, &json!(loosened)));
        assert_eq!(log[0]["after"]["registered_at"], json!(registered_at));
        assert_eq!(bench.count("SELECT count(*) FROM audit_log WHERE actor = 'user:1'").await, 1);

        bench.advance(Duration::from_secs(1));
        let patch = json!({"batch": null, "per_minute": {"count": 10, "window_s": 60}});
        let pacing = model::patched_pacing(&after.pacing, patch.as_object().unwrap());
        let (resumed, zone) = (Some(bench.now()), Some("Europe/Berlin".to_owned()));
        let after = change(AccountChange {
            pacing: Some(pacing),
            registered_at: Patch::Clear,
            campaigns_resumed_at: resumed,
            timezone: zone,
            ..AccountChange::default()
        })
        .await;
        assert_eq!(after.pacing, json!({"per_minute": {"count": 10, "window_s": 60}}));
        assert_eq!((after.registered_at, after.campaigns_resumed_at), (None, resumed));
        let log = audited().await;
        assert_eq!((log.len(), &log[1]["before"], &log[1]["after"]["timezone"]), (2, &log[0]["after"], &json!("Europe/Berlin")));
    }
}
