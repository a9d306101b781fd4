//! What pacing reads of a send and of the past: first contacts, texts, wishes.

use std::time::Duration;

use model::{Actor, Change, Content, Inbound, Message, Purpose, Scope, Wait};
use store::{
    ContactChange, Created, Ended, NewAction, NewAttempt, NewMessage, OutcomeKind, Patch, SendView, text_hash,
};

use crate::bench::{Bench, START, on_both};
use crate::inbound::{from, ingest, ingested};

async fn view(bench: &Bench, message: &Message) -> SendView {
    bench.store.load_send(message.id.into()).await.unwrap().unwrap()
}

async fn campaign(bench: &Bench, address: &str, words: &str) -> Message {
    bench.accept(&NewMessage { purpose: Purpose::Campaign, ..bench.text(address, words) }).await
}

#[test]
fn a_text_is_known_by_the_beginning_of_its_sha256() {
    // printf 'hello' | sha256sum
    assert_eq!(text_hash(&Content::text("hello")), Some(0x2cf2_4dba_5fb0_a30e));
    let picture = |caption: Option<&str>| Content::Image {
        media: model::Media::default(),
        caption: caption.map(str::to_owned),
    };
    assert_eq!(text_hash(&picture(Some("hello"))), text_hash(&Content::text("hello")));
    assert_eq!(text_hash(&picture(None)), None);
}

#[test]
fn texts_that_look_the_same_are_the_same() {
    let hash = |words: &str| text_hash(&Content::text(words));
    for same in ["Our  OFFER: ends today", "our offer: ends today ", "\nour offer:\tends today"] {
        assert_eq!(hash(same), hash("our offer: ends today"), "{same:?}");
    }
    assert_ne!(hash("our offer ends today"), hash("our offer: ends today"));
    assert_ne!(hash("ouroffer"), hash("our offer"));
}

on_both! {
    async fn a_chat_is_new_until_a_call_is_known_to_have_been_taken(bench: &Bench) {
        let first = bench.accept_text("alice", "one").await;
        let second = bench.accept_text("alice", "two").await;
        let before = view(bench, &first).await;
        assert!(before.is_new_contact());
        assert_eq!((before.first_sent_at, before.first_inbound_at), (None, None));
        bench.advance(Duration::from_secs(1));
        let called = bench.now();
        let attempt = NewAttempt { is_new: true, ..bench.attempt(&first, 1) };
        assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
        let refused = Ended { outcome: OutcomeKind::Refused, status: model::Status::Failed, ..bench.ended(&attempt, "alice") };
        bench.store.end_attempt(refused).await.unwrap();
        bench.advance(Duration::from_secs(1));
        let lost = NewAttempt { is_new: true, ..bench.attempt(&second, 1) };
        assert!(bench.store.open_attempt(lost.clone()).await.unwrap());
        bench.store.end_attempt(Ended { outcome: OutcomeKind::Lost, ..bench.ended(&lost, "alice") }).await.unwrap();
        let after = view(bench, &second).await;
        assert_eq!((after.first_sent_at, after.first_taken_at), (Some(called), None));
        assert!(after.is_new_contact(), "neither is known to have been taken");
        let again = NewAttempt { is_new: true, ..bench.attempt(&second, 2) };
        assert!(bench.store.open_attempt(again.clone()).await.unwrap());
        assert!(view(bench, &second).await.is_new_contact(), "it may yet be lost");
        bench.advance(Duration::from_secs(1));
        let taken = bench.now();
        bench.store.end_attempt(bench.yes(&again, "alice", "p1")).await.unwrap();
        let third = bench.accept_text("alice", "three").await;
        let after = view(bench, &third).await;
        assert_eq!((after.first_sent_at, after.first_taken_at), (Some(called), Some(taken)));
        assert!(!after.is_new_contact());
        bench.start(&third, 1).await;
        let canceled = bench.accept_text("bob", "x").await;
        bench.store.cancel_message(bench.workspace, canceled.id, &Actor::system()).await.unwrap();
        assert!(!bench.store.open_attempt(bench.attempt(&canceled, 1)).await.unwrap());
        assert!(view(bench, &canceled).await.is_new_contact(), "no call was made");
        let past = bench.store.past_attempts(bench.account.id, START).await.unwrap();
        assert_eq!(past.iter().map(|past| past.is_new).collect::<Vec<_>>(), [true, true, true, false]);
    }

    async fn what_a_login_sent_before_its_account_was_deleted_counts(bench: &Bench) {
        let message = bench.accept_text("alice", "one").await;
        let attempt = bench.start(&message, 1).await;
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        bench.store.delete_account(bench.workspace, bench.account.id).await.unwrap();
        let again = bench.store.create_account(bench.workspace, &crate::bench::new_account("one")).await.unwrap();
        let other = bench.store.create_account(bench.workspace, &crate::bench::new_account("two")).await.unwrap();
        let past = async |account| bench.store.past_attempts(account, START).await.unwrap();
        assert_ne!(again.id, bench.account.id);
        assert_eq!(past(again.id).await.iter().map(|it| it.started_at).collect::<Vec<_>>(), [attempt.started_at]);
        assert_eq!(past(other.id).await, []);
    }

    async fn a_wait_that_was_lifted_is_told_once(bench: &Bench) {
        let message = bench.accept_text("alice", "one").await;
        let wait = |secs| Wait::new("gap", Scope::Lane, bench.now() + Duration::from_secs(secs));
        let attempt = NewAttempt { waits: vec![wait(5), wait(9)], ..bench.attempt(&message, 1) };
        assert!(bench.store.open_attempt(attempt).await.unwrap());
        let timeline = bench.store.timeline(bench.workspace, message.id).await.unwrap();
        assert_eq!(timeline.iter().filter(|entry| entry["what"] == "waited").count(), 1, "{timeline:?}");
    }

    async fn a_late_yes_makes_a_chat_known(bench: &Bench) {
        let message = bench.accept_text("alice", "one").await;
        let attempt = NewAttempt { is_new: true, ..bench.attempt(&message, 1) };
        assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
        let lost = Ended { outcome: OutcomeKind::Lost, status: model::Status::Unknown, ..bench.ended(&attempt, "alice") };
        bench.store.end_attempt(lost).await.unwrap();
        let next = bench.accept_text("alice", "two").await;
        assert!(view(bench, &next).await.is_new_contact());
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        assert!(!view(bench, &next).await.is_new_contact());
    }

    async fn many_first_yeses_share_a_commit(bench: &Bench) {
        let mut crowd = tokio::task::JoinSet::new();
        for n in 0..100 {
            let chat = format!("chat{n}");
            let message = bench.accept_text(&chat, "x").await;
            let attempt = NewAttempt { is_new: true, ..bench.attempt(&message, 1) };
            assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
            let (store, yes) = (bench.store.clone(), bench.yes(&attempt, &chat, &format!("p{n}")));
            crowd.spawn(async move { store.end_attempt(yes).await.unwrap() });
        }
        crowd.join_all().await;
        assert_eq!(bench.count("SELECT count(*) FROM conversations WHERE first_taken_at IS NULL").await, 0);
    }

    async fn many_first_calls_share_a_commit(bench: &Bench) {
        let mut messages = Vec::new();
        for n in 0..100 {
            messages.push(bench.accept_text(&format!("chat{n}"), "x").await);
        }
        let mut crowd = tokio::task::JoinSet::new();
        for message in &messages {
            let (store, attempt) = (bench.store.clone(), bench.attempt(message, 1));
            crowd.spawn(async move { assert!(store.open_attempt(attempt).await.unwrap()) });
        }
        crowd.join_all().await;
        assert_eq!(bench.count("SELECT count(*) FROM conversations WHERE first_sent_at IS NULL").await, 0);
    }

    async fn first_calls_and_what_comes_in_do_not_wait_for_each_other_in_a_circle(bench: &Bench) {
        let chats: Vec<String> = (0..60).map(|n| format!("chat{n}")).collect();
        for round in 0..10 {
            let mut messages = Vec::new();
            for chat in &chats {
                messages.push(bench.accept_text(&format!("{round}-{chat}"), "x").await);
            }
            let mut crowd = tokio::task::JoinSet::new();
            for message in messages.iter().rev() {
                let (store, attempt) = (bench.store.clone(), bench.attempt(message, 1));
                crowd.spawn(async move { assert!(store.open_attempt(attempt).await.unwrap()) });
            }
            for part in 0..4 {
                let (store, account) = (bench.store.clone(), bench.account.clone());
                let wrote = |chat: &String| from(&format!("{round}-{chat}"), &format!("{part}-{chat}"), Content::text("hi"));
                let items: Vec<Inbound> = chats.iter().map(wrote).collect();
                crowd.spawn(async move { drop(store.apply_inbound(&account, &[ingested(items)]).await.unwrap()) });
            }
            crowd.join_all().await;
        }
        assert_eq!(bench.count("SELECT count(*) FROM conversations WHERE first_sent_at IS NULL OR first_inbound_at IS NULL").await, 0);
    }

    async fn who_wrote_is_no_new_contact(bench: &Bench) {
        let wrote = |seconds: u64, id: &str| {
            Inbound { at: START + Duration::from_secs(seconds), ..from("alice", id, Content::text("hi")) }
        };
        ingest(bench, vec![wrote(20, "i2"), wrote(30, "i3")]).await;
        ingest(bench, vec![wrote(10, "i1")]).await;
        let view = view(bench, &bench.accept_text("alice", "hello").await).await;
        let at = |seconds| Some(START + Duration::from_secs(seconds));
        assert_eq!((view.first_inbound_at, view.last_inbound_at), (at(10), at(30)));
        assert!(!view.is_new_contact());
    }

    async fn what_the_contact_wants_comes_with_the_send(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        assert_eq!(view(bench, &message).await.contact, store::ContactFacts::default());
        let change = ContactChange {
            timezone: Patch::To("Asia/Tokyo".to_owned()),
            opted_out: Some(true),
            ..ContactChange::default()
        };
        bench.store.change_contact(bench.workspace, message.contact_id.unwrap(), &change, &Actor::system()).await.unwrap();
        let contact = view(bench, &message).await.contact;
        assert_eq!((contact.opted_out, contact.timezone.as_deref()), (true, Some("Asia/Tokyo")));
    }

    async fn queued_campaigns_are_found_by_what_they_say(bench: &Bench) {
        let hash = |words: &str| text_hash(&Content::text(words)).unwrap();
        let found = async |words: &str| bench.store.queued_with_text(bench.account.id, hash(words), 10).await.unwrap();
        let one = campaign(bench, "alice", "buy").await;
        let two = campaign(bench, "bob", "buy").await;
        bench.accept_text("carol", "buy").await;
        let other = campaign(bench, "dave", "sell").await;
        assert_eq!(found("buy").await, [one.id, two.id]);
        assert_eq!(bench.store.queued_with_text(bench.account.id, hash("buy"), 1).await.unwrap(), [one.id]);
        // An edit before it leaves is what it says then.
        let change = Change::Edit(Content::text("sell"));
        let edit = NewAction { message_id: two.id, change, actor: Actor::system(), connection: None };
        let edited = bench.store.accept_action(bench.workspace, &edit, None, |action| serde_json::json!(action)).await.unwrap();
        assert!(matches!(edited, Created::New(_)));
        assert_eq!((found("buy").await, found("sell").await), (vec![one.id], vec![two.id, other.id]));
        bench.start(&one, 1).await;
        assert_eq!(found("buy").await, []);
    }

    async fn the_past_tells_what_was_said_to_whom_and_why(bench: &Bench) {
        let message = campaign(bench, "alice", "buy").await;
        let hash = text_hash(&message.content);
        let attempt = NewAttempt { text_hash: hash, ..bench.attempt(&message, 1) };
        assert!(bench.store.open_attempt(attempt).await.unwrap());
        let past = bench.store.past_attempts(bench.account.id, START).await.unwrap();
        assert_eq!((past[0].purpose, past[0].text_hash), (Purpose::Campaign, hash));
    }
}
