//! The send ledger: what may be called, and what calls mean for their messages.

use std::time::Duration;

use model::{Actor, Message, Status};
use store::{Ended, NewAttempt, OutcomeKind, StoreError};
use tokio::task::JoinSet;

use crate::bench::{Bench, nobody, on_both};

const FINAL: [Status; 7] = [
    Status::Sent,
    Status::Delivered,
    Status::Read,
    Status::Failed,
    Status::Canceled,
    Status::Skipped,
    Status::Unknown,
];

async fn set(bench: &Bench, message: &Message, status: Status) {
    let id =
        if bench.is_server() { format!("'{}'", message.id) } else { format!("x'{}'", message.id.0.simple()) };
    bench.tamper(&format!("UPDATE messages SET status = '{status}' WHERE id = {id}")).await;
}

fn failed(bench: &Bench, attempt: &NewAttempt) -> Ended {
    Ended {
        outcome: OutcomeKind::Refused,
        error_code: Some("131026".to_owned()),
        error: Some("undeliverable".to_owned()),
        status: Status::Failed,
        reason: Some("undeliverable: no such number".to_owned()),
        ..bench.ended(attempt, "alice")
    }
}

on_both! {
    async fn a_call_is_committed_before_and_after(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        assert_eq!(bench.status(&message).await, Status::Sending);
        let view = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
        assert_eq!(view.open.map(|open| (open.id, open.worker)), Some((attempt.id, bench.worker)));
        assert_eq!((view.attempts, view.lost, view.chat.as_str()), (1, 0, "alice"));
        assert_eq!(view.credentials["token"], "planted-secret-4711");

        bench.advance(Duration::from_millis(80));
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        let sent = bench.message(&message).await;
        assert_eq!((sent.status, sent.provider_id.as_deref()), (Status::Sent, Some("p1")));
        assert_eq!(sent.sent_at, Some(bench.now()));
        let attempts = bench.store.attempts(message.id).await.unwrap();
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].outcome.as_deref(), Some("accepted"));
        assert_eq!(attempts[0].ended_at, Some(bench.now()));
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.status'").await, 1);
    }

    async fn a_canceled_message_is_not_called_for(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        bench.store.cancel_message(bench.workspace, message.id, &Actor::system()).await.unwrap();
        assert!(!bench.store.open_attempt(bench.attempt(&message, 1)).await.unwrap());
        assert_eq!(bench.store.attempts(message.id).await.unwrap(), []);
        let late = bench.accept_text("alice", "hi").await;
        bench.start(&late, 1).await;
        let canceled = bench.store.cancel_message(bench.workspace, late.id, &Actor::system()).await;
        assert!(matches!(canceled, Err(StoreError::Conflict(_))), "it is on its way");
    }

    async fn writing_twice_changes_nothing(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
        for _ in 0..3 {
            bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        }
        assert_eq!(bench.store.attempts(message.id).await.unwrap().len(), 1);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.status'").await, 1);
    }

    async fn a_number_is_opened_once(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        bench.start(&message, 1).await;
        let second = bench.store.open_attempt(bench.attempt(&message, 1)).await;
        assert!(matches!(second, Err(StoreError::Conflict(_))), "{second:?}");
    }

    async fn a_retry_waits_and_its_reason_shows(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        let again = bench.now() + Duration::from_secs(30);
        let retry = Ended { next_attempt_at: Some(again), reason: Some("busy".to_owned()), ..bench.ended(&attempt, "alice") };
        bench.store.end_attempt(retry).await.unwrap();
        let queued = bench.message(&message).await;
        assert_eq!((queued.status, queued.next_attempt_at), (Status::Queued, Some(again)));
        let pending = bench.store.pending_send(message.id.into()).await.unwrap().unwrap();
        assert_eq!(pending.ready_at, again);
        assert_eq!(bench.store.load_send(message.id.into()).await.unwrap().unwrap().failures, 1);
    }

    async fn a_late_yes_is_recorded_in_every_state(bench: &Bench) {
        for (n, before) in [Status::Unknown, Status::Failed, Status::Canceled, Status::Skipped].into_iter().enumerate() {
            let message = bench.accept_text("alice", "hi").await;
            let attempt = bench.start(&message, 1).await;
            let lost = Ended { outcome: OutcomeKind::Lost, status: Status::Unknown, ..bench.ended(&attempt, "alice") };
            bench.store.end_attempt(lost).await.unwrap();
            set(bench, &message, before).await;
            bench.store.end_attempt(bench.yes(&attempt, "alice", &format!("p{n}"))).await.unwrap();
            let sent = bench.message(&message).await;
            assert_eq!((sent.status, sent.reason), (Status::Sent, None), "after {before}");
            assert_eq!(bench.store.attempts(message.id).await.unwrap()[0].outcome.as_deref(), Some("accepted"));
        }
    }

    async fn nothing_else_moves_a_final_state(bench: &Bench) {
        for status in FINAL {
            let message = bench.accept_text("alice", "hi").await;
            let attempt = bench.start(&message, 1).await;
            set(bench, &message, status).await;
            assert!(!bench.store.open_attempt(bench.attempt(&message, 2)).await.unwrap(), "{status}");
            for ended in [bench.ended(&attempt, "alice"), failed(bench, &attempt)] {
                bench.store.end_attempt(ended).await.unwrap();
                assert_eq!(bench.status(&message).await, status);
            }
        }
    }

    async fn a_yes_does_not_undo_receipts(bench: &Bench) {
        for (n, status) in [Status::Delivered, Status::Read].into_iter().enumerate() {
            let message = bench.accept_text("alice", "hi").await;
            let attempt = bench.start(&message, 1).await;
            set(bench, &message, status).await;
            bench.store.end_attempt(bench.yes(&attempt, "alice", &format!("p{n}"))).await.unwrap();
            assert_eq!(bench.status(&message).await, status);
        }
    }

    async fn a_worker_that_lost_its_attempt_says_nothing_about_the_next(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let zombie = bench.start(&message, 1).await;
        let lost = Ended { outcome: OutcomeKind::Lost, ..bench.ended(&zombie, "alice") };
        bench.store.end_attempt(lost).await.unwrap();
        let second = bench.start(&message, 2).await;
        bench.store.end_attempt(failed(bench, &zombie)).await.unwrap();
        assert_eq!(bench.status(&message).await, Status::Sending, "the second call is open");
        bench.store.end_attempt(bench.yes(&zombie, "alice", "p1")).await.unwrap();
        bench.store.end_attempt(bench.ended(&second, "alice")).await.unwrap();
        let sent = bench.message(&message).await;
        assert_eq!((sent.status, sent.provider_id.as_deref()), (Status::Sent, Some("p1")));
    }

    async fn a_message_may_end_without_a_call(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let skipped = Ended {
            attempt_id: None,
            outcome: OutcomeKind::Refused,
            status: Status::Skipped,
            reason: Some("opted_out".to_owned()),
            ..bench.ended(&bench.attempt(&message, 1), "alice")
        };
        bench.store.end_attempt(skipped).await.unwrap();
        let message = bench.message(&message).await;
        assert_eq!((message.status, message.reason.as_deref()), (Status::Skipped, Some("opted_out")));
    }

    async fn a_person_may_retry_and_old_failures_are_forgiven(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        for n in 1..=3 {
            let attempt = bench.start(&message, n).await;
            let lost = Ended { outcome: OutcomeKind::Lost, ..bench.ended(&attempt, "alice") };
            bench.store.end_attempt(lost).await.unwrap();
        }
        let fourth = bench.start(&message, 4).await;
        bench.store.end_attempt(failed(bench, &fourth)).await.unwrap();
        assert_eq!(bench.store.load_send(message.id.into()).await.unwrap().unwrap().lost, 3);
        let again = bench.store.retry_message(bench.workspace, message.id, &Actor::system()).await.unwrap();
        assert_eq!((again.status, again.seq, again.reason), (Status::Queued, message.seq, None));
        let view = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
        assert_eq!((view.attempts, view.lost, view.failures), (4, 0, 0));
        let twice = bench.store.retry_message(bench.workspace, message.id, &Actor::system()).await;
        assert!(matches!(twice, Err(StoreError::Conflict(_))));
    }

    async fn a_person_may_say_what_became_of_an_unknown_one(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        let system = Actor::system();
        let early = bench.store.resolve_message(bench.workspace, message.id, Status::Sent, &system).await;
        assert!(matches!(early, Err(StoreError::Conflict(_))));
        let unknown = Ended { outcome: OutcomeKind::Ambiguous, status: Status::Unknown, ..bench.ended(&attempt, "alice") };
        bench.store.end_attempt(unknown).await.unwrap();
        let sent = bench.store.resolve_message(bench.workspace, message.id, Status::Sent, &system).await.unwrap();
        assert_eq!((sent.status, sent.sent_at), (Status::Sent, Some(bench.now())));
    }

    async fn an_earlier_message_of_the_class_is_seen(bench: &Bench) {
        let first = bench.accept_text("alice", "one").await;
        let second = bench.accept_text("alice", "two").await;
        bench.accept_text("bob", "elsewhere").await;
        let earlier = async |message: &Message| bench.store.load_send(message.id.into()).await.unwrap().unwrap().earlier;
        assert_eq!((earlier(&first).await, earlier(&second).await), (None, Some(first.id.into())));
        let attempt = bench.start(&first, 1).await;
        assert_eq!(earlier(&second).await, Some(first.id.into()));
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        assert_eq!(earlier(&second).await, None);
    }

    async fn five_hundred_writes_share_commits_and_a_bad_one_spoils_nobody(bench: &Bench) {
        let mut messages = Vec::new();
        for n in 0..25 {
            messages.push(bench.accept_text(&format!("chat{n}"), "hi").await);
        }
        // Each message's twenty writes must take effect in their order: a call, its retry, the next call, and so on.
        let mut crowd = JoinSet::new();
        for message in messages.clone() {
            let store = bench.store.clone();
            let attempts: Vec<NewAttempt> = (1..=10).map(|n| bench.attempt(&message, n)).collect();
            let mut ends: Vec<Ended> = attempts.iter().map(|attempt| bench.ended(attempt, "chat")).collect();
            ends[9] = bench.yes(&attempts[9], "chat", "p");
            crowd.spawn(async move {
                for (attempt, end) in attempts.into_iter().zip(ends) {
                    assert!(store.open_attempt(attempt).await.unwrap());
                    store.end_attempt(end).await.unwrap();
                }
            });
        }
        for _ in 0..20 {
            let mut bad = bench.attempt(&messages[0], 99);
            bad.conversation_id = nobody();
            let store = bench.store.clone();
            crowd.spawn(async move { assert!(store.open_attempt(bad).await.is_err()) });
        }
        crowd.join_all().await;
        for message in &messages {
            let sent = bench.message(message).await;
            assert_eq!((sent.status, sent.provider_id.as_deref()), (Status::Sent, Some("p")));
            let attempts = bench.store.attempts(message.id).await.unwrap();
            assert_eq!(attempts.iter().map(|attempt| attempt.n).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
            assert!(attempts.iter().all(|attempt| attempt.ended_at.is_some()));
        }
    }

    async fn two_writes_for_one_message_take_effect_in_order(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let first = bench.start(&message, 1).await;
        let second = bench.attempt(&message, 2);
        // Handed over in one go, so that they gather in one batch.
        let (ended, opened, sent) = tokio::join!(
            biased;
            bench.store.end_attempt(bench.ended(&first, "alice")),
            bench.store.open_attempt(second.clone()),
            bench.store.end_attempt(bench.yes(&second, "alice", "p2")),
        );
        ended.unwrap();
        assert!(opened.unwrap());
        sent.unwrap();
        assert_eq!(bench.status(&message).await, Status::Sent);
        let outcomes: Vec<_> =
            bench.store.attempts(message.id).await.unwrap().into_iter().map(|attempt| attempt.outcome).collect();
        assert_eq!(outcomes, [Some("retry".to_owned()), Some("accepted".to_owned())]);
    }

    async fn an_outcome_with_a_nul_is_recorded(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        let ended = Ended { error: Some("bad\0byte".to_owned()), ..failed(bench, &attempt) };
        bench.store.end_attempt(ended).await.unwrap();
        assert_eq!(bench.store.attempts(message.id).await.unwrap()[0].error.as_deref(), Some("bad\u{FFFD}byte"));
    }

    async fn the_past_is_told_oldest_first(bench: &Bench) {
        let mut started = Vec::new();
        for n in 0..5 {
            bench.advance(Duration::from_secs(1));
            let message = bench.accept_text(&format!("chat{n}"), "hi").await;
            started.push(bench.start(&message, 1).await.started_at);
        }
        let past = bench.store.past_attempts(bench.account.id, started[1]).await.unwrap();
        assert_eq!(past.iter().map(|past| past.started_at).collect::<Vec<_>>(), started[1..]);
    }
}
