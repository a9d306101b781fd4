//! The suite that every channel passes, with the simulator as the provider: Messenger, and Instagram by both logins.

use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{self, Received, Simulator};
use channel::{Credentials, ErrorClass, Login};
use model::{Content, ContentKind, Inbound, InboundKind, Media, ReceiptKind};
use serde_json::{Value, json};

use super::{ANNA, Stage};
use crate::simulators::meta::{Fault, Refusal, escaped, signature};
use crate::simulators::pages::webhooks::AT;
use crate::simulators::pages::{Kind, Pages, Person};

/// Somebody who blocked the page.
const BLOCKED: &str = "6504020000000000";

struct Simulated<'a>(&'a Pages);

#[async_trait]
impl Simulator for Simulated<'_> {
    fn credentials(&self) -> Credentials {
        let credentials = Credentials::default()
            .with("access_token", self.0.token.as_str())
            .with("app_secret", self.0.app.secret.as_str());
        match self.0.kind {
            Kind::InstagramLogin => credentials.with("login", "instagram"),
            Kind::Messenger | Kind::Instagram => credentials,
        }
    }

    fn bad_credentials(&self) -> Credentials {
        self.credentials().with("access_token", "EAAlooks-well-and-is-not")
    }

    fn chat(&self) -> String {
        ANNA.to_owned()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let refuse = Fault::Refuse;
        let fault = match class {
            ErrorClass::Permanent => return Some(BLOCKED.to_owned()),
            ErrorClass::Retry => refuse(Refusal::new(500, 1200, "Temporary send message failure")),
            ErrorClass::RetryAfter(_) => refuse(
                Refusal::new(400, 613, "(#613) Calls have exceeded the rate limit").with_regain_minutes(2),
            ),
            // Meta has nothing of the kind here.
            ErrorClass::BulkHeld(_) => return None,
            ErrorClass::RecipientHeld(_) => {
                refuse(Refusal::new(400, 10, "An automated flow is active").with_subcode(2_018_321))
            }
            ErrorClass::AccountStopped { .. } => refuse(Refusal::token(Some(460))),
            ErrorClass::Ambiguous => Fault::Hangup { carried_out: true },
        };
        self.0.meta.core.meets("messages", fault);
        Some(self.chat())
    }

    async fn calm(&self) {
        self.0.meta.core.calm();
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let body = self.0.message(provider_id).filter(|message| message.to == chat)?.body;
        let message = &body["message"];
        let payload = &message["attachment"]["payload"];
        let (kind, words) = match message["attachment"]["type"].as_str() {
            None if message["template"].is_object() => (ContentKind::ProviderTemplate, &Value::Null),
            None => (ContentKind::Text, &message["text"]),
            Some("image") => (ContentKind::Image, &Value::Null),
            Some("video") => (ContentKind::Video, &Value::Null),
            Some("audio") => (ContentKind::Audio, &Value::Null),
            Some("file") => (ContentKind::Document, &Value::Null),
            Some("template") if payload["template_type"] == "button" => (ContentKind::Text, &payload["text"]),
            Some(_) => (ContentKind::Native, &payload["elements"][0]["title"]),
        };
        let word = message["metadata"].as_str();
        Some(Received {
            kind,
            words: words.as_str().map(str::to_owned),
            file: payload["attachment_id"].as_str().and_then(|id| self.0.file(id)),
            reply_to: body["reply_to"]["mid"].as_str().map(str::to_owned),
            client_id: word.map(|word| word.strip_prefix("rookery:").unwrap_or(word).to_owned()),
        })
    }

    fn sample(&self, kind: ContentKind) -> Option<Content> {
        match kind {
            ContentKind::ProviderTemplate => Some(Content::ProviderTemplate {
                name: "order_update".to_owned(),
                language: "en_US".to_owned(),
                components: vec![json!({ "type": "body", "parameters": [{ "type": "text", "text": "7" }] })],
            }),
            ContentKind::Native => {
                let elements = json!([{ "title": "Shoes", "subtitle": "Red ones" }]);
                let payload = json!({ "template_type": "generic", "elements": elements });
                let body = json!({ "message": { "attachment": { "type": "template", "payload": payload } } });
                Some(Content::Native { body, text: Some("Shoes".to_owned()) })
            }
            _ => None,
        }
    }

    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        let pages = self.0;
        let by = |kind: &str, body: Value| pages.by(&happened.chat, kind, body);
        let is_instagram = pages.kind != Kind::Messenger;
        let element = match &happened.kind {
            InboundKind::Message { provider_id, content, .. } => {
                by("message", json!({ "mid": provider_id, "text": content.words() }))
            }
            InboundKind::Receipt(receipt) if is_instagram && receipt.kind == ReceiptKind::Read => {
                by("read", json!({ "mid": receipt.provider_id }))
            }
            InboundKind::ReceiptUpTo { reached: ReceiptKind::Read, .. } => {
                by("read", json!({ "watermark": AT }))
            }
            InboundKind::Edited { provider_id, content } => {
                by("message_edit", json!({ "mid": provider_id, "text": content.words(), "num_edit": 1 }))
            }
            InboundKind::Deleted { provider_id } if is_instagram => {
                by("message", json!({ "mid": provider_id, "is_deleted": true }))
            }
            InboundKind::Reacted { provider_id, emoji } => by(
                "reaction",
                match emoji.first() {
                    Some(emoji) => {
                        json!({ "mid": provider_id, "action": "react", "reaction": "like", "emoji": emoji })
                    }
                    None => json!({ "mid": provider_id, "action": "unreact" }),
                },
            ),
            _ => return None,
        };
        Some(escaped(&pages.delivery(&[element])).into_bytes())
    }

    fn unheard_of(&self) -> Vec<u8> {
        let odd = json!([{ "type": "hologram", "payload": { "depth": 3 } }]);
        let elements = [
            self.0.by(ANNA, "message", json!({ "mid": "m_odd", "attachments": odd })),
            self.0.by(ANNA, "telepathy", json!({ "thought": "hm" })),
        ];
        escaped(&self.0.delivery(&elements)).into_bytes()
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
        let url = self.0.meta.core.put_file(bytes, "application/pdf", false);
        Some(Media { provider_ref: Some(url), ..Media::default() })
    }
}

async fn conforms(kind: Kind) {
    let stage = Stage::new(kind).await;
    let refuses = Some((551, 1_545_041, "(#551) This person isn't available right now."));
    stage.pages.set_person(BLOCKED, Person { refuses, ..Person::default() });
    conformance::run(stage.channel.as_ref(), &Simulated(&stage.pages), &stage.login).await;
}

#[tokio::test]
async fn messenger_is_a_channel_like_any_other() {
    conforms(Kind::Messenger).await;
}

#[tokio::test]
async fn instagram_by_its_page_is_a_channel_like_any_other() {
    conforms(Kind::Instagram).await;
}

#[tokio::test]
async fn instagram_by_itself_is_a_channel_like_any_other() {
    conforms(Kind::InstagramLogin).await;
}
