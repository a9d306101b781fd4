//! Echoes: messages that the account's owner sent from another device, and our own ones coming back.

use model::{Content, Direction, Origin, Status};
use serde_json::json;

use crate::bench::{Bench, on_both};
use crate::inbound::{echo, from, ingest, reply};

on_both! {
    async fn an_echo_of_the_phone_is_a_message(bench: &Bench) {
        ingest(bench, vec![echo("alice", "e1", "from my phone")]).await;
        let page = crate::listings::all_messages(bench).await;
        assert_eq!(page.len(), 1);
        let message = &page[0];
        assert_eq!((message.direction, message.status, message.origin), (Direction::Outbound, Status::Sent, Origin::Channel));
        let chat = bench.store.conversation(bench.workspace, message.conversation_id).await.unwrap();
        assert_eq!((chat.unread_count, chat.last_inbound_at), (0, None));
        assert_eq!(chat.last_message_id, Some(message.id));
    }

    async fn an_echo_after_the_outcome_is_the_same_message(bench: &Bench) {
        let message = bench.sent("alice", "hi", "p1").await;
        ingest(bench, vec![echo("alice", "p1", "hi")]).await;
        assert_eq!(bench.count("SELECT count(*) FROM messages").await, 1);
        assert_eq!(bench.status(&message).await, Status::Sent);
    }

    async fn an_echo_before_the_outcome_gives_way_to_the_message(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        bench.advance(std::time::Duration::from_secs(1));
        ingest(bench, vec![echo("alice", "p1", "hi")]).await;
        ingest(bench, vec![reply("alice", "i1", "and hi to you", "p1")]).await;
        assert_eq!(bench.count("SELECT count(*) FROM messages").await, 3);

        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        let messages = crate::listings::all_messages(bench).await;
        assert_eq!(messages.len(), 2);
        let sent = bench.message(&message).await;
        assert_eq!((sent.status, sent.provider_id.as_deref()), (Status::Sent, Some("p1")));
        let answer = messages.iter().find(|other| other.direction == Direction::Inbound).unwrap();
        assert_eq!(answer.reply_to, Some(message.id), "what quoted the echo quotes the message");
    }

    async fn a_conversation_does_not_point_to_an_echo_that_gave_way(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let attempt = bench.start(&message, 1).await;
        bench.advance(std::time::Duration::from_secs(1));
        ingest(bench, vec![echo("alice", "p1", "hi")]).await;
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        let chat = bench.store.conversation(bench.workspace, message.conversation_id).await.unwrap();
        assert_eq!(chat.last_message_id, Some(message.id));
    }

    async fn an_id_that_the_provider_gave_twice_stops_nothing(bench: &Bench) {
        bench.sent("alice", "one", "p1").await;
        let second = bench.sent("alice", "two", "p1").await;
        let second = bench.message(&second).await;
        assert_eq!((second.status, second.provider_id), (Status::Sent, None));
        let attempts = bench.store.attempts(second.id).await.unwrap();
        assert_eq!(attempts[0].provider_id.as_deref(), Some("p1"));
        // Nor does an id that a message of the other side has: that one stays.
        ingest(bench, vec![from("alice", "i1", Content::text("hello"))]).await;
        let third = bench.sent("alice", "three", "i1").await;
        assert_eq!(bench.status(&third).await, Status::Sent);
        assert_eq!(bench.count("SELECT count(*) FROM messages WHERE direction = 'inbound'").await, 1);
        assert_eq!(json!(bench.message(&third).await)["provider_id"], json!(null));
    }
}
