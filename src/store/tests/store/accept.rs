//! Accepting: whatever an acknowledgement promises is there, once.

use std::time::Duration;

use model::{Class, ConversationStatus, Purpose, Status};
use serde_json::{Value, json};
use store::{Accepted, ConversationFilter, Idempotency, NewMessage, PageRequest, Recipient, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, nobody, on_both};

const ALL: PageRequest = PageRequest { cursor: None, limit: 100 };

fn key(key: &str, hash: &[u8]) -> Idempotency {
    Idempotency { key: key.to_owned(), request_hash: hash.to_vec() }
}

async fn ask(bench: &Bench, new: &NewMessage, idempotency: &Idempotency) -> Result<Value, StoreError> {
    let answer = |message: &model::Message| json!({"id": message.id, "seq": message.seq});
    match bench.store.accept_message(bench.workspace, new, Some(idempotency), answer).await? {
        Accepted::New(message) => Ok(answer(&message)),
        Accepted::Before { status, answer } => {
            assert_eq!(status, 202);
            Ok(answer)
        }
    }
}

/// What must not be stored: the field that is named, and no row more than before.
async fn refused(bench: &Bench, new: &NewMessage, field: &str) {
    let tables = ["messages", "events", "contacts", "conversations", "contact_identities"];
    let mut before = Vec::new();
    for table in tables {
        before.push(bench.count(&format!("SELECT count(*) FROM {table}")).await);
    }
    let refused = bench.store.accept_message(bench.workspace, new, None, |message| json!(message)).await;
    assert!(
        matches!(&refused, Err(StoreError::Invalid { field: named, .. }) if *named == field),
        "{refused:?}"
    );
    for (table, before) in tables.iter().zip(before) {
        assert_eq!(bench.count(&format!("SELECT count(*) FROM {table}")).await, before, "{table}");
    }
}

on_both! {
    async fn a_message_to_a_new_address_makes_contact_and_conversation(bench: &Bench) {
        let message = bench.accept_text("alice", "hello").await;
        assert_eq!((message.status, message.seq, message.class), (Status::Queued, Some(1), Class::Normal));
        assert_eq!(message.queued_at, Some(bench.now()));
        assert_eq!(bench.message(&message).await, message);

        let contact = bench.store.contact(bench.workspace, message.contact_id.unwrap()).await.unwrap();
        assert_eq!(contact.identities.len(), 1);
        assert_eq!(contact.identities[0].address, "alice");
        let conversation = bench.store.conversation(bench.workspace, message.conversation_id).await.unwrap();
        assert_eq!(conversation.address, "alice");
        assert_eq!(conversation.last_message_id, Some(message.id));
        assert_eq!((conversation.unread_count, conversation.status), (0, ConversationStatus::Open));
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.created' AND seq IS NULL").await, 1);
    }

    async fn a_message_may_name_its_conversation_or_its_contact(bench: &Bench) {
        let first = bench.accept_text("alice", "one").await;
        for recipient in [
            Recipient::Conversation(first.conversation_id),
            Recipient::Contact(first.contact_id.unwrap()),
            Recipient::Address("alice".to_owned()),
        ] {
            let next = bench.accept(&NewMessage { recipient, ..bench.text("", "more") }).await;
            assert_eq!((next.conversation_id, next.contact_id), (first.conversation_id, first.contact_id));
        }
        assert_eq!(bench.count("SELECT max(seq) FROM messages").await, 4);
        assert_eq!(bench.count("SELECT count(*) FROM contacts").await, 1);
    }

    async fn numbers_rise_without_holes_under_a_crowd(bench: &Bench) {
        let mut crowd = JoinSet::new();
        for n in 0..60 {
            let (store, workspace) = (bench.store.clone(), bench.workspace);
            let mut new = bench.text(if n % 2 == 0 { "alice" } else { "bob" }, &format!("{n}"));
            if n % 3 == 0 {
                new.reply_to = Some(nobody());
            }
            crowd.spawn(async move {
                store.accept_message(workspace, &new, None, |message| json!(message)).await.is_ok()
            });
        }
        let accepted = crowd.join_all().await.into_iter().filter(|accepted| *accepted).count();
        assert_eq!(accepted, 40);
        for address in ["alice", "bob"] {
            let of = format!("FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.address = '{address}'");
            assert_eq!(bench.count(&format!("SELECT count(DISTINCT m.seq) {of}")).await, 20);
            assert_eq!(bench.count(&format!("SELECT min(m.seq) {of}")).await, 1);
            assert_eq!(bench.count(&format!("SELECT max(m.seq) {of}")).await, 20);
        }
        assert_eq!(bench.count("SELECT count(*) FROM contacts").await, 2);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.created'").await, 40);
    }

    async fn a_scheduled_message_has_no_number_yet(bench: &Bench) {
        let at = bench.now() + Duration::from_hours(1);
        let later = bench.accept(&NewMessage { send_at: Some(at), ..bench.text("alice", "later") }).await;
        assert_eq!((later.status, later.seq, later.send_at), (Status::Scheduled, None, Some(at)));
        assert_eq!(bench.message(&later).await, later);
        let listed = bench.store.conversations(bench.workspace, &ConversationFilter::default(), ALL).await.unwrap();
        assert_eq!(listed.data.len(), 0, "nothing was said in it yet");

        let past = bench.now() - Duration::from_secs(1);
        let now = bench.accept(&NewMessage { send_at: Some(past), ..bench.text("alice", "now") }).await;
        assert_eq!((now.status, now.seq, now.send_at), (Status::Queued, Some(1), None));
    }

    async fn the_last_message_is_the_newest_by_time(bench: &Bench) {
        let first = bench.accept_text("alice", "one").await;
        bench.clock.set(bench.now() - Duration::from_mins(1));
        bench.accept_text("alice", "by a clock that runs behind").await;
        let shown = bench.store.conversation(bench.workspace, first.conversation_id).await.unwrap();
        assert_eq!((shown.last_message_id, shown.last_message_at), (Some(first.id), Some(first.created_at)));
    }

    async fn one_key_is_one_message_however_often(bench: &Bench) {
        let new = NewMessage { purpose: Purpose::Campaign, ..bench.text("alice", "once") };
        let mut crowd = JoinSet::new();
        for _ in 0..100 {
            let (store, workspace, new) = (bench.store.clone(), bench.workspace, new.clone());
            crowd.spawn(async move {
                let answer = |message: &model::Message| json!({"id": message.id, "seq": message.seq});
                match store.accept_message(workspace, &new, Some(&key("k", b"body")), answer).await.unwrap() {
                    Accepted::New(message) => (true, answer(&message)),
                    Accepted::Before { answer, .. } => (false, answer),
                }
            });
        }
        let answers = crowd.join_all().await;
        assert_eq!(answers.iter().filter(|(new, _)| *new).count(), 1);
        assert!(answers.iter().all(|(_, answer)| *answer == answers[0].1));
        for table in ["messages", "events WHERE message_id IS NOT NULL", "conversations", "contacts", "idempotency_keys"] {
            assert_eq!(bench.count(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
        }
        assert_eq!(bench.count("SELECT next_seq FROM conversations").await, 1);
    }

    async fn a_key_means_one_request(bench: &Bench) {
        let first = ask(bench, &bench.text("alice", "one"), &key("k", b"1")).await.unwrap();
        let other = ask(bench, &bench.text("alice", "two"), &key("k", b"2")).await;
        assert!(matches!(other, Err(StoreError::KeyReused)));
        assert_eq!(ask(bench, &bench.text("alice", "one"), &key("k", b"1")).await.unwrap(), first);

        let elsewhere = bench.store.create_workspace("other").await.unwrap();
        let account = bench.store.create_account(elsewhere, &crate::bench::new_account("two")).await.unwrap();
        let new = NewMessage { account_id: account.id, ..bench.text("alice", "two") };
        let theirs = bench.store.accept_message(elsewhere, &new, Some(&key("k", b"2")), |_| Value::Null).await;
        assert!(matches!(theirs, Ok(Accepted::New(_))), "another tenant's key is another key");
    }

    async fn a_failed_request_keeps_no_key(bench: &Bench) {
        let wrong = NewMessage { reply_to: Some(nobody()), ..bench.text("alice", "one") };
        assert!(ask(bench, &wrong, &key("k", b"1")).await.is_err());
        assert_eq!(ask(bench, &bench.text("alice", "one"), &key("k", b"2")).await.unwrap()["seq"], 1);
    }

    async fn what_does_not_exist_is_refused_and_nothing_stored(bench: &Bench) {
        let other = bench.accept_text("bob", "elsewhere").await;
        bench.accept_text("alice", "here").await;
        let to = |recipient| NewMessage { recipient, ..bench.text("", "x") };
        refused(bench, &to(Recipient::Conversation(nobody())), "to.conversation_id").await;
        refused(bench, &to(Recipient::Contact(nobody())), "to.contact_id").await;
        for quoted in [nobody(), other.id] {
            refused(bench, &NewMessage { reply_to: Some(quoted), ..bench.text("alice", "x") }, "reply_to").await;
            refused(bench, &NewMessage { reply_to: Some(quoted), ..bench.text("carol", "x") }, "reply_to").await;
        }
        refused(bench, &NewMessage { account_id: nobody(), ..bench.text("alice", "x") }, "account_id").await;
        refused(bench, &bench.text("alice", "a\0b"), "content").await;
        refused(bench, &bench.text("a\0b", "x"), "to.address").await;
        refused(bench, &NewMessage { client_id: Some("\0".to_owned()), ..bench.text("alice", "x") }, "client_id").await;
    }

    async fn odd_texts_survive(bench: &Bench) {
        for text in ["", "'; DROP TABLE messages; --", "🦆\u{200D}\u{FE0F} \u{202E}abc", "\\u0000", "line\r\nline\t"] {
            let message = bench.accept_text("ali'ce %_", text).await;
            assert_eq!(bench.message(&message).await.content, message.content);
        }
    }
}
