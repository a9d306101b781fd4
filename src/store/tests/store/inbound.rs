//! The way in: an event is one row however often it comes, and becomes what it means once.

use std::time::Duration;

use model::{
    Content, ConversationKind, ConversationStatus, Direction, Inbound, InboundEventId, InboundKind, Party,
    Receipt, ReceiptKind, Status, Timestamp,
};
use serde_json::json;
use store::{IngestSummary, Ingested, NewInboundEvent, PendingInbound};

use crate::bench::{Bench, START, nobody, on_both};
use crate::listings::all_messages;

/// Something that happened in a chat.
pub fn of(chat: &str, at: Timestamp, kind: InboundKind) -> Inbound {
    Inbound {
        chat: chat.to_owned(),
        chat_kind: ConversationKind::Direct,
        chat_title: None,
        thread: None,
        from: Some(Party { address: chat.to_owned(), name: None, phone: None }),
        at,
        kind,
    }
}

/// Something that somebody wrote, a minute after the start.
pub fn from(chat: &str, id: &str, content: Content) -> Inbound {
    let kind = InboundKind::Message { provider_id: id.to_owned(), content, reply_to: None, echo: false };
    of(chat, START + Duration::from_mins(1), kind)
}

fn at(seconds: u64, item: Inbound) -> Inbound {
    Inbound { at: START + Duration::from_secs(seconds), ..item }
}

fn named(item: Inbound, name: &str) -> Inbound {
    let party =
        Party { address: item.chat.clone(), name: Some(name.to_owned()), phone: Some("+4930123".to_owned()) };
    Inbound { from: Some(party), ..item }
}

/// An answer to the message that the provider calls `quoted`.
pub fn reply(chat: &str, id: &str, text: &str, quoted: &str) -> Inbound {
    let kind = InboundKind::Message {
        provider_id: id.to_owned(),
        content: Content::text(text),
        reply_to: Some(quoted.to_owned()),
        echo: false,
    };
    of(chat, START + Duration::from_mins(1), kind)
}

/// A message of the account's owner, sent from elsewhere.
pub fn echo(chat: &str, id: &str, text: &str) -> Inbound {
    let kind = InboundKind::Message {
        provider_id: id.to_owned(),
        content: Content::text(text),
        reply_to: None,
        echo: true,
    };
    of(chat, START + Duration::from_mins(1), kind)
}

/// A receipt of now.
pub fn receipt(bench: &Bench, chat: &str, id: &str, kind: ReceiptKind) -> Inbound {
    of(chat, bench.now(), InboundKind::Receipt(Receipt { provider_id: id.to_owned(), kind, error: None }))
}

/// An event that has no row.
pub fn ingested(items: Vec<Inbound>) -> Ingested {
    Ingested { id: nobody(), meaning: Ok(items) }
}

pub async fn ingest(bench: &Bench, items: Vec<Inbound>) -> IngestSummary {
    bench.store.apply_inbound(&bench.account, &[ingested(items)]).await.unwrap()
}

fn event(key: &str) -> NewInboundEvent {
    NewInboundEvent { dedupe_key: key.to_owned(), payload: json!({"update": key}) }
}

async fn unread(bench: &Bench) -> Vec<InboundEventId> {
    let events = bench.store.unprocessed_events(bench.account.id, 100).await.unwrap();
    events.into_iter().map(|event| event.id).collect()
}

async fn shown(bench: &Bench, chat: &str) -> model::Conversation {
    let page = store::PageRequest { cursor: None, limit: 100 };
    let all = bench
        .store
        .conversations(bench.workspace, &store::ConversationFilter::default(), page)
        .await
        .unwrap()
        .data;
    all.into_iter().find(|conversation| conversation.address == chat).unwrap()
}

on_both! {
    async fn an_event_is_one_row_however_often_it_comes(bench: &Bench) {
        let account = Some(bench.account.id);
        let twice = [event("1"), event("2"), event("1")];
        assert_eq!(bench.store.record_inbound(account, "sandbox", &twice).await.unwrap(), 2);
        assert_eq!(bench.store.record_inbound(account, "sandbox", &twice).await.unwrap(), 0);
        let pending = bench.store.unprocessed_events(bench.account.id, 100).await.unwrap();
        assert_eq!(pending.iter().map(|event| &event.payload["update"]).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(bench.store.unprocessed_events(bench.account.id, 1).await.unwrap().len(), 1);
        assert_eq!(bench.store.unprocessed_events(nobody(), 100).await.unwrap().len(), 0);
        let due = bench.store.accounts_with_inbound(bench.now(), 10).await.unwrap();
        assert_eq!(due, [PendingInbound { account_id: bench.account.id, pinned_to: None }]);
    }

    async fn an_event_of_nobody_is_kept_and_not_read(bench: &Bench) {
        assert_eq!(bench.store.record_inbound(None, "sandbox", &[event("1")]).await.unwrap(), 1);
        assert_eq!(bench.store.accounts_with_inbound(bench.now(), 10).await.unwrap(), []);
        assert_eq!(bench.count("SELECT count(*) FROM inbound_events").await, 1);
    }

    async fn an_event_is_read_once_and_an_unreadable_one_is_set_aside(bench: &Bench) {
        let account = Some(bench.account.id);
        bench.store.record_inbound(account, "sandbox", &[event("1"), event("2"), event("3")]).await.unwrap();
        let [first, second, third] = unread(bench).await[..] else { panic!("three events") };
        let batch = [
            Ingested { id: first, meaning: Ok(vec![from("alice", "i1", Content::text("hello"))]) },
            Ingested { id: second, meaning: Err("what is this?".to_owned()) },
        ];
        let summary = bench.store.apply_inbound(&bench.account, &batch).await.unwrap();
        assert_eq!(summary.wrote.len(), 1);
        let wrote = summary.wrote.clone();
        assert_eq!(summary, IngestSummary { messages: 1, unreadable: 1, wrote, ..IngestSummary::default() });
        assert_eq!(unread(bench).await, [third]);
        let again = bench.store.apply_inbound(&bench.account, &batch).await.unwrap();
        assert_eq!(again.messages, 0, "safe to repeat");
        bench.store.set_event_aside(third, "it breaks").await.unwrap();
        assert_eq!(unread(bench).await, []);
        assert_eq!(bench.count("SELECT count(*) FROM inbound_events WHERE error IS NOT NULL").await, 2);
    }

    async fn a_message_becomes_contact_conversation_and_message(bench: &Bench) {
        let item = named(from("alice", "i1", Content::text("hello")), "Alice");
        assert_eq!(ingest(bench, vec![item]).await.messages, 1);
        let all = all_messages(bench).await;
        let message = &all[0];
        assert_eq!((message.direction, message.status), (Direction::Inbound, Status::Received));
        assert_eq!((message.seq, message.sender.as_deref()), (None, Some("alice")));
        assert_eq!(message.provider_at, Some(START + Duration::from_mins(1)));
        let contact = bench.store.contact(bench.workspace, message.contact_id.unwrap()).await.unwrap();
        assert_eq!((contact.name.as_deref(), contact.phone.as_deref()), (Some("Alice"), Some("+4930123")));
        let chat = shown(bench, "alice").await;
        assert_eq!((chat.unread_count, chat.last_message_id), (1, Some(message.id)));
        assert_eq!(chat.last_inbound_at, message.provider_at);
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.received'").await, 1);
    }

    async fn a_message_that_comes_twice_is_one(bench: &Bench) {
        let item = || from("alice", "i1", Content::text("hello"));
        assert_eq!(ingest(bench, vec![item(), item()]).await.messages, 1);
        assert_eq!(ingest(bench, vec![item()]).await.messages, 0);
        assert_eq!(ingest(bench, vec![from("bob", "i1", Content::text("hello"))]).await.messages, 1, "another chat");
        assert_eq!((shown(bench, "alice").await.unread_count, shown(bench, "bob").await.unread_count), (1, 1));
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'message.received'").await, 2);
    }

    async fn a_name_is_learned_and_a_given_one_stays(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        let contact = message.contact_id.unwrap();
        ingest(bench, vec![named(from("alice", "i1", Content::text("hello")), "Alice")]).await;
        let name = async || bench.store.contact(bench.workspace, contact).await.unwrap().name;
        assert_eq!(name().await.as_deref(), Some("Alice"));
        ingest(bench, vec![named(from("alice", "i2", Content::text("hello")), "Mallory")]).await;
        assert_eq!(name().await.as_deref(), Some("Alice"));
    }

    async fn the_last_message_is_the_newest_by_the_providers_time(bench: &Bench) {
        let say = |seconds, id| at(seconds, from("alice", id, Content::text(id)));
        ingest(bench, vec![say(20, "b"), say(30, "c"), say(10, "a")]).await;
        ingest(bench, vec![say(5, "z")]).await;
        let chat = shown(bench, "alice").await;
        let last = bench.store.message(bench.workspace, chat.last_message_id.unwrap()).await.unwrap();
        assert_eq!((last.provider_id.as_deref(), chat.unread_count), (Some("c"), 4));
        assert_eq!(chat.last_inbound_at, Some(START + Duration::from_secs(30)));
        let page = store::PageRequest { cursor: None, limit: 100 };
        let order = bench.store.conversation_messages(bench.workspace, chat.id, true, page).await.unwrap().data;
        let order: Vec<_> = order.into_iter().filter_map(|message| message.provider_id).collect();
        assert_eq!(order, ["z", "a", "b", "c"]);
    }

    async fn an_echo_is_not_the_other_side_writing(bench: &Bench) {
        ingest(bench, vec![at(10, from("alice", "i1", Content::text("hello"))), at(20, echo("alice", "e1", "hi"))]).await;
        let chat = shown(bench, "alice").await;
        assert_eq!((chat.unread_count, chat.last_inbound_at), (1, Some(START + Duration::from_secs(10))));
        assert_eq!(chat.last_message_at, Some(START + Duration::from_secs(20)));
    }

    async fn reading_and_writing_change_what_a_conversation_shows(bench: &Bench) {
        ingest(bench, vec![from("alice", "i1", Content::text("hello"))]).await;
        let chat = shown(bench, "alice").await.id;
        bench.store.mark_read(bench.workspace, chat).await.unwrap();
        let closed = Some(ConversationStatus::Closed);
        let changed = bench.store.change_conversation(bench.workspace, chat, closed, Some("user:7")).await.unwrap();
        assert_eq!((changed.unread_count, changed.status, changed.assignee.as_deref()), (0, ConversationStatus::Closed, Some("user:7")));
        ingest(bench, vec![from("alice", "i2", Content::text("one more thing"))]).await;
        let opened = shown(bench, "alice").await;
        assert_eq!((opened.unread_count, opened.status, opened.assignee.as_deref()), (1, ConversationStatus::Open, Some("user:7")));
    }

    async fn a_group_has_no_contact_and_its_messages_have_senders(bench: &Bench) {
        let in_group = |from: &str, id: &str| Inbound {
            chat_kind: ConversationKind::Group,
            chat_title: Some("Ducks".to_owned()),
            from: Some(Party { address: from.to_owned(), name: Some(from.to_owned()), phone: None }),
            thread: Some("7".to_owned()),
            ..self::from("group", id, Content::text("quack"))
        };
        ingest(bench, vec![in_group("alice", "1"), in_group("bob", "2")]).await;
        let chat = shown(bench, "group").await;
        assert_eq!((chat.kind, chat.contact_id, chat.title.as_deref()), (ConversationKind::Group, None, Some("Ducks")));
        let senders: Vec<_> = all_messages(bench).await.into_iter().map(|message| (message.sender.unwrap(), message.thread)).collect();
        assert_eq!(senders, [("bob".to_owned(), Some("7".to_owned())), ("alice".to_owned(), Some("7".to_owned()))]);
        let answer = bench.accept_text("group", "quack").await;
        assert_eq!((answer.conversation_id, answer.contact_id), (chat.id, None));
    }

    async fn a_chat_that_moves_keeps_its_messages(bench: &Bench) {
        ingest(bench, vec![from("old", "1", Content::text("a"))]).await;
        let chat = shown(bench, "old").await.id;
        let moved = of("old", bench.now(), InboundKind::ChatMoved { to: "new".to_owned() });
        ingest(bench, vec![moved.clone(), from("new", "2", Content::text("b"))]).await;
        assert_eq!(shown(bench, "new").await.id, chat);
        ingest(bench, vec![moved]).await;
        assert_eq!(bench.count("SELECT count(*) FROM conversations").await, 1);
        assert_eq!(all_messages(bench).await.len(), 2);
    }

    async fn a_chat_that_moved_to_where_somebody_wrote_already_is_sent_to_there(bench: &Bench) {
        let queued = bench.accept_text("old", "hello").await;
        ingest(bench, vec![from("new", "2", Content::text("b"))]).await;
        for _ in 0..2 {
            bench.store.move_chat(bench.account.id, "old", "new").await.unwrap();
        }
        let view = bench.store.load_send(queued.id.into()).await.unwrap().unwrap();
        assert_eq!((view.chat.as_str(), view.message.conversation_id), ("new", queued.conversation_id));
        bench.store.move_chat(bench.account.id, "new", "newest").await.unwrap();
        let view = bench.store.load_send(queued.id.into()).await.unwrap().unwrap();
        assert_eq!(view.chat, "newest");
    }

    async fn without_a_time_of_the_provider_ours_stands_in(bench: &Bench) {
        bench.store.record_inbound(Some(bench.account.id), "sandbox", &[event("1")]).await.unwrap();
        let received = bench.now();
        bench.advance(Duration::from_hours(1));
        let item = Inbound { at: Timestamp::ZERO, ..from("alice", "i1", Content::text("pressed")) };
        let batch = [Ingested { id: unread(bench).await[0], meaning: Ok(vec![item]) }];
        bench.store.apply_inbound(&bench.account, &batch).await.unwrap();
        assert_eq!(shown(bench, "alice").await.last_message_at, Some(received));
        assert_eq!(all_messages(bench).await[0].provider_at, Some(received));
    }

    async fn a_nul_in_an_event_does_not_keep_it_out(bench: &Bench) {
        let odd = NewInboundEvent { dedupe_key: "1".to_owned(), payload: json!({"a\0": ["b\0", 1, null]}) };
        assert_eq!(bench.store.record_inbound(Some(bench.account.id), "sandbox", &[odd]).await.unwrap(), 1);
        let kept = bench.store.unprocessed_events(bench.account.id, 1).await.unwrap();
        assert_eq!(kept[0].payload, json!({"a\u{FFFD}": ["b\u{FFFD}", 1, null]}));
    }

    async fn a_batch_that_breaks_leaves_nothing(bench: &Bench) {
        bench.store.record_inbound(Some(bench.account.id), "sandbox", &[event("1")]).await.unwrap();
        let stranger = model::Account { id: nobody(), ..bench.account.clone() };
        let batch = [Ingested { id: unread(bench).await[0], meaning: Ok(vec![from("alice", "i1", Content::text("x"))]) }];
        assert!(bench.store.apply_inbound(&stranger, &batch).await.is_err());
        assert_eq!(unread(bench).await.len(), 1);
        assert_eq!(bench.count("SELECT count(*) FROM contacts").await, 0);
    }
}
