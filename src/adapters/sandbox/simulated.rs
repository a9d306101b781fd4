//! The sandbox server as the conformance suite's provider.

use std::sync::atomic::{AtomicU64, Ordering};

use ::sandbox::wire::Content as Told;
use ::sandbox::{Sandbox, signature};
use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{Received, Simulator};
use channel::{Credentials, ErrorClass, Login};
use model::{Content, ContentKind, Inbound, InboundKind, Media};
use serde_json::{Value, json};

const TOKEN: &str = "sandbox-auto-1";

pub(super) struct Simulated<'a> {
    server: &'a Sandbox,
    next: AtomicU64,
}

impl<'a> Simulated<'a> {
    pub(super) const fn new(server: &'a Sandbox) -> Self {
        Self { server, next: AtomicU64::new(1) }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst)
    }
}

/// What happened, in the sandbox's words.
fn event(happened: &Inbound) -> Option<Value> {
    let (kind, mut event) = match &happened.kind {
        InboundKind::Message { provider_id, content, .. } => {
            let Content::Text { text, .. } = content else { return None };
            ("message", json!({"message_id": provider_id, "content": {"type": "text", "text": text}}))
        }
        InboundKind::Receipt(receipt) => {
            ("receipt", json!({"message_id": receipt.provider_id, "status": receipt.kind}))
        }
        InboundKind::Edited { provider_id, content } => {
            let content = json!({"type": "text", "text": content.words()});
            ("edited", json!({"message_id": provider_id, "content": content}))
        }
        InboundKind::Deleted { provider_id } => ("deleted", json!({"message_id": provider_id})),
        InboundKind::Reacted { provider_id, emoji } => {
            ("reaction", json!({"message_id": provider_id, "emoji": emoji}))
        }
        InboundKind::ContactBlocked { blocked } => ("contact_blocked", json!({"blocked": blocked})),
        InboundKind::ContactOptedOut { opted_out } => ("contact_opted_out", json!({"opted_out": opted_out})),
        InboundKind::ChatMoved { to } => ("chat_moved", json!({"to": to})),
        InboundKind::ReceiptUpTo { .. } | InboundKind::AccountNotice { .. } | InboundKind::Ignored { .. } => {
            return None;
        }
    };
    event["type"] = kind.into();
    event["chat"] = happened.chat.as_str().into();
    event["at_us"] = happened.at.as_micros().into();
    if let Some(from) = &happened.from {
        event["from"] = json!({"id": from.address, "name": from.name});
    }
    Some(event)
}

#[async_trait]
impl Simulator for Simulated<'_> {
    fn credentials(&self) -> Credentials {
        Credentials::default().with("token", TOKEN)
    }

    fn bad_credentials(&self) -> Credentials {
        Credentials::default().with("token", "sandbox-nobody-knows-me")
    }

    fn chat(&self) -> String {
        "anna".to_owned()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let chat = match class {
            ErrorClass::Permanent => "fail-permanent",
            ErrorClass::Retry => "fail-once",
            ErrorClass::RetryAfter(_) => "account-limited-5000",
            ErrorClass::BulkHeld(_) => "tier-limited-5000",
            ErrorClass::RecipientHeld(_) => "rate-limited-5000",
            ErrorClass::AccountStopped { .. } => "banned",
            ErrorClass::Ambiguous => "ambiguous",
        };
        Some(chat.to_owned())
    }

    async fn calm(&self) {
        self.server.reset();
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let calls = self.server.calls(Some(TOKEN), 0, usize::MAX);
        let mine = |what: &str| {
            let mut about = calls.iter().filter(|call| call.id.as_deref() == Some(provider_id));
            about.rfind(|call| call.what == what && call.outcome == "accepted").cloned()
        };
        let sent = mine("send").filter(|call| call.chat.as_deref() == Some(chat))?;
        if mine("delete").is_some() {
            return None;
        }
        let content = mine("edit").unwrap_or_else(|| sent.clone()).content?;
        let kind = match content {
            Told::Text { .. } => ContentKind::Text,
            Told::Image(_) => ContentKind::Image,
            Told::Video(_) => ContentKind::Video,
            Told::Audio(_) => ContentKind::Audio,
            Told::Voice(_) => ContentKind::Voice,
            Told::Document(_) => ContentKind::Document,
            Told::Sticker(_) => ContentKind::Sticker,
            Told::Location { .. } => ContentKind::Location,
            Told::Contacts { .. } => ContentKind::Contacts,
        };
        let file = content.file().and_then(|file| self.server.file(file.file.as_deref()?));
        Some(Received {
            kind,
            words: content.words().map(str::to_owned),
            file,
            reply_to: sent.reply_to,
            client_id: sent.client_id,
        })
    }

    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        let mut event = event(happened)?;
        event["id"] = format!("ev{}", self.number()).into();
        Some(json!({ "events": [event] }).to_string().into_bytes())
    }

    fn unheard_of(&self) -> Vec<u8> {
        let hologram = json!({"id": format!("ev{}", self.number()), "type": "message", "chat": "anna", "at_us": 1,
            "message_id": "m5", "content": {"type": "hologram", "depth": 3}});
        let eclipse = json!({"id": format!("ev{}", self.number()), "type": "eclipse", "at_us": 2});
        json!({ "events": [hologram, eclipse] }).to_string().into_bytes()
    }

    fn webhook_headers(&self, login: &Login, body: &[u8]) -> Vec<(String, String)> {
        let signature = signature(login.credentials.get("webhook_secret"), body);
        vec![("x-sandbox-signature".to_owned(), signature)]
    }

    fn signs_body(&self) -> bool {
        true
    }

    async fn happen(&self, _login: &Login, happened: &Inbound) -> bool {
        let Some(mut event) = event(happened) else { return false };
        event["token"] = TOKEN.into();
        let event = serde_json::from_value(event).unwrap();
        self.server.inbound(event).is_ok()
    }

    async fn put_file(&self, _login: &Login, bytes: Bytes) -> Option<Media> {
        let id = self.server.put_file("application/octet-stream", bytes);
        Some(Media { provider_ref: Some(id), ..Media::default() })
    }
}
