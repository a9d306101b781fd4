//! Receipts: joined whenever their message is known, in any order, and never backwards.

use std::time::Duration;

use model::{Message, ReceiptKind, Status};
use store::{Ended, OutcomeKind};
use tokio::task::JoinSet;

use crate::bench::{Bench, on_both};
use crate::inbound::{ingest, receipt};

async fn is(bench: &Bench, message: &Message, status: Status) {
    assert_eq!(bench.status(message).await, status);
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
