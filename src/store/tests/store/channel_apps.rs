//! Apps: sealed in one place, read with every account that uses them, and told about at one address.

use std::collections::BTreeMap;

use model::{Account, Actor, ChannelAppId, WorkspaceId};
use serde_json::{Value, json};
use store::{ChannelApp, ChannelAppChange, Created, NewAccount, NewChannelApp, NewInboundEvent, StoreError};

use crate::bench::{Bench, new_account, nobody, on_both};

fn secrets(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("app_id".to_owned(), "7".to_owned()), ("app_secret".to_owned(), value.to_owned())])
}

async fn app(bench: &Bench, workspace: WorkspaceId) -> ChannelApp {
    let new = NewChannelApp {
        provider: "bazaar".to_owned(),
        name: "ours".to_owned(),
        secrets: secrets("planted-secret-0815"),
        settings: json!({}),
    };
    let actor = Actor::system();
    match bench.store.create_channel_app(workspace, &new, &actor, None, |_| Value::Null).await.unwrap() {
        Created::New(app) => *app,
        Created::Before { .. } => panic!("there was no idempotency key"),
    }
}

async fn account(bench: &Bench, workspace: WorkspaceId, app: ChannelAppId, login: &str) -> Account {
    let new = NewAccount { app_id: Some(app), ..new_account(login) };
    bench.store.create_account(workspace, &new).await.unwrap()
}

fn event(key: &str, account: Option<&str>) -> (Option<String>, NewInboundEvent) {
    (account.map(str::to_owned), NewInboundEvent { dedupe_key: key.to_owned(), payload: json!({"key": key}) })
}

on_both! {
    async fn an_apps_secrets_are_sealed_and_read_with_its_accounts(bench: &Bench) {
        let app = app(bench, bench.workspace).await;
        let account = account(bench, bench.workspace, app.id, "page").await;
        let login = async || bench.store.login(account.id).await.unwrap().unwrap().1;
        assert_eq!(login().await["app_secret"], "planted-secret-0815");
        let message = bench.text("alice", "hi");
        let message = bench.accept(&store::NewMessage { account_id: account.id, ..message }).await;
        let view = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
        assert_eq!(view.credentials["app_secret"], "planted-secret-0815");
        assert_eq!(view.account.app_id, Some(app.id));
        assert_eq!(bench.store.own_secrets(account.id).await.unwrap().len(), 1);
        if let Some(files) = bench.files() {
            assert!(!files.windows(19).any(|part| part == b"planted-secret-0815"), "it lies there unsealed");
        }

        let change = ChannelAppChange { secrets: secrets("new"), ..ChannelAppChange::default() };
        let elsewhere = bench.another().await;
        elsewhere.change_channel_app(bench.workspace, app.id, &change, &Actor::system()).await.unwrap();
        assert_eq!(login().await["app_secret"], "new", "whoever changed it, everybody uses it");
        elsewhere.close().await;
    }

    async fn an_app_goes_only_without_accounts_and_only_by_its_workspace(bench: &Bench) {
        let other = bench.store.create_workspace("other").await.unwrap();
        let app = app(bench, bench.workspace).await;
        let actor = Actor::system();
        let stranger = bench.store.delete_channel_app(other, app.id, &actor).await;
        assert!(matches!(stranger, Err(StoreError::NotFound(_))), "{stranger:?}");
        let new = NewAccount { app_id: Some(app.id), ..new_account("theirs") };
        let stranger = bench.store.create_account(other, &new).await;
        assert!(matches!(stranger, Err(StoreError::Invalid { field: "app_id", .. })), "{stranger:?}");
        let account = account(bench, bench.workspace, app.id, "page").await;
        let used = bench.store.delete_channel_app(bench.workspace, app.id, &actor).await;
        assert!(matches!(used, Err(StoreError::Conflict(_))), "{used:?}");
        bench.store.delete_account(bench.workspace, account.id).await.unwrap();
        bench.store.delete_channel_app(bench.workspace, app.id, &actor).await.unwrap();
        assert!(bench.store.channel_app_secrets(app.id).await.unwrap().is_none());
        let new = NewAccount { app_id: Some(app.id), ..new_account("late") };
        assert!(bench.store.create_account(bench.workspace, &new).await.is_err());
    }

    async fn the_installations_app_is_one_row_however_often_it_is_said(bench: &Bench) {
        let id = bench.store.keep_default_app("meta", &secrets("one")).await.unwrap();
        let elsewhere = bench.another().await;
        assert_eq!(elsewhere.keep_default_app("meta", &secrets("two")).await.unwrap(), id);
        elsewhere.close().await;
        assert_eq!(bench.count("SELECT count(*) FROM channel_apps").await, 1);
        assert_eq!(bench.store.channel_app_secrets(id).await.unwrap().unwrap().1["app_secret"], "two");
        let other = bench.store.create_workspace("other").await.unwrap();
        assert_eq!(bench.store.channel_app(other, id).await.unwrap().workspace_id, None);
        let change = ChannelAppChange { name: Some("mine".to_owned()), ..ChannelAppChange::default() };
        assert!(bench.store.change_channel_app(other, id, &change, &Actor::system()).await.is_err());
    }

    async fn a_delivery_reaches_every_account_it_means_once_and_the_rest_is_kept(bench: &Bench) {
        let id = bench.store.keep_default_app("bazaar", &secrets("one")).await.unwrap();
        let other = bench.store.create_workspace("other").await.unwrap();
        let mine = account(bench, bench.workspace, id, "page").await;
        let theirs = account(bench, other, id, "page").await;
        let second = account(bench, bench.workspace, id, "second").await;
        let gone = account(bench, bench.workspace, id, "gone").await;
        bench.store.delete_account(bench.workspace, gone.id).await.unwrap();
        let events = [
            event("1", Some("page")),
            event("2", Some("second")),
            event("3", Some("gone")),
            // Of the bench's own account, which is of no app.
            event("4", Some("one")),
            event("5", None),
        ];
        let first = bench.store.record_for_app(id, "sandbox", &events).await.unwrap();
        assert_eq!(first.new, BTreeMap::from([(mine.id, 1), (theirs.id, 1), (second.id, 1)]));
        assert_eq!(first.unrouted, 3);
        let again = bench.store.record_for_app(id, "sandbox", &events).await.unwrap();
        assert_eq!((again.new.len(), again.unrouted), (0, 0));
        assert_eq!(bench.count("SELECT count(*) FROM inbound_events WHERE account_id IS NULL").await, 3);
        assert!(bench.store.unprocessed_events(bench.account.id, 10).await.unwrap().is_empty());
        let elsewhere = bench.store.record_for_app(nobody(), "sandbox", &events).await.unwrap();
        assert!(elsewhere.new.is_empty(), "another app's accounts are none of its");
    }
}
