//! What a message looks like to Discord, and the abilities.

use bytes::Bytes;
use channel::{Channel, ErrorClass};
use serde_json::{Value, json};

use super::{Stage, text, to};
use crate::simulators::discord::{Fault, Options};

#[tokio::test]
async fn a_text_calls_nobody_and_reads_as_it_was_written() {
    let stage = Stage::new().await;
    let message = stage.sent(text("@everyone <@5> *not bold*")).await;
    assert_eq!(message["content"], "@everyone \\<@5> \\*not bold\\*");
    assert_eq!(message["allowed_mentions"], json!({ "parse": [] }));
    let marked = json!({ "type": "text", "text": "**b** [l](https://x.y)", "format": "markdown" });
    assert_eq!(stage.send(&to(&stage.chat.to_string(), 4, marked)).await.unwrap().moved_to, None);
    assert_eq!(stage.server.calls().pop().unwrap().body["content"], "**b** [l](https://x.y)");
}

#[tokio::test]
async fn a_repeated_call_is_the_same_message() {
    let stage = Stage::new().await;
    let chat = stage.chat.to_string();
    stage.server.meets("POST /channels", Fault::Hangup { carried_out: true });
    let error = stage.send(&to(&chat, 7, text("once"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Ambiguous);
    stage.send(&to(&chat, 7, text("once"))).await.unwrap();
    stage.send(&to(&chat, 8, text("once"))).await.unwrap();
    assert_eq!(stage.server.chat(stage.chat).messages.len(), 2);
}

#[tokio::test]
async fn a_person_is_written_to_by_their_id() {
    let stage = Stage::new().await;
    let bob = stage.server.person("Bob");
    for (number, chat) in [(1, format!("user:{bob}")), (2, bob.to_string())] {
        let accepted = stage.send(&to(&chat, number, text("hi"))).await.unwrap();
        let direct = accepted.moved_to.expect("the chat has an id of its own");
        assert_eq!(direct, stage.server.direct(bob).to_string());
        assert!(stage.server.message(&direct, &accepted.provider_id).is_some());
    }
    // Neither a channel nor a person: what Discord said of the channel is told.
    let error = stage.send(&to("42", 3, text("hi"))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "10003"));
    for odd in ["", "user:", "ada", "1/../2", "user:1x"] {
        let before = stage.server.calls().len();
        let error = stage.send(&to(odd, 4, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "chat"), "{odd}");
        assert_eq!(stage.server.calls().len(), before, "nobody was asked");
    }
}

#[tokio::test]
async fn a_thread_is_a_channel() {
    let stage = Stage::new().await;
    let (channel, thread) = (stage.server.channel(), stage.server.channel());
    let mut message = to(&channel.to_string(), 1, text("hi"));
    message.thread = Some(thread.to_string());
    stage.send(&message).await.unwrap();
    assert_eq!(stage.server.chat(thread).messages.len(), 1);
    assert_eq!(stage.server.chat(channel).messages.len(), 0);
}

#[tokio::test]
async fn an_answer_to_what_is_gone_goes_out_all_the_same() {
    let stage = Stage::new().await;
    let mut message = to(&stage.chat.to_string(), 1, text("hi"));
    message.reply_to = Some("999".to_owned());
    stage.send(&message).await.unwrap();
    let sent = stage.server.chat(stage.chat).messages.into_values().next().unwrap();
    assert_eq!(sent["message_reference"], Value::Null);
}

#[tokio::test]
async fn files_go_along_and_links_are_shown() {
    let stage = Stage::new().await;
    let chat = stage.chat.to_string();
    let file = |kind: &str, mime: &str| {
        json!({ "type": kind, "media": {
        "media_id": "018f0000-0000-7000-8000-000000000009", "mime": mime } })
    };
    for (number, kind, mime, name) in [
        (1, "image", "image/jpeg", "image.jpg"),
        (2, "video", "video/webm", "video.webm"),
        (3, "voice", "audio/ogg", "voice-message.ogg"),
        (4, "document", "text/plain", "file.txt"),
    ] {
        let mut message = to(&chat, number, file(kind, mime));
        message.file = Some(Bytes::from_static(b"bytes"));
        let accepted = stage.send(&message).await.unwrap();
        let sent = stage.server.message(&chat, &accepted.provider_id).unwrap();
        assert_eq!(
            (&sent["attachments"][0]["filename"], &sent["attachments"][0]["content_type"]),
            (&json!(name), &json!(mime))
        );
        assert_eq!(stage.server.file(&sent["attachments"][0]).as_deref(), Some(&b"bytes"[..]));
    }
    let link = json!({ "type": "image", "media": { "url": "https://x.y/a.png" }, "caption": "look" });
    let accepted = stage.send(&to(&chat, 5, link)).await.unwrap();
    let sent = stage.server.message(&chat, &accepted.provider_id).unwrap();
    assert_eq!(sent["embeds"], json!([{ "image": { "url": "https://x.y/a.png" } }]));
    let mut odd = to(&chat, 6, file("document", "no mime"));
    odd.file = Some(Bytes::from_static(b"bytes"));
    assert_eq!(stage.send(&odd).await.unwrap_err().class, ErrorClass::Permanent);
}

#[tokio::test]
async fn our_reaction_is_the_last_one() {
    let stage = Stage::new().await;
    let chat = stage.chat.to_string();
    let id = stage.server.writes(stage.chat, stage.ada, &json!({ "content": "hi" })).to_string();
    let reactor = stage.channel.reactor().unwrap();
    let ours = || {
        let message = stage.server.message(&chat, &id).unwrap();
        let reactions = message["reactions"].as_array().cloned().unwrap_or_default();
        reactions
            .iter()
            .map(|one| one["emoji"]["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    for (emoji, left) in [
        (Some("\u{1f44d}"), vec!["\u{1f44d}"]),
        (Some("<:party:55>"), vec!["party"]),
        (Some("party:55"), vec!["party"]),
        (Some("\u{2764}\u{fe0f}"), vec!["\u{2764}\u{fe0f}"]),
        (None, vec![]),
        (None, vec![]),
    ] {
        reactor.react(&stage.login, &chat, &id, emoji).await.unwrap();
        assert_eq!(ours(), left);
    }
    let error = reactor.react(&stage.login, &chat, &id, Some("smile")).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "10014"));
}

#[tokio::test]
async fn an_edit_takes_buttons_away_and_keeps_files() {
    let stage = Stage::new().await;
    let chat = stage.chat.to_string();
    let buttons = json!({ "type": "text", "text": "?", "buttons": [[{ "title": "Yes", "data": "y" }]] });
    let id = stage.send(&to(&chat, 1, buttons)).await.unwrap().provider_id;
    assert_eq!(stage.server.message(&chat, &id).unwrap()["components"][0]["components"][0]["custom_id"], "y");
    let editor = stage.channel.editor().unwrap();
    let changed = serde_json::from_value(text("done")).unwrap();
    editor.edit(&stage.login, &chat, &id, &changed).await.unwrap();
    assert_eq!(stage.server.message(&chat, &id).unwrap()["components"], json!([]));

    let picture = json!({ "type": "image", "media": { "media_id": "018f0000-0000-7000-8000-000000000009" }, "caption": "a" });
    let mut message = to(&chat, 2, picture);
    message.file = Some(Bytes::from_static(b"bytes"));
    let id = stage.send(&message).await.unwrap().provider_id;
    let caption = serde_json::from_value(json!({ "type": "image", "media": {}, "caption": "b" })).unwrap();
    editor.edit(&stage.login, &chat, &id, &caption).await.unwrap();
    let sent = stage.server.message(&chat, &id).unwrap();
    assert_eq!(
        (sent["content"].as_str(), sent["attachments"].as_array().map(Vec::len)),
        (Some("b"), Some(1))
    );
    let theirs = stage.server.writes(stage.chat, stage.ada, &json!({ "content": "hi" })).to_string();
    let error = editor.edit(&stage.login, &chat, &theirs, &changed).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
}

#[tokio::test]
async fn a_channel_that_is_gone_takes_its_messages_along() {
    let stage = Stage::new().await;
    let deleter = stage.channel.deleter().unwrap();
    deleter.delete(&stage.login, "42", "43").await.unwrap();
    stage.server.meets("DELETE", Fault::Refuse(403, 50_001, "Missing Access"));
    let error = deleter.delete(&stage.login, &stage.chat.to_string(), "43").await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
}

#[tokio::test]
async fn a_file_whose_link_has_ended_is_found_again() {
    let stage = Stage::new().await;
    let channel = stage.server.channel();
    let chat = channel.to_string();
    let file = stage.server.attachment("a.png", "image/png", Bytes::from_static(b"picture"));
    let id = stage.server.writes(channel, stage.ada, &json!({ "attachments": [file] })).to_string();
    let told = json!({ "t": "MESSAGE_CREATE", "d": stage.server.message(&chat, &id).unwrap() });
    let meant = stage.channel.parse(&stage.login.account, &told).unwrap();
    let model::InboundKind::Message { content, .. } = &meant[0].kind else { panic!("a message: {meant:?}") };
    let media = content.media().unwrap();
    let fetcher = stage.channel.media_fetcher().unwrap();
    stage.server.end_links();
    assert_eq!(fetcher.fetch(&stage.login, media, 100).await.unwrap(), &b"picture"[..]);
    assert_eq!(fetcher.fetch(&stage.login, media, 3).await.unwrap_err().class, ErrorClass::Permanent);
    stage.channel.deleter().unwrap().delete(&stage.login, &chat, &id).await.unwrap();
    stage.server.end_links();
    assert_eq!(fetcher.fetch(&stage.login, media, 100).await.unwrap_err().class, ErrorClass::Permanent);
    let elsewhere =
        model::Media { provider_ref: Some("1/2/3 http://127.0.0.1:1/x".to_owned()), ..media.clone() };
    let error = fetcher.fetch(&stage.login, &elsewhere, 100).await.unwrap_err();
    assert_eq!(error.code, "host");
}

#[tokio::test]
async fn what_the_headers_say_is_kept_without_a_refusal() {
    let stage = Stage::with(Options { time_scale: 50.0, ..Options::default() }).await;
    let chat = stage.chat.to_string();
    let mut number = 0;
    let mut sent = 0;
    while sent < 12 {
        number += 1;
        match stage.send(&to(&chat, number, text("hi"))).await {
            Ok(_) => sent += 1,
            Err(error) => {
                let ErrorClass::RecipientHeld(wait) = error.class else { panic!("{error:?}") };
                tokio::time::sleep(wait).await;
            }
        }
    }
    let refused = stage.server.calls().into_iter().filter(|call| call.status == 429).count();
    assert_eq!(refused, 0, "the adapter knew before");
    assert!(number > 12, "it was held at least once");
    // Another chat is another bucket.
    let other = stage.server.direct(stage.server.person("Bob")).to_string();
    stage.send(&to(&other, 900, text("hi"))).await.unwrap();
}
