//! Credentials that end: renewed by one at a time, and nothing replaced but what they were made from.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AccountId, Actor};
use store::{AccountChange, NewAccount, Patch};

use crate::bench::{Bench, new_account, on_both};

const HOUR: Duration = Duration::from_hours(1);
const OVER: Duration = Duration::from_mins(2);

async fn account(bench: &Bench) -> AccountId {
    let new = NewAccount { refresh_at: Some(bench.now() + HOUR), ..new_account("ends") };
    bench.store.create_account(bench.workspace, &new).await.unwrap().id
}

fn token(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("token".to_owned(), value.to_owned())])
}

async fn kept(bench: &Bench, id: AccountId) -> String {
    bench.store.own_secrets(id).await.unwrap()["token"].clone()
}

on_both! {
    async fn credentials_are_renewed_when_they_are_due_and_by_one_alone(bench: &Bench) {
        let id = account(bench).await;
        assert!(bench.store.due_refreshes(bench.now(), 10).await.unwrap().is_empty());
        assert!(bench.store.claim_refresh(id, bench.now(), bench.now() + OVER).await.unwrap().is_none());
        bench.advance(HOUR);
        assert_eq!(bench.store.due_refreshes(bench.now(), 10).await.unwrap(), [id]);
        let other = bench.another().await;
        let (first, second) = tokio::join!(
            bench.store.claim_refresh(id, bench.now(), bench.now() + OVER),
            other.claim_refresh(id, bench.now(), bench.now() + OVER),
        );
        let mut claimed: Vec<_> = [first.unwrap(), second.unwrap()].into_iter().flatten().collect();
        assert_eq!(claimed.len(), 1);
        let refreshing = claimed.remove(0);
        assert_eq!((refreshing.failures, refreshing.credentials["token"].as_str()), (0, "planted-secret-4711"));
        let next = bench.now() + HOUR;
        assert!(bench.store.keep_refreshed(&refreshing, &token("new"), Some(next)).await.unwrap());
        assert_eq!(kept(bench, id).await, "new");
        assert!(!bench.store.keep_refreshed(&refreshing, &token("late"), None).await.unwrap());
        assert_eq!(kept(bench, id).await, "new");
        assert!(bench.store.due_refreshes(bench.now(), 10).await.unwrap().is_empty());
        assert_eq!(bench.store.due_refreshes(next, 10).await.unwrap(), [id]);
        other.close().await;
    }

    async fn what_a_person_put_in_its_place_stays(bench: &Bench) {
        let id = account(bench).await;
        bench.advance(HOUR);
        let refreshing = bench.store.claim_refresh(id, bench.now(), bench.now() + OVER).await.unwrap().unwrap();
        let change = AccountChange {
            credentials: Some(token("by a person")),
            refresh_at: Patch::To(bench.now() + HOUR),
            ..AccountChange::default()
        };
        bench.store.change_account(bench.workspace, id, &change, &Actor::system()).await.unwrap();
        assert!(!bench.store.keep_refreshed(&refreshing, &token("rotated"), None).await.unwrap());
        bench.store.postpone_refresh(&refreshing, bench.now()).await.unwrap();
        assert!(!bench.store.end_refreshes(&refreshing).await.unwrap());
        assert_eq!(kept(bench, id).await, "by a person");
        assert!(bench.store.due_refreshes(bench.now(), 10).await.unwrap().is_empty());
        assert_eq!(bench.store.due_refreshes(bench.now() + HOUR, 10).await.unwrap(), [id]);
    }

    async fn failures_are_counted_until_it_goes_well_and_a_lost_worker_is_followed_by_another(bench: &Bench) {
        let id = account(bench).await;
        bench.advance(HOUR);
        for failures in 0..3 {
            let claim = bench.store.claim_refresh(id, bench.now(), bench.now() + OVER).await.unwrap().unwrap();
            assert_eq!(claim.failures, failures);
            bench.store.postpone_refresh(&claim, bench.now() + HOUR).await.unwrap();
            assert!(bench.store.due_refreshes(bench.now(), 10).await.unwrap().is_empty());
            bench.advance(HOUR);
        }
        bench.store.claim_refresh(id, bench.now(), bench.now() + OVER).await.unwrap().unwrap();
        bench.advance(OVER);
        let claim = bench.store.claim_refresh(id, bench.now(), bench.now() + OVER).await.unwrap().unwrap();
        assert!(bench.store.keep_refreshed(&claim, &token("new"), Some(bench.now())).await.unwrap());
        let claim = bench.store.claim_refresh(id, bench.now(), bench.now() + OVER).await.unwrap().unwrap();
        assert_eq!(claim.failures, 0);
        assert!(bench.store.end_refreshes(&claim).await.unwrap());
        assert!(bench.store.due_refreshes(bench.now() + HOUR * 24, 10).await.unwrap().is_empty());
        bench.store.delete_account(bench.workspace, id).await.unwrap();
    }
}
