//! Everything beside sending: edits, deletions, reactions, the mark of what was read, files.

use bytes::Bytes;
use channel::{Channel, ErrorClass};
use model::Media;
use serde_json::{Value, json};

use super::{ROOM, Stage, content, text, to};

#[tokio::test]
async fn edits_replace_words_and_blocks() {
    let stage = Stage::new().await;
    let editor = stage.channel.editor().unwrap();
    let asked = json!({"type": "text", "text": "a", "buttons": [[{"title": "b", "data": "c"}]]});
    let id = stage.send(&to(ROOM, asked.clone())).await.unwrap().provider_id;
    for (new, words, blocks) in [
        (text("plain"), "plain", 0),
        (asked, "a", 2),
        // Marks cannot be switched off in an edit: as plain text in a block they are none.
        (text("*literal*"), "*literal*", 1),
        (json!({"type": "text", "format": "markdown", "text": "**b**"}), "*b*", 0),
    ] {
        editor.edit(&stage.login, ROOM, &id, &content(new)).await.unwrap();
        let message = stage.slack.message(ROOM, &id).unwrap();
        assert_eq!((message.text.as_str(), message.blocks.len()), (words, blocks));
    }
    let theirs = stage.slack.writes(ROOM, "U024BE7LH", "mine");
    for (id, code) in [
        (theirs.as_str(), "cant_update_message"),
        ("1.000001", "message_not_found"),
        ("action:1", "message id"),
    ] {
        let error = editor.edit(&stage.login, ROOM, id, &content(text("x"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
    }
}

#[tokio::test]
async fn the_newest_reaction_is_the_one() {
    let stage = Stage::new().await;
    let ts = stage.slack.writes(ROOM, "U024BE7LH", "hello");
    stage.slack.reacts(ROOM, &ts, "U024BE7LH", "tada");
    let reactor = stage.channel.reactor().unwrap();
    for (emoji, expected) in [
        (Some("👍"), vec!["+1"]),
        (Some("👍"), vec!["+1"]),
        (Some("thumbsup"), vec!["+1"]),
        (Some("👋🏼"), vec!["wave::skin-tone-3"]),
        (Some(":party_parrot:"), vec!["party_parrot"]),
        (None, vec![]),
        (None, vec![]),
    ] {
        reactor.react(&stage.login, ROOM, &ts, emoji).await.unwrap();
        let reactions = stage.slack.message(ROOM, &ts).unwrap().reactions;
        let (theirs, ours): (Vec<_>, Vec<_>) =
            reactions.into_iter().partition(|(_, user)| user == "U024BE7LH");
        assert_eq!(theirs.len(), 1, "other people's are left alone");
        assert_eq!(ours.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected, "{emoji:?}");
    }
    let error = reactor.react(&stage.login, ROOM, &ts, Some("🦑")).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "reaction"));
}

#[tokio::test]
async fn what_was_read_is_marked() {
    let stage = Stage::new().await;
    let ts = stage.slack.writes(ROOM, "U024BE7LH", "hello");
    stage.channel.reader().unwrap().mark_read(&stage.login, ROOM, &ts).await.unwrap();
    assert_eq!(stage.slack.read_until(ROOM), Some(ts));
}

#[tokio::test]
async fn files_are_fetched_from_slack_only_and_only_as_files() {
    let stage = Stage::new().await;
    let fetcher = stage.channel.media_fetcher().unwrap();
    let bytes = Bytes::from_static(b"bytes");
    let media = |id: &str| Media { provider_ref: Some(id.to_owned()), ..Media::default() };
    let put =
        |name: &str, change: &dyn Fn(&mut Value)| stage.slack.file(name, bytes.clone(), |file| change(file));

    let page = put("page.html", &|_| {});
    let found = fetcher.fetch(&stage.login, &media(&page), 100).await.unwrap();
    assert_eq!(found, bytes, "a page that is meant is a file");
    for (id, code) in [
        (
            put("a.png", &|file| file["url_private_download"] = "https://drive.example/x".into()),
            "foreign_file",
        ),
        (
            put("b.png", &|file| drop(file.as_object_mut().unwrap().remove("url_private_download"))),
            "file_gone",
        ),
        ("F0NOWHERE".to_owned(), "file_not_found"),
        (put("c.png", &|file| file["size"] = 101.into()), "too_large"),
    ] {
        let error = fetcher.fetch(&stage.login, &media(&id), 100).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
    }
    let told = Media { size: Some(101), ..media(&page) };
    assert_eq!(fetcher.fetch(&stage.login, &told, 100).await.unwrap_err().code, "too_large");

    // The login page comes with a status that says all is well.
    let refused = put("d.png", &|file| {
        let elsewhere = file["url_private_download"].as_str().unwrap().replace("/F", "/F0NOT");
        file["url_private_download"] = elsewhere.into();
    });
    let error = fetcher.fetch(&stage.login, &media(&refused), 1_000).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "login_page"));
}

#[tokio::test]
async fn events_may_come_twice_and_in_any_order() {
    let stage = Stage::new().await;
    let events = stage.slack.events();
    let body = |text: &str, ts: &str| {
        events.envelope(
            &json!({"type": "message", "channel": ROOM, "user": "U024BE7LH", "text": text, "ts": ts}),
        )
    };
    let (first, second) = (body("one", "1790000001.000000"), body("two", "1790000002.000000"));
    let in_order = [stage.told(&first), stage.told(&second)];
    assert_eq!(stage.told(&second), in_order[1]);
    assert_eq!(stage.told(&first), in_order[0]);
    assert!(in_order[0][0].at < in_order[1][0].at, "the time tells the order");
    // What the bot says comes back as an event, too.
    let own = events
        .envelope(&json!({"type": "message", "channel": ROOM, "user": "UBOT00000", "bot_id": "BBOT00000",
        "text": "hi", "ts": "1790000003.000000"}));
    assert!(matches!(stage.told(&own)[0].kind, model::InboundKind::Ignored { .. }));
}
