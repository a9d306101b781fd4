//! Files: the row of a received one commits with its message, tries are counted before they begin, and an end is told once.

use std::time::Duration;

use model::{Content, Inbound, InboundKind, Media, MediaFile, MediaId, MediaState};
use serde_json::json;
use store::{Created, FileFacts, Idempotency, StoreError};

use crate::bench::{Bench, nobody, on_both};
use crate::inbound::{from, ingest};
use crate::listings::all_messages;

fn facts(name: Option<&str>) -> FileFacts {
    FileFacts { mime: "image/png".to_owned(), name: name.map(str::to_owned), size: 5, sha256: [7; 32] }
}

fn picture(provider_ref: Option<&str>) -> Content {
    let media = Media {
        provider_ref: provider_ref.map(str::to_owned),
        mime: Some("image/jpeg".to_owned()),
        name: Some("a.jpg".to_owned()),
        size: Some(9),
        ..Media::default()
    };
    Content::Image { media, caption: None }
}

async fn received(bench: &Bench) -> MediaId {
    let summary = ingest(bench, vec![from("alice", "i1", picture(Some("theirs")))]).await;
    summary.media[0]
}

async fn file(bench: &Bench, id: MediaId) -> MediaFile {
    bench.store.media_file(bench.workspace, id).await.unwrap()
}

async fn due(bench: &Bench) -> Vec<MediaId> {
    let pending = bench.store.pending_media(bench.now(), None, 10).await.unwrap();
    assert!(pending.iter().all(|pending| pending.account_id == bench.account.id));
    pending.into_iter().map(|pending| pending.media_id).collect()
}

async fn events(bench: &Bench, kind: &str) -> i64 {
    bench.count(&format!("SELECT count(*) FROM events WHERE kind = '{kind}'")).await
}

on_both! {
    async fn an_uploaded_file_is_its_workspaces(bench: &Bench) {
        let id: MediaId = bench.ids.id(bench.now());
        let answer = |file: &MediaFile| json!(file);
        let added = bench.store.add_media(bench.workspace, id, &facts(Some("a.png")), None, answer).await.unwrap();
        let Created::New(added) = added else { panic!("it was new") };
        assert_eq!(*added, file(bench, id).await);
        assert_eq!((added.state, added.sha256.as_deref()), (MediaState::Stored, Some(&*"07".repeat(32))));
        assert_eq!(added.key(), format!("{}/{id}", bench.workspace));
        assert_eq!(bench.store.shared_media(id).await.unwrap().as_ref(), Some(&*added));
        let other = bench.store.create_workspace("other").await.unwrap();
        assert!(matches!(bench.store.media_file(other, id).await, Err(StoreError::NotFound(_))));
        assert_eq!(due(bench).await, []);
    }

    async fn equal_uploads_with_one_key_are_one(bench: &Bench) {
        let key = |hash: u8| Idempotency { key: "k".to_owned(), request_hash: vec![hash] };
        let add = async |id: MediaId, key: Idempotency| {
            bench.store.add_media(bench.workspace, id, &facts(None), Some(&key), |file| json!({"id": file.id})).await
        };
        let (first, second): (MediaId, MediaId) = (bench.ids.id(bench.now()), bench.ids.id(bench.now()));
        assert!(matches!(add(first, key(1)).await, Ok(Created::New(_))));
        let again = add(second, key(1)).await;
        assert!(matches!(&again, Ok(Created::Before { status: 201, answer }) if *answer == json!({"id": first})), "{again:?}");
        assert!(matches!(add(second, key(2)).await, Err(StoreError::KeyReused)));
        assert_eq!(bench.count("SELECT count(*) FROM media").await, 1);
    }

    async fn a_received_file_is_a_row_with_its_message(bench: &Bench) {
        let id = received(bench).await;
        let message = all_messages(bench).await.remove(0);
        assert_eq!(message.content.media().unwrap().media_id, Some(id));
        let row = file(bench, id).await;
        assert_eq!((row.state, row.message_id, row.account_id), (MediaState::Pending, Some(message.id), Some(bench.account.id)));
        assert_eq!((row.mime.as_deref(), row.name.as_deref(), row.size), (Some("image/jpeg"), Some("a.jpg"), Some(9)));
        assert_eq!(due(bench).await, [id]);
        assert_eq!(bench.store.shared_media(id).await.unwrap(), None, "not before it is stored");
        let again = ingest(bench, vec![from("alice", "i1", picture(Some("theirs"))), from("alice", "i2", picture(None))]).await;
        assert_eq!(again.media, [], "a repetition brings no file, and a message without a handle none either");
        assert_eq!(bench.count("SELECT count(*) FROM media").await, 1);
    }

    async fn an_edited_message_keeps_its_file_or_gets_another(bench: &Bench) {
        let id = received(bench).await;
        let edited = async |handle: &str| {
            let kind = InboundKind::Edited { provider_id: "i1".to_owned(), content: picture(Some(handle)) };
            bench.advance(Duration::from_hours(1));
            let item = Inbound { kind, at: bench.now(), ..from("alice", "i1", picture(None)) };
            ingest(bench, vec![item]).await;
            all_messages(bench).await[0].content.media().unwrap().media_id.unwrap()
        };
        assert_eq!(edited("theirs").await, id);
        assert_eq!(due(bench).await, [id]);
        let other = edited("another").await;
        assert_eq!(due(bench).await, [id, other]);
        assert_eq!(bench.store.load_fetch(other).await.unwrap().unwrap().media.provider_ref.as_deref(), Some("another"));
    }

    async fn a_fetched_file_is_told_once(bench: &Bench) {
        let id = received(bench).await;
        let fetch = bench.store.load_fetch(id).await.unwrap().unwrap();
        assert_eq!((fetch.media.provider_ref.as_deref(), fetch.tries), (Some("theirs"), 0));
        assert_eq!(fetch.conversation_id, all_messages(bench).await[0].conversation_id);
        assert!(bench.store.begin_fetch(id).await.unwrap());
        bench.store.finish_fetch(&fetch, &facts(None)).await.unwrap();
        bench.store.finish_fetch(&fetch, &facts(None)).await.unwrap();
        bench.store.fail_fetch(&fetch, "too late").await.unwrap();
        let row = file(bench, id).await;
        assert_eq!((row.state, row.mime.as_deref(), row.name.as_deref(), row.size), (MediaState::Stored, Some("image/png"), Some("a.jpg"), Some(5)));
        assert_eq!((events(bench, "media.stored").await, events(bench, "media.failed").await), (1, 0));
        assert!(bench.store.load_fetch(id).await.unwrap().is_none() && due(bench).await.is_empty());
        assert!(!bench.store.begin_fetch(id).await.unwrap());
    }

    async fn a_file_that_cannot_be_had_says_why(bench: &Bench) {
        let id = received(bench).await;
        let fetch = bench.store.load_fetch(id).await.unwrap().unwrap();
        bench.store.fail_fetch(&fetch, "gone: no\0 such file").await.unwrap();
        let row = file(bench, id).await;
        assert_eq!((row.state, row.reason.as_deref()), (MediaState::Failed, Some("gone: no\u{FFFD} such file")));
        assert_eq!((row.size, events(bench, "media.failed").await), (Some(9), 1));
    }

    async fn tries_are_counted_and_wait_for_their_time(bench: &Bench) {
        let id = received(bench).await;
        let tries = async || bench.store.load_fetch(id).await.unwrap().unwrap().tries;
        bench.store.begin_fetch(id).await.unwrap();
        let later = bench.now() + Duration::from_mins(1);
        bench.store.postpone_fetch(id, later, true).await.unwrap();
        assert_eq!((tries().await, due(bench).await), (1, vec![]));
        bench.store.begin_fetch(id).await.unwrap();
        bench.store.postpone_fetch(id, later, false).await.unwrap();
        assert_eq!(tries().await, 1, "one that counts for nothing is given back");
        bench.advance(Duration::from_mins(1));
        assert_eq!(due(bench).await, [id]);
        assert_eq!(bench.store.pending_media(bench.now(), Some(id), 10).await.unwrap(), []);
        assert!(bench.store.load_fetch(nobody()).await.unwrap().is_none());
    }
}
