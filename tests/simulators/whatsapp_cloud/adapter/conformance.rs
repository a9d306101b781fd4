//! The suite that every channel passes, with the simulator as the provider.

use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{self, Received, Simulator};
use channel::{Credentials, ErrorClass, Login};
use model::{Content, ContentKind, Inbound, InboundKind, Media, ReceiptKind};
use serde_json::{Value, json};

use super::{ANNA, Stage};
use crate::simulators::meta::{Fault, Refusal, escaped, signature};
use crate::simulators::whatsapp_cloud::{Cloud, Person, Template};

/// Somebody who blocked the business.
const BLOCKED: &str = "16505550000";

struct Simulated<'a>(&'a Cloud);

#[async_trait]
impl Simulator for Simulated<'_> {
    fn credentials(&self) -> Credentials {
        Credentials::default()
            .with("access_token", self.0.token.as_str())
            .with("app_secret", self.0.app.secret.as_str())
            .with("phone_number_id", self.0.number.as_str())
    }

    fn bad_credentials(&self) -> Credentials {
        self.credentials().with("access_token", "EAAlooks-well-and-is-not")
    }

    fn chat(&self) -> String {
        ANNA.to_owned()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let refuse = |status, code, words: &str| Fault::Refuse(Refusal::new(status, code, words));
        let fault = match class {
            ErrorClass::Permanent => return Some(BLOCKED.to_owned()),
            ErrorClass::Retry => refuse(500, 131_000, "Something went wrong"),
            ErrorClass::RetryAfter(_) => {
                let refusal = Refusal::new(400, 130_429, "(#130429) Rate limit hit");
                Fault::Refuse(refusal.with_header("Retry-After", "3"))
            }
            ErrorClass::BulkHeld(_) => refuse(400, 131_048, "(#131048) Spam rate limit hit"),
            ErrorClass::RecipientHeld(_) => refuse(400, 131_056, "(#131056) pair rate limit hit"),
            ErrorClass::AccountStopped { .. } => Fault::Refuse(Refusal::token(Some(463))),
            ErrorClass::Ambiguous => Fault::Hangup { carried_out: true },
        };
        self.0.meta.core.meets("messages", fault);
        Some(self.chat())
    }

    async fn calm(&self) {
        self.0.meta.core.calm();
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let message = self.0.message(provider_id).filter(|message| message.to == chat)?;
        let body = message.body;
        let kind = body["type"].as_str()?;
        let said = &body[kind];
        let (shown, words) = match (kind, said["type"].as_str()) {
            ("text", _) => (ContentKind::Text, &said["body"]),
            ("image", _) => (ContentKind::Image, &said["caption"]),
            ("video", _) => (ContentKind::Video, &said["caption"]),
            ("audio", _) if said["voice"] == true => (ContentKind::Voice, &Value::Null),
            ("audio", _) => (ContentKind::Audio, &Value::Null),
            ("document", _) => (ContentKind::Document, &said["caption"]),
            ("sticker", _) => (ContentKind::Sticker, &Value::Null),
            ("location", _) => (ContentKind::Location, &Value::Null),
            ("contacts", _) => (ContentKind::Contacts, &Value::Null),
            ("template", _) => (ContentKind::ProviderTemplate, &Value::Null),
            ("interactive", Some("list")) => (ContentKind::List, &said["body"]["text"]),
            ("interactive", Some("button")) => (ContentKind::Text, &said["body"]["text"]),
            _ => (ContentKind::Native, &said["body"]["text"]),
        };
        Some(Received {
            kind: shown,
            words: words.as_str().map(str::to_owned),
            file: said["id"].as_str().and_then(|id| self.0.file(id)),
            reply_to: body["context"]["message_id"].as_str().map(str::to_owned),
            client_id: body["biz_opaque_callback_data"].as_str().map(str::to_owned),
        })
    }

    fn sample(&self, kind: ContentKind) -> Option<Content> {
        match kind {
            ContentKind::ProviderTemplate => Some(Content::ProviderTemplate {
                name: "hello_world".to_owned(),
                language: "en_US".to_owned(),
                components: vec![
                    json!({ "type": "body", "parameters": [{ "type": "text", "text": "Anna" }] }),
                ],
            }),
            ContentKind::Native => {
                let request = json!({
                    "type": "location_request_message", "body": { "text": "Where are you?" },
                    "action": { "name": "send_location" },
                });
                let body = json!({ "type": "interactive", "interactive": request });
                Some(Content::Native { body, text: Some("Where are you?".to_owned()) })
            }
            _ => None,
        }
    }

    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        let chat = happened.chat.as_str();
        let change = match &happened.kind {
            InboundKind::Message { provider_id, content, .. } => {
                self.0.message_change(chat, provider_id, "text", &json!({ "body": content.words() }))
            }
            InboundKind::Receipt(receipt) => {
                let status = match receipt.kind {
                    ReceiptKind::Sent => "sent",
                    ReceiptKind::Delivered => "delivered",
                    ReceiptKind::Read => "read",
                    ReceiptKind::Failed => "failed",
                };
                self.0.status_change(chat, &receipt.provider_id, status)
            }
            InboundKind::Reacted { provider_id, emoji } => {
                let mut reaction = json!({ "message_id": provider_id });
                // Absent when it is taken back.
                if let Some(emoji) = emoji.first() {
                    reaction["emoji"] = emoji.as_str().into();
                }
                let id = format!("wamid.reaction{}", self.0.meta.core.fresh());
                self.0.message_change(chat, &id, "reaction", &reaction)
            }
            InboundKind::Edited { provider_id, content } => {
                let message = json!({ "type": "text", "text": { "body": content.words() } });
                let edit = json!({ "original_message_id": provider_id, "message": message });
                self.0.message_change(chat, "wamid.edit", "edit", &edit)
            }
            InboundKind::Deleted { provider_id } => {
                let revoke = json!({ "original_message_id": provider_id });
                self.0.message_change(chat, "wamid.revoke", "revoke", &revoke)
            }
            _ => return None,
        };
        Some(escaped(&self.0.delivery(&[change])).into_bytes())
    }

    fn unheard_of(&self) -> Vec<u8> {
        let message = self.0.message_change(ANNA, "wamid.odd", "hologram", &json!({ "depth": 3 }));
        let field = self.0.change("holograms", json!({ "depth": 3 }));
        escaped(&self.0.delivery(&[message, field])).into_bytes()
    }

    fn webhook_headers(&self, login: &Login, body: &[u8]) -> Vec<(String, String)> {
        vec![("x-hub-signature-256".to_owned(), signature(login.credentials.get("app_secret"), body))]
    }

    fn signs_body(&self) -> bool {
        true
    }

    async fn happen(&self, _login: &Login, _happened: &Inbound) -> bool {
        false
    }

    async fn put_file(&self, _login: &Login, bytes: Bytes) -> Option<Media> {
        let id = self.0.received_file("application/pdf", bytes);
        Some(Media { provider_ref: Some(id), ..Media::default() })
    }
}

#[tokio::test]
async fn whatsapp_cloud_is_a_channel_like_any_other() {
    let stage = Stage::new().await;
    let blocked =
        Person { refuses: Some((131_026, "Message undeliverable")), window_open: true, ..Person::default() };
    stage.cloud.set_person(BLOCKED, blocked);
    stage.cloud.template(Template {
        name: "hello_world",
        language: "en_US",
        status: "APPROVED",
        category: "UTILITY",
        parameters: 1,
    });
    conformance::run(&stage.channel, &Simulated(&stage.cloud), &stage.login).await;
}
