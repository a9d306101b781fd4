//! Events: one number each, without holes, whoever relays.

use tokio::task::JoinSet;

use crate::bench::{Bench, nobody, on_both};

on_both! {
    async fn relays_at_one_moment_number_each_event_once(bench: &Bench) {
        let others = [bench.another().await, bench.another().await];
        let mut crowd = JoinSet::new();
        for n in 0..60 {
            let (store, workspace, new) = (bench.store.clone(), bench.workspace, bench.text("alice", &format!("{n}")));
            crowd.spawn(async move {
                drop(store.accept_message(workspace, &new, None, |message| serde_json::json!(message)).await.unwrap());
            });
            let (relay, workspace) = (others[n % 2].clone(), bench.workspace);
            crowd.spawn(async move { assert!(relay.number_events(workspace, 7).await.is_ok()) });
        }
        crowd.join_all().await;
        let mut last = bench.store.last_event(bench.workspace).await.unwrap();
        loop {
            let relayed = bench.store.number_events(bench.workspace, 7).await.unwrap();
            assert_eq!(relayed.last, last + i64::try_from(relayed.count).unwrap());
            last = relayed.last;
            if relayed.count == 0 {
                break;
            }
        }
        let events = bench.store.events_after(bench.workspace, 0, 1000).await.unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=last).collect::<Vec<_>>());
        // The account's own event is among them.
        assert_eq!(last, 61);
        let mut ids: Vec<_> = events.iter().map(|event| event.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), events.len());
    }

    async fn a_reader_goes_on_where_it_was(bench: &Bench) {
        for n in 0..5 {
            bench.accept_text("alice", &format!("{n}")).await;
        }
        assert_eq!(bench.store.workspaces_with_events(bench.now(), 10).await.unwrap(), [bench.workspace]);
        bench.store.number_events(bench.workspace, 100).await.unwrap();
        assert_eq!(bench.store.workspaces_with_events(bench.now(), 10).await.unwrap(), []);
        let mut seen = Vec::new();
        while let Some(event) = bench.store.events_after(bench.workspace, seen.last().copied().unwrap_or(0), 1).await.unwrap().pop() {
            seen.push(event.seq);
        }
        assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    }

    async fn another_tenants_events_have_their_own_numbers(bench: &Bench) {
        bench.accept_text("alice", "x").await;
        let other = bench.store.create_workspace("other").await.unwrap();
        bench.store.create_account(other, &crate::bench::new_account("two")).await.unwrap();
        assert_eq!(bench.store.number_events(other, 10).await.unwrap().last, 1);
        assert_eq!(bench.store.number_events(bench.workspace, 10).await.unwrap().last, 2);
        assert!(bench.store.number_events(nobody(), 10).await.is_err());
        assert!(bench.store.last_event(nobody()).await.is_err());
    }
}
