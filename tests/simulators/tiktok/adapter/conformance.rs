//! The suite that every channel passes, with the simulator as the provider.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{self, Received, Simulator};
use channel::{Credentials, ErrorClass, Login};
use model::{Content, ContentKind, Inbound, InboundKind, Media};
use serde_json::{Value, json};

use super::{NOW, Stage};
use crate::simulators::tiktok::text as said;
use crate::simulators::tiktok::{Fault, webhook_signature};

struct Simulated<'a> {
    stage: &'a Stage,
    chat: String,
    closed: String,
    next: AtomicI64,
}

impl Simulated<'_> {
    /// A webhook of a message.
    fn told(&self, id: &str, sender: &str, kind: &str, content: &Value) -> Vec<u8> {
        let n = self.next.fetch_add(1, Ordering::SeqCst);
        let data = json!({
            "message_id": id, "index": n.to_string(), "conversation_id": self.chat, "type": kind,
            "content": content.to_string(), "create_time": NOW, "is_visible": true,
            "sender": { "im_user_id": sender, "role": "BUYER" },
        });
        json!({
            "type": 14, "tts_notification_id": n.to_string(), "shop_id": self.stage.shop, "timestamp": NOW, "data": data,
        })
        .to_string()
        .into_bytes()
    }
}

#[async_trait]
impl Simulator for Simulated<'_> {
    fn credentials(&self) -> Credentials {
        self.stage.login.credentials.clone()
    }

    fn bad_credentials(&self) -> Credentials {
        self.credentials().with("access_token", "GCP_looks_well_and_is_not")
    }

    fn chat(&self) -> String {
        self.chat.clone()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let fault = match class {
            ErrorClass::Permanent => return Some(self.closed.clone()),
            ErrorClass::Retry => Fault::Gateway(502),
            ErrorClass::RetryAfter(_) => Fault::TooMany(Some(3)),
            // TikTok's limits are the shop's.
            ErrorClass::BulkHeld(_) | ErrorClass::RecipientHeld(_) => return None,
            ErrorClass::AccountStopped { .. } => {
                Fault::Refuse(401, 101_000, "The token does not fit the shop.")
            }
            ErrorClass::Ambiguous => Fault::Hangup { carried_out: true },
        };
        self.stage.server.meets("/messages", fault);
        Some(self.chat())
    }

    async fn calm(&self) {
        self.stage.server.calm();
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let messages = self.stage.server.messages(chat);
        let message = messages.into_iter().find(|message| message["id"] == provider_id)?;
        let content: Value = serde_json::from_str(message["content"].as_str()?).ok()?;
        let kind = match message["type"].as_str()? {
            "TEXT" => ContentKind::Text,
            "IMAGE" => ContentKind::Image,
            _ => ContentKind::Native,
        };
        Some(Received {
            kind,
            words: content["content"].as_str().map(str::to_owned),
            file: content["url"].as_str().and_then(|link| self.stage.server.file(link)),
            reply_to: None,
            client_id: None,
        })
    }

    fn sample(&self, kind: ContentKind) -> Option<Content> {
        let body = json!({ "type": "PRODUCT_CARD", "content": { "product_id": "7494560109732334265" } });
        (kind == ContentKind::Native).then_some(Content::Native { body, text: None })
    }

    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        // Of all else TikTok tells nothing.
        let InboundKind::Message { provider_id, content, .. } = &happened.kind else { return None };
        let sender = &happened.from.as_ref()?.address;
        Some(self.told(provider_id, sender, "TEXT", &said(content.words()?)))
    }

    fn unheard_of(&self) -> Vec<u8> {
        self.told("70003", "somebody", "HOLOGRAM", &json!({ "depth": 3 }))
    }

    fn webhook_headers(&self, login: &Login, body: &[u8]) -> Vec<(String, String)> {
        let get = |name| login.credentials.get(name);
        vec![("authorization".to_owned(), webhook_signature(get("app_key"), get("app_secret"), body))]
    }

    fn signs_body(&self) -> bool {
        true
    }

    async fn happen(&self, _login: &Login, happened: &Inbound) -> bool {
        let InboundKind::Message { content, .. } = &happened.kind else { return false };
        let Some(words) = content.words() else { return false };
        self.stage.server.writes(&self.chat, "TEXT", &said(words));
        true
    }

    async fn put_file(&self, _login: &Login, bytes: Bytes) -> Option<Media> {
        Some(Media { provider_ref: Some(self.stage.server.put_file(bytes)), ..Media::default() })
    }
}

#[tokio::test]
async fn tiktok_is_a_channel_like_any_other() {
    let mut stage = Stage::new().await;
    stage.login.credentials = stage.connect(&stage.login.credentials, json!({})).await.unwrap().credentials;
    let chat = stage.server.conversation(&stage.shop, "Ada");
    let closed = stage.server.conversation(&stage.shop, "Bob");
    stage.server.close(&closed, 45_109_001, "The conversation is closed.");
    let simulated = Simulated { stage: &stage, chat, closed, next: AtomicI64::new(500) };
    conformance::run(&stage.channel, &simulated, &stage.login).await;
}
