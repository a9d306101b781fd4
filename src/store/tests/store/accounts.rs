//! Accounts, and the secrets that nobody can read in a dump.

use std::time::Duration;

use model::{Account, Actor, Connection, Status};
use serde_json::json;
use store::{AccountChange, Created, Idempotency, NewAccount, NewMessage, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, new_account, nobody, on_both};

const SECRET: &str = "planted-secret-4711";

async fn tokens(bench: &Bench, account: &Account) -> Result<String, StoreError> {
    let login = bench.store.login(account.id).await?;
    Ok(login.map(|(_, secrets)| secrets["token"].clone()).unwrap_or_default())
}

on_both! {
    async fn secrets_come_back_and_lie_nowhere_in_clear(bench: &Bench) {
        assert_eq!(tokens(bench, &bench.account).await.unwrap(), SECRET);
        let change = AccountChange {
            credentials: Some([("token".to_owned(), format!("{SECRET}-new"))].into()),
            ..AccountChange::default()
        };
        bench.store.change_account(bench.workspace, bench.account.id, &change, &Actor::system()).await.unwrap();
        assert_eq!(tokens(bench, &bench.account).await.unwrap(), format!("{SECRET}-new"));
        if let Some(files) = bench.files() {
            assert!(!files.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
            let name = "account one";
            assert!(files.windows(name.len()).any(|part| part == name.as_bytes()), "the search would find it");
        } else {
            assert_eq!(bench.count("SELECT count(*) FROM accounts WHERE position('planted'::bytea IN credentials) > 0").await, 0);
        }
        let events = bench.count("SELECT count(*) FROM events WHERE CAST(data AS TEXT) LIKE '%planted%'").await;
        assert_eq!(events, 0);
    }

    async fn a_sealed_value_opens_only_in_its_own_row(bench: &Bench) {
        let other = bench.store.create_account(bench.workspace, &new_account("two")).await.unwrap();
        bench.tamper("UPDATE accounts SET credentials = (SELECT credentials FROM accounts o WHERE o.external_id = 'one')
            WHERE external_id = 'two'").await;
        let moved = tokens(bench, &other).await;
        assert!(matches!(moved, Err(StoreError::Sealed(_))), "{moved:?}");
        assert_eq!(tokens(bench, &bench.account).await.unwrap(), SECRET);
    }

    async fn one_login_is_one_account(bench: &Bench) {
        let again = bench.store.create_account(bench.workspace, &new_account("one")).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))));
        let anonymous = NewAccount { external_id: None, ..new_account("x") };
        for _ in 0..2 {
            bench.store.create_account(bench.workspace, &anonymous).await.unwrap();
        }
        let found = bench.store.account_by_external_id(bench.workspace, "sandbox", "one").await.unwrap();
        assert_eq!(found, Some(bench.account.id));
        assert_eq!(bench.store.account_by_external_id(nobody(), "sandbox", "one").await.unwrap(), None);
    }

    async fn one_key_connects_one_account_however_often(bench: &Bench) {
        let mut crowd = JoinSet::new();
        for _ in 0..20 {
            let (store, workspace, id) = (bench.store.clone(), bench.workspace, bench.ids.id(bench.now()));
            crowd.spawn(async move {
                let key = Idempotency { key: "k".to_owned(), request_hash: vec![1] };
                let answer = |account: &Account| json!({"id": account.id});
                let new = new_account("two");
                let actor = model::Actor::system();
                let created = store.create_account_as(workspace, id, &new, &actor, Some(&key), answer);
                match created.await.unwrap() {
                    Created::New(account) => answer(&account),
                    Created::Before { answer, .. } => answer,
                }
            });
        }
        let answers = crowd.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(bench.count("SELECT count(*) FROM accounts").await, 2);
    }

    async fn connecting_again_does_not_reset_its_age(bench: &Bench) {
        let first = bench.account.first_connected_at;
        assert_eq!(first, Some(bench.now()));
        bench.store.delete_account(bench.workspace, bench.account.id).await.unwrap();
        bench.advance(Duration::from_hours(24));
        let again = bench.store.create_account(bench.workspace, &new_account("one")).await.unwrap();
        assert_eq!(again.first_connected_at, first);
        assert_eq!(bench.store.account(bench.workspace, again.id).await.unwrap(), again);
    }

    async fn age_begins_with_the_first_connection(bench: &Bench) {
        let waiting = NewAccount { connection: Connection::QrRequired, ..new_account("two") };
        let account = bench.store.create_account(bench.workspace, &waiting).await.unwrap();
        assert_eq!(account.first_connected_at, None);
        let change = |connection| AccountChange { connection: Some(connection), ..AccountChange::default() };
        bench.advance(Duration::from_secs(1));
        let first = Some(bench.now());
        for connection in [Connection::Connected, Connection::Disconnected, Connection::Connected] {
            let account = bench.store.change_account(bench.workspace, account.id, &change(connection), &Actor::system()).await.unwrap();
            assert_eq!((account.connection, account.first_connected_at), (connection, first));
            bench.advance(Duration::from_secs(1));
        }
    }

    async fn a_recipients_hold_shows_where_it_is_sent_from(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let (soon, late) = (bench.now() + Duration::from_mins(1), bench.now() + Duration::from_mins(2));
        bench.store.hold_recipient(message.conversation_id, late, "pair").await.unwrap();
        bench.store.hold_recipient(message.conversation_id, soon, "other").await.unwrap();
        let view = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
        assert_eq!(view.held, Some((late, "pair".to_owned())));
    }

    async fn a_deleted_account_sends_nothing_more(bench: &Bench) {
        let queued = bench.accept_text("alice", "hi").await;
        let later = NewMessage { send_at: Some(bench.now() + Duration::from_hours(1)), ..bench.text("alice", "later") };
        let later = bench.accept(&later).await;
        let sent = bench.sent("bob", "hi", "p1").await;
        bench.store.delete_account(bench.workspace, bench.account.id).await.unwrap();
        for (message, status) in [(&queued, Status::Canceled), (&later, Status::Canceled), (&sent, Status::Sent)] {
            assert_eq!(bench.status(message).await, status);
        }
        assert!(bench.store.login(bench.account.id).await.unwrap().is_none());
        assert!(bench.store.load_send(queued.id.into()).await.unwrap().is_none());
        for address in ["alice", "carol"] {
            let refused = bench.store.accept_message(bench.workspace, &bench.text(address, "x"), None, |_| json!(null)).await;
            assert!(matches!(refused, Err(StoreError::Invalid { field: "account_id", .. })), "{address}: {refused:?}");
        }
    }
}
