//! Everything beside sending: edits, deletions, reactions, typing, files, connecting.

use channel::{Channel, ErrorClass};
use model::{Content, ContentKind, Media};
use serde_json::json;

use super::{Stage, text, with_file};
use crate::simulators::telegram::REACTIONS;

fn content(value: serde_json::Value) -> Content {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn texts_captions_and_buttons_are_changed_and_saying_so_twice_is_fine() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let chat = ada.chat.to_string();
    let editor = stage.channel.editor().unwrap();
    let first = stage.sent(ada.chat, text("one")).await["message_id"].to_string();
    let marked = content(json!({"type": "text", "text": "**two**", "format": "markdown",
        "buttons": [[{"title": "ok", "data": "ok"}]]}));
    for _ in 0..2 {
        editor.edit(&stage.login, &chat, &first, &marked).await.unwrap();
        let now = stage.message(ada.chat, &first);
        assert_eq!(now["text"], "two");
        assert_eq!(now["entities"][0]["type"], "bold");
        assert_eq!(now["reply_markup"]["inline_keyboard"][0][0]["callback_data"], "ok");
    }
    // Only the buttons change.
    editor.edit(&stage.login, &chat, &first, &content(json!({"type": "text", "text": "two"}))).await.unwrap();
    assert!(stage.message(ada.chat, &first).get("reply_markup").is_none());

    let media = json!({"media_id": "018f0000-0000-7000-8000-000000000009"});
    let picture = with_file(ada.chat, json!({"type": "image", "media": media, "caption": "a"}), b"GIF8");
    let second = stage.send(&picture).await.unwrap().provider_id;
    for caption in [json!("b"), json!(null)] {
        let new = content(json!({"type": "image", "media": media, "caption": caption}));
        editor.edit(&stage.login, &chat, &second, &new).await.unwrap();
        assert_eq!(stage.message(ada.chat, &second)["caption"], caption);
    }
}

#[tokio::test]
async fn what_cannot_be_changed_says_so() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let chat = ada.chat.to_string();
    let editor = stage.channel.editor().unwrap();
    let theirs = ada.writes("mine").to_string();
    let ours = stage.sent(ada.chat, text("ours")).await["message_id"].to_string();
    let place = content(json!({"type": "location", "latitude": 1.0, "longitude": 1.0}));
    let keyboard = content(json!({"type": "text", "text": "x", "buttons": [[{"title": "Yes"}]]}));
    let words = content(text("x"));
    for (id, new, code) in [
        (theirs.as_str(), &words, "message can't be edited"),
        ("999", &words, "message to edit not found"),
        ("callback:1", &words, "message id"),
        (ours.as_str(), &place, "unsupported"),
        (ours.as_str(), &keyboard, "buttons"),
    ] {
        let error = editor.edit(&stage.login, &chat, id, new).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
    }
}

#[tokio::test]
async fn messages_are_taken_back_once_or_twice_but_not_after_two_days() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let chat = ada.chat.to_string();
    let deleter = stage.channel.deleter().unwrap();
    let id = stage.sent(ada.chat, text("oops")).await["message_id"].to_string();
    for _ in 0..2 {
        deleter.delete(&stage.login, &chat, &id).await.unwrap();
        assert_eq!(stage.bot.messages(ada.chat).len(), 0);
    }
    let old = stage.sent(ada.chat, text("long ago")).await["message_id"].as_i64().unwrap();
    stage.bot.make_old(ada.chat, old);
    let error = deleter.delete(&stage.login, &chat, &old.to_string()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "message can't be deleted"));
}

#[tokio::test]
async fn every_reaction_of_telegram_is_set_and_taken_back_and_others_are_not_tried() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let chat = ada.chat.to_string();
    let message = ada.writes("nice");
    let reactor = stage.channel.reactor().unwrap();
    let id = message.to_string();
    for emoji in REACTIONS.split_whitespace() {
        reactor.react(&stage.login, &chat, &id, Some(emoji)).await.unwrap();
        assert_eq!(stage.bot.reactions(ada.chat, message), [emoji]);
    }
    reactor.react(&stage.login, &chat, &id, Some("❤\u{FE0F}")).await.unwrap();
    assert_eq!(stage.bot.reactions(ada.chat, message), ["❤"]);
    reactor.react(&stage.login, &chat, &id, None).await.unwrap();
    assert!(stage.bot.reactions(ada.chat, message).is_empty());

    let before = stage.bot.calls().len();
    let error = reactor.react(&stage.login, &chat, &id, Some("🥕")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
    assert_eq!(stage.bot.calls().len(), before);
}

#[tokio::test]
async fn typing_and_what_is_being_prepared_are_shown() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let chat = ada.chat.to_string();
    let typist = stage.channel.typist().unwrap();
    typist.typing(&stage.login, &chat, true).await.unwrap();
    typist.typing(&stage.login, &chat, false).await.unwrap();
    for kind in ContentKind::ALL {
        typist.preparing(&stage.login, &chat, *kind).await.unwrap();
    }
    let shown = stage.bot.actions(ada.chat);
    assert_eq!(shown.len(), 1 + ContentKind::ALL.len());
    assert_eq!(
        &shown[..6],
        ["typing", "typing", "upload_photo", "upload_video", "upload_document", "record_voice"]
    );
}

#[tokio::test]
async fn files_are_fetched_up_to_what_is_wanted_and_what_telegram_gives() {
    let mut stage = Stage::new().await;
    stage.connect(None).await;
    let ada = stage.bot.person("Ada");
    ada.sends("voice", &b"OggS speech"[..], None);
    ada.sends_sized("document", &b"x"[..], 30 << 20, None);
    let (events, _) = stage.poll(None).await;
    let fetcher = stage.channel.media_fetcher().unwrap();
    let voice = super::media(&events[0]);
    assert_eq!(fetcher.fetch(&stage.login, voice, 1_000).await.unwrap(), "OggS speech");

    let small = fetcher.fetch(&stage.login, voice, 5).await.unwrap_err();
    assert_eq!((small.class, small.code.as_str()), (ErrorClass::Permanent, "too_large"));
    let untold = Media { size: None, ..super::media(&events[1]).clone() };
    let large = fetcher.fetch(&stage.login, &untold, u64::MAX).await.unwrap_err();
    assert_eq!((large.class, large.code.as_str()), (ErrorClass::Permanent, "file is too big"));
    let unknown = Media { provider_ref: Some("nothing".to_owned()), ..Media::default() };
    let error = fetcher.fetch(&stage.login, &unknown, 1).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
    let error = fetcher.fetch(&stage.login, &Media::default(), 1).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
}

#[tokio::test]
async fn connecting_says_who_the_bot_is_and_sets_the_webhook_or_takes_it_away() {
    let mut stage = Stage::new().await;
    let connected = stage.connect(Some("http://127.0.0.1:9/webhooks/telegram/a")).await;
    assert_eq!(connected.external_id, stage.bot.id().to_string());
    assert_eq!(connected.name.as_deref(), Some("Simulated bot"));
    assert_eq!(connected.settings["username"], format!("bot_{}_bot", stage.bot.id()));
    let secret = connected.credentials.get("webhook_secret").to_owned();
    assert_eq!(secret.len(), 64);
    assert_eq!(
        stage.bot.webhook(),
        Some(("http://127.0.0.1:9/webhooks/telegram/a".to_owned(), Some(secret.clone())))
    );
    let asked = stage.bot.calls()[1].params.json("allowed_updates").unwrap().unwrap();
    for kind in ["message_reaction", "chat_member", "callback_query", "my_chat_member"] {
        assert!(asked.as_array().unwrap().iter().any(|asked| asked == kind));
    }
    // Again, elsewhere: the secret stays, so that what is under way still fits.
    let again = stage.connect(Some("http://127.0.0.1:9/b")).await;
    assert_eq!(again.credentials.get("webhook_secret"), secret);
    stage.connect(None).await;
    assert_eq!(stage.bot.webhook(), None);
    let error =
        stage.channel.connect(&stage.login.credentials, &json!({}), Some("not a url")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
}
