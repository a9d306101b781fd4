//! Accepting many at once: each by itself, in order, and again without a second message.

use std::time::Instant;

use model::Message;
use serde_json::{Value, json};
use store::{Accepted, Idempotency, NewItem, NewMessage, Recipient, StoreError};

use crate::bench::{Bench, nobody, on_both};

fn key(n: usize) -> Idempotency {
    Idempotency { key: format!("batch {n}"), request_hash: b"body".to_vec() }
}

async fn accept(bench: &Bench, items: Vec<NewItem>) -> Vec<Result<Accepted, StoreError>> {
    bench.store.accept_messages(bench.workspace, items, |message| json!(message)).await
}

fn new(accepted: Result<Accepted, StoreError>) -> Message {
    match accepted.unwrap() {
        Accepted::New(message) => *message,
        Accepted::Before { answer, .. } => panic!("it was there before: {answer}"),
    }
}

on_both! {
    async fn each_of_many_stands_by_itself_and_conversations_keep_their_order(bench: &Bench) {
        let mut items: Vec<NewItem> =
            (0..200).map(|n| (bench.text(&format!("chat{}", n % 7), &format!("{n}")), None)).collect();
        items[3].0.reply_to = Some(nobody());
        items[50].0.content = model::Content::text("a\0b");
        items[199].0.account_id = nobody();
        let results = accept(bench, items).await;
        assert_eq!(results.len(), 200);
        let mut last = [0; 7];
        for (n, result) in results.into_iter().enumerate() {
            let field = match n {
                3 => "reply_to",
                50 => "content",
                199 => "account_id",
                _ => {
                    let message = new(result);
                    assert_eq!(message.content, model::Content::text(format!("{n}")));
                    assert_eq!(message.seq, Some(last[n % 7] + 1), "{n}");
                    last[n % 7] += 1;
                    continue;
                }
            };
            assert!(matches!(&result, Err(StoreError::Invalid { field: named, .. }) if *named == field), "{result:?}");
        }
        assert_eq!(bench.count("SELECT count(*) FROM messages").await, 197);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.created'").await, 197);
        assert_eq!(bench.count("SELECT count(*) FROM contacts").await, 7);
    }

    async fn one_conversation_by_any_name_keeps_its_order(bench: &Bench) {
        let known = bench.accept_text("alice", "first").await;
        let names = [
            Recipient::Address("alice".to_owned()),
            Recipient::Conversation(known.conversation_id),
            Recipient::Contact(known.contact_id.unwrap()),
        ];
        let items = (0..60).map(|n: usize| {
            (NewMessage { recipient: names[n % 3].clone(), ..bench.text("", &format!("{n}")) }, None)
        });
        for (n, result) in accept(bench, items.collect()).await.into_iter().enumerate() {
            assert_eq!(new(result).seq, Some(i64::try_from(n).unwrap() + 2));
        }
    }

    async fn equal_requests_at_once_are_one(bench: &Bench) {
        let ask = || async {
            let items = (0..40).map(|n| (bench.text(&format!("chat{}", n % 3), "x"), Some(key(n)))).collect();
            let results = accept(bench, items).await;
            let seen = results.into_iter().map(|result| match result.unwrap() {
                Accepted::New(message) => json!(message),
                Accepted::Before { answer, .. } => answer,
            });
            seen.collect::<Vec<Value>>()
        };
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert!(a == b && b == c);
        assert_eq!(bench.count("SELECT count(*) FROM messages").await, 40);
        assert_eq!(bench.count("SELECT max(next_seq) FROM conversations").await, 14);
        assert_eq!(bench.count("SELECT min(next_seq) FROM conversations").await, 13);
    }

    async fn a_request_of_many_steps_has_one_answer(bench: &Bench) {
        let (store, workspace, key) = (&bench.store, bench.workspace, key(0));
        assert_eq!(store.begin_request(workspace, &key).await.unwrap(), None);
        assert_eq!(store.begin_request(workspace, &key).await.unwrap(), None, "it has no answer yet");
        let other = Idempotency { request_hash: b"other".to_vec(), ..key.clone() };
        assert!(matches!(store.begin_request(workspace, &other).await, Err(StoreError::KeyReused)));
        let first = store.finish_request(workspace, &key, 200, &json!({"a": "b\0"})).await.unwrap();
        assert_eq!(first, (200, json!({"a": "b\u{FFFD}"})));
        assert_eq!(store.finish_request(workspace, &key, 200, &json!({"a": "c"})).await.unwrap(), first);
        assert_eq!(store.begin_request(workspace, &key).await.unwrap(), Some(first));
    }

    async fn how_quick_many_at_once_are(bench: &Bench) {
        let one_by_one = Instant::now();
        for n in 0..100 {
            bench.accept_text(&format!("a{n}"), "x").await;
        }
        let one_by_one = one_by_one.elapsed();
        for (what, chats) in [("of their own", 100), ("shared", 1)] {
            let items = (0..100).map(|n| (bench.text(&format!("b{}", n % chats), "x"), None)).collect();
            let together = Instant::now();
            let results = accept(bench, items).await;
            let together = together.elapsed();
            assert!(results.iter().all(Result::is_ok));
            eprintln!("100 messages in chats {what}: one by one {one_by_one:?}, together {together:?}");
        }
    }
}
