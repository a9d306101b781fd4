//! Owners of accounts: never two at once, taken over, spread evenly, and an old one writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AccountId, Connection, Intake, Sending, WorkerId};
use serde_json::json;
use store::{NewAccount, NewInboundEvent, Owned, Store};
use tokio::task::JoinSet;

use crate::bench::{Bench, new_account, on_both};

const LONG: Duration = Duration::from_hours(1);
const SHORT: Duration = Duration::from_millis(50);

async fn polled(bench: &Bench, count: usize) -> Vec<AccountId> {
    let mut accounts = Vec::new();
    for n in 0..count {
        let new = NewAccount { intake: Intake::Poll, ..new_account(&format!("polled-{n}")) };
        accounts.push(bench.store.create_account(bench.workspace, &new).await.unwrap().id);
    }
    accounts
}

fn worker(bench: &Bench) -> WorkerId {
    bench.ids.id(bench.now())
}

/// One round of a worker: how many accounts it has afterwards.
async fn round(store: &Store, worker: WorkerId, lasting: Duration) -> usize {
    let renewed = store.renew_owned(worker, lasting, false).await.unwrap();
    let taken = store.take_accounts(worker, lasting, false).await.unwrap();
    renewed.len() + taken.accounts.len()
}

/// Until somebody else's lease has run out: by the bench's clock on `SQLite`, by the server's own on Postgres.
async fn take_over(bench: &Bench, worker: WorkerId) -> Vec<Owned> {
    loop {
        bench.store.renew_owned(worker, LONG, false).await.unwrap();
        let taken = bench.store.take_accounts(worker, LONG, false).await.unwrap().accounts;
        if !taken.is_empty() {
            return taken;
        }
        bench.advance(Duration::from_millis(10));
        tokio::task::yield_now().await;
    }
}

fn event(key: &str) -> NewInboundEvent {
    NewInboundEvent { dedupe_key: key.to_owned(), payload: json!({"id": key}) }
}

on_both! {
    async fn of_many_who_take_each_account_has_one_owner(bench: &Bench) {
        let accounts = polled(bench, 40).await;
        let mut crowd = JoinSet::new();
        for _ in 0..8 {
            let (store, worker) = (bench.another().await, worker(bench));
            crowd.spawn(async move {
                store.renew_owned(worker, LONG, false).await.unwrap();
                store.take_accounts(worker, LONG, false).await.unwrap().accounts
            });
        }
        let mut owners: BTreeMap<AccountId, Vec<WorkerId>> = BTreeMap::new();
        for owned in crowd.join_all().await.into_iter().flatten() {
            assert_eq!(owned.generation, 1);
            owners.entry(owned.account_id).or_default().push(owned.worker);
        }
        assert_eq!(owners.keys().copied().collect::<Vec<_>>(), accounts);
        assert!(owners.values().all(|workers| workers.len() == 1), "{owners:?}");
    }

    async fn accounts_are_spread_evenly_and_shares_shrink_as_workers_come(bench: &Bench) {
        polled(bench, 10).await;
        let (one, two, three) = (worker(bench), worker(bench), worker(bench));
        assert_eq!(round(&bench.store, one, LONG).await, 10);
        assert_eq!(round(&bench.store, two, LONG).await, 0, "nothing is free");
        let told = bench.store.take_accounts(one, LONG, false).await.unwrap();
        assert_eq!((told.accounts.len(), told.share), (0, 5), "it holds more than its share");
        let held: Vec<_> = bench.store.renew_owned(one, LONG, false).await.unwrap();
        let above: Vec<_> = held.iter().take(5).map(|owned| owned.account_id).collect();
        bench.store.give_back_accounts(one, &above).await.unwrap();
        assert_eq!(round(&bench.store, three, LONG).await, 4);
        assert_eq!(round(&bench.store, two, LONG).await, 1);
        assert_eq!(round(&bench.store, one, LONG).await, 5);
    }

    async fn an_owner_that_is_gone_is_replaced_and_writes_nothing_any_more(bench: &Bench) {
        let account = polled(bench, 1).await[0];
        let (one, two) = (worker(bench), worker(bench));
        assert_eq!(round(&bench.store, one, LONG).await, 1);
        let before = bench.store.renew_owned(one, SHORT, false).await.unwrap().remove(0);
        let recorded = bench.store.record_poll(&before, "sandbox", &[event("a")], "1").await.unwrap();
        assert_eq!(recorded, Some(1));
        let after = take_over(bench, two).await.remove(0);
        assert_eq!((after.account_id, after.generation, after.cursor.as_deref()), (account, 2, Some("1")));

        let late = bench.store.record_poll(&before, "sandbox", &[event("b")], "2").await.unwrap();
        assert_eq!(late, None);
        assert!(!bench.store.note_intake(&before, Some("late")).await.unwrap());
        assert_eq!(bench.store.renew_owned(one, LONG, false).await.unwrap(), []);
        bench.store.give_back_accounts(one, &[account]).await.unwrap();
        let kept = bench.store.renew_owned(two, LONG, false).await.unwrap();
        assert_eq!(kept, std::slice::from_ref(&after), "it was not theirs to give");
        assert_eq!(bench.store.unprocessed_events(account, 10).await.unwrap().len(), 1);

        let again = bench.store.record_poll(&after, "sandbox", &[event("a"), event("b")], "2").await.unwrap();
        assert_eq!(again, Some(1), "what was seen before is one event");
    }

    async fn a_worker_that_retires_leaves_its_accounts_to_others_at_once(bench: &Bench) {
        let accounts = polled(bench, 4).await;
        let (one, two) = (worker(bench), worker(bench));
        round(&bench.store, one, LONG).await;
        round(&bench.store, two, LONG).await;
        let first = bench.store.account_owner(bench.workspace, accounts[0]).await.unwrap().unwrap();
        assert_eq!((first.worker, first.generation), (one, 1));
        bench.store.retire_worker(one).await.unwrap();
        assert_eq!(bench.store.account_owner(bench.workspace, accounts[0]).await.unwrap(), None);
        assert_eq!(round(&bench.store, two, LONG).await, 4, "the retired one has no share");
        bench.store.free_accounts().await.unwrap();
        assert_eq!(round(&bench.store, one, LONG).await, 4);
    }

    async fn accounts_that_rest_have_no_owner(bench: &Bench) {
        let accounts = polled(bench, 5).await;
        let worker = worker(bench);
        assert_eq!(round(&bench.store, worker, LONG).await, 5);
        let (store, workspace) = (&bench.store, bench.workspace);
        store.delete_account(workspace, accounts[0]).await.unwrap();
        let apart = Connection::Disconnected;
        let account = store.set_connection(workspace, accounts[1], apart, Some("lunch"), "system").await.unwrap();
        assert_eq!((account.connection, account.connection_detail.as_deref()), (apart, Some("lunch")));
        store.set_sending(workspace, accounts[2], Sending::Paused, None, None, "system").await.unwrap();
        let webhook = store::AccountChange { intake: Some(Intake::Webhook), ..store::AccountChange::default() };
        store.change_account(workspace, accounts[3], &webhook, &model::Actor::system()).await.unwrap();
        let kept = store.renew_owned(worker, LONG, false).await.unwrap();
        assert_eq!(kept.iter().map(|owned| owned.account_id).collect::<Vec<_>>(), [accounts[2], accounts[4]], "who is paused still listens");
        store.give_back_accounts(worker, &[accounts[0], accounts[1], accounts[3]]).await.unwrap();
        assert_eq!(store.take_accounts(worker, LONG, false).await.unwrap().accounts, []);
        store.set_connection(workspace, accounts[1], Connection::Connected, None, "system").await.unwrap();
        let back = store.take_accounts(worker, LONG, false).await.unwrap().accounts;
        assert_eq!((back.len(), back[0].account_id, back[0].generation), (1, accounts[1], 2));
    }

    async fn what_is_wrong_with_an_intake_is_shown_until_it_is_mended(bench: &Bench) {
        let account = polled(bench, 1).await[0];
        let worker = worker(bench);
        let owned = { round(&bench.store, worker, LONG).await; bench.store.renew_owned(worker, LONG, false).await.unwrap().remove(0) };
        assert!(bench.store.note_intake(&owned, Some("409: conflict")).await.unwrap());
        let shown = bench.store.account_owner(bench.workspace, account).await.unwrap().unwrap();
        assert_eq!(shown.error.as_deref(), Some("409: conflict"));
        bench.store.record_poll(&owned, "sandbox", &[], "1").await.unwrap();
        assert_eq!(bench.store.account_owner(bench.workspace, account).await.unwrap().unwrap().error, None);
    }
}
