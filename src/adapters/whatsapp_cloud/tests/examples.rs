//! Meta's own examples of messages, answers and errors: what we write is what Meta documents.

use channel::conformance::samples::outgoing;
use channel::{Channel, ErrorClass};
use model::Content;
use serde_json::{Value, json};

use super::super::{Sent, error, send};
use super::{cloud, content, metas_examples};
use crate::graph::{Refusal, stopped};

/// Those whose name begins like this; none where they are not at hand.
fn examples(begins: &str) -> Vec<(String, Value)> {
    let all = metas_examples().unwrap_or_default().into_iter();
    let named = |(name, body): (String, Value)| Some((name.strip_prefix(begins)?.to_owned(), body));
    all.filter_map(named).collect()
}

/// The content that a message of Meta's says, where we have a form of our own for all of it.
fn ours(kind: &str, said: &Value) -> Option<Value> {
    let media = || {
        let mut media = json!({});
        for (name, from) in [("provider_ref", "id"), ("url", "link"), ("name", "filename")] {
            if let Some(value) = said.get(from) {
                media[name] = value.clone();
            }
        }
        media
    };
    Some(match kind {
        "text" => json!({ "type": "text", "text": said["body"] }),
        "image" | "video" | "document" | "audio" | "sticker" => {
            let mut content = json!({ "type": kind, "media": media() });
            if let Some(caption) = said.get("caption") {
                content["caption"] = caption.clone();
            }
            content
        }
        "location" => {
            json!({ "type": "location", "latitude": said["latitude"], "longitude": said["longitude"],
            "name": said["name"], "address": said["address"] })
        }
        // A policy was needed once; there is only one.
        "template" if said["language"].get("policy").is_none() => {
            json!({ "type": "provider_template", "name": said["name"],
            "language": said["language"]["code"], "components": said.get("components").cloned().unwrap_or(json!([])) })
        }
        "interactive" if said["type"] == "button" => {
            let buttons = said["action"]["buttons"].as_array()?.iter();
            let buttons: Vec<_> = buttons
                .map(|button| json!({ "title": button["reply"]["title"], "data": button["reply"]["id"] }))
                .collect();
            json!({ "type": "text", "text": said["body"]["text"], "buttons": [buttons] })
        }
        _ => return None,
    })
}

#[test]
fn what_we_write_is_what_meta_documents() {
    let (mut own, mut native) = (0, 0);
    for (name, example) in examples("post /{Version}/{Phone-Number-ID}/messages req ") {
        // Two examples leave the type out, and one is no message.
        let Some(kind) = example["type"].as_str() else { continue };
        let said = &example[kind];
        let written = |content: Content| {
            // What still lies at Meta is not for users to name.
            if content.media().is_none_or(|media| media.provider_ref.is_none()) {
                cloud().check(&content).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            }
            let mut message = outgoing(1, "16505551234", content);
            message.reply_to = example["context"]["message_id"].as_str().map(str::to_owned);
            let body = send::body(&message, None).unwrap();
            assert_eq!(body["type"], kind, "{name}");
            assert_eq!(body.get("context"), example.get("context"), "{name}");
            assert_eq!(body["messaging_product"], "whatsapp", "{name}");
            body[kind].clone()
        };
        if let Some(ours) = ours(kind, said) {
            assert_eq!(written(content(ours)), *said, "{name}");
            own += 1;
        }
        let body = json!({ "type": kind, kind: said });
        assert_eq!(written(content(json!({ "type": "native", "body": body }))), *said, "{name}");
        native += 1;
    }
    assert!(metas_examples().is_none() || (own, native) == (33, 47), "{own}, {native}");
}

#[test]
fn metas_answers_are_read() {
    let mut sent = 0;
    for (name, answer) in examples("post /{Version}/{Phone-Number-ID}/messages 200 ") {
        if answer.get("messages").is_some() {
            let read: Sent = serde_json::from_value(answer).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!read.messages[0].id.is_empty(), "{name}");
            sent += 1;
        }
    }
    assert!(metas_examples().is_none() || sent > 30, "{sent}");
}

/// Its codes are the status in three of them, which the table of errors does not know: the status decides.
#[test]
fn metas_errors_have_a_class() {
    for (name, body) in examples("post /{Version}/{Phone-Number-ID}/messages_encrypted ") {
        if !name.starts_with(['4', '5']) {
            continue;
        }
        let status: u16 = name.split(' ').next().unwrap().parse().unwrap();
        let refusal = Refusal { status, ..Refusal::read(&body["error"]) };
        let expected = match status {
            400 | 403 => ErrorClass::Permanent,
            401 => stopped("token_revoked"),
            429 => ErrorClass::RetryAfter(None),
            _ => ErrorClass::Retry,
        };
        assert_eq!(refusal.class(error::classify), expected, "{name}");
    }
}
