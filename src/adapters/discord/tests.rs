//! The channel without a network: what it makes of events, and what it refuses before anything is stored.

use channel::Channel;
use model::{
    Account, Connection, Content, ConversationKind, Inbound, InboundKind, Redelivery, Sending, Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::Discord;
use crate::AdaptersConfig;

fn discord() -> Discord {
    Discord::new(&AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap()))
}

fn account() -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: "discord".to_owned(),
        name: "Shop".to_owned(),
        external_id: Some("900".to_owned()),
        settings: json!({ "bot_id": "901" }),
        intake: model::Intake::Session,
        connection: Connection::Connected,
        connection_detail: None,
        sending: Sending::Active,
        sending_reason: None,
        sending_until: None,
        holds: Vec::new(),
        failures_in_a_row: 0,
        pacing: json!({}),
        registered_at: None,
        campaigns_resumed_at: None,
        pinned_to: None,
        app_id: None,
        timezone: "UTC".to_owned(),
        pace_scale: 1.0,
        redelivery: Redelivery::AtLeastOnce,
        first_connected_at: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "written where it is called")]
fn parse(what: &str, body: Value) -> Vec<Inbound> {
    discord().parse(&account(), &json!({ "t": what, "d": body })).unwrap()
}

/// A message of Ann's in a server, with `fields` over what a plain one has.
#[expect(clippy::needless_pass_by_value, reason = "written where it is called")]
fn message(fields: Value) -> Value {
    let mut message = json!({
        "id": "334385199974967042", "channel_id": "5", "guild_id": "6", "type": 0, "content": "hi",
        "author": { "id": "7", "username": "ann", "global_name": "Ann" }, "member": { "nick": null },
    });
    message.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap());
    message
}

fn ignored(inbound: &[Inbound]) -> &str {
    match inbound {
        [Inbound { kind: InboundKind::Ignored { what }, .. }] => what,
        other => panic!("not ignored: {other:?}"),
    }
}

#[test]
fn a_message_has_its_time_its_author_and_what_it_answers() {
    let told =
        parse("MESSAGE_CREATE", message(json!({ "type": 19, "message_reference": { "message_id": "3" } })));
    let [one] = &told[..] else { panic!("{told:?}") };
    assert_eq!((one.chat.as_str(), one.chat_kind), ("5", ConversationKind::Group));
    assert_eq!(one.at.to_string(), "2017-07-11T17:27:24.250000Z", "the id tells it where nothing else does");
    let from = one.from.as_ref().unwrap();
    assert_eq!((from.address.as_str(), from.name.as_deref()), ("7", Some("Ann")));
    assert_eq!(
        one.kind,
        InboundKind::Message {
            provider_id: "334385199974967042".to_owned(),
            content: Content::text("hi"),
            reply_to: Some("3".to_owned()),
            echo: false,
        }
    );
    let dated = parse("MESSAGE_CREATE", message(json!({ "timestamp": "2017-07-11T17:27:07.299000+00:00" })));
    assert_eq!(dated[0].at.to_string(), "2017-07-11T17:27:07.299000Z");
    let nick = parse("MESSAGE_CREATE", message(json!({ "member": { "nick": "Annie" }, "guild_id": null })));
    assert_eq!(nick[0].from.as_ref().unwrap().name.as_deref(), Some("Annie"));
    assert_eq!(nick[0].chat_kind, ConversationKind::Direct);
}

#[test]
fn machines_and_service_messages_are_ignored() {
    for (fields, what) in [
        (json!({ "author": { "id": "901" } }), "own message"),
        (json!({ "author": { "id": "8", "bot": true } }), "message of a bot"),
        (json!({ "webhook_id": "9" }), "message of a bot"),
        (json!({ "type": 7 }), "MESSAGE_CREATE type 7"),
    ] {
        assert_eq!(ignored(&parse("MESSAGE_CREATE", message(fields))), what);
    }
}

#[test]
fn several_files_are_several_messages_with_ids_of_their_own() {
    let file = |id: &str| json!({ "id": id, "filename": "f", "size": 1, "url": "https://cdn.discordapp.com/f", "content_type": "image/png" });
    let told = parse("MESSAGE_CREATE", message(json!({ "attachments": [file("1"), file("2")] })));
    let ids: Vec<_> = told
        .iter()
        .map(|inbound| match &inbound.kind {
            InboundKind::Message { provider_id, .. } => provider_id.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["334385199974967042", "334385199974967042:1"]);
}

#[test]
fn an_update_is_an_edit_only_if_somebody_edited() {
    let edited = json!({ "edited_timestamp": "2017-07-11T17:28:07.299000+00:00", "content": "ho" });
    let told = parse("MESSAGE_UPDATE", message(edited.clone()));
    assert_eq!(told[0].at.to_string(), "2017-07-11T17:28:07.299000Z");
    assert!(matches!(&told[0].kind, InboundKind::Edited { content, .. } if content.words() == Some("ho")));
    // Left out is not taken away.
    let partial = json!({ "id": "1", "channel_id": "5", "edited_timestamp": edited["edited_timestamp"] });
    assert_eq!(ignored(&parse("MESSAGE_UPDATE", partial)), "MESSAGE_UPDATE without words");
    for no_edit in [json!({ "edited_timestamp": null }), json!({ "embeds": [] })] {
        assert_eq!(ignored(&parse("MESSAGE_UPDATE", message(no_edit))), "MESSAGE_UPDATE that is no edit");
    }
    let own = message(json!({ "author": { "id": "901" }, "edited_timestamp": edited["edited_timestamp"] }));
    assert_eq!(ignored(&parse("MESSAGE_UPDATE", own)), "own message");
}

#[test]
fn deletions_and_reactions_name_their_message() {
    let about = json!({ "channel_id": "5", "message_id": "3", "user_id": "7", "emoji": { "id": "44", "name": "ok" } });
    let added = parse("MESSAGE_REACTION_ADD", about.clone());
    let reacted = |emoji: Vec<String>| InboundKind::Reacted { provider_id: "3".to_owned(), emoji };
    assert_eq!(added[0].kind, reacted(vec!["ok:44".to_owned()]));
    assert_eq!(added[0].from.as_ref().unwrap().address, "7");
    assert_eq!(parse("MESSAGE_REACTION_REMOVE", about.clone())[0].kind, reacted(vec![]));
    let all = parse("MESSAGE_REACTION_REMOVE_ALL", json!({ "channel_id": "5", "message_id": "3" }));
    assert_eq!((&all[0].kind, &all[0].from), (&reacted(vec![]), &None));
    let mut own = about.clone();
    own["user_id"] = "901".into();
    assert_eq!(ignored(&parse("MESSAGE_REACTION_ADD", own)), "own MESSAGE_REACTION_ADD");
    assert_eq!(ignored(&parse("MESSAGE_REACTION_REMOVE_EMOJI", about)), "MESSAGE_REACTION_REMOVE_EMOJI");
    let bulk = parse("MESSAGE_DELETE_BULK", json!({ "channel_id": "5", "guild_id": "6", "ids": ["1", "2"] }));
    assert_eq!(bulk[1].kind, InboundKind::Deleted { provider_id: "2".to_owned() });
    let one = parse("MESSAGE_DELETE", json!({ "channel_id": "5", "id": "1" }));
    assert_eq!(one[0].kind, InboundKind::Deleted { provider_id: "1".to_owned() });
}

#[test]
fn what_nobody_has_heard_of_is_kept() {
    let told = parse("HOLOGRAM_CREATE", json!({ "channel_id": "5" }));
    assert_eq!((ignored(&told), told[0].chat.as_str()), ("HOLOGRAM_CREATE", "5"));
    assert_eq!(
        ignored(&parse("INTERACTION_CREATE", json!({ "id": "1", "type": 2 }))),
        "INTERACTION_CREATE without a channel"
    );
}

#[test]
fn what_is_no_event_is_an_error_that_does_not_quote_it() {
    for payload in [
        json!({ "d": { "content": "private words" } }),
        json!({ "t": "MESSAGE_CREATE", "d": "private words" }),
        json!({ "t": "MESSAGE_CREATE", "d": { "id": "private words" } }),
        json!({ "t": "MESSAGE_DELETE", "d": { "channel_id": "5", "content": "private words" } }),
    ] {
        let error = discord().parse(&account(), &payload).unwrap_err();
        assert!(!error.to_string().contains("private"), "{error}");
    }
}

#[test]
fn content_that_discord_would_refuse_is_named_before_anything_is_stored() {
    let content = |json| serde_json::from_value::<Content>(json).unwrap();
    let media = json!({ "url": "https://x.y/z" });
    for (bad, field, code) in [
        (json!({ "type": "text", "text": "a".repeat(2001) }), "text", "too_long"),
        (json!({ "type": "text", "text": "_".repeat(1500) }), "text", "too_long"),
        (json!({ "type": "sticker", "media": media }), "type", "unsupported"),
        (json!({ "type": "voice", "media": media }), "media.url", "unsupported"),
        (json!({ "type": "image", "media": { "url": "ftp://x" } }), "media.url", "unsupported"),
        (json!({ "type": "video", "media": media, "caption": "a".repeat(1995) }), "caption", "too_long"),
        (json!({ "type": "native", "body": [] }), "body", "invalid"),
        (json!({ "type": "list", "text": "a", "button": "", "sections": [] }), "button", "empty"),
        (json!({ "type": "location", "latitude": 0.0, "longitude": 0.0 }), "type", "unsupported"),
    ] {
        let problem = discord().check(&content(bad)).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.code), (field, code));
    }
    let fine = json!({ "type": "image", "media": media, "caption": "a".repeat(2000) });
    assert_eq!(discord().check(&content(fine)), Ok(()));
}

#[test]
fn no_token_shows_in_debug_output() {
    let login = channel::Login {
        account: account(),
        credentials: channel::Credentials::default().with("bot_token", "t0ken"),
    };
    let shown = format!("{:?} {login:?}", discord());
    assert!(!shown.contains("t0ken"), "{shown}");
}
