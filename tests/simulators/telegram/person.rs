//! People: they write, send, answer, edit, react, press buttons and block, and the bot hears of it.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Shared;
use super::files::{default_mime, describe, keep, stored};
use super::methods::object;
use super::state::{Bot, Standing};

/// Somebody in a chat with the bot. Every method that says something answers the message's id.
#[derive(Debug, Clone)]
pub struct Person {
    pub(crate) shared: Arc<Shared>,
    pub(crate) token: String,
    /// The person's id, and that of the private chat.
    pub id: i64,
    /// What they are called.
    pub name: String,
    /// Where they speak: their private chat, or a group.
    pub chat: i64,
    /// In which topic of it.
    pub topic: Option<i64>,
}

impl Person {
    /// The same person, speaking in another chat.
    #[must_use]
    pub fn within(&self, chat: i64) -> Self {
        Self { chat, topic: None, ..self.clone() }
    }

    /// The same person, speaking in a topic of the chat.
    #[must_use]
    pub fn on_topic(&self, topic: i64) -> Self {
        Self { topic: Some(topic), ..self.clone() }
    }

    /// Writes a text.
    pub fn writes(&self, text: &str) -> i64 {
        self.says(json!({ "text": text }))
    }

    /// Writes a text with formatting: entities as the Bot API lists them.
    pub fn writes_formatted(&self, text: &str, entities: &Value) -> i64 {
        self.says(json!({ "text": text, "entities": entities }))
    }

    /// Answers a message.
    pub fn answers(&self, message: i64, text: &str) -> i64 {
        let quoted = self.with(|bot, _| bot.chat(self.chat).messages.get(&message).cloned());
        self.says(json!({ "text": text, "reply_to_message": quoted }))
    }

    /// Sends a file: `photo`, `video`, `animation`, `audio`, `voice`, `video_note`, `document` or `sticker`.
    pub fn sends(&self, kind: &str, bytes: impl Into<Bytes>, caption: Option<&str>) -> i64 {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        self.sends_sized(kind, bytes, size, caption)
    }

    /// Sends a file that Telegram says is `size` bytes large, whatever it really holds.
    pub fn sends_sized(&self, kind: &str, bytes: impl Into<Bytes>, size: u64, caption: Option<&str>) -> i64 {
        let name = matches!(kind, "document" | "audio" | "video").then(|| format!("a {kind}"));
        let file = stored(kind, default_mime(kind), name, bytes.into(), size);
        let shown = self.with(|bot, _| {
            let id = keep(bot, file.clone());
            describe(&id, &file)
        });
        let mut content = json!({ kind: shown });
        if kind == "animation" {
            content["document"] = content["animation"].clone();
        }
        if kind == "sticker" {
            content["sticker"]["emoji"] = "🦊".into();
            content["sticker"]["set_name"] = "Foxes".into();
        }
        if let Some(caption) = caption {
            content["caption"] = caption.into();
        }
        self.says(content)
    }

    /// Sends a place.
    pub fn sends_location(&self, latitude: f64, longitude: f64) -> i64 {
        self.says(json!({ "location": { "latitude": latitude, "longitude": longitude } }))
    }

    /// Sends an address card.
    pub fn sends_contact(&self, name: &str, phone: &str) -> i64 {
        self.says(json!({ "contact": { "first_name": name, "phone_number": phone } }))
    }

    /// Sends whatever the Bot API has fields for.
    pub fn says(&self, content: Value) -> i64 {
        self.with(|bot, date| {
            let mut content = content;
            if let Some(topic) = self.topic {
                content["message_thread_id"] = topic.into();
                content["is_topic_message"] = true.into();
            }
            let started = bot.chat(self.chat);
            if started.standing == Standing::NeverStarted {
                started.standing = Standing::Open;
            }
            let message = bot.post(self.chat, &self.as_user(), date, content);
            let kind = if message.get("from").is_some() { "message" } else { "channel_post" };
            let id = message["message_id"].as_i64().unwrap_or_default();
            bot.tell(kind, message);
            id
        })
    }

    /// Changes the text (or, under a file, the caption) of an own message.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn edits(&self, message: i64, text: &str) {
        self.with(|bot, date| {
            let stored = bot.chat(self.chat).messages.get_mut(&message).expect("the message exists");
            let field = if stored.get("text").is_some() { "text" } else { "caption" };
            let fields = object(stored);
            fields.insert(field.to_owned(), text.into());
            fields.insert("edit_date".to_owned(), date.into());
            let edited = stored.clone();
            bot.tell("edited_message", edited);
        });
    }

    /// Sets the person's reactions to a message; none takes them back.
    pub fn reacts(&self, message: i64, emoji: &[&str]) {
        let list: Vec<_> = emoji.iter().map(|emoji| json!({ "type": "emoji", "emoji": emoji })).collect();
        self.with(|bot, date| {
            let chat = bot.chat(self.chat).to_json();
            bot.tell(
                "message_reaction",
                json!({
                    "chat": chat, "message_id": message, "user": self.as_user(), "date": date,
                    "old_reaction": [], "new_reaction": list,
                }),
            );
        });
    }

    /// Presses the button with `data` under a message of the bot; answers the callback's id.
    pub fn presses(&self, message: i64, data: &str) -> String {
        self.with(|bot, _| {
            let id = format!("{}{}", self.id, bot.fresh());
            let stored = bot.chat(self.chat).messages.get(&message).cloned();
            bot.callbacks.insert(id.clone(), None);
            bot.tell(
                "callback_query",
                json!({
                    "id": id, "from": self.as_user(), "message": stored, "chat_instance": "1", "data": data,
                }),
            );
            id
        })
    }

    /// Blocks the bot.
    pub fn blocks(&self) {
        self.stands(Standing::Blocked, "member", "kicked");
    }

    /// Lets the bot write again.
    pub fn unblocks(&self) {
        self.stands(Standing::Open, "kicked", "member");
    }

    fn stands(&self, standing: Standing, before: &str, after: &str) {
        self.with(|bot, date| {
            let chat = bot.chat(self.id);
            chat.standing = standing;
            let chat = chat.to_json();
            let user = bot.as_user();
            bot.tell(
                "my_chat_member",
                json!({
                    "chat": chat, "from": self.as_user(), "date": date,
                    "old_chat_member": { "user": user, "status": before },
                    "new_chat_member": { "user": user, "status": after },
                }),
            );
        });
    }

    fn as_user(&self) -> Value {
        json!({ "id": self.id, "is_bot": false, "first_name": self.name, "language_code": "en" })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Bot, i64) -> T) -> T {
        let date = self.shared.date();
        let result = self.shared.bot(&self.token, |bot| act(bot, date));
        self.shared.news.notify_waiters();
        result
    }
}
