//! What goes out: each form of message as Meta gets it, what it is for, and what there is beside messages.

use std::time::Duration;

use bytes::Bytes;
use channel::ErrorClass;
use model::{Purpose, Timestamp};
use serde_json::{Value, json};

use super::{ANNA, NOW, Stage, text, to};
use crate::simulators::pages::{Kind, Person, Window};

#[tokio::test]
async fn texts_have_no_marks_and_carry_our_word() {
    let stage = Stage::new(Kind::Messenger).await;
    let marked =
        json!({ "type": "text", "format": "markdown", "text": "**Hi** _you_: [shop](https://a.example/)" });
    let body = stage.sent(marked).await;
    assert_eq!(body["message"]["text"], "Hi you: shop (https://a.example/)");
    assert_eq!(body["message"]["metadata"], "rookery:018f0000-0000-7000-8000-000000000003");
    assert_eq!(body["recipient"], json!({ "id": ANNA }));
    let body = Stage::new(Kind::Instagram).await.sent(text("hi")).await;
    assert_eq!(body, json!({ "recipient": { "id": ANNA }, "message": { "text": "hi" } }));
}

#[tokio::test]
async fn buttons_are_quick_replies_or_a_template_where_one_opens_a_link() {
    let stage = Stage::new(Kind::Messenger).await;
    let plain = json!([[{ "title": "Yes", "data": "y" }], [{ "title": "No" }]]);
    let body = stage.sent(json!({ "type": "text", "text": "Well?", "buttons": plain })).await;
    assert_eq!(
        body["message"]["quick_replies"],
        json!([
            { "content_type": "text", "title": "Yes", "payload": "y" },
            { "content_type": "text", "title": "No", "payload": "No" },
        ])
    );
    let links =
        json!([[{ "title": "Shop", "url": "https://a.example/" }, { "title": "Later", "data": "l" }]]);
    let body = stage.sent(json!({ "type": "text", "text": "Well?", "buttons": links })).await;
    let payload = &body["message"]["attachment"]["payload"];
    assert_eq!((&payload["template_type"], &payload["text"]), (&json!("button"), &json!("Well?")));
    assert_eq!(
        payload["buttons"],
        json!([
            { "type": "web_url", "title": "Shop", "url": "https://a.example/" },
            { "type": "postback", "title": "Later", "payload": "l" },
        ])
    );
}

#[tokio::test]
async fn files_go_by_link_or_are_uploaded_first() {
    for (kind, platform) in [(Kind::Messenger, None), (Kind::Instagram, Some("instagram"))] {
        let stage = Stage::new(kind).await;
        let body =
            stage.sent(json!({ "type": "image", "media": { "url": "https://a.example/1.png" } })).await;
        let attachment = &body["message"]["attachment"];
        assert_eq!(
            (&attachment["type"], &attachment["payload"]["url"]),
            (&json!("image"), &json!("https://a.example/1.png"))
        );
        let media = json!({ "media_id": "018f0000-0000-7000-8000-000000000009", "mime": "application/pdf", "name": "bill.pdf" });
        let mut message = to(ANNA, json!({ "type": "document", "media": media }));
        message.file = Some(Bytes::from_static(b"%PDF-"));
        stage.send(&message).await.unwrap();
        let uploads = stage.pages.meta.core.calls_of("message_attachments");
        assert_eq!((uploads.len(), uploads[0].uploads[0].name.as_str()), (1, "bill.pdf"));
        assert_eq!(uploads[0].text("platform"), platform);
        // What Meta refuses of a file is the message's end.
        message.content = serde_json::from_value(json!({ "type": "video", "media": media })).unwrap();
        let error = stage.send(&message).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "100/2018047"));
    }
}

/// What a message says it is for, by who wrote it and how long ago the other side did.
#[tokio::test]
async fn what_a_message_is_for_is_said_as_meta_wants_it() {
    let hours = |hours: u64| Some(Timestamp::from_micros(NOW) - Duration::from_hours(hours));
    for kind in [Kind::Messenger, Kind::Instagram, Kind::InstagramLogin] {
        let stage = Stage::new(kind).await;
        let typed = kind == Kind::Messenger;
        let usual = |word: &str| if typed { json!(word) } else { Value::Null };
        for (wrote_at, by_person, purpose, window, expected) in [
            (hours(1), false, Purpose::Conversation, Window::Open, Some((usual("RESPONSE"), Value::Null))),
            (hours(1), true, Purpose::Conversation, Window::Open, Some((usual("RESPONSE"), Value::Null))),
            (hours(1), false, Purpose::Campaign, Window::Open, Some((usual("UPDATE"), Value::Null))),
            (None, false, Purpose::Conversation, Window::Open, Some((usual("UPDATE"), Value::Null))),
            (
                hours(25),
                true,
                Purpose::Conversation,
                Window::People,
                Some((json!("MESSAGE_TAG"), json!("HUMAN_AGENT"))),
            ),
            (hours(25), false, Purpose::Conversation, Window::People, None),
            (hours(169), true, Purpose::Conversation, Window::Closed, None),
        ] {
            stage.pages.set_person(ANNA, Person { window, ..Person::default() });
            let mut message = to(ANNA, text("hello"));
            (message.contact_wrote_at, message.by_person, message.purpose) = (wrote_at, by_person, purpose);
            match (stage.send(&message).await, expected) {
                (Ok(accepted), Some((word, tag))) => {
                    let body = stage.pages.message(&accepted.provider_id).unwrap().body;
                    assert_eq!(
                        (&body["messaging_type"], &body["tag"]),
                        (&word, &tag),
                        "{kind:?} {wrote_at:?}"
                    );
                }
                (Err(error), None) => {
                    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "window_closed"));
                }
                (found, expected) => panic!("{kind:?} {wrote_at:?} {by_person}: {found:?}, not {expected:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_utility_template_goes_at_any_time_and_the_old_tags_do_not() {
    let stage = Stage::new(Kind::Messenger).await;
    stage.pages.set_person(ANNA, Person { window: Window::Closed, ..Person::default() });
    let template = |name: &str| json!({ "type": "provider_template", "name": name, "language": "en_US" });
    let body = stage.sent(template("order_update")).await;
    assert_eq!(body["messaging_type"], "UTILITY");
    assert_eq!(
        body["message"]["template"],
        json!({ "name": "order_update", "language": { "code": "en_US" } })
    );
    assert_eq!(stage.send(&to(ANNA, template("none"))).await.unwrap_err().class, ErrorClass::Permanent);
    let tagged =
        json!({ "message": { "text": "hi" }, "messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE" });
    let error = stage.send(&to(ANNA, json!({ "type": "native", "body": tagged }))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "100"));
    let listed = stage.channel.templates().unwrap().templates(&stage.login).await.unwrap();
    assert_eq!(
        (listed.len(), listed[0].name.as_str(), listed[0].category.as_str()),
        (1, "order_update", "UTILITY")
    );
}

#[tokio::test]
async fn native_messages_go_as_they_are_and_ask_for_nothing_of_ours() {
    let stage = Stage::new(Kind::Instagram).await;
    let heart = json!({ "message": { "attachment": { "type": "like_heart" } } });
    let body = stage.sent(json!({ "type": "native", "body": heart })).await;
    assert_eq!(body["message"], heart["message"]);
    for body in
        [json!({}), json!({ "message": "x" }), json!({ "message": {}, "recipient": { "id": "1" } }), json!(7)]
    {
        let content = serde_json::from_value(json!({ "type": "native", "body": body })).unwrap();
        assert_eq!(stage.channel.check(&content).unwrap_err().field, "body", "{body}");
    }
}

#[tokio::test]
async fn an_answer_to_a_comment_finds_the_person() {
    let stage = Stage::new(Kind::Messenger).await;
    let accepted = stage.send(&to(&format!("comment:c_{ANNA}"), text("hi"))).await.unwrap();
    assert_eq!(accepted.moved_to.as_deref(), Some(ANNA));
    assert_eq!(stage.send(&to(ANNA, text("hi"))).await.unwrap().moved_to, None);
}

#[tokio::test]
async fn parts_of_a_message_are_answered_and_reacted_to_as_the_message() {
    for (kind, reaction) in [(Kind::Messenger, "love"), (Kind::Instagram, "\u{2764}\u{fe0f}")] {
        let stage = Stage::new(kind).await;
        stage.pages.wrote("m_in");
        let mut message = to(ANNA, text("nice"));
        message.reply_to = Some("m_in#2".to_owned());
        let accepted = stage.send(&message).await.unwrap();
        assert_eq!(
            stage.pages.message(&accepted.provider_id).unwrap().body["reply_to"],
            json!({ "mid": "m_in" })
        );
        let reactor = stage.channel.reactor().unwrap();
        reactor.react(&stage.login, ANNA, "m_in#2", Some("\u{2764}\u{fe0f}")).await.unwrap();
        reactor.react(&stage.login, ANNA, "m_in", None).await.unwrap();
        stage.channel.reader().unwrap().mark_read(&stage.login, ANNA, "m_in").await.unwrap();
        let typist = stage.channel.typist().unwrap();
        typist.typing(&stage.login, ANNA, true).await.unwrap();
        typist.typing(&stage.login, ANNA, false).await.unwrap();
        let actions = stage.pages.actions();
        let words: Vec<_> = actions.iter().map(|body| body["sender_action"].as_str().unwrap()).collect();
        assert_eq!(words, ["react", "unreact", "mark_seen", "typing_on", "typing_off"]);
        assert_eq!(actions[0]["payload"], json!({ "message_id": "m_in", "reaction": reaction }));
    }
}

#[tokio::test]
async fn what_cannot_be_shown_is_refused_before() {
    let stage = Stage::new(Kind::Messenger).await;
    let buttons = |count: usize, url: Option<&str>| {
        let button = |n| json!({ "title": format!("B{n}"), "url": url });
        (0..count).map(button).collect::<Vec<_>>()
    };
    let message =
        |text: String, buttons: Vec<Value>| json!({ "type": "text", "text": text, "buttons": [buttons] });
    let link = Some("https://a.example");
    let long = json!({ "title": "t".repeat(21), "data": "x" });
    let big = json!({ "title": "t", "data": "x".repeat(1001) });
    for (content, field) in [
        (message("x".to_owned(), buttons(13, None)), None),
        (message("x".to_owned(), buttons(14, None)), Some("buttons")),
        (message("x".to_owned(), buttons(3, link)), None),
        (message("x".to_owned(), buttons(4, link)), Some("buttons")),
        (message("x".repeat(641), buttons(1, link)), Some("text")),
        (message("x".repeat(641), buttons(1, None)), None),
        (message("x".to_owned(), vec![long]), Some("buttons.title")),
        (message("x".to_owned(), vec![big]), Some("buttons.data")),
        (json!({ "type": "provider_template", "name": "", "language": "en" }), Some("name")),
        (json!({ "type": "image", "media": { "url": "https://a" }, "caption": "c" }), Some("caption")),
        (text(&"x".repeat(2000)), Some("text")),
    ] {
        let found = stage.channel.check(&serde_json::from_value(content.clone()).unwrap()).err();
        assert_eq!(found.map(|problem| problem.field).as_deref(), field, "{content}");
    }
    // Instagram counts bytes.
    let instagram = Stage::new(Kind::Instagram).await;
    let check = |words: &str| instagram.channel.check(&serde_json::from_value(text(words)).unwrap());
    assert!(check(&"\u{e9}".repeat(500)).is_ok());
    assert_eq!(check(&"\u{e9}".repeat(501)).unwrap_err().code, "too_long");
}
