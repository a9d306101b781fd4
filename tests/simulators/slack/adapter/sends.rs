//! What goes out: texts with marks and buttons, lists, native messages, files of ours and at links, threads, people.

use std::time::Duration;

use channel::{Channel, ErrorClass, Outgoing};
use serde_json::json;

use super::{ROOM, Stage, content, ours, text, to, with_file};
use crate::simulators::slack::{Fault, Options};

#[tokio::test]
async fn texts_arrive_as_they_were_meant() {
    let stage = Stage::new().await;
    let plain = stage.sent(text("1 < 2 & *stars*")).await;
    assert_eq!((plain.text.as_str(), plain.mrkdwn), ("1 &lt; 2 &amp; *stars*", false));
    let marked = json!({"type": "text", "format": "markdown", "text": "**a** [b](https://x.y/?c&d)"});
    let marked = stage.sent(marked).await;
    assert_eq!((marked.text.as_str(), marked.mrkdwn), ("*a* <https://x.y/?c&amp;d|b>", true));
    assert!(marked.blocks.is_empty());
}

#[tokio::test]
async fn buttons_stand_under_the_words_and_what_is_pressed_comes_back() {
    let stage = Stage::new().await;
    let rows =
        json!([[{"title": "Yes", "data": "y"}, {"title": "More", "url": "https://x.y"}], [{"title": "No"}]]);
    let asked = json!({"type": "text", "format": "markdown", "text": "**Well?**", "buttons": rows});
    let accepted = stage.send(&to(ROOM, asked)).await.unwrap();
    let message = stage.slack.message(ROOM, &accepted.provider_id).unwrap();
    assert_eq!(message.blocks[0]["text"], json!({"type": "mrkdwn", "text": "*Well?*"}));
    let press = |row: usize, at: usize| {
        let mut action = message.blocks[row]["elements"][at].clone();
        action["action_ts"] = "1790000050.000000".into();
        let told =
            stage.told(&stage.slack.events().pressed(ROOM, &accepted.provider_id, "U024BE7LH", &action));
        let model::InboundKind::Message { content, reply_to, .. } = &told[0].kind else { return None };
        assert_eq!(reply_to.as_ref(), Some(&accepted.provider_id));
        Some(content.clone())
    };
    assert_eq!(press(1, 0), Some(content(json!({"type": "callback", "data": "y", "title": "Yes"}))));
    assert_eq!(press(1, 1), None, "a link says nothing");
    assert_eq!(press(2, 0), Some(content(text("No"))));
}

#[tokio::test]
async fn lists_and_native_messages_are_blocks() {
    let stage = Stage::new().await;
    let rows = |data: &str| json!([{"title": "T", "description": "d", "data": data}]);
    for sections in [
        json!([{"rows": rows("a")}]),
        json!([{"title": "A", "rows": rows("a")}, {"title": "B", "rows": rows("b")}]),
    ] {
        let several = sections.as_array().unwrap().len() > 1;
        let list = json!({"type": "list", "text": "Which?", "button": "Choose", "sections": sections});
        let message = stage.sent(list).await;
        let menu = &message.blocks[1]["elements"][0];
        assert_eq!(menu["placeholder"]["text"], "Choose");
        assert_eq!(menu.get("option_groups").is_some(), several);
    }
    let body = json!({"blocks": [{"type": "divider"}], "unfurl_links": false});
    let message = stage.sent(json!({"type": "native", "body": body, "text": "a & b"})).await;
    assert_eq!((message.text.as_str(), message.blocks.len()), ("a &amp; b", 1));
    let bad = json!({"type": "native", "body": {"blocks": [{"type": "hologram"}]}});
    let error = stage.send(&to(ROOM, bad)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "invalid_blocks"));
    assert!(error.message.contains("/blocks/0"), "Slack's hint is told: {}", error.message);
}

#[tokio::test]
async fn what_answers_stands_in_the_thread() {
    let stage = Stage::new().await;
    let first = stage.slack.writes(ROOM, "U024BE7LH", "hello");
    for (thread, reply_to, expected) in [
        (None, Some(first.clone()), Some(first.clone())),
        (Some(first.clone()), None, Some(first.clone())),
        (Some(first.clone()), Some("1780000000.000001".to_owned()), Some(first.clone())),
        (None, Some(format!("{first}:F024BE91L")), Some(first.clone())),
        // A pressed button is no message; the answer goes out all the same.
        (None, Some("action:1.2.x".to_owned()), None),
    ] {
        for message in
            [to(ROOM, text("hi")), with_file(ROOM, json!({"type": "document", "media": ours("a.pdf")}), b"x")]
        {
            let message = Outgoing { thread: thread.clone(), reply_to: reply_to.clone(), ..message };
            let id = stage.send(&message).await.unwrap().provider_id;
            assert_eq!(stage.slack.message(ROOM, &id).unwrap().thread_ts, expected);
        }
    }
}

#[tokio::test]
async fn writing_to_a_person_opens_a_conversation() {
    let stage = Stage::new().await;
    for message in [
        to("U024BE7LH", text("hi")),
        with_file("U024BE7LH", json!({"type": "image", "media": ours("a.png")}), b"x"),
    ] {
        let accepted = stage.send(&message).await.unwrap();
        assert_eq!(accepted.moved_to.as_deref(), Some("D024BE7LH"));
        assert!(stage.slack.message("D024BE7LH", &accepted.provider_id).is_some());
    }
    assert_eq!(stage.send(&to(ROOM, text("hi"))).await.unwrap().moved_to, None);
    stage.slack.meets("conversations.open", Fault::Hangup { carried_out: true });
    let error = stage.send(&to("U024BE7LH", text("hi"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry, "nothing was said yet");
}

#[tokio::test]
async fn files_are_shared_with_their_words() {
    let stage = Stage::new().await;
    let image = json!({"type": "image", "media": ours("a.png"), "caption": "1 < 2"});
    let id = stage.send(&with_file(ROOM, image, b"bytes")).await.unwrap().provider_id;
    let message = stage.slack.message(ROOM, &id).unwrap();
    assert_eq!(message.text, "1 &lt; 2");
    assert_eq!(stage.slack.bytes(&message.files[0]).unwrap(), "bytes");
    // One without a name gets one.
    let media = json!({"media_id": "018f0000-0000-7000-8000-000000000009", "mime": "audio/ogg; codecs=opus"});
    stage.send(&with_file(ROOM, json!({"type": "voice", "media": media}), b"x")).await.unwrap();
    let calls = stage.slack.calls();
    let named = calls.iter().rfind(|call| call.method == "files.getUploadURLExternal").unwrap();
    assert_eq!(named.arguments["filename"], "voice.ogg");
}

#[tokio::test]
async fn a_file_that_is_shared_late_goes_by_its_own_name_and_can_be_reached() {
    let stage = Stage::with(Options { enforce_limits: false, share_after: 1 }).await;
    let image = json!({"type": "image", "media": ours("a.png"), "caption": "one"});
    let id = stage.send(&with_file(ROOM, image, b"x")).await.unwrap().provider_id;
    assert!(id.starts_with("file:F"), "{id}");
    let new = content(json!({"type": "image", "media": ours("a.png"), "caption": "two"}));
    stage.channel.editor().unwrap().edit(&stage.login, ROOM, &id, &new).await.unwrap();
    let answer = Outgoing { reply_to: Some(id.clone()), ..to(ROOM, text("see above")) };
    let answer = stage.send(&answer).await.unwrap().provider_id;
    let shared = stage.slack.message(ROOM, &answer).unwrap().thread_ts.expect("its message is known by now");
    assert_eq!(stage.slack.message(ROOM, &shared).unwrap().text, "two");
    stage.channel.reactor().unwrap().react(&stage.login, ROOM, &id, Some("👍")).await.unwrap();
    assert_eq!(stage.slack.message(ROOM, &shared).unwrap().reactions.len(), 1);
    stage.channel.deleter().unwrap().delete(&stage.login, ROOM, &id).await.unwrap();
    assert!(stage.slack.message(ROOM, &shared).is_none());
}

#[tokio::test]
async fn an_upload_that_fails_was_seen_by_nobody() {
    let stage = Stage::new().await;
    let file = with_file(ROOM, json!({"type": "document", "media": ours("a.pdf")}), b"x");
    for (place, fault, class) in [
        ("files.getUploadURLExternal", Fault::Hangup { carried_out: true }, ErrorClass::Retry),
        ("files.getUploadURLExternal", Fault::Word("internal_error"), ErrorClass::Retry),
        ("upload", Fault::Gateway(502), ErrorClass::Retry),
        ("files.completeUploadExternal", Fault::Word("internal_error"), ErrorClass::Ambiguous),
        (
            "files.completeUploadExternal",
            Fault::TooMany(Some(2)),
            ErrorClass::RetryAfter(Some(Duration::from_secs(2))),
        ),
        ("files.completeUploadExternal", Fault::Silence { carried_out: false }, ErrorClass::Ambiguous),
    ] {
        stage.slack.meets(place, fault.clone());
        let error = stage.send(&file).await.unwrap_err();
        assert_eq!(error.class, class, "{place} {fault:?}");
    }
    assert_eq!(stage.slack.count(ROOM), 0);
    // Once it is shared, no later call makes it undone.
    stage.slack.meets("files.info", Fault::Word("internal_error"));
    let id = stage.send(&file).await.unwrap().provider_id;
    assert!(id.starts_with("file:F"), "{id}");
}

#[tokio::test]
async fn links_to_pictures_are_slacks_to_fetch_and_other_links_ours() {
    let stage = Stage::new().await;
    let picture = |caption: serde_json::Value| json!({"type": "image", "media": {"url": "https://x.example/a.png", "name": "a.png"}, "caption": caption});
    let bare = stage.sent(picture(json!(null))).await;
    assert_eq!((bare.text.as_str(), bare.blocks.len()), ("a.png", 1));
    let worded = stage.sent(picture(json!("*look*"))).await;
    assert_eq!(worded.text, "*look*");
    assert_eq!(worded.blocks[1]["image_url"], "https://x.example/a.png");

    // Anything that serves bytes will do: here the simulator's own store of files.
    let file = stage.slack.file("page.html", bytes::Bytes::from_static(b"unused"), |_| {});
    let url = format!("{}/files-pri/{file}", stage.slack.base_url());
    let linked = json!({"type": "document", "media": {"url": url, "name": "b.pdf"}});
    let id = stage.send(&to(ROOM, linked)).await.unwrap().provider_id;
    let message = stage.slack.message(ROOM, &id).unwrap();
    assert_eq!(
        stage.slack.bytes(&message.files[0]).unwrap(),
        "<html>Sign in to Slack</html>",
        "without our token"
    );
    let gone = json!({"type": "document", "media": {"url": format!("{}/nowhere/x", stage.slack.base_url())}});
    let error = stage.send(&to(ROOM, gone)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "link"));
}
