//! Many messages in one request: each by itself, in order, once.

use std::time::Instant;

use futures::future::join_all;
use model::Job;
use queue::{JobPlace, LaneId};
use serde_json::{Value, json};

use crate::support::App;

const PATH: &str = "/v1/messages/batch";

fn text(account: &str, address: &str, text: &str) -> Value {
    json!({"account_id": account, "to": {"address": address}, "content": {"type": "text", "text": text}})
}

fn statuses(answer: &Value) -> Vec<u64> {
    answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn valid_messages_are_accepted_whatever_stands_beside_them() {
    let app = App::new().await;
    let (one, two) = (app.account("one").await, app.account("two").await);
    let known = app.text(&one, "anna", "before").await;
    let mut wordy = text(&one, "anna", "x");
    wordy["colour"] = json!("red");
    let mut later = text(&two, "ben", "later");
    later["send_at"] = json!("2099-01-01T00:00:00Z");
    let messages = json!([
        text(&one, "anna", "first"),
        wordy,
        text(&two, "anna", "elsewhere"),
        text(&one, "anna", &"x".repeat(101)),
        {"account_id": one, "to": {"conversation_id": known["conversation_id"]}, "content": {"type": "text", "text": "second"}},
        {"account_id": one, "to": {"conversation_id": uuid::Uuid::nil()}, "content": {"type": "text", "text": "x"}},
        "hello",
        later,
        {"account_id": one, "to": {"contact_id": known["contact_id"]}, "content": {"type": "text", "text": "third"}},
    ]);
    let answer = app.post(PATH, json!({"messages": messages})).await.ok(200);
    assert_eq!(statuses(&answer), [202, 422, 202, 422, 202, 422, 422, 202, 202]);
    let result = |n: usize| &answer["results"][n];
    for (n, field) in [(1, "colour"), (3, "content.text"), (5, "to.conversation_id")] {
        assert_eq!(result(n)["problem"]["errors"][0]["field"], field, "{}", result(n));
        assert_eq!(result(n).get("message"), None);
    }
    assert_eq!(result(6)["problem"]["errors"][0]["code"], "invalid_type");
    for (n, seq) in [(0, 2), (4, 3), (8, 4)] {
        assert_eq!(result(n)["message"]["seq"], seq);
        assert_eq!(result(n)["message"]["conversation_id"], known["conversation_id"]);
        assert_eq!(result(n).get("problem"), None);
    }
    assert_eq!(result(7)["message"]["status"], "scheduled");
    for n in [0, 2, 4, 8] {
        let message = &result(n)["message"];
        let id: model::MessageId = message["id"].as_str().unwrap().parse().unwrap();
        let lane = LaneId::send(message["account_id"].as_str().unwrap().parse().unwrap());
        let place = app.lanes.find(Job::SendMessage(id).into(), lane).await.unwrap();
        assert!(matches!(place, JobPlace::Waiting { .. }), "{place:?}");
    }
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn what_is_no_batch_stores_nothing() {
    let app = App::new().await;
    let account = app.account("one").await;
    assert_eq!(app.post(PATH, json!({"messages": []})).await.field(), "messages");
    let many = vec![text(&account, "anna", "x"); 501];
    assert_eq!(app.post(PATH, json!({"messages": many})).await.field(), "messages");
    assert_eq!(app.post(PATH, json!({"messages": {}})).await.field(), "messages");
    assert_eq!(app.post(PATH, json!({})).await.field(), "messages");
    assert_eq!(app.post(PATH, json!({"messages": [], "colour": "red"})).await.field(), "colour");
    let huge = "x".repeat(8 * 1024 * 1024);
    assert_eq!(app.post(PATH, json!({"messages": [huge]})).await.problem(413).0, "/problems/too-large");
    // Larger than another request may be.
    let large = vec![json!("x".repeat(20_000)); 100];
    assert_eq!(statuses(&app.post(PATH, json!({"messages": large})).await.ok(200)), [422; 100]);
    let reader = app.key_with(vec!["messages:read".to_owned()], None).await;
    app.post_as(&reader, PATH, json!({"messages": [text(&account, "anna", "x")]})).await.problem(403);
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"], json!([]));
}

#[tokio::test]
async fn a_key_sends_only_from_its_accounts() {
    let app = App::new().await;
    let (mine, other) = (app.account("one").await, app.account("two").await);
    let key = app.key_with(vec!["messages:write".to_owned()], Some(vec![mine.parse().unwrap()])).await;
    let messages = json!({"messages": [text(&mine, "anna", "x"), text(&other, "anna", "x")]});
    let answer = app.post_as(&key, PATH, messages).await.ok(200);
    assert_eq!(statuses(&answer), [202, 422]);
    assert_eq!(answer["results"][1]["problem"]["errors"][0]["field"], "account_id");
}

#[tokio::test]
async fn one_key_is_one_batch() {
    let app = App::new().await;
    let account = app.account("one").await;
    let mut messages: Vec<_> =
        (0..40).map(|n| text(&account, &format!("chat{}", n % 3), &format!("{n}"))).collect();
    messages[7]["surprise\u{0}"] = json!(1);
    let body = json!({"messages": messages});
    let answers = join_all((0..20).map(|_| app.post_keyed("k-1", PATH, body.clone()))).await;
    let first = answers[0].clone().ok(200);
    for answer in answers {
        assert_eq!(answer.ok(200), first);
    }
    assert_eq!(statuses(&first).iter().filter(|status| **status == 202).count(), 39);
    assert_eq!(app.post_keyed("k-1", PATH, body.clone()).await.ok(200), first);
    let listed = app.get("/v1/messages?limit=200").await.ok(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 39);

    let other = json!({"messages": [text(&account, "anna", "other")]});
    let (kind, _) = app.post_keyed("k-1", PATH, other.clone()).await.problem(422);
    assert_eq!(kind, "/problems/idempotency-key-reused");
    app.post_keyed("k-1", "/v1/messages", text(&account, "anna", "x")).await.problem(422);
    // The key of a message in it is nobody else's.
    app.post_keyed("k-2", PATH, other).await.ok(200);
}

#[tokio::test]
async fn what_a_broken_batch_left_undone_is_done_by_its_repetition() {
    let app = App::new().await;
    let account = app.account("one").await;
    let messages: Vec<_> = (0..10).map(|n| text(&account, "anna", &format!("{n}"))).collect();
    let body = json!({"messages": messages});
    // Cut off somewhere on its way: what is committed stays.
    let call = app.post_keyed("k-1", PATH, body.clone());
    drop(tokio::time::timeout(std::time::Duration::from_millis(3), call).await);
    let answer = app.post_keyed("k-1", PATH, body.clone()).await.ok(200);
    assert_eq!(statuses(&answer), [202; 10]);
    let seqs: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|result| result["message"]["seq"].clone()).collect();
    assert_eq!(json!(seqs), json!((1..=10).collect::<Vec<_>>()));
    assert_eq!(app.get("/v1/messages").await.ok(200)["data"].as_array().unwrap().len(), 10);
    assert_eq!(app.post_keyed("k-1", PATH, body).await.ok(200), answer);
}

/// `--nocapture` shows how quick it is.
#[tokio::test]
async fn five_hundred_are_one_request() {
    let app = App::new().await;
    let account = app.account("one").await;
    let started = Instant::now();
    for n in 0..50 {
        app.text(&account, &format!("single{n}"), "x").await;
    }
    let single = started.elapsed() / 50;
    let messages: Vec<_> = (0..500).map(|n| text(&account, &format!("chat{n}"), "x")).collect();
    let started = Instant::now();
    let answer = app.post(PATH, json!({"messages": messages})).await.ok(200);
    let each = started.elapsed() / 500;
    assert_eq!(statuses(&answer), [202; 500]);
    eprintln!("one by one {single:?} a message, in a batch {each:?}");
}
