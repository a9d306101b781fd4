//! The suite that every channel passes, with the simulator as the provider.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{self, Received, Simulator};
use channel::{Credentials, ErrorClass, Login};
use model::{ContentKind, Inbound, InboundKind, Media};
use serde_json::{Value, json};

use super::Stage;
use crate::simulators::telegram::{BotHandle, Fault, Person, Standing};

struct Simulated {
    bot: BotHandle,
    ada: Person,
    blocked: i64,
    next: AtomicI64,
}

impl Simulated {
    /// An update that tells of this.
    fn update(&self, kind: &str, body: Value) -> Vec<u8> {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let mut update = json!({ "update_id": id });
        update[kind] = body;
        update.to_string().into_bytes()
    }

    fn message(&self, id: &str, content: &Value) -> Value {
        let id: i64 = id.parse().unwrap();
        let mut message = json!({
            "message_id": id,
            "from": { "id": self.ada.id, "is_bot": false, "first_name": "Ada" },
            "chat": { "id": self.ada.chat, "type": "private", "first_name": "Ada" },
            "date": 1_790_000_000,
        });
        message.as_object_mut().unwrap().extend(content.as_object().cloned().unwrap());
        message
    }
}

#[async_trait]
impl Simulator for Simulated {
    fn credentials(&self) -> Credentials {
        Credentials::default().with("bot_token", self.bot.token.clone())
    }

    fn bad_credentials(&self) -> Credentials {
        Credentials::default().with("bot_token", "7000000099:looks-well-and-is-not")
    }

    fn chat(&self) -> String {
        self.ada.chat.to_string()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let fault = match class {
            ErrorClass::Permanent => return Some(self.blocked.to_string()),
            ErrorClass::Retry => Fault::Gateway(502),
            ErrorClass::RetryAfter(_) => Fault::TooMany(3),
            // Telegram does not say whose limit was met.
            ErrorClass::BulkHeld(_) | ErrorClass::RecipientHeld(_) => return None,
            ErrorClass::AccountStopped { .. } => Fault::Refuse(401, "Unauthorized"),
            ErrorClass::Ambiguous => Fault::Hangup { carried_out: true },
        };
        self.bot.meets("*", fault);
        Some(self.chat())
    }

    async fn calm(&self) {
        self.bot.calm();
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let (chat, id): (i64, i64) = (chat.parse().unwrap(), provider_id.parse().unwrap());
        let message = self.bot.messages(chat).into_iter().find(|message| message["message_id"] == id)?;
        // The suite's files are all the same picture, which Telegram shows as a file wherever it is no photo: what
        // it was meant as, the method tells.
        let calls = self.bot.calls();
        let call = calls.iter().find(|call| {
            call.method.starts_with("send")
                && call.result["message_id"] == id
                && call.result["chat"]["id"] == chat
        })?;
        let kind = match call.method.as_str() {
            "sendMessage" => ContentKind::Text,
            "sendPhoto" => ContentKind::Image,
            "sendVideo" => ContentKind::Video,
            "sendAudio" => ContentKind::Audio,
            "sendVoice" => ContentKind::Voice,
            "sendDocument" => ContentKind::Document,
            "sendSticker" => ContentKind::Sticker,
            "sendLocation" | "sendVenue" => ContentKind::Location,
            "sendContact" => ContentKind::Contacts,
            other => panic!("{other} sends nothing that we know"),
        };
        let words = message.get("text").or(message.get("caption"));
        let file = message.get("document").or(message["photo"].get(1));
        let file = file.and_then(|file| self.bot.file(file["file_id"].as_str()?));
        Some(Received {
            kind,
            words: words.and_then(Value::as_str).map(str::to_owned),
            file,
            reply_to: message.get("reply_to_message").map(|replied| replied["message_id"].to_string()),
            client_id: None,
        })
    }

    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        let ada = json!({ "id": self.ada.id, "is_bot": false, "first_name": "Ada" });
        let chat = json!({ "id": self.ada.chat, "type": "private", "first_name": "Ada" });
        Some(match &happened.kind {
            InboundKind::Message { provider_id, content, .. } => {
                self.update("message", self.message(provider_id, &json!({ "text": content.words() })))
            }
            InboundKind::Edited { provider_id, content } => {
                let content = json!({ "text": content.words(), "edit_date": 1_790_000_060 });
                self.update("edited_message", self.message(provider_id, &content))
            }
            InboundKind::Reacted { provider_id, emoji } => {
                let emoji: Vec<_> =
                    emoji.iter().map(|emoji| json!({ "type": "emoji", "emoji": emoji })).collect();
                let id: i64 = provider_id.parse().unwrap();
                let reaction = json!({
                    "chat": chat, "message_id": id, "user": ada, "date": 1_790_000_000,
                    "old_reaction": [], "new_reaction": emoji,
                });
                self.update("message_reaction", reaction)
            }
            InboundKind::ContactBlocked { blocked } => {
                let status = if *blocked { "kicked" } else { "member" };
                let member = json!({
                    "chat": chat, "from": ada, "date": 1_790_000_000,
                    "new_chat_member": { "user": { "id": self.bot.id(), "is_bot": true }, "status": status },
                });
                self.update("my_chat_member", member)
            }
            InboundKind::ChatMoved { to } => {
                let to: i64 = to.parse().unwrap();
                self.update("message", self.message("1", &json!({ "migrate_to_chat_id": to })))
            }
            // Telegram tells bots nothing of these.
            InboundKind::Receipt(_)
            | InboundKind::Deleted { .. }
            | InboundKind::ContactOptedOut { .. }
            | InboundKind::ReceiptUpTo { .. }
            | InboundKind::AccountNotice { .. }
            | InboundKind::Ignored { .. } => return None,
        })
    }

    fn unheard_of(&self) -> Vec<u8> {
        self.update("message", self.message("70003", &json!({ "hologram": { "depth": 3 } })))
    }

    fn webhook_headers(&self, login: &Login, _body: &[u8]) -> Vec<(String, String)> {
        let secret = login.credentials.get("webhook_secret").to_owned();
        vec![("x-telegram-bot-api-secret-token".to_owned(), secret)]
    }

    fn signs_body(&self) -> bool {
        false
    }

    async fn happen(&self, _login: &Login, happened: &Inbound) -> bool {
        let InboundKind::Message { content, .. } = &happened.kind else { return false };
        let Some(words) = content.words() else { return false };
        self.ada.writes(words);
        true
    }

    async fn put_file(&self, _login: &Login, bytes: Bytes) -> Option<Media> {
        self.ada.sends("document", bytes, None);
        let update = self.bot.history().pop()?;
        let file = update["message"]["document"]["file_id"].as_str()?.to_owned();
        Some(Media { provider_ref: Some(file), ..Media::default() })
    }
}

#[tokio::test]
async fn telegram_is_a_channel_like_any_other() {
    let mut stage = Stage::new().await;
    stage.connect(Some("http://127.0.0.1:9/hook")).await;
    let blocked = stage.bot.person("Bob").chat;
    stage.bot.set_standing(blocked, Standing::Blocked);
    let simulated = Simulated {
        bot: stage.bot.clone(),
        ada: stage.bot.person("Ada"),
        blocked,
        next: AtomicI64::new(500),
    };
    conformance::run(&stage.channel, &simulated, &stage.login).await;
}
