//! Seen and typing, reactions, files in, templates.

use bytes::Bytes;
use channel::{Channel, ErrorClass};
use model::Media;
use serde_json::json;

use super::{ANNA, Stage};
use crate::simulators::whatsapp_cloud::Template;

#[tokio::test]
async fn seen_and_typing_are_one_call_beside_the_last_message() {
    let stage = Stage::new().await;
    let (typist, reader) = (stage.channel.typist().unwrap(), stage.channel.reader().unwrap());
    // Nothing was received that it could stand beside.
    typist.typing(&stage.login, ANNA, true).await.unwrap();
    assert_eq!(stage.cloud.seen(), []);
    let first = stage.cloud.wrote(ANNA);
    reader.mark_read(&stage.login, ANNA, &first).await.unwrap();
    typist.typing(&stage.login, ANNA, true).await.unwrap();
    typist.typing(&stage.login, ANNA, false).await.unwrap();
    // What is read in a webhook is known as well.
    let second = stage.cloud.wrote(ANNA);
    let change = stage.cloud.message_change(ANNA, &second, "text", &json!({ "body": "hi" }));
    stage.channel.parse(&stage.login.account, &change).unwrap();
    typist.typing(&stage.login, ANNA, true).await.unwrap();
    assert_eq!(stage.cloud.seen(), [(first.clone(), false), (first, true), (second, true)]);
    let error = reader.mark_read(&stage.login, ANNA, "wamid.nowhere").await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "131009"));
}

#[tokio::test]
async fn a_reaction_is_set_and_taken_back() {
    let stage = Stage::new().await;
    let id = stage.cloud.wrote(ANNA);
    for emoji in [Some("👍"), None] {
        stage.channel.reactor().unwrap().react(&stage.login, ANNA, &id, emoji).await.unwrap();
    }
    let emoji: Vec<_> =
        stage.cloud.messages().iter().map(|message| message.body["reaction"]["emoji"].clone()).collect();
    assert_eq!(emoji, ["👍", ""]);
}

#[tokio::test]
async fn a_file_is_fetched_in_two_steps_with_the_token_and_from_meta_only() {
    let stage = Stage::new().await;
    let fetcher = stage.channel.media_fetcher().unwrap();
    let id = stage.cloud.received_file("image/png", Bytes::from_static(b"bytes"));
    let media = Media { provider_ref: Some(id), ..Media::default() };
    assert_eq!(fetcher.fetch(&stage.login, &media, 5).await.unwrap(), "bytes");
    let error = fetcher.fetch(&stage.login, &media, 4).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "too_large"));
    let gone = Media { provider_ref: Some("1".to_owned()), ..Media::default() };
    assert_eq!(fetcher.fetch(&stage.login, &gone, 5).await.unwrap_err().class, ErrorClass::Permanent);
    stage.cloud.files_lie_at("https://evil.example/file");
    let error = fetcher.fetch(&stage.login, &media, 5).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "host"));
    // A link that ended between the two steps.
    stage.cloud.files_lie_at(&format!("{}/file/gone", stage.cloud.meta.core.base_url()));
    assert_eq!(fetcher.fetch(&stage.login, &media, 5).await.unwrap_err().class, ErrorClass::Permanent);
}

#[tokio::test]
async fn templates_are_listed_whatever_their_number() {
    let stage = Stage::new().await;
    let names: Vec<&'static str> = (0..230).map(|n| &*Box::leak(format!("t{n}").into_boxed_str())).collect();
    for name in &names {
        let category = "MARKETING";
        stage.cloud.template(Template { name, language: "en", status: "PENDING", category, parameters: 0 });
    }
    let listed = stage.channel.templates().unwrap().templates(&stage.login).await.unwrap();
    let found: Vec<_> = listed.iter().map(|template| template.name.as_str()).collect();
    assert_eq!(found, names);
    assert_eq!((listed[0].status.as_str(), listed[0].category.as_str()), ("PENDING", "MARKETING"));
    assert_eq!(listed[0].components[0]["type"], "BODY");
    assert_eq!(stage.cloud.meta.core.calls_of("message_templates").len(), 3);
}
