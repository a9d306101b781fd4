//! Templates: one a name, made once, paged, and what a text may say of its recipient.

use std::collections::BTreeMap;

use model::{Actor, ContactId, Template};
use serde_json::json;
use store::{
    Addressee, ContactChange, ContactFilter, Created, Cursor, Idempotency, NewTemplate, PageRequest,
    Recipient, StoreError, TemplateChange,
};

use crate::bench::{Bench, on_both};

const ALL: PageRequest = PageRequest { cursor: None, limit: 100 };

fn new(name: &str) -> NewTemplate {
    let variants = BTreeMap::from([("telegram".to_owned(), "hello".to_owned())]);
    NewTemplate { name: name.to_owned(), text: "hi {{ contact.name }}".to_owned(), variants }
}

async fn make(bench: &Bench, name: &str) -> Template {
    match bench.store.create_template(bench.workspace, &new(name), None, |made| json!(made)).await.unwrap() {
        Created::New(template) => *template,
        Created::Before { .. } => panic!("no key was given"),
    }
}

fn key(key: &str, hash: u8) -> Idempotency {
    Idempotency { key: key.to_owned(), request_hash: vec![hash] }
}

on_both! {
    async fn a_template_is_made_changed_and_deleted(bench: &Bench) {
        let (store, workspace) = (&bench.store, bench.workspace);
        let made = make(bench, "welcome").await;
        assert_eq!(store.template(workspace, made.id).await.unwrap(), made);
        assert_eq!((made.text_for("telegram"), made.text_for("slack")), ("hello", "hi {{ contact.name }}"));
        let other = make(bench, "bye").await;
        let again = store.create_template(workspace, &new("bye"), None, |made| json!(made)).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
        let rename = |name: &str| TemplateChange { name: Some(name.to_owned()), ..TemplateChange::default() };
        let taken = store.change_template(workspace, other.id, &rename("welcome")).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
        bench.advance(std::time::Duration::from_secs(1));
        let change = TemplateChange { text: Some("x".to_owned()), variants: Some(BTreeMap::new()), ..rename("bye") };
        let changed = store.change_template(workspace, other.id, &change).await.unwrap();
        assert_eq!((changed.text_for("telegram"), changed.name.as_str()), ("x", "bye"));
        assert!(changed.updated_at > changed.created_at);
        let nul = store.change_template(workspace, other.id, &rename("a\0b")).await;
        assert!(matches!(nul, Err(StoreError::Invalid { field: "name", .. })), "{nul:?}");
        store.delete_template(workspace, other.id).await.unwrap();
        assert!(matches!(store.delete_template(workspace, other.id).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.template(workspace, other.id).await, Err(StoreError::NotFound(_))));
        make(bench, "bye").await;
    }

    async fn equal_requests_make_one(bench: &Bench) {
        let keyed = |name: &str, hash: u8| {
            let (new, key) = (new(name), key("k", hash));
            async move { bench.store.create_template(bench.workspace, &new, Some(&key), |made| json!(made)).await }
        };
        let (first, second) = tokio::join!(keyed("b", 1), keyed("b", 1));
        let made = |answer: &Result<Created<Template>, StoreError>| matches!(answer, Ok(Created::New(_)));
        assert!(made(&first) != made(&second), "{first:?} {second:?}");
        let third = keyed("b", 1).await.unwrap();
        assert!(matches!(third, Created::Before { status: 201, ref answer } if answer["name"] == "b"), "{third:?}");
        assert!(matches!(keyed("c", 2).await, Err(StoreError::KeyReused)));
        make(bench, "a").await;
        assert_eq!(bench.store.templates(bench.workspace, ALL).await.unwrap().data.len(), 2);
    }

    async fn templates_page_and_belong_to_one_tenant(bench: &Bench) {
        let mut made = Vec::new();
        for n in 0..5 {
            made.push(make(bench, &format!("{n}")).await);
        }
        let first = bench.store.templates(bench.workspace, PageRequest { cursor: None, limit: 3 }).await.unwrap();
        assert_eq!(first.data, made[..3]);
        let cursor = Cursor::decode(first.next_cursor.as_deref().unwrap());
        let rest = bench.store.templates(bench.workspace, PageRequest { cursor, limit: 3 }).await.unwrap();
        assert_eq!((rest.data.as_slice(), rest.next_cursor), (&made[3..], None));
        let other = bench.store.create_workspace("other").await.unwrap();
        let (store, id) = (&bench.store, made[0].id);
        assert_eq!(store.templates(other, ALL).await.unwrap().data, []);
        assert!(matches!(store.template(other, id).await, Err(StoreError::NotFound(_))));
        let change = TemplateChange::default();
        assert!(matches!(store.change_template(other, id, &change).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.delete_template(other, id).await, Err(StoreError::NotFound(_))));
        let same = store.create_template(other, &new("0"), None, |made| json!(made)).await;
        assert!(matches!(same, Ok(Created::New(_))), "names are of a workspace: {same:?}");
    }

    async fn a_recipient_is_known_by_whatever_names_it(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let contact = bench.store.contacts(bench.workspace, &ContactFilter::default(), ALL).await.unwrap().data.remove(0);
        let (store, workspace, account) = (&bench.store, bench.workspace, bench.account.id);
        let recipients = [
            Recipient::Address("alice".to_owned()),
            Recipient::Contact(contact.id),
            Recipient::Conversation(message.conversation_id),
        ];
        for name in [None, Some("Alice".to_owned())] {
            if let Some(name) = name.as_deref() {
                let change = ContactChange { name: Some(name.to_owned()), ..ContactChange::default() };
                store.change_contact(workspace, contact.id, &change, &Actor::system()).await.unwrap();
            }
            for recipient in &recipients {
                let known = store.addressee(workspace, account, recipient).await.unwrap();
                assert_eq!(known, Some(Addressee { address: "alice".to_owned(), name: name.clone() }));
            }
        }
        let other = store.create_workspace("other").await.unwrap();
        for recipient in &recipients {
            assert_eq!(store.addressee(other, account, recipient).await.unwrap(), None);
        }
        let nobody = Recipient::Contact(ContactId(uuid::Uuid::nil()));
        assert_eq!(store.addressee(workspace, account, &nobody).await.unwrap(), None);
    }
}
