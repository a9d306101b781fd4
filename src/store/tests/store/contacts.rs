//! Contacts: what people change about them, and what they want.

use std::time::Duration;

use model::{Actor, Contact, ContactId, Content, ConversationKind, Inbound, InboundKind, Timestamp};
use serde_json::json;
use store::{ContactChange, Patch};

use crate::bench::{Bench, START, nobody, on_both};
use crate::inbound::{from, ingest};

fn person() -> Actor {
    Actor("user:1".to_owned())
}

fn wish(chat: &str, seconds: u64, opted_out: bool) -> Inbound {
    let at = START + Duration::from_secs(seconds);
    Inbound { at, kind: InboundKind::ContactOptedOut { opted_out }, ..from(chat, "", Content::text("")) }
}

async fn contact(bench: &Bench, id: ContactId) -> Contact {
    bench.store.contact(bench.workspace, id).await.unwrap()
}

async fn told(bench: &Bench, kind: &str) -> (i64, i64) {
    let events = bench.count(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await;
    (events, bench.count(&format!("SELECT count(*) FROM audit_log WHERE action = '{kind}'")).await)
}

on_both! {
    async fn what_a_person_changes_is_told_and_audited(bench: &Bench) {
        let id = bench.accept_text("alice", "hi").await.contact_id.unwrap();
        let change = async |change: ContactChange| {
            bench.store.change_contact(bench.workspace, id, &change, &person()).await.unwrap()
        };
        change(ContactChange::default()).await;
        assert_eq!(told(bench, "contact.changed").await, (0, 0));
        let zone = Patch::To("Asia/Tokyo".to_owned());
        let after = change(ContactChange { name: Some("Alice".to_owned()), timezone: zone, ..ContactChange::default() }).await;
        assert_eq!((after.name.as_deref(), after.timezone.as_deref()), (Some("Alice"), Some("Asia/Tokyo")));
        assert_eq!(contact(bench, id).await, after);
        assert_eq!(told(bench, "contact.changed").await, (1, 1));
        let log = bench.json("SELECT detail FROM audit_log").await;
        assert_eq!((&log[0]["before"]["timezone"], &log[0]["after"]["timezone"]), (&json!(null), &json!("Asia/Tokyo")));
        let kept = change(ContactChange { phone: Some("+49".to_owned()), ..ContactChange::default() }).await;
        assert_eq!(kept.timezone.as_deref(), Some("Asia/Tokyo"));
        assert_eq!(change(ContactChange { timezone: Patch::Clear, ..ContactChange::default() }).await.timezone, None);

        let out = change(ContactChange { opted_out: Some(true), ..ContactChange::default() }).await;
        assert_eq!(out.opted_out_at, Some(bench.now()));
        bench.advance(Duration::from_secs(1));
        let again = change(ContactChange { opted_out: Some(true), ..ContactChange::default() }).await;
        assert_eq!(again.opted_out_at, out.opted_out_at, "it said so before");
        assert_eq!(told(bench, "contact.opted_out").await, (1, 1));
        assert_eq!(change(ContactChange { opted_out: Some(false), ..ContactChange::default() }).await.opted_out_at, None);
        assert_eq!(told(bench, "contact.opted_out").await, (2, 2));
    }

    async fn a_wish_is_set_once(bench: &Bench) {
        let id = bench.accept_text("alice", "hi").await.contact_id.unwrap();
        let set = async |workspace, at: Option<Timestamp>| {
            bench.store.set_opt_out(workspace, id, at, &Actor::contact()).await.unwrap()
        };
        assert!(!set(bench.workspace, None).await);
        assert!(!set(nobody(), Some(START)).await, "of another workspace");
        assert!(set(bench.workspace, Some(START)).await);
        assert!(!set(bench.workspace, Some(bench.now() + Duration::from_secs(5))).await);
        assert_eq!(contact(bench, id).await.opted_out_at, Some(START));
        assert!(set(bench.workspace, None).await);
        assert_eq!(told(bench, "contact.opted_out").await, (2, 2));
    }

    async fn a_stop_word_comes_in_with_its_message(bench: &Bench) {
        let items = vec![from("alice", "i1", Content::text("STOP")), wish("alice", 60, true), wish("alice", 61, true)];
        let summary = ingest(bench, items).await;
        assert_eq!((summary.messages, summary.opted_out, summary.ignored), (1, 1, 0));
        let send = bench.accept_text("alice", "hi").await;
        let view = bench.store.load_send(send.id.into()).await.unwrap().unwrap();
        assert!(view.contact.opted_out);
        let since = contact(bench, send.contact_id.unwrap()).await.opted_out_at;
        assert_eq!(since, Some(START + Duration::from_mins(1)), "when it said so, not when we read it");
        let data = bench.json("SELECT data FROM events WHERE kind = 'contact.opted_out'").await;
        assert_eq!((&data[0]["opted_out"], &data[0]["contact_id"]), (&json!(true), &json!(send.contact_id)));
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE kind = 'contact.opted_out' AND conversation_id IS NOT NULL").await, 1);

        assert_eq!(ingest(bench, vec![wish("alice", 90, false)]).await.opted_out, 1);
        assert!(!bench.store.load_send(send.id.into()).await.unwrap().unwrap().contact.opted_out);
        assert_eq!(ingest(bench, vec![wish("nobody", 90, true)]).await.ignored, 1);
    }

    async fn a_group_has_no_wishes(bench: &Bench) {
        let in_group = |item: Inbound| Inbound { chat_kind: ConversationKind::Group, ..item };
        let items = vec![in_group(from("crowd", "i1", Content::text("stop"))), in_group(wish("crowd", 60, true))];
        let summary = ingest(bench, items).await;
        assert_eq!((summary.messages, summary.opted_out, summary.ignored), (1, 0, 1));
    }
}
