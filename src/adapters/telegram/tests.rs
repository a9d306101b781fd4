//! The channel without a network: what it makes of updates, what it refuses, and what a webhook must show.

use std::fmt::Write;

use channel::{Channel, Credentials, Login, Method, WebhookError, WebhookRequest};
use model::{
    Account, Connection, Content, ConversationKind, Inbound, InboundKind, Redelivery, Sending, Timestamp,
};
use outbound::{Http, HttpConfig};
use serde_json::{Value, json};

use super::{Telegram, update};
use crate::AdaptersConfig;

fn telegram() -> Telegram {
    Telegram::new(&AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap()))
}

/// The account of the bot that the examples of `frankenstein` were sent by.
fn account() -> Account {
    Account {
        id: "018f0000-0000-7000-8000-000000000001".parse().unwrap(),
        workspace_id: "018f0000-0000-7000-8000-000000000002".parse().unwrap(),
        channel: "telegram".to_owned(),
        name: "Shop".to_owned(),
        external_id: Some("1276618370".to_owned()),
        app_id: None,
        settings: json!({}),
        intake: model::Intake::Webhook,
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
        timezone: "UTC".to_owned(),
        pace_scale: 1.0,
        redelivery: Redelivery::AtLeastOnce,
        first_connected_at: None,
        created_at: Timestamp::ZERO,
        updated_at: Timestamp::ZERO,
    }
}

fn parse(payload: &Value) -> Inbound {
    let mut parsed = telegram().parse(&account(), payload).unwrap();
    assert_eq!(parsed.len(), 1);
    parsed.remove(0)
}

/// An event in one line.
fn line(inbound: &Inbound) -> String {
    let mut line = format!("{} {}", inbound.chat_kind, inbound.chat);
    if let Some(title) = &inbound.chat_title {
        let _ = write!(line, " `{title}`");
    }
    if let Some(thread) = &inbound.thread {
        let _ = write!(line, " thread {thread}");
    }
    if let Some(from) = &inbound.from {
        let _ = write!(line, " from {} `{}`", from.address, from.name.as_deref().unwrap_or("?"));
    }
    let _ = write!(line, " at {}: ", inbound.at.as_micros() / 1_000_000);
    let json = |content: &Content| {
        if let Content::Unsupported { kind, .. } = content {
            format!("unsupported {kind}")
        } else {
            serde_json::to_string(content).unwrap()
        }
    };
    let _ = match &inbound.kind {
        InboundKind::Message { provider_id, content, reply_to, echo } => {
            let reply = reply_to.as_ref().map(|id| format!(" answers {id}")).unwrap_or_default();
            let echo = if *echo { " echo" } else { "" };
            write!(line, "message {provider_id}{reply}{echo} {}", json(content))
        }
        InboundKind::Edited { provider_id, content } => {
            write!(line, "edited {provider_id} {}", json(content))
        }
        other => write!(line, "{}", serde_json::to_string(other).unwrap()),
    };
    line
}

/// Reads a file of updates and compares with what they are known to mean.
fn compare(updates: &str, expected: &str) {
    let updates: Vec<Value> = serde_json::from_str(updates).unwrap();
    let mut lines = expected.lines();
    for example in updates {
        let name = example["name"].as_str().unwrap();
        let got = format!("{name}: {}", line(&parse(&example["update"])));
        assert_eq!(Some(got.as_str()), lines.next());
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn examples_from_the_telegram_crates_mean_what_they_should() {
    compare(include_str!("fixtures/crates.json"), include_str!("fixtures/crates.txt"));
}

#[test]
fn an_update_of_every_kind_means_what_it_should() {
    compare(include_str!("fixtures/kinds.json"), include_str!("fixtures/kinds.txt"));
}

#[test]
fn every_kind_that_we_ask_for_has_an_example() {
    let examples = [include_str!("fixtures/crates.json"), include_str!("fixtures/kinds.json")].concat();
    for kind in update::KINDS {
        assert!(examples.contains(&format!("\"{kind}\":{{")), "{kind}");
    }
}

#[test]
fn what_is_not_an_update_is_an_error_that_does_not_quote_it() {
    for payload in [
        json!([]),
        json!({"message": {"text": "private words"}}),
        json!({"update_id": 1, "message": {"text": "private words"}}),
        json!({"update_id": 1, "callback_query": "private words"}),
    ] {
        let error = telegram().parse(&account(), &payload).unwrap_err();
        assert!(!error.to_string().contains("private"), "{error}");
    }
    let empty = parse(&json!({"update_id": 1}));
    assert!(matches!(empty.kind, InboundKind::Ignored { .. }));
    assert_eq!(empty.chat_kind, ConversationKind::Direct);
}

fn login() -> Login {
    Login {
        account: account(),
        credentials: Credentials::default().with("bot_token", "1:t0ken").with("webhook_secret", "s3cret"),
    }
}

fn receive(secret: Option<&str>, body: &str) -> Result<channel::WebhookResponse, WebhookError> {
    let headers: Vec<_> = secret
        .map(|secret| ("x-telegram-bot-api-secret-token".to_owned(), secret.to_owned()))
        .into_iter()
        .collect();
    telegram().receive(
        &login(),
        &WebhookRequest { method: Method::Post, headers: &headers, query: "", body: body.as_bytes() },
    )
}

#[test]
fn a_webhook_shows_its_secret_and_is_known_by_its_number() {
    let body = r#"{"update_id":7,"message":{"message_id":1,"chat":{"id":1,"type":"private"},"date":0}}"#;
    let response = receive(Some("s3cret"), body).unwrap();
    assert_eq!(response.events.len(), 1);
    assert_eq!(response.events[0].dedupe_key, "7");
    assert_eq!(response.events[0].account, None);
    assert_eq!(response.answer, None);
    for wrong in [None, Some(""), Some("s3creT"), Some("s3cret ")] {
        assert_eq!(receive(wrong, body), Err(WebhookError::Signature));
    }
    for malformed in ["", "[]", "{}", r#"{"update_id":"7"}"#] {
        assert_eq!(receive(Some("s3cret"), malformed), Err(WebhookError::Malformed("Telegram")));
    }
}

#[test]
fn content_that_telegram_would_refuse_is_named_before_anything_is_stored() {
    let content = |json| serde_json::from_value::<Content>(json).unwrap();
    for (bad, field, code) in [
        (json!({"type": "text", "text": "a".repeat(4097)}), "text", "too_long"),
        (json!({"type": "text", "text": "```\n\n```", "format": "markdown"}), "", ""),
        (
            json!({"type": "text", "text": "a", "buttons": [[{"title": "x", "data": ""}]]}),
            "buttons[0][0].data",
            "out_of_range",
        ),
        (
            json!({"type": "image", "media": {"url": "https://x.y"}, "caption": "a".repeat(1025)}),
            "caption",
            "too_long",
        ),
        (json!({"type": "contacts", "contacts": [{"name": "a"}]}), "contacts[0].phones", "empty"),
        (json!({"type": "contacts", "contacts": []}), "contacts", "out_of_range"),
        (
            json!({"type": "contacts", "contacts": [{"name": "a".repeat(2048), "phones": ["1"]}]}),
            "contacts[0]",
            "too_long",
        ),
        (json!({"type": "callback", "data": "x"}), "type", "unsupported"),
    ] {
        match telegram().check(&content(bad)) {
            Err(problem) => assert_eq!((problem.field.as_str(), problem.code), (field, code)),
            Ok(()) => assert_eq!(field, ""),
        }
    }
    let fine =
        json!({"type": "text", "text": "🎉".repeat(4096), "buttons": [[{"title": "x"}], [{"title": "y"}]]});
    assert_eq!(telegram().check(&content(fine)), Ok(()));
}

#[test]
fn no_token_shows_in_debug_output() {
    let shown = format!("{:?} {:?}", telegram(), login());
    assert!(!shown.contains("t0ken") && !shown.contains("s3cret"), "{shown}");
}
