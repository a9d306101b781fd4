//! Receipts: joined whenever their message is known, in any order, and never backwards.

use std::time::Duration;

use model::{Inbound, InboundKind, Message, ReceiptKind, Status, Timestamp};
use store::{Ended, OutcomeKind};
use tokio::task::JoinSet;

use crate::bench::{Bench, on_both};
use crate::inbound::{ingest, of, receipt};

async fn is(bench: &Bench, message: &Message, status: Status) {
    assert_eq!(bench.status(message).await, status);
}

fn up_to(bench: &Bench, chat: &str, reached: ReceiptKind, until: Timestamp) -> Inbound {
    of(chat, bench.now(), InboundKind::ReceiptUpTo { reached, until })
}

on_both! {
    async fn receipts_move_a_message_forward(bench: &Bench) {
        let message = bench.sent("alice", "hi", "p1").await;
        for (kind, status) in [
            (ReceiptKind::Sent, Status::Sent),
            (ReceiptKind::Delivered, Status::Delivered),
            (ReceiptKind::Read, Status::Read),
        ] {
            bench.advance(Duration::from_secs(1));
            ingest(bench, vec![receipt(bench, "alice", "p1", kind)]).await;
            is(bench, &message, status).await;
        }
        let read = bench.message(&message).await;
        let after = |seconds| Some(crate::bench::START + Duration::from_secs(seconds));
        assert_eq!((read.sent_at, read.delivered_at, read.read_at), (after(0), after(2), after(3)));
        assert_eq!(read.updated_at, bench.now());
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.status'").await, 3);
    }

    async fn receipts_out_of_order_never_go_back(bench: &Bench) {
        let message = bench.sent("alice", "hi", "p1").await;
        for kind in [ReceiptKind::Read, ReceiptKind::Delivered, ReceiptKind::Sent, ReceiptKind::Failed] {
            ingest(bench, vec![receipt(bench, "alice", "p1", kind)]).await;
            is(bench, &message, Status::Read).await;
        }
        assert!(bench.message(&message).await.delivered_at.is_some());
        let events = "SELECT count(*) FROM events WHERE kind = 'message.status'";
        assert_eq!(bench.count(events).await, 2, "what changes nothing is not told");
    }

    async fn receipts_that_come_before_the_outcome_wait_for_it(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        ingest(bench, vec![receipt(bench, "alice", "p1", ReceiptKind::Read)]).await;
        ingest(bench, vec![receipt(bench, "alice", "p1", ReceiptKind::Delivered)]).await;
        ingest(bench, vec![receipt(bench, "bob", "p1", ReceiptKind::Failed)]).await;
        is(bench, &message, Status::Sending).await;
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        is(bench, &message, Status::Read).await;
    }

    async fn a_receipt_for_a_chat_that_nobody_knows_is_kept(bench: &Bench) {
        let summary = ingest(bench, vec![receipt(bench, "nobody", "p1", ReceiptKind::Read)]).await;
        assert_eq!(summary.receipts, 1);
        assert_eq!(bench.count("SELECT count(*) FROM receipts").await, 1);
    }

    async fn a_failure_by_receipt_has_the_providers_words(bench: &Bench) {
        let message = bench.sent("alice", "hi", "p1").await;
        let mut failed = receipt(bench, "alice", "p1", ReceiptKind::Failed);
        let model::InboundKind::Receipt(inner) = &mut failed.kind else { unreachable!() };
        inner.error = Some("131047: re-engagement message".to_owned());
        ingest(bench, vec![failed]).await;
        let failed = bench.message(&message).await;
        assert_eq!((failed.status, failed.reason.as_deref()), (Status::Failed, Some("131047: re-engagement message")));
    }

    async fn a_receipt_settles_an_unknown_message(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        let unknown = Ended {
            outcome: OutcomeKind::Ambiguous,
            status: Status::Unknown,
            provider_id: Some("p1".to_owned()),
            ..bench.ended(&attempt, "alice")
        };
        bench.store.end_attempt(unknown).await.unwrap();
        is(bench, &message, Status::Unknown).await;
        ingest(bench, vec![receipt(bench, "alice", "p1", ReceiptKind::Delivered)]).await;
        is(bench, &message, Status::Delivered).await;
    }

    async fn a_word_about_all_until_a_time_moves_those_and_no_others(bench: &Bench) {
        let first = bench.sent("alice", "one", "p1").await;
        bench.advance(Duration::from_secs(10));
        let second = bench.sent("alice", "two", "p2").await;
        let read = bench.sent("alice", "read before", "p3").await;
        ingest(bench, vec![receipt(bench, "alice", "p3", ReceiptKind::Read)]).await;
        let elsewhere = bench.sent("bob", "one", "p4").await;
        let until = bench.now();
        bench.advance(Duration::from_secs(10));
        let later = bench.sent("alice", "three", "p5").await;
        let events = "SELECT count(*) FROM events WHERE kind = 'message.status'";
        let before = bench.count(events).await;
        for (reached, status) in [(ReceiptKind::Delivered, Status::Delivered), (ReceiptKind::Read, Status::Read)] {
            ingest(bench, vec![up_to(bench, "alice", reached, until)]).await;
            is(bench, &first, status).await;
            is(bench, &second, status).await;
        }
        ingest(bench, vec![up_to(bench, "alice", ReceiptKind::Delivered, until)]).await;
        is(bench, &first, Status::Read).await;
        is(bench, &read, Status::Read).await;
        is(bench, &elsewhere, Status::Sent).await;
        is(bench, &later, Status::Sent).await;
        assert_eq!(bench.count(events).await - before, 4, "each step of each message, and nothing twice");
        let first = bench.message(&first).await;
        assert_eq!((first.delivered_at, first.read_at), (Some(until), Some(until)));
        let summary = ingest(bench, vec![up_to(bench, "nobody", ReceiptKind::Read, until)]).await;
        assert_eq!(summary.receipts, 1);
    }

    async fn a_word_about_all_that_comes_before_the_outcome_waits_for_it(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        bench.advance(Duration::from_secs(1));
        ingest(bench, vec![up_to(bench, "alice", ReceiptKind::Read, bench.now())]).await;
        // An older word comes late.
        ingest(bench, vec![up_to(bench, "alice", ReceiptKind::Read, crate::bench::START)]).await;
        is(bench, &message, Status::Sending).await;
        bench.advance(Duration::from_secs(1));
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        is(bench, &message, Status::Read).await;
        let next = bench.sent("alice", "hi again", "p2").await;
        is(bench, &next, Status::Sent).await;
    }

    async fn outcomes_and_a_word_about_all_at_one_moment_find_each_other(bench: &Bench) {
        let mut messages = Vec::new();
        for n in 0..30 {
            let message = bench.accept_text(&format!("chat{n}"), "hi").await;
            messages.push((message.clone(), bench.start(&message, 1).await));
        }
        let mut crowd = JoinSet::new();
        for (n, (_, attempt)) in messages.iter().enumerate() {
            let chat = format!("chat{n}");
            let (store, yes) = (bench.store.clone(), bench.yes(attempt, &chat, &format!("p{n}")));
            crowd.spawn(async move { store.end_attempt(yes).await.unwrap() });
            let (store, account) = (bench.store.clone(), bench.account.clone());
            let event = crate::inbound::ingested(vec![up_to(bench, &chat, ReceiptKind::Read, bench.now())]);
            crowd.spawn(async move { assert!(store.apply_inbound(&account, &[event]).await.is_ok()) });
        }
        crowd.join_all().await;
        for (message, _) in &messages {
            is(bench, message, Status::Read).await;
        }
    }

    async fn an_outcome_and_its_receipt_at_one_moment_find_each_other(bench: &Bench) {
        let mut messages = Vec::new();
        for n in 0..60 {
            let message = bench.accept_text(&format!("chat{n}"), "hi").await;
            messages.push((message.clone(), bench.start(&message, 1).await));
        }
        let mut crowd = JoinSet::new();
        for (n, (_, attempt)) in messages.iter().enumerate() {
            let (chat, id) = (format!("chat{n}"), format!("p{n}"));
            let (store, yes) = (bench.store.clone(), bench.yes(attempt, &chat, &id));
            crowd.spawn(async move { store.end_attempt(yes).await.unwrap() });
            let (store, account) = (bench.store.clone(), bench.account.clone());
            let event = crate::inbound::ingested(vec![receipt(bench, &chat, &id, ReceiptKind::Delivered)]);
            crowd.spawn(async move { assert!(store.apply_inbound(&account, &[event]).await.is_ok()) });
        }
        crowd.join_all().await;
        for (message, _) in &messages {
            is(bench, message, Status::Delivered).await;
        }
    }
}
