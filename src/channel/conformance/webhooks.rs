//! Webhooks: believed only with proof, split the same way each time, understood whatever they say.

use std::collections::HashSet;

use model::{ContentKind, InboundKind};
use serde_json::json;

use super::Simulator;
use super::samples::{happening, happenings, written};
use crate::{Channel, Credentials, Login, Method, WebhookError, WebhookRequest, WebhookResponse};

fn receive(
    channel: &dyn Channel,
    login: &Login,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<WebhookResponse, WebhookError> {
    let request = WebhookRequest { method: Method::Post, headers, query: "", body };
    channel.receive(login, &request)
}

pub(super) fn only_the_provider_is_believed(channel: &dyn Channel, simulator: &dyn Simulator, login: &Login) {
    let message = happening(&simulator.chat(), written("70001", "hello"));
    let Some(body) = simulator.webhook_body(&message) else { return };
    let headers = simulator.webhook_headers(login, &body);
    let first = receive(channel, login, &headers, &body).expect("the provider is believed");
    assert!(!first.events.is_empty(), "something happened");
    let again = receive(channel, login, &headers, &body).expect("also the second time");
    assert_eq!(first, again, "a repeated webhook is split the same way, with the same keys");
    let keys: HashSet<_> = first.events.iter().map(|event| &event.dedupe_key).collect();
    assert_eq!(keys.len(), first.events.len(), "each event has a key of its own");

    let refused = |headers: &[(String, String)], body: &[u8], login: &Login, why: &str| {
        assert_eq!(receive(channel, login, headers, body), Err(WebhookError::Signature), "{why}");
    };
    refused(&[], &body, login, "without proof");
    for (place, (name, value)) in headers.iter().enumerate() {
        let mut changed = headers.clone();
        changed[place].1 = value.chars().rev().collect();
        if changed[place].1 != *value {
            refused(&changed, &body, login, &format!("with another {name}"));
        }
        changed[place].1.clear();
        refused(&changed, &body, login, &format!("with an empty {name}"));
    }
    if simulator.signs_body() {
        for place in 0..body.len() {
            let mut changed = body.clone();
            changed[place] ^= 1;
            refused(&headers, &changed, login, &format!("with byte {place} changed"));
        }
    }
    let nobody = Login { credentials: Credentials::default(), ..login.clone() };
    let signed_by_nobody = simulator.webhook_headers(&nobody, &body);
    refused(&signed_by_nobody, &body, &nobody, "for an account without a secret");

    for body in [&b""[..], b"{", b"[]", b"\xff\xfe"] {
        let headers = simulator.webhook_headers(login, body);
        let answer = receive(channel, login, &headers, body);
        assert!(
            matches!(answer, Err(WebhookError::Malformed(_))),
            "proved and not in the provider's form: {answer:?}"
        );
    }
}

pub(super) fn each_kind_of_event_is_understood(
    channel: &dyn Channel,
    simulator: &dyn Simulator,
    login: &Login,
) {
    let mut keys = HashSet::new();
    for happened in happenings(&simulator.chat(), "70002") {
        let Some(body) = simulator.webhook_body(&happened) else { continue };
        let headers = simulator.webhook_headers(login, &body);
        let answer = receive(channel, login, &headers, &body).expect("the provider is believed");
        let mut meant = Vec::new();
        for event in &answer.events {
            assert!(keys.insert(event.dedupe_key.clone()), "{} is another event's key", event.dedupe_key);
            let once = channel.parse(&login.account, &event.payload).expect("an event can be read");
            let twice = channel.parse(&login.account, &event.payload).expect("and again");
            assert_eq!(once, twice, "an event always means the same");
            meant.extend(once);
        }
        let found = meant.iter().find(|inbound| inbound.kind == happened.kind);
        let found = found.unwrap_or_else(|| panic!("{:?} was told, {meant:?} understood", happened.kind));
        assert_eq!((&found.chat, found.chat_kind), (&happened.chat, happened.chat_kind));
        if let (InboundKind::Message { .. }, Some(from)) = (&found.kind, &happened.from) {
            assert_eq!(found.from.as_ref().map(|party| &party.address), Some(&from.address));
        }
    }
    let body = simulator.unheard_of();
    let headers = simulator.webhook_headers(login, &body);
    let answer = receive(channel, login, &headers, &body).expect("the provider is believed");
    for event in &answer.events {
        let meant = channel.parse(&login.account, &event.payload).expect("an unknown kind is no error");
        for inbound in meant {
            let kept = match &inbound.kind {
                InboundKind::Ignored { .. } => true,
                InboundKind::Message { content, .. } => content.kind() == ContentKind::Unsupported,
                _ => false,
            };
            assert!(kept, "nobody can know what it means: {inbound:?}");
        }
    }
    for payload in [json!(null), json!([]), json!({}), json!("x"), json!(1), json!({"id": [], "type": {}})] {
        // Read or refused, both are well; only a panic is not.
        let _ = channel.parse(&login.account, &payload);
    }
}
