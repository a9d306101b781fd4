//! Listings: pages neither skip nor repeat while rows are added.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Actor, Message, MessageId, Status};
use store::{ContactChange, ContactFilter, ConversationFilter, Cursor, MessageFilter, Page, PageRequest};

use crate::bench::{Bench, on_both};

/// Every message, newest first.
pub async fn all_messages(bench: &Bench) -> Vec<Message> {
    let page = PageRequest { cursor: None, limit: 1000 };
    bench.store.messages(bench.workspace, &MessageFilter::default(), page).await.unwrap().data
}

fn next<T>(page: &Page<T>, limit: u32) -> Option<PageRequest> {
    let cursor = page.next_cursor.as_deref()?;
    Some(PageRequest { cursor: Some(Cursor::decode(cursor).unwrap()), limit })
}

on_both! {
    async fn messages_page_while_more_are_added(bench: &Bench) {
        let mut old = Vec::new();
        for n in 0..10 {
            old.push(bench.accept_text("alice", &format!("{n}")).await.id);
        }
        let mut seen: Vec<MessageId> = Vec::new();
        let mut request = Some(PageRequest { cursor: None, limit: 3 });
        while let Some(page) = request {
            let page = bench.store.messages(bench.workspace, &MessageFilter::default(), page).await.unwrap();
            assert!(page.data.len() <= 3);
            seen.extend(page.data.iter().map(|message| message.id));
            bench.accept_text("alice", "a new one").await;
            request = next(&page, 3);
        }
        old.reverse();
        assert_eq!(seen, old);
    }

    async fn a_conversation_reads_both_ways_also_at_equal_times(bench: &Bench) {
        let mut ids = Vec::new();
        for n in 0..9 {
            // Three messages have one time.
            if n % 3 == 0 {
                bench.advance(Duration::from_micros(1));
            }
            ids.push(bench.accept_text("alice", &format!("{n}")).await);
        }
        let chat = ids[0].conversation_id;
        bench.accept_text("bob", "elsewhere").await;
        for rising in [true, false] {
            let mut seen = Vec::new();
            let mut request = Some(PageRequest { cursor: None, limit: 2 });
            while let Some(page) = request {
                let page = bench.store.conversation_messages(bench.workspace, chat, rising, page).await.unwrap();
                seen.extend(page.data.iter().map(|message| message.id));
                request = next(&page, 2);
            }
            if !rising {
                seen.reverse();
            }
            assert_eq!(seen, ids.iter().map(|message| message.id).collect::<Vec<_>>(), "rising: {rising}");
        }
    }

    async fn a_last_full_page_has_no_next(bench: &Bench) {
        for n in 0..4 {
            bench.accept_text("alice", &format!("{n}")).await;
        }
        let page = |limit| bench.store.messages(bench.workspace, &const { MessageFilter { account: None, conversation: None, contact: None, status: None, client_id: None } }, PageRequest { cursor: None, limit });
        assert!(page(4).await.unwrap().next_cursor.is_none());
        assert!(page(3).await.unwrap().next_cursor.is_some());
    }

    async fn messages_are_found_by_what_they_are(bench: &Bench) {
        let alice = bench.sent("alice", "hi", "p1").await;
        let bob = bench.accept(&store::NewMessage { client_id: Some("mine".to_owned()), ..bench.text("bob", "hi") }).await;
        let find = async |filter: MessageFilter| {
            let page = PageRequest { cursor: None, limit: 10 };
            let page = bench.store.messages(bench.workspace, &filter, page).await.unwrap();
            page.data.into_iter().map(|message| message.id).collect::<Vec<_>>()
        };
        let any = MessageFilter::default();
        assert_eq!(find(MessageFilter { status: Some(Status::Sent), ..any.clone() }).await, [alice.id]);
        assert_eq!(find(MessageFilter { client_id: Some("mine".to_owned()), ..any.clone() }).await, [bob.id]);
        assert_eq!(find(MessageFilter { contact: bob.contact_id, ..any.clone() }).await, [bob.id]);
        assert_eq!(find(MessageFilter { account: Some(bench.account.id), ..any.clone() }).await, [bob.id, alice.id]);
        assert_eq!(find(MessageFilter { account: Some(crate::bench::nobody()), ..any }).await, []);
    }

    async fn conversations_page_newest_first(bench: &Bench) {
        for n in 0..5 {
            bench.advance(Duration::from_secs(1));
            bench.accept_text(&format!("chat{n}"), "x").await;
        }
        let mut seen = Vec::new();
        let mut request = Some(PageRequest { cursor: None, limit: 2 });
        while let Some(page) = request {
            let page = bench.store.conversations(bench.workspace, &ConversationFilter::default(), page).await.unwrap();
            seen.extend(page.data.iter().map(|chat| chat.address.clone()));
            request = next(&page, 2);
        }
        assert_eq!(seen, ["chat4", "chat3", "chat2", "chat1", "chat0"]);
    }

    async fn contacts_page_with_their_identities_and_are_found_by_name(bench: &Bench) {
        for (address, name) in [("a", "Ann_1"), ("b", "Bob"), ("c", "ANNE"), ("d", "100%")] {
            let contact = bench.accept_text(address, "x").await.contact_id.unwrap();
            let change = ContactChange { name: Some(name.to_owned()), ..ContactChange::default() };
            bench.store.change_contact(bench.workspace, contact, &change, &Actor::system()).await.unwrap();
        }
        let mut seen = BTreeSet::new();
        let mut request = Some(PageRequest { cursor: None, limit: 3 });
        while let Some(page) = request {
            let page = bench.store.contacts(bench.workspace, &ContactFilter::default(), page).await.unwrap();
            for contact in &page.data {
                assert_eq!(contact.identities.len(), 1);
                assert!(seen.insert(contact.identities[0].address.clone()));
            }
            request = next(&page, 3);
        }
        assert_eq!(seen.len(), 4);
        let find = async |name: &str| {
            let filter = ContactFilter { name: Some(name.to_owned()) };
            let page = PageRequest { cursor: None, limit: 10 };
            bench.store.contacts(bench.workspace, &filter, page).await.unwrap().data.len()
        };
        assert_eq!((find("ann").await, find("N_").await, find("%").await, find("_").await, find("!").await), (2, 1, 1, 1, 0));
    }

    async fn a_message_tells_its_whole_story(bench: &Bench) {
        let message = bench.accept_text("alice", "hi").await;
        bench.advance(Duration::from_secs(5));
        let mut attempt = bench.attempt(&message, 1);
        attempt.waits = vec![model::Wait {
            rule: "gap".to_owned(),
            scope: model::Scope::Lane,
            until: Some(bench.now() - Duration::from_secs(1)),
            detail: None,
        }];
        bench.store.open_attempt(attempt.clone()).await.unwrap();
        bench.advance(Duration::from_secs(1));
        bench.store.end_attempt(bench.yes(&attempt, "alice", "p1")).await.unwrap();
        let story = bench.store.timeline(bench.workspace, message.id).await.unwrap();
        let what: Vec<_> = story.iter().map(|entry| entry["what"].as_str().unwrap()).collect();
        assert_eq!(what, ["message.created", "waited", "attempt", "message.status"]);
    }
}
