//! Leases: one owner at a time, by the database's clock, and a number that tells owners apart.

use std::time::Duration;

use model::WorkerId;
use store::{Lease, Store};
use tokio::task::JoinSet;

use crate::bench::{Bench, on_both};

const LONG: Duration = Duration::from_hours(1);

/// Until somebody else's lease has run out: by the bench's clock on `SQLite`, by the server's own on Postgres.
async fn take_over(bench: &Bench, store: &Store, name: &str, owner: WorkerId) -> Lease {
    loop {
        if let Some(lease) = store.take_lease(name, owner, LONG).await.unwrap() {
            return lease;
        }
        bench.advance(Duration::from_millis(10));
        tokio::task::yield_now().await;
    }
}

on_both! {
    async fn a_lease_has_one_owner_until_it_ends(bench: &Bench) {
        let (one, two): (WorkerId, WorkerId) = (bench.worker, bench.ids.id(bench.now()));
        let first = bench.store.take_lease("leader", one, LONG).await.unwrap();
        assert_eq!(first, Some(Lease { generation: 1 }));
        assert_eq!(bench.store.take_lease("leader", two, LONG).await.unwrap(), None);
        let renewed = bench.store.take_lease("leader", one, Duration::from_millis(50)).await.unwrap();
        assert_eq!(renewed, first, "renewing changes no owner");
        assert_eq!(take_over(bench, &bench.store, "leader", two).await.generation, 2);
        assert_eq!(bench.store.take_lease("leader", one, LONG).await.unwrap(), None);
        assert_eq!(bench.store.take_lease("another", one, LONG).await.unwrap(), Some(Lease { generation: 1 }));
    }

    async fn a_lease_that_was_given_back_goes_to_the_next_with_a_new_number(bench: &Bench) {
        let (one, two): (WorkerId, WorkerId) = (bench.worker, bench.ids.id(bench.now()));
        bench.store.take_lease("leader", one, LONG).await.unwrap();
        bench.store.release_lease("leader", two).await.unwrap();
        assert_eq!(bench.store.take_lease("leader", two, LONG).await.unwrap(), None, "it was not theirs to give");
        bench.store.release_lease("leader", one).await.unwrap();
        assert_eq!(bench.store.take_lease("leader", two, LONG).await.unwrap(), Some(Lease { generation: 2 }));
    }

    async fn of_many_who_ask_one_gets_it(bench: &Bench) {
        let mut crowd = JoinSet::new();
        for _ in 0..20 {
            let (store, owner) = (bench.store.clone(), bench.ids.id(bench.now()));
            crowd.spawn(async move { store.take_lease("leader", owner, LONG).await.unwrap().is_some() });
        }
        assert_eq!(crowd.join_all().await.into_iter().filter(|got| *got).count(), 1);
    }

    async fn the_epoch_only_rises(bench: &Bench) {
        let mut crowd = JoinSet::new();
        for _ in 0..10 {
            let store = bench.store.clone();
            crowd.spawn(async move { store.raise_epoch().await.unwrap() });
        }
        let mut epochs = crowd.join_all().await;
        epochs.sort_unstable();
        assert_eq!(epochs, (1..=10).collect::<Vec<i64>>());
    }
}
