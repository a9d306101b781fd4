//! Messages and what stands in their place.

use model::{Content, ConversationKind, InboundKind, Timestamp};
use serde_json::{Value, json};

use super::{content, delivery, message, one, said, understood, with_metadata};

#[test]
fn every_kind_of_message_means_what_it_should() {
    let file = |mime: &str| json!({ "id": "77", "mime_type": mime, "sha256": "x" });
    let media = |mime: &str| json!({ "provider_ref": "77", "mime": mime });
    for (kind, body, expected) in [
        ("text", json!({ "body": "hi" }), json!({ "type": "text", "text": "hi" })),
        ("image", file("image/jpeg"), json!({ "type": "image", "media": media("image/jpeg") })),
        ("video", file("video/mp4"), json!({ "type": "video", "media": media("video/mp4") })),
        ("audio", file("audio/mp4"), json!({ "type": "audio", "media": media("audio/mp4") })),
        ("sticker", file("image/webp"), json!({ "type": "sticker", "media": media("image/webp") })),
        (
            "audio",
            json!({ "id": "77", "mime_type": "audio/ogg; codecs=opus", "voice": true }),
            json!({ "type": "voice", "media": media("audio/ogg; codecs=opus") }),
        ),
        (
            "document",
            json!({ "id": "77", "mime_type": "application/pdf", "filename": "a.pdf", "caption": "see" }),
            json!({ "type": "document", "caption": "see",
                "media": { "provider_ref": "77", "mime": "application/pdf", "name": "a.pdf" } }),
        ),
        (
            "location",
            json!({ "latitude": 1.5, "longitude": -2.5, "name": "Here", "url": "https://x" }),
            json!({ "type": "location", "latitude": 1.5, "longitude": -2.5, "name": "Here" }),
        ),
        (
            "contacts",
            json!([{ "name": { "first_name": "Bo", "last_name": "Li" }, "phones": [{ "wa_id": "49" }],
                "emails": [{ "email": "b@x" }] }]),
            json!({ "type": "contacts", "contacts": [{ "name": "Bo Li", "phones": ["49"], "emails": ["b@x"] }] }),
        ),
        (
            "button",
            json!({ "payload": "P", "text": "Press" }),
            json!({ "type": "callback", "data": "P", "title": "Press" }),
        ),
        (
            "interactive",
            json!({ "type": "button_reply", "button_reply": { "id": "b", "title": "B" } }),
            json!({ "type": "callback", "data": "b", "title": "B" }),
        ),
        (
            "interactive",
            json!({ "type": "list_reply", "list_reply": { "id": "r", "title": "R", "description": "D" } }),
            json!({ "type": "callback", "data": "r", "title": "R" }),
        ),
        (
            "interactive",
            json!({ "type": "nfm_reply", "nfm_reply": { "name": "flow", "body": "Sent", "response_json": "{\"a\":1}" } }),
            json!({ "type": "callback", "data": "{\"a\":1}", "title": "Sent" }),
        ),
        (
            "interactive",
            json!({ "type": "hologram", "hologram": {} }),
            json!({ "type": "unsupported", "kind": "interactive", "raw": { "type": "hologram", "hologram": {} } }),
        ),
        (
            "order",
            json!({ "catalog_id": "1" }),
            json!({ "type": "unsupported", "kind": "order", "raw": { "catalog_id": "1" } }),
        ),
        ("image", json!({}), json!({ "type": "unsupported", "kind": "image", "raw": {} })),
        ("dream", json!(7), json!({ "type": "unsupported", "kind": "dream", "raw": 7 })),
    ] {
        assert_eq!(said(kind, &body), content(expected), "{kind} {body}");
    }
}

#[test]
fn what_stands_in_a_messages_place_is_no_message() {
    let kind = |kind: &str, body: Value| one(&message(kind, &body)).kind;
    let id = || "wamid.0".to_owned();
    let reacted = |emoji: &[&str]| InboundKind::Reacted {
        provider_id: id(),
        emoji: emoji.iter().map(|emoji| (*emoji).to_owned()).collect(),
    };
    assert_eq!(kind("reaction", json!({ "message_id": "wamid.0", "emoji": "👍" })), reacted(&["👍"]));
    // It is absent when it is taken back; older payloads had it empty.
    assert_eq!(kind("reaction", json!({ "message_id": "wamid.0" })), reacted(&[]));
    assert_eq!(kind("reaction", json!({ "message_id": "wamid.0", "emoji": "" })), reacted(&[]));
    assert_eq!(
        kind("revoke", json!({ "original_message_id": "wamid.0" })),
        InboundKind::Deleted { provider_id: id() }
    );
    let edit =
        json!({ "original_message_id": "wamid.0", "message": { "type": "text", "text": { "body": "new" } } });
    assert_eq!(kind("edit", edit), InboundKind::Edited { provider_id: id(), content: Content::text("new") });
    let moved = json!({ "body": "…", "wa_id": "12195555358", "type": "user_changed_number" });
    assert_eq!(kind("system", moved), InboundKind::ChatMoved { to: "12195555358".to_owned() });
    let identity = json!({ "body": "…", "type": "customer_identity_changed" });
    assert_eq!(
        kind("system", identity),
        InboundKind::Ignored { what: "system customer_identity_changed".to_owned() }
    );
}

#[test]
fn people_are_known_by_number_or_by_the_business_own_id() {
    let told = one(&message("text", &json!({ "body": "hi" })));
    let from = told.from.unwrap();
    assert_eq!((told.chat.as_str(), told.at), ("16505551234", Timestamp::from_micros(1_749_854_575_000_000)));
    assert_eq!(
        (from.address.as_str(), from.name.as_deref(), from.phone.as_deref()),
        ("16505551234", Some("Ann"), Some("+16505551234"))
    );
    // Without a phone, as people with a user name may be.
    let hidden = json!({
        "contacts": [{ "profile": { "username": "ann.x" }, "user_id": "US.1349" }],
        "messages": [{ "from_user_id": "US.1349", "id": "wamid.2", "timestamp": 1_749_854_575, "type": "text", "text": { "body": "hi" } }],
    });
    let told = one(&delivery(&[("messages", with_metadata(hidden))]));
    let from = told.from.unwrap();
    assert_eq!(told.chat, "US.1349");
    assert_eq!((from.address.as_str(), from.name.as_deref(), from.phone), ("US.1349", Some("ann.x"), None));
    // Who shows the number later is in the same chat as before.
    let shown = json!({ "messages": [{ "from": "1650", "from_user_id": "US.1349", "id": "wamid.4", "timestamp": "1",
        "type": "text", "text": { "body": "me" } }] });
    let told = understood(&delivery(&[("messages", with_metadata(shown))]));
    assert_eq!(
        (told[0].chat.as_str(), &told[0].kind),
        ("US.1349", &InboundKind::ChatMoved { to: "1650".to_owned() })
    );
    assert_eq!((told.len(), told[1].chat.as_str()), (2, "1650"));
    // In a group, the chat is the group's.
    let group = json!({ "messages": [{ "from": "1650", "group_id": "Y2FwaV9", "id": "wamid.3", "timestamp": "1", "type": "text", "text": { "body": "all" } }] });
    let told = one(&delivery(&[("messages", with_metadata(group))]));
    assert_eq!((told.chat.as_str(), told.chat_kind), ("Y2FwaV9", ConversationKind::Group));
}

#[test]
fn what_the_owner_does_on_the_phone_is_told_as_our_own() {
    let echo = json!({ "message_echoes": [{ "from": "15550783881", "to": "16505551234", "id": "wamid.e", "timestamp": "1",
        "type": "text", "text": { "body": "from the phone" } }] });
    let told = one(&delivery(&[("smb_message_echoes", with_metadata(echo))]));
    assert_eq!(told.chat, "16505551234");
    let InboundKind::Message { provider_id, content, echo, .. } = told.kind else { panic!() };
    assert_eq!((provider_id.as_str(), content, echo), ("wamid.e", Content::text("from the phone"), true));
    for field in ["history", "smb_app_state_sync", "group_lifecycle_update", "hologram"] {
        let value = with_metadata(json!({ "messages": [{ "id": "1" }], "state_sync": [] }));
        assert_eq!(one(&delivery(&[(field, value)])).kind, InboundKind::Ignored { what: field.to_owned() });
    }
    let stop = json!({ "user_preferences": [{ "wa_id": "1650", "category": "marketing_messages", "value": "stop", "timestamp": 1 }] });
    let told = one(&delivery(&[("user_preferences", with_metadata(stop))]));
    assert_eq!((told.chat.as_str(), told.kind), ("1650", InboundKind::ContactOptedOut { opted_out: true }));
}
