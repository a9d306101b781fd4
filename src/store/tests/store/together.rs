//! Accepting in company: who comes at the same moment shares a transaction, and nobody notices.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Message, Status};
use serde_json::{Value, json};
use sqlx::Executor as _;
use store::{Accepted, Idempotency, NewMessage, Recipient, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, Raw, nobody, on_both};

type Told = Result<Accepted, StoreError>;

/// All of them at once; what becomes of each, in their order.
async fn all_at_once(bench: &Bench, requests: Vec<(NewMessage, Option<Idempotency>)>) -> Vec<Told> {
    let mut crowd = JoinSet::new();
    for (place, (new, key)) in requests.into_iter().enumerate() {
        let (store, workspace) = (bench.store.clone(), bench.workspace);
        crowd.spawn(async move {
            let told = store.accept_message(workspace, &new, key.as_ref(), |message| json!(message)).await;
            (place, told)
        });
    }
    let told: BTreeMap<usize, Told> = crowd.join_all().await.into_iter().collect();
    told.into_values().collect()
}

fn new(told: &Told) -> &Message {
    match told {
        Ok(Accepted::New(message)) => message,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn each_of_a_crowd_is_accepted_as_if_it_were_alone(bench: &Bench) {
        let known = bench.accept_text("chat0", "hello").await;
        let quoted = Some(known.id);
        let at = |chat: usize| bench.text(&format!("chat{}", chat % 10), "x");
        let taken: model::MessageId = bench.ids.id(bench.now());
        let mut requests = Vec::new();
        for n in 0..60 {
            requests.push((at(n), None));
            let to = |recipient| NewMessage { recipient, ..at(n) };
            requests.push((to(Recipient::Conversation(known.conversation_id)), None));
            requests.push((to(Recipient::Contact(known.contact_id.unwrap())), None));
            requests.push((to(Recipient::Conversation(nobody())), None));
            requests.push((NewMessage { reply_to: quoted, ..at(0) }, None));
            requests.push((NewMessage { send_at: Some(bench.now() + Duration::from_mins(1)), ..at(n) }, None));
            let key = Idempotency { key: format!("key{}", n % 20), request_hash: vec![1] };
            requests.push((at(n), Some(key)));
            requests.push((NewMessage { id: Some(taken), ..at(n) }, None));
        }
        let told = all_at_once(bench, requests).await;

        let mut numbers: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut keyed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut twice = 0;
        let mut made = vec![known.clone()];
        for (n, told) in told.chunks(8).enumerate() {
            for place in [0, 1, 2, 4] {
                assert_eq!(new(&told[place]).status, Status::Queued);
                made.push(new(&told[place]).clone());
            }
            for place in [1, 2, 4] {
                assert_eq!(new(&told[place]).conversation_id, known.conversation_id);
            }
            assert!(matches!(&told[3], Err(StoreError::Invalid { field: "to.conversation_id", .. })), "{:?}", told[3]);
            assert_eq!((new(&told[5]).status, new(&told[5]).seq), (Status::Scheduled, None));
            made.push(new(&told[5]).clone());
            let answer = match &told[6] {
                Ok(Accepted::New(message)) => {
                    made.push((**message).clone());
                    json!(message)
                }
                Ok(Accepted::Before { answer, .. }) => answer.clone(),
                Err(error) => panic!("{error}"),
            };
            keyed.entry(format!("key{}", n % 20)).or_default().push(answer);
            match &told[7] {
                Ok(Accepted::New(message)) => made.push((**message).clone()),
                Ok(Accepted::Before { .. }) => panic!("there was no key"),
                Err(_) => twice += 1,
            }
        }
        assert_eq!(twice, 59, "one id is one message");
        assert_eq!(keyed.len(), 20);
        for answers in keyed.values() {
            assert!(answers.iter().all(|answer| answer["id"] == answers[0]["id"]), "{answers:?}");
        }
        for message in &made {
            assert_eq!(bench.message(message).await, *message, "what was told is what is stored");
            if let Some(seq) = message.seq {
                numbers.entry(message.conversation_id.to_string()).or_default().push(seq);
            }
        }
        for given in numbers.values_mut() {
            given.sort_unstable();
            assert_eq!(*given, (1..).take(given.len()).collect::<Vec<i64>>(), "each number once, and none missing");
        }
        let count = i64::try_from(made.len()).unwrap();
        assert_eq!(bench.count("SELECT count(*) FROM messages").await, count);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.created'").await, count);
        assert_eq!(bench.count("SELECT count(*) FROM idempotency_keys").await, 20);
        assert_eq!(
            bench.count("SELECT count(*) FROM conversations c JOIN messages m ON m.id = c.last_message_id WHERE m.seq IS NULL").await,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_somebody_holds_keeps_nobody_else_waiting() {
    let Some(bench) = Bench::postgres().await else { return };
    let Raw::Postgres(pool) = &bench.raw else { unreachable!() };
    let first = bench.accept_text("alice", "one").await;
    bench.accept_text("bob", "one").await;
    let mut holder = pool.begin().await.unwrap();
    let sql = format!("SELECT 1 FROM conversations WHERE id = '{}' FOR UPDATE", first.conversation_id);
    holder.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    let (store, workspace, new) = (bench.store.clone(), bench.workspace, bench.text("alice", "two"));
    let held =
        tokio::spawn(
            async move { store.accept_message(workspace, &new, None, |message| json!(message)).await },
        );
    for n in 2..=20 {
        assert_eq!(bench.accept_text("bob", "x").await.seq, Some(n));
    }
    assert!(!held.is_finished());
    holder.rollback().await.unwrap();
    assert!(matches!(held.await.unwrap(), Ok(Accepted::New(message)) if message.seq == Some(2)));
}
