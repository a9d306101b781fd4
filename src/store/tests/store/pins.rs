//! Pins: one worker alone works for the account, also after its death, until another one is configured for it.

use std::time::Duration;

use model::{AccountId, Intake, WorkerId};
use store::NewAccount;

use crate::bench::{Bench, new_account, on_both};

const LONG: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(50);

async fn polled(bench: &Bench, name: &str) -> AccountId {
    let new = NewAccount { intake: Intake::Poll, ..new_account(name) };
    bench.store.create_account(bench.workspace, &new).await.unwrap().id
}

fn worker(bench: &Bench) -> WorkerId {
    bench.ids.id(bench.now())
}

/// One round of a worker: what it has afterwards.
async fn round(bench: &Bench, worker: WorkerId, only_pinned: bool) -> Vec<AccountId> {
    let renewed = bench.store.renew_owned(worker, LONG, only_pinned).await.unwrap();
    let taken = bench.store.take_accounts(worker, LONG, only_pinned).await.unwrap().accounts;
    renewed.into_iter().chain(taken).map(|owned| owned.account_id).collect()
}

on_both! {
    async fn a_pinned_account_is_its_workers_alone(bench: &Bench) {
        let (one, two) = (polled(bench, "first").await, polled(bench, "second").await);
        let (any, pinned) = (worker(bench), worker(bench));
        assert_eq!(round(bench, any, false).await, [one, two]);
        assert_eq!(round(bench, pinned, true).await, [], "it takes nothing that is not pinned to it");
        assert_eq!(bench.store.pin_accounts(pinned, &[one]).await.unwrap(), [one]);
        assert_eq!(bench.store.pin_accounts(pinned, &[one]).await.unwrap(), [], "it is its own already");
        assert_eq!(round(bench, pinned, true).await, [], "somebody still has it");
        assert_eq!(round(bench, any, false).await, [two], "and lets go of it");
        bench.store.give_back_accounts(any, &[one]).await.unwrap();
        assert_eq!(round(bench, any, false).await, [two]);
        assert_eq!(round(bench, pinned, true).await, [one]);
        assert_eq!(bench.store.route(one).await.unwrap(), Some(pinned));
        assert_eq!(bench.store.route(two).await.unwrap(), None);
        // Among the others alone what is left is shared.
        let taken = bench.store.take_accounts(worker(bench), LONG, false).await.unwrap();
        assert_eq!(taken.share, 1);
    }

    async fn a_pin_outlives_its_worker_and_goes_to_the_next_one_with_it(bench: &Bench) {
        let one = polled(bench, "first").await;
        let (first, second, any) = (worker(bench), worker(bench), worker(bench));
        round(bench, first, true).await;
        bench.store.pin_accounts(first, &[one]).await.unwrap();
        assert_eq!(round(bench, first, true).await, [one]);
        assert!(bench.store.unserved_accounts().await.unwrap().is_empty());
        round(bench, second, true).await;
        assert_eq!(bench.store.pin_accounts(second, &[one]).await.unwrap(), [], "the first one lives");

        bench.store.retire_worker(first).await.unwrap();
        assert!(!bench.store.worker_lives(first).await.unwrap());
        let unserved = bench.store.unserved_accounts().await.unwrap();
        assert_eq!(unserved.iter().map(|account| account.id).collect::<Vec<_>>(), [one]);
        let states = bench.store.accounts_by_state().await.unwrap();
        assert!(states.iter().any(|counted| counted.state == "unserved" && counted.accounts == 1), "{states:?}");
        assert_eq!(round(bench, any, false).await, [], "nobody steps in");
        assert_eq!(bench.store.route(one).await.unwrap(), Some(first));
        assert_eq!(bench.store.pin_accounts(second, &[one]).await.unwrap(), [one]);
        assert_eq!(round(bench, second, true).await, [one]);
        assert!(bench.store.unserved_accounts().await.unwrap().is_empty());

        assert_eq!(bench.store.unpin_accounts(&[one]).await.unwrap(), 1);
        bench.store.retire_worker(second).await.unwrap();
        assert_eq!(round(bench, any, false).await, [one]);
    }

    async fn the_pin_of_a_worker_that_was_killed_is_free_when_its_lease_ends(bench: &Bench) {
        let one = polled(bench, "first").await;
        let (first, second) = (worker(bench), worker(bench));
        bench.store.renew_owned(first, SHORT, true).await.unwrap();
        bench.store.pin_accounts(first, &[one]).await.unwrap();
        round(bench, second, true).await;
        while bench.store.pin_accounts(second, &[one]).await.unwrap().is_empty() {
            bench.advance(Duration::from_millis(10));
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.store.pins().await.unwrap()[&one], second);
        let stranger = AccountId(bench.ids.uuid(bench.now()));
        assert_eq!(bench.store.unknown_accounts(&[one, stranger]).await.unwrap(), [stranger]);
    }
}
