//! Edits, deletions and reactions that come in: in any order, before their message or after, the newest stands.

use std::time::Duration;

use model::{Content, Inbound, InboundKind, Message, Reaction, Timestamp};
use store::IngestSummary;

use crate::bench::{Bench, START, on_both};
use crate::inbound::{echo, from, ingest};
use crate::listings::all_messages;

fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn told(chat: &str, seconds: u64, kind: InboundKind) -> Inbound {
    Inbound { at: at(seconds), kind, ..from(chat, "", Content::text("")) }
}

fn edit(chat: &str, id: &str, words: &str, seconds: u64) -> Inbound {
    told(chat, seconds, InboundKind::Edited { provider_id: id.to_owned(), content: Content::text(words) })
}

fn delete(chat: &str, id: &str, seconds: u64) -> Inbound {
    told(chat, seconds, InboundKind::Deleted { provider_id: id.to_owned() })
}

fn react(chat: &str, id: &str, emoji: &[&str], seconds: u64) -> Inbound {
    let emoji = emoji.iter().map(|emoji| (*emoji).to_owned()).collect();
    told(chat, seconds, InboundKind::Reacted { provider_id: id.to_owned(), emoji })
}

fn block(chat: &str, blocked: bool, seconds: u64) -> Inbound {
    told(chat, seconds, InboundKind::ContactBlocked { blocked })
}

pub async fn edited(bench: &Bench, chat: &str, id: &str, words: &str, seconds: u64) {
    ingest(bench, vec![edit(chat, id, words, seconds)]).await;
}

async fn only(bench: &Bench) -> Message {
    let mut all = all_messages(bench).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

on_both! {
    async fn in_every_order_the_newest_stands(bench: &Bench) {
        let items = |chat: &str| {
            vec![
                from(chat, "i1", Content::text("first")),
                edit(chat, "i1", "second", 70),
                edit(chat, "i1", "third", 80),
                react(chat, "i1", &["👍", "🙂"], 75),
                react(chat, "i1", &["👎"], 85),
                delete(chat, "i1", 90),
            ]
        };
        let mut order: Vec<usize> = (0..items("").len()).collect();
        for n in 0..40_usize {
            let chat = format!("chat{n}");
            // Another order each time, now in one batch and now in many.
            let (from, to) = ((n * 7) % order.len(), (n * 5 + 1) % order.len());
            order.swap(from, to);
            let mixed: Vec<Inbound> = order.iter().map(|at| items(&chat)[*at].clone()).collect();
            if n % 2 == 0 {
                ingest(bench, mixed).await;
            } else {
                for item in mixed {
                    ingest(bench, vec![item]).await;
                }
            }
        }
        let all = all_messages(bench).await;
        assert_eq!(all.len(), 40);
        for message in all {
            assert_eq!((&message.content, message.edited_at), (&Content::text("third"), Some(at(80))), "{message:?}");
            let left = Reaction { by: message.sender.clone().unwrap(), emoji: "👎".to_owned(), at: at(85) };
            assert_eq!((message.reactions, message.deleted_at), (vec![left], Some(at(90))));
        }
        assert_eq!(bench.count("SELECT count(*) FROM parked_changes").await, 0);
    }

    async fn a_change_is_counted_and_told_once(bench: &Bench) {
        let summary = ingest(bench, vec![from("alice", "i1", Content::text("x")), edit("alice", "i1", "y", 70)]).await;
        assert_eq!(summary, IngestSummary { messages: 1, changes: 1, wrote: summary.wrote.clone(), ..IngestSummary::default() });
        edited(bench, "alice", "i1", "older", 65).await;
        ingest(bench, vec![react("alice", "i1", &["🙂"], 80), react("alice", "i1", &["🙂"], 80), react("alice", "i1", &[], 70)]).await;
        ingest(bench, vec![delete("alice", "i1", 90), delete("alice", "i1", 90)]).await;
        for kind in ["message.edited", "message.reaction", "message.deleted"] {
            assert_eq!(bench.count(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await, 1, "{kind}");
        }
        edited(bench, "bob", "i1", "another chat", 95).await;
        assert_eq!(only(bench).await.content, Content::text("y"));
    }

    async fn everybody_has_reactions_of_their_own(bench: &Bench) {
        ingest(bench, vec![from("group", "i1", Content::text("x"))]).await;
        for (n, who) in ["one", "alice", "bob"].into_iter().enumerate() {
            let mut item = react("group", "i1", &["🙂"], 70 + n as u64);
            who.clone_into(&mut item.from.as_mut().unwrap().address);
            ingest(bench, vec![item]).await;
        }
        let by: Vec<_> = only(bench).await.reactions.into_iter().map(|reaction| reaction.by).collect();
        assert_eq!(by, ["me", "alice", "bob"], "`one` is the account itself");
    }

    async fn what_came_before_the_outcome_waits_for_it(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        ingest(bench, vec![react("alice", "p1", &["🙂"], 5)]).await;
        assert_eq!(bench.message(&message).await.reactions, []);
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        assert_eq!(bench.message(&message).await.reactions.len(), 1);
        assert_eq!(bench.count("SELECT count(*) FROM parked_changes").await, 0);
    }

    async fn what_an_echo_was_told_goes_to_its_message(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        ingest(bench, vec![echo("alice", "p1", "hi"), edit("alice", "p1", "hi there", 70)]).await;
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        let shown = only(bench).await;
        assert_eq!((shown.id, shown.content), (message.id, Content::text("hi there")));
    }

    async fn a_block_holds_until_it_is_lifted_or_the_contact_writes(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let blocked = async || {
            let view = bench.store.load_send(message.id.into()).await.unwrap().unwrap();
            let chat = bench.store.conversation(bench.workspace, message.conversation_id).await.unwrap();
            assert_eq!(chat.blocked_at.is_some(), view.is_blocked);
            view.is_blocked
        };
        ingest(bench, vec![block("alice", true, 10)]).await;
        assert!(blocked().await);
        ingest(bench, vec![block("alice", false, 20), block("alice", true, 15)]).await;
        assert!(!blocked().await, "the newest word stands");
        ingest(bench, vec![block("alice", true, 30)]).await;
        assert!(blocked().await);
        ingest(bench, vec![from("alice", "i1", Content::text("sorry"))]).await;
        assert!(!blocked().await, "it wrote after that");
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'conversation.blocked'").await, 4);
        assert_eq!(ingest(bench, vec![block("nobody", true, 10)]).await.ignored, 1);
    }
}
