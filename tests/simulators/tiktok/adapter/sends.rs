//! Every kind of content as it arrives, and what is done on the way.

use bytes::Bytes;
use channel::{Channel, ErrorClass, Outgoing};
use model::Content;
use serde_json::{Value, json};

use super::{Options, Stage, text, to};

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 a photo";

fn content(message: &Value) -> Value {
    serde_json::from_str(message["content"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn texts_go_out_without_marks() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    for (given, shown) in [
        (text("as **it** is"), "as **it** is"),
        (
            json!({"type": "text", "text": "**bold** [shop](https://x.y)", "format": "markdown"}),
            "bold shop (https://x.y)",
        ),
        (text("\"quotes\" \\ and \u{1f44b}\n"), "\"quotes\" \\ and \u{1f44b}\n"),
    ] {
        let message = stage.sent(&chat, given).await;
        assert_eq!(
            (message["type"].as_str(), content(&message)),
            (Some("TEXT"), json!({ "content": shown }))
        );
    }
}

#[tokio::test]
async fn pictures_are_uploaded_whether_ours_or_behind_a_link() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let ours = json!({"type": "image", "media": {"media_id": "018f0000-0000-7000-8000-000000000009"}});
    let ours = Outgoing { file: Some(Bytes::from_static(JPEG)), ..to(&chat, ours) };
    let link = stage.server.put_file(Bytes::from_static(JPEG));
    let linked = to(&chat, json!({"type": "image", "media": {"url": link}}));
    for message in [ours, linked] {
        stage.send(&message).await.unwrap();
        let received = stage.server.messages(&chat).pop().unwrap();
        let image = content(&received);
        assert_eq!(
            (received["type"].as_str(), &image["width"], &image["height"]),
            (Some("IMAGE"), &json!(1), &json!(1))
        );
        assert_eq!(stage.server.file(image["url"].as_str().unwrap()).as_deref(), Some(JPEG));
        assert_ne!(image["url"], link.as_str(), "the link itself is not taken");
    }
}

#[tokio::test]
async fn a_link_that_brings_no_picture_fails_the_message_and_only_that() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let image = |link: String| to(&chat, json!({"type": "image", "media": {"url": link}}));
    let page = stage.server.put_file(Bytes::from_static(b"<html>"));
    let large = stage.server.put_file([JPEG, &vec![0; 10 * 1024 * 1024]].concat().into());
    for (link, code) in [
        (page, "unsupported"),
        (large, "too_large"),
        (stage.server.base_url() + "/files/none", "404"),
        ("ftp://x.y/z.jpg".to_owned(), "invalid_request"),
    ] {
        let error = stage.send(&image(link)).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, code));
    }
    // Where private addresses are not allowed, no link leads to one.
    let guarded = Stage::with(Options::default(), false).await;
    let link = stage.server.put_file(Bytes::from_static(JPEG));
    let error = guarded.send(&image(link)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "address_not_public"));
    assert!(stage.server.messages(&chat).is_empty());
}

#[tokio::test]
async fn cards_and_films_go_out_in_tiktoks_own_form() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    for (kind, fields) in [
        ("VIDEO", json!({ "vid": "v10394g5" })),
        ("PRODUCT_CARD", json!({ "product_id": "1" })),
        ("ORDER_CARD", json!({ "order_id": "2" })),
        ("RETURN_REFUND_CARD", json!({ "order_id": "2", "sku_id": "3" })),
        ("COUPON_CARD", json!({ "coupon_id": "4" })),
        ("LOGISTICS_CARD", json!({ "order_id": "2", "package_id": "5" })),
    ] {
        for given in [fields.clone(), json!(fields.to_string())] {
            let native =
                json!({"type": "native", "body": {"type": kind, "content": given}, "text": "for search"});
            let message: Content = serde_json::from_value(native.clone()).unwrap();
            stage.channel.check(&message).unwrap();
            let received = stage.sent(&chat, native).await;
            assert_eq!((received["type"].as_str(), content(&received)), (Some(kind), fields.clone()));
        }
    }
}

#[tokio::test]
async fn a_buyer_who_never_wrote_is_written_to_and_the_chat_has_its_id_from_then_on() {
    let stage = Stage::new().await;
    let buyer = format!("buyer:{}", stage.server.buyer(&stage.shop, "Ada"));
    let first = stage.send(&to(&buyer, text("your parcel is here"))).await.unwrap();
    let chat = first.moved_to.expect("the conversation has an id now");
    assert_eq!(stage.server.messages(&chat)[0]["id"], first.provider_id.as_str());
    // Once more by the old address: the same conversation.
    assert_eq!(stage.send(&to(&buyer, text("again"))).await.unwrap().moved_to.as_ref(), Some(&chat));
    assert_eq!(stage.send(&to(&chat, text("and again"))).await.unwrap().moved_to, None);
    assert_eq!(stage.server.messages(&chat).len(), 3);
    let error = stage.send(&to("buyer:nobody", text("hello?"))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
}

#[tokio::test]
async fn a_chat_that_is_no_id_leads_nowhere() {
    let stage = Stage::new().await;
    for chat in ["", "..", "1/../../images", "1?x=y", "1#", "ä", "a b"] {
        let error = stage.send(&to(chat, text("hi"))).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "chat"), "{chat}");
    }
    assert!(stage.server.calls().is_empty());
}

#[tokio::test]
async fn what_the_buyer_wrote_is_marked_as_read() {
    let stage = Stage::new().await;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let id = stage.server.writes(&chat, "TEXT", &json!({ "content": "hello" }));
    assert_eq!(stage.server.unread(&chat), 1);
    stage.channel.reader().unwrap().mark_read(&stage.login, &chat, &id).await.unwrap();
    assert_eq!(stage.server.unread(&chat), 0);
}
