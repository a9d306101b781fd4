//! What is still to be done, from rows alone; and scheduled messages, whose time comes once.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Actor, Class, Message, Purpose, Status, Subject};
use store::{Ended, NewMessage, PendingSend, Store, Walk};
use tokio::task::JoinSet;

use crate::bench::{Bench, nobody, on_both};

async fn later(bench: &Bench, seconds: u64) -> Message {
    let send_at = Some(bench.now() + Duration::from_secs(seconds));
    bench.accept(&NewMessage { send_at, ..bench.text("alice", "later") }).await
}

/// All that the sweep finds now, in steps of so many conversations and classes.
pub async fn heads(bench: &Bench, most: u32) -> Vec<PendingSend> {
    let (mut found, mut walk) = (Vec::new(), Walk::default());
    while !walk.is_over() {
        let (heads, next) = bench.store.due_heads(bench.now(), walk, most).await.unwrap();
        assert!(heads.len() <= 2 * most as usize);
        found.extend(heads);
        walk = next;
    }
    found
}

on_both! {
    async fn unfinished_sends_page_by_class(bench: &Bench) {
        let mut ids = Vec::new();
        for n in 0..7 {
            ids.push(bench.accept_text(&format!("chat{}", n % 2), "x").await.id.into());
        }
        bench.accept(&NewMessage { purpose: Purpose::Campaign, ..bench.text("chat0", "x") }).await;
        bench.sent("chat0", "done", "p1").await;
        later(bench, 60).await;
        let mut seen: Vec<Subject> = Vec::new();
        loop {
            let page = bench.store.unfinished_sends(Class::Normal, seen.last().copied(), 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|pending| pending.subject));
        }
        assert_eq!(seen, ids);
        assert_eq!(bench.store.unfinished_sends(Class::Bulk, None, 10).await.unwrap().len(), 1);
        assert_eq!(bench.store.unfinished_sends(Class::Interactive, None, 10).await.unwrap(), []);
    }

    async fn the_sweep_sees_the_first_due_one_of_each_key(bench: &Bench) {
        let first = bench.accept_text("alice", "one").await;
        bench.accept_text("alice", "two").await;
        let campaign = bench.accept(&NewMessage { purpose: Purpose::Campaign, ..bench.text("alice", "x") }).await;
        let heads = async |class| {
            let heads = heads(bench, 10).await.into_iter().filter(|head| head.class == class);
            heads.map(|head| head.subject).collect::<Vec<_>>()
        };
        assert_eq!(heads(Class::Normal).await, [first.id.into()]);
        assert_eq!(heads(Class::Bulk).await, [campaign.id.into()]);
        // One that waits for its retry holds its key: nothing behind it is due.
        let attempt = bench.start(&first, 1).await;
        let retry = Ended { next_attempt_at: Some(bench.now() + Duration::from_mins(1)), ..bench.ended(&attempt, "alice") };
        bench.store.end_attempt(retry).await.unwrap();
        assert_eq!(heads(Class::Normal).await, []);
        bench.advance(Duration::from_mins(1));
        assert_eq!(heads(Class::Normal).await, [first.id.into()]);
    }

    async fn a_walk_finds_the_same_heads_in_steps_of_any_size(bench: &Bench) {
        const PURPOSES: [Purpose; 3] = [Purpose::Conversation, Purpose::Transactional, Purpose::Campaign];
        for n in 0..60 {
            let (chat, purpose) = (format!("chat{}", n * 7 % 11), PURPOSES[n % 3]);
            let message = bench.accept(&NewMessage { purpose, ..bench.text(&chat, "x") }).await;
            if n % 5 == 0 {
                let attempt = bench.start(&message, 1).await;
                let end = bench.yes(&attempt, &chat, &format!("p{n}"));
                bench.store.end_attempt(end).await.unwrap();
            }
        }
        let mut first: BTreeMap<_, PendingSend> = BTreeMap::new();
        for class in Class::ALL {
            for send in bench.store.unfinished_sends(*class, None, 100).await.unwrap() {
                let head = first.entry((send.conversation_id, *class)).or_insert_with(|| send.clone());
                if send.seq < head.seq {
                    *head = send;
                }
            }
        }
        assert!(first.len() > 20);
        for most in [1, 2, 7, 100] {
            let mut found: Vec<_> = heads(bench, most).await;
            found.sort_by_key(|head| (head.conversation_id, head.class));
            assert_eq!(found, first.values().cloned().collect::<Vec<_>>(), "{most} a step");
        }
    }

    async fn what_is_new_is_found_by_when_it_was_made(bench: &Bench) {
        let old = bench.accept_text("alice", "one").await;
        bench.advance(Duration::from_millis(1));
        let since = Store::made_since(bench.now());
        let new = bench.accept_text("alice", "two").await;
        let page = bench.store.unfinished_sends(Class::Normal, Some(since), 10).await.unwrap();
        assert_eq!(page.iter().map(|send| send.subject).collect::<Vec<_>>(), [new.id.into()]);
        assert!(old.id.0 < since.id());
    }

    async fn one_pending_send_is_told_with_its_order(bench: &Bench) {
        let first = bench.accept_text("alice", "one").await;
        let second = bench.accept_text("alice", "two").await;
        let pending = bench.store.pending_send(second.id.into()).await.unwrap().unwrap();
        assert_eq!((pending.seq, pending.class, pending.ready_at), (2, Class::Normal, bench.now()));
        assert_eq!((pending.conversation_id, pending.channel.as_str()), (first.conversation_id, "sandbox"));
        bench.store.cancel_message(bench.workspace, second.id, &Actor::system()).await.unwrap();
        assert_eq!(bench.store.pending_send(second.id.into()).await.unwrap(), None);
        assert_eq!(bench.store.pending_send(Subject::Message(nobody())).await.unwrap(), None);
    }

    async fn a_scheduled_message_takes_its_number_when_its_time_comes(bench: &Bench) {
        let scheduled = later(bench, 60).await;
        let now = bench.accept_text("alice", "now").await;
        assert_eq!(bench.store.scheduled_sends(bench.now() + Duration::from_secs(59), 10).await.unwrap(), []);
        let due = bench.store.scheduled_sends(bench.now() + Duration::from_mins(1), 10).await.unwrap();
        assert_eq!(due.iter().map(|due| due.message_id).collect::<Vec<_>>(), [scheduled.id]);
        bench.advance(Duration::from_mins(1));
        bench.store.release_message(scheduled.id).await.unwrap();
        let released = bench.message(&scheduled).await;
        assert_eq!((released.status, released.seq, released.queued_at), (Status::Queued, Some(2), Some(bench.now())));
        assert_eq!(now.seq, Some(1));
        let chat = bench.store.conversation(bench.workspace, now.conversation_id).await.unwrap();
        assert_eq!(chat.last_message_id, Some(scheduled.id));
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.status'").await, 1);
        assert_eq!(bench.store.scheduled_sends(bench.now(), 10).await.unwrap(), []);
    }

    async fn however_many_release_it_one_number_is_taken(bench: &Bench) {
        let scheduled = later(bench, 60).await;
        let mut crowd = JoinSet::new();
        for _ in 0..20 {
            let store = bench.store.clone();
            crowd.spawn(async move { store.release_message(scheduled.id).await.unwrap() });
        }
        crowd.join_all().await;
        assert_eq!(bench.message(&scheduled).await.seq, Some(1));
        assert_eq!(bench.accept_text("alice", "next").await.seq, Some(2));
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.status'").await, 1);
    }

    async fn a_canceled_message_is_never_released(bench: &Bench) {
        let scheduled = later(bench, 60).await;
        bench.store.cancel_message(bench.workspace, scheduled.id, &Actor::system()).await.unwrap();
        bench.store.release_message(scheduled.id).await.unwrap();
        assert_eq!(bench.status(&scheduled).await, Status::Canceled);
        assert_eq!(bench.accept_text("alice", "next").await.seq, Some(1));
    }
}
