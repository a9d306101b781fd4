//! Tenants: whatever belongs to one workspace is not there for another.

use model::{Actor, ConversationStatus, Sending, Status, WorkspaceId};
use serde_json::json;
use store::{
    AccountChange, ContactChange, ContactFilter, ConversationFilter, MessageFilter, NewApiKey, NewMessage,
    PageRequest, Recipient, StoreError,
};

use crate::bench::{Bench, new_account, on_both};

const ALL: PageRequest = PageRequest { cursor: None, limit: 100 };

/// Whether it answered that there is no such thing.
#[expect(
    clippy::needless_pass_by_value,
    reason = "callers have the answer from a call and nothing else to do with it"
)]
fn absent<T>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::NotFound(_)))
}

async fn accept(bench: &Bench, workspace: WorkspaceId, new: NewMessage) -> bool {
    bench.store.accept_message(workspace, &new, None, |message| json!(message)).await.is_ok()
}

on_both! {
    async fn another_tenants_rows_are_not_there(bench: &Bench) {
        let mine = bench.accept_text("alice", "mine").await;
        let other = bench.store.create_workspace("other").await.unwrap();
        let theirs = bench.store.create_account(other, &new_account("one")).await.unwrap();
        let (store, account, system) = (&bench.store, bench.account.id, Actor::system());
        let (chat, contact) = (mine.conversation_id, mine.contact_id.unwrap());

        assert!(absent(store.account(other, account).await));
        assert!(absent(store.change_account(other, account, &AccountChange::default(), &Actor::system()).await));
        assert!(absent(store.set_sending(other, account, Sending::Paused, None, None, "x").await));
        assert!(absent(store.delete_account(other, account).await));
        assert!(absent(store.message(other, mine.id).await));
        assert!(absent(store.timeline(other, mine.id).await));
        assert!(absent(store.cancel_message(other, mine.id, &system).await));
        assert!(absent(store.retry_message(other, mine.id, &system).await));
        assert!(absent(store.resolve_message(other, mine.id, Status::Sent, &system).await));
        assert!(absent(store.conversation(other, chat).await));
        assert!(absent(store.change_conversation(other, chat, Some(ConversationStatus::Closed), None).await));
        assert!(absent(store.mark_read(other, chat).await));
        assert!(absent(store.contact(other, contact).await));
        assert!(absent(store.change_contact(other, contact, &ContactChange::default(), &Actor::system()).await));

        assert_eq!(store.messages(other, &MessageFilter::default(), ALL).await.unwrap().data, []);
        assert_eq!(store.conversation_messages(other, chat, true, ALL).await.unwrap().data, []);
        assert_eq!(store.conversations(other, &ConversationFilter::default(), ALL).await.unwrap().data, []);
        assert_eq!(store.contacts(other, &ContactFilter::default(), ALL).await.unwrap().data, []);
        assert_eq!(store.accounts(other, ALL).await.unwrap().data, std::slice::from_ref(&theirs));
        assert_eq!(store.accounts(bench.workspace, ALL).await.unwrap().data, std::slice::from_ref(&bench.account));

        for recipient in [
            Recipient::Address("alice".to_owned()),
            Recipient::Address("somebody new".to_owned()),
            Recipient::Conversation(chat),
            Recipient::Contact(contact),
        ] {
            let new = NewMessage { recipient: recipient.clone(), ..bench.text("", "x") };
            assert!(!accept(bench, other, new).await, "through my account to {recipient:?}");
            if !matches!(recipient, Recipient::Address(_)) {
                let new = NewMessage { account_id: theirs.id, recipient, ..bench.text("", "x") };
                assert!(!accept(bench, other, new).await);
            }
        }
        let quoting = NewMessage { account_id: theirs.id, reply_to: Some(mine.id), ..bench.text("alice", "x") };
        assert!(!accept(bench, other, quoting).await);
        assert_eq!(bench.message(&mine).await, mine, "nothing of mine changed");
        assert_eq!(bench.count("SELECT next_seq FROM conversations").await, 1);
    }

    async fn the_same_address_is_another_contact(bench: &Bench) {
        let mine = bench.accept_text("alice", "mine").await;
        let other = bench.store.create_workspace("other").await.unwrap();
        let theirs = bench.store.create_account(other, &new_account("one")).await.unwrap();
        assert!(accept(bench, other, NewMessage { account_id: theirs.id, ..bench.text("alice", "x") }).await);
        let contacts = bench.store.contacts(other, &ContactFilter::default(), ALL).await.unwrap().data;
        assert_ne!(Some(contacts[0].id), mine.contact_id);
    }

    async fn keys_open_their_own_workspace_until_they_are_revoked(bench: &Bench) {
        let new = NewApiKey {
            name: "ci".to_owned(),
            scopes: vec!["messages:read".to_owned()],
            accounts: Some(vec![bench.account.id]),
        };
        let (key, secret) = bench.store.create_api_key(bench.workspace, new).await.unwrap();
        assert!(secret.starts_with(&key.prefix) && secret.starts_with("rk_"));
        assert_eq!(bench.store.authenticate(&secret).await.unwrap(), Some(key.clone()));
        assert_eq!(bench.store.authenticate(&secret[..secret.len() - 1]).await.unwrap(), None);
        let other = bench.store.create_workspace("other").await.unwrap();
        assert_eq!(bench.store.api_keys(other).await.unwrap(), []);
        assert!(absent(bench.store.revoke_api_key(other, key.id).await));
        bench.store.revoke_api_key(bench.workspace, key.id).await.unwrap();
        assert!(absent(bench.store.revoke_api_key(bench.workspace, key.id).await));
        assert_eq!(bench.store.authenticate(&secret).await.unwrap(), None);
        assert_eq!(bench.store.api_keys(bench.workspace).await.unwrap()[0].revoked_at, Some(bench.now()));
    }

    async fn processes_that_start_together_agree_on_the_first_workspace(bench: &Bench) {
        let (one, two) = (bench.another().await, bench.another().await);
        let (one, two) = tokio::join!(one.default_workspace(), two.default_workspace());
        assert_eq!((one.unwrap(), two.unwrap()), (bench.workspace, bench.workspace));
        assert_eq!(bench.count("SELECT count(*) FROM workspaces").await, 1);
    }
}
