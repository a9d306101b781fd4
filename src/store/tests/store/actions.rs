//! Actions: accepted in their message's order, ended as messages are, and done to the message when the provider did them.

use std::time::Duration;

use model::{
    Action, ActionStatus, Actor, Change, Class, Content, EventKind, Message, Purpose, Reaction, Status,
    Subject,
};
use serde_json::{Value, json};
use store::{
    Created, Ended, Idempotency, NewAction, NewAttempt, NewMessage, OutcomeKind, Purged, StoreError,
};
use tokio::task::JoinSet;

use crate::bench::{Bench, START, nobody, on_both};
use crate::inbound::{from, ingest};
use crate::listings::all_messages;
use crate::pending::heads;

fn new(message: &Message, change: Change) -> NewAction {
    NewAction { message_id: message.id, change, actor: Actor("api_key:test".to_owned()), connection: None }
}

fn edit(words: &str) -> Change {
    Change::Edit(Content::text(words))
}

fn react(emoji: &str) -> Change {
    Change::Reaction(Some(emoji.to_owned()))
}

async fn try_act(bench: &Bench, message: &Message, change: Change) -> Result<Action, StoreError> {
    let accepted = bench
        .store
        .accept_action(bench.workspace, &new(message, change), None, |action| json!(action))
        .await?;
    match accepted {
        Created::New(action) => Ok(*action),
        Created::Before { .. } => panic!("there was no idempotency key"),
    }
}

async fn act(bench: &Bench, message: &Message, change: Change) -> Action {
    try_act(bench, message, change).await.unwrap()
}

async fn refused(bench: &Bench, message: &Message, change: Change) -> bool {
    matches!(try_act(bench, message, change).await, Err(StoreError::Conflict(_)))
}

async fn now(bench: &Bench, action: &Action) -> Action {
    let all = bench.store.actions(bench.workspace, action.message_id).await.unwrap();
    all.into_iter().find(|other| other.id == action.id).unwrap()
}

fn attempt(bench: &Bench, action: &Action, n: i64) -> NewAttempt {
    NewAttempt {
        id: bench.ids.id(bench.now()),
        subject: action.id.into(),
        revision: 0,
        n,
        workspace_id: action.workspace_id,
        account_id: action.account_id,
        conversation_id: action.conversation_id,
        worker: bench.worker,
        pace: model::Pace::Bulk,
        purpose: Purpose::Conversation,
        is_new: false,
        text_hash: None,
        granted_at: bench.now(),
        started_at: bench.now(),
        waits: Vec::new(),
    }
}

async fn start(bench: &Bench, action: &Action, n: i64) -> NewAttempt {
    let attempt = attempt(bench, action, n);
    assert!(bench.store.open_attempt(attempt.clone()).await.unwrap());
    attempt
}

/// The provider did it.
fn yes(bench: &Bench, attempt: &NewAttempt) -> Ended {
    Ended {
        outcome: OutcomeKind::Accepted,
        provider_id: None,
        status: Status::Sent,
        ..bench.ended(attempt, "alice")
    }
}

async fn done(bench: &Bench, action: &Action) {
    let attempt = start(bench, action, 1).await;
    bench.store.end_attempt(yes(bench, &attempt)).await.unwrap();
}

async fn told(bench: &Bench, kind: EventKind) -> i64 {
    bench.count(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await
}

on_both! {
    async fn an_action_takes_its_place_in_its_messages_order(bench: &Bench) {
        let first = bench.sent("alice", "one", "p1").await;
        let edit = act(bench, &first, edit("uno")).await;
        let second = bench.accept_text("alice", "two").await;
        let reaction = act(bench, &first, react("🙂")).await;
        assert_eq!((edit.seq, second.seq, reaction.seq), (Some(2), Some(3), Some(4)));
        assert_eq!((edit.class, edit.status), (Class::Normal, ActionStatus::Queued));
        let load = async |subject: Subject| bench.store.load_send(subject).await.unwrap().unwrap();
        let view = load(second.id.into()).await;
        assert_eq!((view.earlier, view.subject()), (Some(edit.id.into()), second.id.into()));
        let view = load(edit.id.into()).await;
        assert_eq!((view.earlier, view.subject(), view.attempts), (None, edit.id.into(), 0));
        assert_eq!((view.action.as_ref(), view.message.id, view.chat.as_str()), (Some(&edit), first.id, "alice"));
        assert!(load(reaction.id.into()).await.earlier.is_some());
        let of = async |subject: Subject| bench.store.pending_send(subject).await.unwrap().map(|send| send.seq);
        assert_eq!((of(edit.id.into()).await, of(first.id.into()).await), (Some(2), None));
        let page = bench.store.unfinished_sends(Class::Normal, None, 2).await.unwrap();
        let page: Vec<_> = page.into_iter().map(|send| send.subject).collect();
        assert_eq!(page, [Subject::from(edit.id), second.id.into()]);
        let page = bench.store.unfinished_sends(Class::Normal, Some(second.id.into()), 2).await.unwrap();
        assert_eq!(page.into_iter().map(|send| send.subject).collect::<Vec<_>>(), [reaction.id.into()]);
        assert_eq!(heads(bench, 10).await.into_iter().map(|send| send.subject).collect::<Vec<_>>(), [edit.id.into()]);
    }

    async fn what_was_done_shows_in_the_message(bench: &Bench) {
        let message = bench.sent("alice", "one", "p1").await;
        bench.advance(Duration::from_secs(1));
        done(bench, &act(bench, &message, edit("uno")).await).await;
        done(bench, &act(bench, &message, react("🙂")).await).await;
        let shown = bench.message(&message).await;
        assert_eq!((shown.content, shown.edited_at), (Content::text("uno"), Some(bench.now())));
        let mine = Reaction { by: "me".to_owned(), emoji: "🙂".to_owned(), at: bench.now() };
        assert_eq!((shown.reactions, shown.status), (vec![mine], Status::Sent));
        bench.advance(Duration::from_secs(1));
        done(bench, &act(bench, &message, Change::Reaction(None)).await).await;
        done(bench, &act(bench, &message, Change::Delete).await).await;
        let shown = bench.message(&message).await;
        assert_eq!((shown.deleted_at, shown.reactions), (Some(bench.now()), vec![]));
        assert_eq!(shown.content, Content::text("uno"), "what it said stays");
        let kinds = [EventKind::MessageEdited, EventKind::MessageReaction, EventKind::MessageDeleted];
        let counts = [told(bench, kinds[0]).await, told(bench, kinds[1]).await, told(bench, kinds[2]).await];
        assert_eq!(counts, [1, 2, 1]);
        assert_eq!(told(bench, EventKind::ActionStatus).await, 8, "each is accepted and done");
        let attempts = bench.store.attempts(message.id).await.unwrap();
        assert_eq!(attempts.iter().filter(|attempt| attempt.action_id.is_some()).count(), 4);
        let timeline = bench.store.timeline(bench.workspace, message.id).await.unwrap();
        assert!(timeline.iter().any(|entry| entry["what"] == "message.edited"), "{timeline:?}");
        let past = bench.store.past_attempts(bench.account.id, START).await.unwrap();
        assert_eq!(past.len(), 5, "pacing counts actions and messages");
    }

    async fn a_message_that_has_not_left_is_changed_in_its_place(bench: &Bench) {
        let message = bench.accept_text("alice", "one").await;
        let other = bench.accept_text("alice", "two").await;
        let before = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
        let action = act(bench, &message, edit("uno")).await;
        assert_eq!((action.status, action.seq, action.done_at), (ActionStatus::Done, None, Some(bench.now())));
        assert_eq!(bench.message(&message).await.content, Content::text("uno"));
        let stale = NewAttempt { revision: before.revision, ..bench.attempt(&message, 1) };
        assert!(!bench.store.open_attempt(stale).await.unwrap(), "what was loaded is not what is to be sent");
        let view = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
        let fresh = NewAttempt { revision: view.revision, ..bench.attempt(&message, 1) };
        assert!(bench.store.open_attempt(fresh).await.unwrap());
        let action = act(bench, &other, Change::Delete).await;
        assert_eq!((action.status, bench.status(&other).await), (ActionStatus::Done, Status::Canceled));
        assert!(refused(bench, &other, edit("dos")).await);
        let later = NewMessage { send_at: Some(bench.now() + Duration::from_hours(1)), ..bench.text("bob", "x") };
        let later = bench.accept(&later).await;
        act(bench, &later, edit("y")).await;
        assert_eq!(bench.message(&later).await.content, Content::text("y"));
        assert_eq!(bench.accept_text("alice", "next").await.seq, Some(3), "no number was taken");
    }

    async fn a_message_that_may_have_left_is_edited_behind_it(bench: &Bench) {
        let message = bench.accept_text("alice", "one").await;
        let call = bench.start(&message, 1).await;
        assert_eq!(act(bench, &message, edit("under way")).await.seq, Some(2));
        let maybe = Ended { outcome: OutcomeKind::Ambiguous, ..bench.ended(&call, "alice") };
        bench.store.end_attempt(maybe).await.unwrap();
        let action = act(bench, &message, edit("uno")).await;
        assert_eq!((action.status, action.seq), (ActionStatus::Queued, Some(3)));
        assert_eq!(bench.message(&message).await.content, Content::text("one"));
        let all = bench.store.actions(bench.workspace, message.id).await.unwrap();
        assert_eq!(all[0].status, ActionStatus::Canceled, "the later edit makes the earlier one void");
        let view = bench.store.load_send(action.id.into()).await.unwrap().unwrap();
        assert_eq!(view.earlier, Some(message.id.into()));
    }

    async fn what_was_never_sent_cannot_be_acted_upon(bench: &Bench) {
        let message = bench.accept_text("alice", "one").await;
        assert!(refused(bench, &message, react("🙂")).await, "it waits");
        let call = bench.start(&message, 1).await;
        let failed = Ended { outcome: OutcomeKind::Refused, status: Status::Failed, ..bench.ended(&call, "alice") };
        bench.store.end_attempt(failed).await.unwrap();
        for change in [edit("uno"), Change::Delete, react("🙂")] {
            assert!(refused(bench, &message, change).await);
        }
        ingest(bench, vec![from("alice", "i1", Content::text("hello"))]).await;
        let theirs = all_messages(bench).await.into_iter().find(|message| message.seq.is_none()).unwrap();
        assert!(refused(bench, &theirs, edit("mine")).await && refused(bench, &theirs, Change::Delete).await);
        assert_eq!(act(bench, &theirs, react("🙂")).await.class, Class::Interactive);
        let stranger = bench.store.accept_action(nobody(), &new(&theirs, react("🙂")), None, |action| json!(action)).await;
        assert!(matches!(stranger, Err(StoreError::NotFound("message"))));
    }

    async fn a_deletion_makes_the_rest_void_and_comes_once(bench: &Bench) {
        let message = bench.sent("alice", "one", "p1").await;
        let edited = act(bench, &message, edit("uno")).await;
        let reaction = act(bench, &message, react("🙂")).await;
        start(bench, &reaction, 1).await;
        let deleted = act(bench, &message, Change::Delete).await;
        assert_eq!(act(bench, &message, Change::Delete).await.id, deleted.id);
        assert_eq!(now(bench, &edited).await.status, ActionStatus::Canceled);
        assert_eq!(now(bench, &reaction).await.status, ActionStatus::Sending, "it was begun");
        assert!(!bench.store.open_attempt(attempt(bench, &edited, 1)).await.unwrap());
        done(bench, &deleted).await;
        assert!(refused(bench, &message, Change::Delete).await && refused(bench, &message, edit("x")).await);
    }

    async fn an_actions_end_is_its_own(bench: &Bench) {
        let message = bench.sent("alice", "one", "p1").await;
        let action = act(bench, &message, edit("uno")).await;
        let call = start(bench, &action, 1).await;
        let view = bench.store.load_send(action.id.into()).await.unwrap().unwrap();
        assert_eq!((view.open.map(|open| open.id), view.attempts), (Some(call.id), 1));
        let again = bench.now() + Duration::from_secs(5);
        let retry = Ended { next_attempt_at: Some(again), reason: Some("busy".to_owned()), ..bench.ended(&call, "alice") };
        bench.store.end_attempt(retry).await.unwrap();
        let waiting = now(bench, &action).await;
        assert_eq!((waiting.status, waiting.next_attempt_at), (ActionStatus::Queued, Some(again)));
        let view = bench.store.load_send(action.id.into()).await.unwrap().unwrap();
        assert_eq!((view.failures, view.next_attempt_at()), (1, Some(again)));
        assert_eq!(heads(bench, 10).await, []);
        let call = start(bench, &action, 2).await;
        let failed = Ended { outcome: OutcomeKind::Refused, status: Status::Failed, reason: Some("too_old: no".to_owned()), ..bench.ended(&call, "alice") };
        bench.store.end_attempt(failed).await.unwrap();
        let failed = now(bench, &action).await;
        assert_eq!((failed.status, failed.reason.as_deref()), (ActionStatus::Failed, Some("too_old: no")));
        let shown = bench.message(&message).await;
        assert_eq!((shown.status, shown.content, shown.edited_at), (Status::Sent, Content::text("one"), None));
        bench.store.end_attempt(yes(bench, &call)).await.unwrap();
        assert_eq!(now(bench, &action).await.status, ActionStatus::Done, "a late yes is recorded");
        assert_eq!(bench.message(&message).await.content, Content::text("uno"));
    }

    async fn one_key_is_one_action(bench: &Bench) {
        let message = bench.sent("alice", "one", "p1").await;
        let key = Idempotency { key: "k".to_owned(), request_hash: vec![1] };
        let mut crowd = JoinSet::new();
        for _ in 0..20 {
            let (store, workspace, key) = (bench.store.clone(), bench.workspace, key.clone());
            let new = new(&message, edit("uno"));
            crowd.spawn(async move {
                match store.accept_action(workspace, &new, Some(&key), |action| json!(action)).await.unwrap() {
                    Created::New(action) => json!(action),
                    Created::Before { answer, .. } => answer,
                }
            });
        }
        let answers: Vec<Value> = crowd.join_all().await;
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
        assert_eq!(bench.count("SELECT count(*) FROM actions").await, 1);
        let other = Idempotency { request_hash: vec![2], ..key };
        let reused = bench.store.accept_action(bench.workspace, &new(&message, Change::Delete), Some(&other), |action| json!(action)).await;
        assert!(matches!(reused, Err(StoreError::KeyReused)));
    }

    async fn numbers_are_taken_once_by_messages_and_actions(bench: &Bench) {
        let message = bench.sent("alice", "one", "p1").await;
        let mut crowd = JoinSet::new();
        for n in 0..20 {
            let (store, workspace) = (bench.store.clone(), bench.workspace);
            let action = new(&message, react(&n.to_string()));
            let text = NewMessage { purpose: Purpose::Transactional, ..bench.text("alice", "x") };
            crowd.spawn(async move {
                if n % 2 == 0 {
                    store.accept_action(workspace, &action, None, |action| json!(action)).await.unwrap();
                } else {
                    store.accept_message(workspace, &text, None, |message| json!(message)).await.unwrap();
                }
            });
        }
        crowd.join_all().await;
        let numbers = "SELECT count(*) FROM (SELECT seq FROM messages UNION SELECT seq FROM actions) AS numbers";
        assert_eq!(bench.count(numbers).await, 21);
    }

    async fn changes_of_messages_that_never_come_go_with_time(bench: &Bench) {
        crate::changes::edited(bench, "alice", "ghost", "x", 5).await;
        assert_eq!(bench.count("SELECT count(*) FROM parked_changes").await, 1);
        let later = bench.now() + Duration::from_secs(1);
        let purged = bench.store.purge(START, later, START, 10).await.unwrap();
        assert_eq!(purged, Purged { changes: 1, ..Purged::default() });
    }
}
