//! Sessions: their owner's word counts as long as it is the owner and somebody wants a session.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Account, Connection, Intake, PairingKind, PairingStep, WorkerId};
use store::{NewAccount, Owned, SessionChange, StoreError};

use crate::bench::{Bench, new_account, on_both};

const LONG: Duration = Duration::from_hours(1);

async fn device(bench: &Bench) -> Account {
    let new = NewAccount {
        intake: Intake::Session,
        connection: Connection::Connecting,
        external_id: None,
        name: "test".to_owned(),
        channel: "test".to_owned(),
        ..new_account("unused")
    };
    bench.store.create_account(bench.workspace, &new).await.unwrap()
}

async fn taken(bench: &Bench) -> Vec<Owned> {
    let worker: WorkerId = bench.ids.id(bench.now());
    bench.store.take_accounts(worker, LONG, false).await.unwrap().accounts
}

fn to_scan(bench: &Bench) -> SessionChange {
    let step = PairingStep { kind: PairingKind::Qr, code: "code".to_owned(), expires_at: bench.now() + LONG };
    SessionChange { step: Some(step), ..SessionChange::to(Connection::QrRequired, None) }
}

on_both! {
    async fn a_device_is_paired_once_and_keeps_its_secrets(bench: &Bench) {
        let account = device(bench).await;
        assert!(account.first_connected_at.is_none());
        let owned = taken(bench).await.remove(0);
        let shown = bench.store.change_session(&owned, &to_scan(bench)).await.unwrap().unwrap();
        assert_eq!(shown.connection, Connection::QrRequired);
        let shown = bench.store.account_owner(bench.workspace, account.id).await.unwrap().unwrap();
        assert_eq!(shown.step.map(|step| step.code).as_deref(), Some("code"));
        assert_eq!(bench.store.renew_owned(owned.worker, LONG, false).await.unwrap().len(), 1, "it waits");

        let secrets = BTreeMap::from([("device".to_owned(), "secret".to_owned())]);
        let change = SessionChange {
            credentials: Some(secrets.clone()),
            external_id: Some("me".to_owned()),
            name: Some("Me".to_owned()),
            ..SessionChange::to(Connection::Connected, None)
        };
        let connected = bench.store.change_session(&owned, &change).await.unwrap().unwrap();
        assert_eq!((connected.external_id.as_deref(), connected.name.as_str()), (Some("me"), "Me"));
        assert!(connected.first_connected_at.is_some());
        let (_, kept) = bench.store.login(account.id).await.unwrap().unwrap();
        assert_eq!(kept, secrets);
        assert_eq!(bench.store.route(account.id).await.unwrap(), Some(owned.worker));
        let shown = bench.store.account_owner(bench.workspace, account.id).await.unwrap().unwrap();
        assert_eq!(shown.step, None);

        // Logged out, it needs nobody until a person wants it back.
        let out = SessionChange { credentials: Some(BTreeMap::new()), ..SessionChange::to(Connection::QrRequired, None) };
        bench.store.change_session(&owned, &out).await.unwrap().unwrap();
        assert!(bench.store.renew_owned(owned.worker, LONG, false).await.unwrap().is_empty());
        let (_, kept) = bench.store.login(account.id).await.unwrap().unwrap();
        assert!(kept.is_empty());
    }

    async fn a_login_is_one_account_and_the_loser_is_told(bench: &Bench) {
        device(bench).await;
        device(bench).await;
        let owned = taken(bench).await;
        let change = SessionChange {
            external_id: Some("me".to_owned()),
            ..SessionChange::to(Connection::Connected, None)
        };
        assert!(bench.store.change_session(&owned[0], &change).await.unwrap().is_some());
        let refused = bench.store.change_session(&owned[1], &change).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
        let (account, _) = bench.store.login(owned[1].account_id).await.unwrap().unwrap();
        assert_eq!((account.connection, account.external_id), (Connection::Connecting, None));
    }

    async fn who_is_not_the_owner_any_more_writes_nothing(bench: &Bench) {
        let account = device(bench).await;
        let old = taken(bench).await.remove(0);
        bench.store.retire_worker(old.worker).await.unwrap();
        let new = taken(bench).await.remove(0);
        assert!(new.generation > old.generation);
        let connected = SessionChange::to(Connection::Connected, None);
        assert!(bench.store.change_session(&new, &connected).await.unwrap().is_some());
        let offline = SessionChange::to(Connection::Connecting, Some("offline"));
        assert!(bench.store.change_session(&old, &offline).await.unwrap().is_none());
        let (unharmed, _) = bench.store.login(account.id).await.unwrap().unwrap();
        assert_eq!(unharmed.connection, Connection::Connected);

        // Nor does anybody against a person's word.
        let apart = Connection::Disconnected;
        bench.store.set_connection(bench.workspace, account.id, apart, None, "user").await.unwrap();
        assert!(bench.store.change_session(&new, &connected).await.unwrap().is_none());
        assert!(bench.store.renew_owned(new.worker, LONG, false).await.unwrap().is_empty());
    }
}
