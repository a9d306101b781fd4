//! What Meta gets for each kind of content.

use bytes::Bytes;
use channel::Channel;
use channel::conformance::samples::PNG;
use serde_json::{Value, json};

use super::{ANNA, Stage, text, to};
use crate::simulators::whatsapp_cloud::{Person, Template};

#[tokio::test]
async fn texts_and_their_links_marks_and_buttons() {
    let stage = Stage::new().await;
    let body = stage.sent(text("hello")).await;
    assert_eq!(body["text"], json!({ "body": "hello", "preview_url": false }));
    assert_eq!((&body["to"], &body["recipient_type"]), (&json!(ANNA), &json!("individual")));
    assert_eq!(stage.sent(text("see https://x.example")).await["text"]["preview_url"], true);
    let marked = json!({ "type": "text", "text": "**b** _i_", "format": "markdown" });
    assert_eq!(stage.sent(marked).await["text"]["body"], "*b* _i_");
    let buttons = json!([[{ "title": "Yes", "data": "y" }, { "title": "No" }]]);
    let body = stage.sent(json!({ "type": "text", "text": "ok?", "buttons": buttons })).await;
    let expected = json!([
        { "type": "reply", "reply": { "id": "y", "title": "Yes" } },
        { "type": "reply", "reply": { "id": "No", "title": "No" } },
    ]);
    assert_eq!(body["interactive"]["action"]["buttons"], expected);
    let link = json!([[{ "title": "Open", "url": "https://x.example/a" }]]);
    let body = stage.sent(json!({ "type": "text", "text": "look", "buttons": link })).await;
    assert_eq!(body["interactive"]["type"], "cta_url");
    assert_eq!(body["interactive"]["action"]["parameters"]["url"], "https://x.example/a");
}

#[tokio::test]
async fn files_go_by_upload_by_link_and_by_their_old_handle() {
    let stage = Stage::new().await;
    let document = json!({ "type": "document", "caption": "read", "media": {
        "media_id": "018f0000-0000-7000-8000-00000000000a", "mime": "application/pdf", "name": "a.pdf" } });
    let mut message = to(ANNA, document);
    message.file = Some(Bytes::from_static(PNG));
    let accepted = stage.send(&message).await.unwrap();
    let body = stage.cloud.message(&accepted.provider_id).unwrap().body;
    assert_eq!(
        (&body["document"]["filename"], &body["document"]["caption"]),
        (&json!("a.pdf"), &json!("read"))
    );
    assert_eq!(stage.cloud.file(body["document"]["id"].as_str().unwrap()).unwrap(), PNG);
    let upload = &stage.cloud.meta.core.calls_of("media")[0];
    assert_eq!((upload.text("type"), upload.uploads[0].name.as_str()), (Some("application/pdf"), "a.pdf"));

    let link = "https://x.example/a.jpg";
    let body = stage.sent(json!({ "type": "image", "media": { "url": link } })).await;
    assert_eq!(body["image"], json!({ "link": link }));
    let known = stage.cloud.received_file("audio/ogg", Bytes::from_static(b"x"));
    let body = stage.sent(json!({ "type": "voice", "media": { "provider_ref": known } })).await;
    assert_eq!(body["audio"], json!({ "id": known, "voice": true }));
}

#[tokio::test]
async fn people_without_a_phone_and_groups_are_addressed_as_such() {
    let stage = Stage::new().await;
    for (chat, field, kind) in
        [("US.13491208655302741918", "recipient", "individual"), ("Y2FwaV9ncm91cDox", "to", "group")]
    {
        stage.cloud.person(chat);
        let accepted = stage.send(&to(chat, text("hi"))).await.unwrap();
        assert_eq!(accepted.moved_to, None);
        let body = stage.cloud.message(&accepted.provider_id).unwrap().body;
        assert_eq!((&body[field], &body["recipient_type"]), (&json!(chat), &json!(kind)));
    }
    let user = &stage.cloud.messages()[0].body;
    let data = "018f0000-0000-7000-8000-000000000003 US.13491208655302741918";
    assert_eq!(user["biz_opaque_callback_data"], data, "only this tells later in which chat it was");
    // However a number is written, Meta's way of writing it is the chat's from then on.
    let accepted = stage.send(&to("+1 650 555 1234", text("hi"))).await.unwrap();
    assert_eq!(accepted.moved_to.as_deref(), Some(ANNA));
}

#[tokio::test]
async fn after_the_window_only_templates_go() {
    let stage = Stage::new().await;
    let late = "16505559999";
    stage.cloud.set_person(late, Person { marketing_capped: true, ..Person::default() });
    for (name, category, status) in
        [("order", "UTILITY", "APPROVED"), ("sale", "MARKETING", "APPROVED"), ("old", "UTILITY", "PAUSED")]
    {
        stage.cloud.template(Template { name, language: "de", status, category, parameters: 1 });
    }
    let template = |name: &str, values: usize| {
        let values = vec![json!({ "type": "text", "text": "x" }); values];
        let components = json!([{ "type": "body", "parameters": values }]);
        to(
            late,
            json!({ "type": "provider_template", "name": name, "language": "de", "components": components }),
        )
    };
    stage.send(&template("order", 1)).await.unwrap();
    let error = stage.send(&to(late, text("hi"))).await.unwrap_err();
    assert_eq!((error.class.as_str(), error.code.as_str()), ("permanent", "window_closed"));
    for (message, code) in [
        (template("sale", 1), "131049"),
        (template("order", 2), "132000"),
        (template("nowhere", 1), "132001"),
        (template("old", 1), "132015"),
    ] {
        let error = stage.send(&message).await.unwrap_err();
        assert_eq!((error.class.as_str(), error.code.as_str()), ("permanent", code));
    }
}

/// Meta's own examples of messages: what its documentation sends, a native message can say.
#[tokio::test]
async fn what_metas_documentation_sends_can_be_said_natively() {
    let stage = Stage::new().await;
    for kind in
        ["flow", "order_details", "order_status", "product", "product_list", "catalog_message", "carousel"]
    {
        let content = json!({ "type": "native", "body": {
            "type": "interactive",
            "interactive": { "type": kind, "body": { "text": "x" }, "action": { "name": kind } },
        } });
        let message = to(ANNA, content.clone());
        stage.channel.check(&message.content).unwrap();
        let body: Value = stage.sent(content).await;
        assert_eq!(body["interactive"]["type"], kind);
        assert_eq!(body["messaging_product"], "whatsapp");
    }
}
