//! Every kind of content goes out and is taken.

use channel::{Channel, ErrorClass, Outgoing};
use proptest::prelude::*;
use serde_json::json;

use super::{Stage, text, to, with_file};

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n....";
const GIF: &[u8] = b"GIF89a....";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42";
const MP3: &[u8] = b"ID3....";
const OGG: &[u8] = b"OggS....";
const WEBP: &[u8] = b"RIFF\0\0\0\0WEBPVP8 ";
const TGS: &[u8] = b"\x1F\x8B....";

#[tokio::test]
async fn plain_text_is_sent_as_it_is() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let words = "a < b & **c** _d_ </b> \"e\" 🎉";
    let sent = stage.sent(ada.chat, text(words)).await;
    assert_eq!(sent["text"], words);
    assert!(sent.get("entities").is_none());
    assert!(!stage.bot.calls()[0].params.values.contains_key("parse_mode"));
}

#[tokio::test]
async fn markdown_is_sent_as_formatting() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let content = json!({
        "type": "text", "format": "markdown",
        "text": "**a<b** _c_ ~~d~~ `e*` [f](https://x.y/?a&b)\n```rust\nfn\n```"
    });
    let sent = stage.sent(ada.chat, content).await;
    assert_eq!(sent["text"], "a<b c d e* f\nfn");
    let kinds: Vec<_> =
        sent["entities"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["bold", "italic", "strikethrough", "code", "text_link", "pre"]);
    assert_eq!(sent["entities"][4]["url"], "https://x.y/?a&b");
    assert_eq!(sent["entities"][5]["language"], "rust");
}

#[tokio::test]
async fn files_are_uploaded_with_their_names_and_captions() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let media = |mime: &str| json!({ "media_id": "018f0000-0000-7000-8000-000000000009", "mime": mime });
    for (content, bytes, kind, mime) in [
        (json!({"type": "image", "media": media("image/png"), "caption": "c & d"}), PNG, "photo", ""),
        (
            json!({"type": "image", "media": media("image/gif"), "caption": "c & d"}),
            GIF,
            "animation",
            "image/gif",
        ),
        (
            json!({"type": "video", "media": media("video/mp4"), "caption": "c & d"}),
            MP4,
            "video",
            "video/mp4",
        ),
        (
            json!({"type": "audio", "media": media("audio/mpeg"), "caption": "c & d"}),
            MP3,
            "audio",
            "audio/mpeg",
        ),
        (
            json!({"type": "document", "media": media("text/csv"), "caption": "c & d"}),
            b"a,b",
            "document",
            "text/csv",
        ),
        (json!({"type": "voice", "media": media("audio/ogg")}), OGG, "voice", "audio/ogg"),
        (json!({"type": "sticker", "media": media("image/webp"), "emoji": "🦊"}), WEBP, "sticker", ""),
        (json!({"type": "sticker", "media": media("application/x-tgsticker")}), TGS, "sticker", ""),
    ] {
        let captioned = content.get("caption").is_some();
        let accepted = stage.send(&with_file(ada.chat, content, bytes)).await.unwrap();
        let sent = stage.message(ada.chat, &accepted.provider_id);
        let file = if kind == "photo" { &sent["photo"][1] } else { &sent[kind] };
        assert_eq!(stage.bot.file(file["file_id"].as_str().unwrap()).unwrap(), bytes, "{kind}");
        assert_eq!(file.get("mime_type").and_then(|m| m.as_str()).unwrap_or_default(), mime);
        assert_eq!(sent.get("caption").is_some(), captioned);
        if captioned {
            assert_eq!(sent["caption"], "c & d");
        }
    }
    let calls = stage.bot.calls();
    assert_eq!(calls[4].params.uploads["document"].name, "document.bin");
    assert_eq!(calls[6].params.text("emoji").as_deref(), Some("🦊"));
    let named = json!({"type": "document", "media": {
        "media_id": "018f0000-0000-7000-8000-000000000009", "name": "Zürich \"list\".csv", "mime": "text/csv"
    }});
    let accepted = stage.send(&with_file(ada.chat, named, b"x")).await.unwrap();
    let sent = stage.message(ada.chat, &accepted.provider_id);
    assert_eq!(sent["document"]["file_name"], "Zürich \"list\".csv");
}

#[tokio::test]
async fn files_on_the_web_and_at_telegram_are_named_instead_of_uploaded() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    for (kind, field) in [
        ("image", "photo"),
        ("video", "video"),
        ("audio", "audio"),
        ("voice", "voice"),
        ("document", "document"),
        ("sticker", "sticker"),
    ] {
        let by_url = json!({ "type": kind, "media": { "url": format!("https://files.example/{kind}") } });
        let sent = stage.sent(ada.chat, by_url).await;
        let file = if field == "photo" { &sent["photo"][1] } else { &sent[field] };
        let by_id = json!({ "type": kind, "media": { "provider_ref": file["file_id"] } });
        let again = stage.sent(ada.chat, by_id).await;
        assert_eq!(again[field], sent[field]);
    }
    assert!(stage.bot.calls().iter().all(|call| call.params.uploads.is_empty()));
}

#[tokio::test]
async fn places_and_address_cards() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    let bare = json!({"type": "location", "latitude": 52.5, "longitude": -13.4});
    let sent = stage.sent(ada.chat, bare).await;
    assert_eq!(sent["location"], json!({"latitude": 52.5, "longitude": -13.4}));
    assert!(sent.get("venue").is_none());
    for (name, address, title, shown) in [
        (Some("Zoo"), Some("Park 1"), "Zoo", "Park 1"),
        (Some("Zoo"), None, "Zoo", "52.5, 13.4"),
        (None, Some("Park 1"), "Park 1", "Park 1"),
    ] {
        let named = json!({"type": "location", "latitude": 52.5, "longitude": 13.4, "name": name, "address": address});
        let sent = stage.sent(ada.chat, named).await;
        assert_eq!((&sent["venue"]["title"], &sent["venue"]["address"]), (&json!(title), &json!(shown)));
    }
    let card = json!({"type": "contacts", "contacts": [
        {"name": "Bob Lee", "phones": ["+4930123", "+4930456"], "emails": ["bob@example.org"]}
    ]});
    let sent = stage.sent(ada.chat, card).await;
    assert_eq!(sent["contact"]["phone_number"], "+4930123");
    assert!(sent["contact"]["vcard"].as_str().unwrap().contains("EMAIL:bob@example.org"));
}

#[tokio::test]
async fn quotes_topics_and_keyboards() {
    let stage = Stage::new().await;
    let group = stage.bot.group("supergroup", "Team");
    let topic = stage.bot.topic(group, "Orders");
    let ada = stage.bot.person("Ada").within(group).on_topic(topic);
    let asked = ada.writes("which size?");
    let answer = Outgoing {
        thread: Some(topic.to_string()),
        reply_to: Some(asked.to_string()),
        ..to(
            group,
            json!({"type": "text", "text": "this", "buttons": [
                [{"title": "S", "data": "s"}, {"title": "Chart", "url": "https://x.y"}], [{"title": "M", "data": "m"}]
            ]}),
        )
    };
    let accepted = stage.send(&answer).await.unwrap();
    assert_eq!(accepted.moved_to, None);
    let sent = stage.message(group, &accepted.provider_id);
    assert_eq!(sent["message_thread_id"], topic);
    assert_eq!(sent["reply_to_message"]["message_id"], asked);
    assert_eq!(sent["reply_markup"]["inline_keyboard"][1][0]["callback_data"], "m");

    let bob = stage.bot.person("Bob");
    let quick = json!({"type": "text", "text": "ok?", "buttons": [[{"title": "Yes"}, {"title": "No"}]]});
    stage.sent(bob.chat, quick).await;
    let keyboard = stage.bot.calls().pop().unwrap().params.json("reply_markup").unwrap().unwrap();
    assert_eq!(keyboard["keyboard"], json!([[{"text": "Yes"}, {"text": "No"}]]));
}

#[tokio::test]
async fn an_answer_to_what_is_gone_goes_out_without_the_quote() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    for gone in ["999", "callback:17", "ephemeral:3"] {
        let answer = Outgoing { reply_to: Some(gone.to_owned()), ..to(ada.chat, text("still here")) };
        let accepted = stage.send(&answer).await.unwrap();
        assert!(stage.message(ada.chat, &accepted.provider_id).get("reply_to_message").is_none());
    }
    let nowhere = Outgoing { thread: Some("17".to_owned()), ..to(ada.chat, text("x")) };
    let error = stage.send(&nowhere).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "message thread not found"));
}

#[tokio::test]
async fn a_channel_addressed_by_name_tells_its_id() {
    let stage = Stage::new().await;
    let news = stage.bot.group("channel", "News");
    stage.bot.name_chat(news, "shop_news");
    let message = Outgoing { chat: "@shop_news".to_owned(), ..to(0, text("out now")) };
    let accepted = stage.send(&message).await.unwrap();
    assert_eq!(accepted.moved_to, Some(news.to_string()));
    assert_eq!(stage.message(news, &accepted.provider_id)["text"], "out now");
}

#[tokio::test]
async fn what_only_ever_comes_in_does_not_go_out() {
    let stage = Stage::new().await;
    let ada = stage.bot.person("Ada");
    for content in [json!({"type": "callback", "data": "x"}), json!({"type": "unsupported", "kind": "dice"})]
    {
        let error = stage.send(&to(ada.chat, content)).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Permanent);
    }
    let homeless = json!({"type": "image", "media": {"media_id": "018f0000-0000-7000-8000-000000000009"}});
    assert_eq!(stage.send(&to(ada.chat, homeless)).await.unwrap_err().class, ErrorClass::Permanent);
    assert!(stage.bot.calls().is_empty());
}

/// Whatever is written between marks, Telegram can read the HTML that leaves; and text without marks is seen as it was
/// written.
#[test]
fn no_markdown_is_refused_by_telegram() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(Stage::new());
    let ada = stage.bot.person("Ada");
    let characters = "[a-z <>&;#\"\\n🎉*_~`\\[\\]()\\\\]{1,40}";
    let marks = "(\\*\\*|_|~~|`|```|\\[|\\]\\(https://x\\)|a| |<|&){1,24}";
    proptest!(ProptestConfig::with_cases(500), |(words in prop_oneof![characters, marks])| {
        let content = json!({ "type": "text", "text": words, "format": "markdown" });
        let message = to(ada.chat, content);
        prop_assume!(stage.channel.check(&message.content).is_ok());
        let accepted = runtime.block_on(stage.send(&message));
        prop_assert!(accepted.is_ok(), "{accepted:?}");
        if !words.contains(|c| "\\*_~`[]()".contains(c)) {
            let sent = stage.message(ada.chat, &accepted.unwrap().provider_id);
            prop_assert_eq!(sent["text"].as_str(), Some(words.as_str()));
        }
    });
}
