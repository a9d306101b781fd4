//! What Telegram can do beside sending: typing, edits, deletions, reactions, files, polling, answered buttons.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use channel::{
    Acknowledger, ChannelError, Deleter, Editor, Login, MediaFetcher, Polled, Poller, Reactor, Typist,
    WebhookEvent,
};
use model::{Content, ContentKind, Media};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Call, too_large};
use super::ids::{chat_id, message_id};
use super::send::text_call;
use super::{Telegram, error, keyboard, limits, parse, reactions, update};

/// How long a poll waits for something to happen.
const POLL: Duration = Duration::from_secs(50);

#[async_trait]
impl Typist for Telegram {
    async fn typing(&self, login: &Login, chat: &str, on: bool) -> Result<(), ChannelError> {
        if on {
            self.chat_action(login, chat, "typing").await
        } else {
            // It ends by itself within five seconds, or with the message.
            Ok(())
        }
    }

    async fn preparing(&self, login: &Login, chat: &str, kind: ContentKind) -> Result<(), ChannelError> {
        let action = match kind {
            ContentKind::Image => "upload_photo",
            ContentKind::Video => "upload_video",
            ContentKind::Voice => "record_voice",
            ContentKind::Audio | ContentKind::Document => "upload_document",
            ContentKind::Sticker => "choose_sticker",
            ContentKind::Location => "find_location",
            _ => "typing",
        };
        self.chat_action(login, chat, action).await
    }
}

impl Telegram {
    async fn chat_action(&self, login: &Login, chat: &str, action: &str) -> Result<(), ChannelError> {
        let call = Call::new("sendChatAction").with("chat_id", chat_id(chat)).with("action", action);
        self.call::<Value>(&login.credentials, call).await.map(drop)
    }
}

#[async_trait]
impl Editor for Telegram {
    /// Changes a text with its buttons, or the words under a file. The file itself stays: an edit brings none.
    async fn edit(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        content: &Content,
    ) -> Result<(), ChannelError> {
        let call = match content {
            Content::Text { text, format, buttons } => {
                if !buttons.is_empty() && !keyboard::is_inline_keyboard(buttons) {
                    return Err(ChannelError::permanent(
                        "buttons",
                        "buttons that only say something cannot be changed: they are the contact's keyboard",
                    ));
                }
                text_call("editMessageText", text, *format, buttons)
            }
            Content::Image { caption, .. }
            | Content::Video { caption, .. }
            | Content::Audio { caption, .. }
            | Content::Document { caption, .. } => {
                Call::new("editMessageCaption").with("caption", caption.as_deref().unwrap_or_default())
            }
            other => {
                let message = format!("a {} cannot be changed once it is sent", other.kind());
                return Err(ChannelError::permanent("unsupported", message));
            }
        };
        let call = call.with("chat_id", chat_id(chat)).with("message_id", message_id(chat, provider_id)?);
        match self.call::<Value>(&login.credentials, call).await {
            Err(error) if !error::is_not_modified(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Deleter for Telegram {
    async fn delete(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let call = Call::new("deleteMessage")
            .with("chat_id", chat_id(chat))
            .with("message_id", message_id(chat, provider_id)?);
        match self.call::<Value>(&login.credentials, call).await {
            Err(error) if !error::is_already_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Reactor for Telegram {
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError> {
        let reaction = match emoji {
            None => json!([]),
            Some(emoji) => {
                let known = reactions::spelling(emoji).ok_or_else(|| {
                    ChannelError::permanent(
                        "reaction",
                        format!("Telegram does not take {emoji} as a reaction"),
                    )
                })?;
                json!([{ "type": "emoji", "emoji": known }])
            }
        };
        let call = Call::new("setMessageReaction")
            .with("chat_id", chat_id(chat))
            .with("message_id", message_id(chat, provider_id)?)
            .with("reaction", reaction);
        self.call::<Value>(&login.credentials, call).await.map(drop)
    }
}

/// The answer of `getFile`.
#[derive(Deserialize)]
struct FileInfo {
    file_size: Option<u64>,
    file_path: Option<String>,
}

#[async_trait]
impl MediaFetcher for Telegram {
    async fn fetch(&self, login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let max_bytes = max_bytes.min(limits::MAX_DOWNLOAD);
        let file_id = media
            .provider_ref
            .as_deref()
            .ok_or_else(|| ChannelError::permanent("media", "the file has no handle at Telegram"))?;
        if media.size.is_some_and(|size| size > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let call = Call::new("getFile").with("file_id", file_id);
        let file: FileInfo = self.call(&login.credentials, call).await?;
        if file.file_size.is_some_and(|size| size > max_bytes) {
            return Err(too_large(max_bytes));
        }
        let path = file.file_path.ok_or_else(|| {
            ChannelError::retry("no file_path", "Telegram has not made the file ready to download")
        })?;
        self.download(&login.credentials, &path, max_bytes).await
    }
}

#[async_trait]
impl Poller for Telegram {
    /// Fails with `409` while a webhook is set or somebody else polls for the same bot.
    async fn poll(&self, login: &Login, cursor: Option<&str>) -> Result<Polled, ChannelError> {
        let offset: i64 = cursor.unwrap_or("0").parse().map_err(|_| {
            ChannelError::permanent("cursor", "the place to go on from is not a Telegram update number")
        })?;
        let mut call = Call::new("getUpdates")
            .with("offset", offset)
            .with("limit", 100)
            .with("timeout", POLL.as_secs())
            .with("allowed_updates", update::KINDS);
        call.patience = POLL;
        let updates: Vec<Value> = self.call(&login.credentials, call).await?;
        let mut next = offset;
        let mut events = Vec::with_capacity(updates.len());
        for payload in updates {
            let id = parse::update_id(&payload)
                .ok_or_else(|| ChannelError::retry("unreadable", "an update without update_id"))?;
            // Ids start anywhere after a quiet week, so "one more than the last" may also be less than before.
            next = id + 1;
            events.push(WebhookEvent { dedupe_key: id.to_string(), account: None, payload });
        }
        Ok(Polled { events, cursor: next.to_string(), rest: None })
    }
}

#[async_trait]
impl Acknowledger for Telegram {
    fn awaits(&self, payload: &Value) -> bool {
        payload.get("callback_query").is_some()
    }

    /// Stops the button from spinning. One that was pressed too long ago spins no more.
    async fn acknowledge(&self, login: &Login, payload: &Value) -> Result<(), ChannelError> {
        let Some(id) =
            payload.get("callback_query").and_then(|query| query.get("id")).and_then(Value::as_str)
        else {
            return Ok(());
        };
        let call = Call::new("answerCallbackQuery").with("callback_query_id", id);
        self.call::<Value>(&login.credentials, call).await.map(drop)
    }
}
