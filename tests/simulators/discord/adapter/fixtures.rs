//! The documentation's own examples, through the front door; and what they become when they are damaged.

use std::collections::BTreeMap;
use std::path::Path;

use channel::{Channel, Method, WebhookError, WebhookRequest, WebhookResponse};
use model::{Inbound, InboundKind};
use serde_json::{Value, json};

use super::Stage;

/// The page and the place on it.
const EXAMPLES: [&str; 17] = [
    "webhook-events.mdx#0",
    "webhook-events.mdx#1",
    "webhook-events.mdx#2",
    "webhook-events.mdx#3",
    "webhook-events.mdx#4",
    "webhook-events.mdx#5",
    "webhook-events.mdx#6",
    "webhook-events.mdx#7",
    "webhook-events.mdx#8",
    "webhook-events.mdx#9",
    "webhook-events.mdx#10",
    "application-commands.mdx#2",
    "application-commands.mdx#4",
    "application-commands.mdx#6",
    "application-commands.mdx#8",
    "message.mdx#0",
    "message.mdx#1",
];

/// The examples of Discord's documentation that reach an application: interactions, webhook events, messages. They are
/// others', so they lie beside the project and not in it; none where they are not at hand.
fn examples() -> Option<BTreeMap<String, Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/discord");
    let Ok(bytes) = std::fs::read(folder.join("discord-api-docs-examples.json")) else {
        println!("left out: there are no examples of Discord's in ../shared/fixtures");
        return None;
    };
    let mut all: BTreeMap<String, Value> = serde_json::from_slice(&bytes).unwrap();
    all.retain(|name, _| EXAMPLES.contains(&name.rsplit('/').next().unwrap()));
    Some(all)
}

fn receive(stage: &Stage, body: &[u8]) -> Result<WebhookResponse, WebhookError> {
    let headers = stage.server.signed(body);
    stage
        .channel
        .receive(&stage.login, &WebhookRequest { method: Method::Post, headers: &headers, query: "", body })
}

/// An event in one line.
fn line(inbound: &Inbound) -> String {
    let kind = match &inbound.kind {
        InboundKind::Message { content, reply_to, .. } => {
            let reply = reply_to.as_ref().map(|id| format!(" answers {id}")).unwrap_or_default();
            format!("message{reply} {}", serde_json::to_string(content).unwrap())
        }
        other => serde_json::to_string(other).unwrap(),
    };
    let from = inbound.from.as_ref().and_then(|from| from.name.as_deref()).unwrap_or("?");
    format!("{} {} {from}: {kind}", inbound.chat_kind, inbound.chat)
}

/// Messages of the documentation as the Gateway would tell of them; all else as it stands.
fn told(stage: &Stage, name: &str, example: &Value) -> Vec<Inbound> {
    if name.contains("resources/message") {
        let payload = json!({ "t": "MESSAGE_CREATE", "d": example });
        return stage.channel.parse(&stage.login.account, &payload).unwrap();
    }
    let response = receive(stage, example.to_string().as_bytes()).unwrap();
    let payloads = response.events.iter().map(|event| &event.payload);
    payloads.flat_map(|payload| stage.channel.parse(&stage.login.account, payload).unwrap()).collect()
}

#[tokio::test]
async fn the_documentations_examples_mean_what_they_should() {
    let stage = Stage::new().await;
    let Some(examples) = examples() else { return };
    let mut found = BTreeMap::new();
    for (name, example) in &examples {
        let meant: Vec<_> = told(&stage, name, example).iter().map(line).collect();
        found.insert(name.rsplit('/').next().unwrap().to_owned(), meant);
    }
    let ignored =
        |what: &str, chat: &str| vec![format!(r#"direct {chat} ?: {{"kind":"ignored","what":"{what}"}}"#)];
    let expected: BTreeMap<String, Vec<String>> = [
        ("application-commands.mdx#2", vec![
            r#"group 645027906669510667 Mason: message {"type":"text","text":"/cardsearch cardname:The Gitrog Monster"}"#.to_owned(),
        ]),
        ("application-commands.mdx#4", vec![
            r#"group 772908445358620702 ian: message {"type":"callback","data":"context-menu-user-2:809850198683418695","title":"VoltyDemo"}"#.to_owned(),
        ]),
        ("application-commands.mdx#6", vec![
            r#"group 772908445358620702 ian: message answers 867793854505943041 {"type":"callback","data":"context-menu-message-2","title":"context-menu-message-2"}"#.to_owned(),
        ]),
        // What somebody may be about to type.
        ("application-commands.mdx#8", vec![]),
        ("message.mdx#0", vec![r#"direct 290926798999357250 Mason: message {"type":"text","text":"Supa Hot"}"#.to_owned()]),
        ("message.mdx#1", vec![
            r#"direct 290926798999357250 Mason: message answers 306588351130107906 {"type":"text","text":"Big news! In this #big-news channel!"}"#.to_owned(),
        ]),
        ("webhook-events.mdx#0", vec![
            r#"direct  ?: {"kind":"account_notice","what":"APPLICATION_AUTHORIZED","detail":"somebody let the app in","effect":{"effect":"none"}}"#.to_owned(),
        ]),
        ("webhook-events.mdx#1", vec![
            r#"direct  ?: {"kind":"account_notice","what":"APPLICATION_DEAUTHORIZED","detail":"somebody put the app out","effect":{"effect":"none"}}"#.to_owned(),
        ]),
        ("webhook-events.mdx#2", ignored("ENTITLEMENT_CREATE", "")),
        ("webhook-events.mdx#3", ignored("ENTITLEMENT_UPDATE", "")),
        ("webhook-events.mdx#4", ignored("ENTITLEMENT_DELETE", "")),
        ("webhook-events.mdx#5", ignored("LOBBY_MESSAGE_CREATE", "1397729744753266719")),
        ("webhook-events.mdx#6", ignored("LOBBY_MESSAGE_UPDATE", "1402389638311841883")),
        ("webhook-events.mdx#7", ignored("LOBBY_MESSAGE_DELETE", "")),
        ("webhook-events.mdx#8", ignored("GAME_DIRECT_MESSAGE_CREATE", "1405604229820715098")),
        ("webhook-events.mdx#9", ignored("GAME_DIRECT_MESSAGE_UPDATE", "1404960877324533784")),
        ("webhook-events.mdx#10", ignored("GAME_DIRECT_MESSAGE_DELETE", "1405604229820715098")),
    ]
    .into_iter()
    .map(|(name, lines)| (name.to_owned(), lines))
    .collect();
    assert_eq!(found, expected);
}

/// What any value may become.
fn damages() -> [Value; 8] {
    [
        json!(null),
        json!([]),
        json!({}),
        json!("x"),
        json!(-1),
        json!(1e300),
        json!([[[{ "id": {} }]]]),
        json!("99999999999999999999999999"),
    ]
}

/// Each copy of `value` with one of its parts damaged or taken away.
fn damaged(value: &Value) -> Vec<Value> {
    let mut all = damages().to_vec();
    match value {
        Value::Object(fields) => {
            for (name, part) in fields {
                let mut without = fields.clone();
                without.remove(name);
                all.push(Value::Object(without));
                for part in damaged(part) {
                    let mut with = fields.clone();
                    with.insert(name.clone(), part);
                    all.push(Value::Object(with));
                }
            }
        }
        Value::Array(parts) => {
            for (place, part) in parts.iter().enumerate() {
                for part in damaged(part) {
                    let mut with = parts.clone();
                    with[place] = part;
                    all.push(Value::Array(with));
                }
            }
        }
        _ => {}
    }
    all
}

#[tokio::test]
async fn damaged_events_are_read_or_refused_and_never_quoted() {
    let stage = Stage::new().await;
    let Some(examples) = examples() else { return };
    let message = json!({
        "id": "5", "channel_id": "6", "guild_id": "7", "type": 19, "content": "private <@1> <:a:2>", "flags": 8192,
        "author": { "id": "1", "username": "a" }, "member": { "nick": "n", "user": { "id": "1" } },
        "edited_timestamp": "2024-06-11T00:01:00.000000+00:00", "mentions": [{ "id": "1", "username": "a" }],
        "message_reference": { "type": 1, "message_id": "4" }, "user_id": "1", "message_id": "5", "ids": ["1"],
        "emoji": { "id": "2", "name": "e" }, "sticker_items": [{ "id": "3", "name": "s", "format_type": 3 }],
        "attachments": [{ "id": "8", "filename": "f", "size": 3, "url": "https://x.y", "content_type": "audio/ogg" }],
        "message_snapshots": [{ "message": { "content": "private" } }], "poll": { "question": {} },
    });
    let (mut read, mut refused) = (0, 0);
    let mut parse = |payload: &Value| match stage.channel.parse(&stage.login.account, payload) {
        Ok(_) => read += 1,
        Err(error) => {
            refused += 1;
            assert!(!error.to_string().contains("private"), "{error}");
        }
    };
    for what in [
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
        "MESSAGE_DELETE_BULK",
        "MESSAGE_REACTION_ADD",
        "MESSAGE_REACTION_REMOVE_ALL",
    ] {
        damaged(&json!({ "t": what, "d": message })).iter().for_each(&mut parse);
    }
    for example in examples.values() {
        damaged(&json!({ "t": "INTERACTION_CREATE", "d": example })).iter().for_each(&mut parse);
    }
    assert!(read > 3_000 && refused > 100, "{read} read, {refused} refused");
    // Through the front door each costs a signature: a few are enough.
    for example in examples.values() {
        for body in damaged(example).iter().step_by(29) {
            for event in receive(&stage, body.to_string().as_bytes()).into_iter().flat_map(|told| told.events)
            {
                drop(stage.channel.parse(&stage.login.account, &event.payload));
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_discords_leaves_nothing() {
    let stage = Stage::new().await;
    let body = json!({ "id": "1", "type": 3, "channel_id": "2" }).to_string().into_bytes();
    let headers = stage.server.signed(&body);
    let ask = |headers: &[(String, String)], body: &[u8]| {
        stage
            .channel
            .receive(&stage.login, &WebhookRequest { method: Method::Post, headers, query: "", body })
    };
    assert!(ask(&headers, &body).is_ok());
    for missing in 0..headers.len() {
        let mut fewer = headers.clone();
        fewer.remove(missing);
        assert_eq!(ask(&fewer, &body), Err(WebhookError::Signature));
    }
    // The time is signed along with the body.
    let mut later = headers.clone();
    later[1].1 = "1718064001".to_owned();
    assert_eq!(ask(&later, &body), Err(WebhookError::Signature));
    for odd in [json!({ "type": "3" }), json!({ "type": 3 }), json!({ "type": 3, "id": {} }), json!(7)] {
        assert_eq!(
            receive(&stage, odd.to_string().as_bytes()),
            Err(WebhookError::Malformed("Discord")),
            "{odd}"
        );
    }
}
