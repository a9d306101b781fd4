//! Abilities: each as far as the channel has it.

use bytes::Bytes;
use model::{Content, Inbound};

use super::Simulator;
use super::samples::{happening, outgoing, written};
use crate::{Channel, ErrorClass, Login};

pub(super) async fn what_was_sent_can_be_changed(
    channel: &dyn Channel,
    simulator: &dyn Simulator,
    login: &Login,
) {
    let chat = simulator.chat();
    if let Some(typist) = channel.typist() {
        typist.typing(login, &chat, true).await.expect("typing is shown");
        typist.typing(login, &chat, false).await.expect("and ends");
    }
    let message = outgoing(300, &chat, Content::text("first"));
    let id = channel.send(login, &message).await.expect("a text is taken").provider_id;
    if let Some(editor) = channel.editor() {
        for time in ["an edit", "the same again: it already says so"] {
            let content = Content::text("second");
            editor.edit(login, &chat, &id, &content).await.expect(time);
        }
        let received = simulator.received(&chat, &id).await.expect("it is still there");
        assert_eq!(received.words.as_deref(), Some("second"), "an edit replaces the words");
    }
    if let Some(reactor) = channel.reactor() {
        for emoji in [Some("\u{1f44d}"), None] {
            reactor.react(login, &chat, &id, emoji).await.expect("a reaction, and none");
        }
    }
    if let Some(reader) = channel.reader() {
        reader.mark_read(login, &chat, &id).await.expect("it is marked as seen");
    }
    if let Some(deleter) = channel.deleter() {
        for time in ["a deletion", "the same again: it is gone already"] {
            deleter.delete(login, &chat, &id).await.expect(time);
        }
        assert_eq!(simulator.received(&chat, &id).await, None, "a deleted message is gone");
    }
}

pub(super) async fn polls_bring_each_event_until_confirmed(
    channel: &dyn Channel,
    simulator: &dyn Simulator,
    login: &Login,
) {
    let Some(poller) = channel.poller() else { return };
    let chat = simulator.chat();
    let said = |n: u32| happening(&chat, written(&format!("9000{n}"), &format!("number {n}")));
    if !simulator.happen(login, &said(1)).await {
        return;
    }
    // The cursor is none until something was committed, so an unconfirmed event comes again.
    let first = find(channel, simulator, login, None, "number 1").await;
    let again = find(channel, simulator, login, None, "number 1").await;
    assert_eq!(first.0, again.0, "an event that comes again has the same key");
    assert!(simulator.happen(login, &said(2)).await);
    let news = poller.poll(login, Some(&first.1)).await.expect("a poll goes on at its cursor");
    let texts = texts(channel, login, news.events.iter().map(|event| &event.payload));
    assert_eq!(texts, ["number 2"], "what was confirmed does not come again");
}

/// Polls from `cursor` until `text` came; answers its key and the cursor behind it.
async fn find(
    channel: &dyn Channel,
    simulator: &dyn Simulator,
    login: &Login,
    cursor: Option<&str>,
    text: &str,
) -> (String, String) {
    let poller = channel.poller().expect("it polls");
    let mut cursor = cursor.map(str::to_owned);
    for _ in 0..100 {
        let news = poller.poll(login, cursor.as_deref()).await.expect("a poll is answered");
        for event in &news.events {
            if texts(channel, login, [&event.payload]).iter().any(|found| found == text) {
                return (event.dedupe_key.clone(), news.cursor);
            }
        }
        cursor = Some(news.cursor);
    }
    panic!("`{text}` never came to {}", simulator.chat());
}

fn texts<'a>(
    channel: &dyn Channel,
    login: &Login,
    payloads: impl IntoIterator<Item = &'a serde_json::Value>,
) -> Vec<String> {
    let meant = payloads
        .into_iter()
        .flat_map(|payload| channel.parse(&login.account, payload).expect("an event can be read"));
    let words = |inbound: Inbound| match inbound.kind {
        model::InboundKind::Message { content, .. } => content.words().map(str::to_owned),
        _ => None,
    };
    meant.filter_map(words).collect()
}

pub(super) async fn files_are_fetched_within_their_limit(
    channel: &dyn Channel,
    simulator: &dyn Simulator,
    login: &Login,
) {
    let Some(fetcher) = channel.media_fetcher() else { return };
    let bytes = Bytes::from_static(b"just some bytes");
    let Some(media) = simulator.put_file(login, bytes.clone()).await else { return };
    let size = bytes.len() as u64;
    assert_eq!(fetcher.fetch(login, &media, size).await.expect("a file is fetched"), bytes);
    let error = fetcher.fetch(login, &media, size - 1).await.expect_err("a file over the limit is not");
    assert_eq!(error.class, ErrorClass::Permanent, "it will not get smaller: {error:?}");
}
