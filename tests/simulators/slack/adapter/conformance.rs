//! The suite that every channel passes, with the simulator as the provider.

use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{self, Received, Simulator};
use channel::{Credentials, ErrorClass, Login};
use model::{Content, ContentKind, Inbound, InboundKind, Media};
use serde_json::{Value, json};

use super::{NOW, ROOM, Stage};
use crate::simulators::slack::{Events, Fault, Message, Slack, sign};

const ARCHIVED: &str = "C0ARCHIVE";

struct Simulated<'a> {
    slack: &'a Slack,
    events: &'a Events,
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

impl Simulated<'_> {
    /// The suite's files are all the same picture: what each was meant as, its name tells.
    fn kind(&self, message: &Message) -> ContentKind {
        if let Some(file) = message.files.first() {
            let calls = self.slack.calls();
            let shared = calls.iter().filter(|call| call.method == "files.completeUploadExternal");
            let mut told = shared.map(|call| &call.arguments["files"][0]);
            let told = told.find(|told| told["id"] == file.as_str()).expect("it was shared by a call");
            return match told["title"].as_str().and_then(|name| name.rsplit('.').next()) {
                Some("png") => ContentKind::Image,
                Some("mp4") => ContentKind::Video,
                Some("mp3") => ContentKind::Audio,
                Some("ogg") => ContentKind::Voice,
                Some("pdf") => ContentKind::Document,
                other => panic!("{other:?} is the ending of none of them"),
            };
        }
        let holds = |kind: &str| message.blocks.iter().any(|block| block.to_string().contains(kind));
        if holds("\"divider\"") {
            ContentKind::Native
        } else if holds("\"static_select\"") {
            ContentKind::List
        } else {
            ContentKind::Text
        }
    }
}

#[async_trait]
impl Simulator for Simulated<'_> {
    fn credentials(&self) -> Credentials {
        Credentials::default()
            .with("bot_token", self.slack.token())
            .with("app_signing_secret", self.slack.signing_secret())
    }

    fn bad_credentials(&self) -> Credentials {
        Credentials::default().with("bot_token", "xoxb-looks-well-and-is-not")
    }

    fn chat(&self) -> String {
        ROOM.to_owned()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let fault = match class {
            ErrorClass::Permanent => return Some(ARCHIVED.to_owned()),
            ErrorClass::Retry => Fault::Gateway(502),
            ErrorClass::RetryAfter(_) => Fault::TooMany(Some(30)),
            ErrorClass::BulkHeld(_) => return None,
            ErrorClass::RecipientHeld(_) => Fault::TooMany(Some(1)),
            ErrorClass::AccountStopped { .. } => Fault::Word("account_inactive"),
            ErrorClass::Ambiguous => Fault::Hangup { carried_out: true },
        };
        self.slack.meets("chat.postMessage", fault);
        Some(self.chat())
    }

    async fn calm(&self) {
        self.slack.calm();
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let message = self.slack.message(chat, provider_id)?;
        Some(Received {
            kind: self.kind(&message),
            words: Some(unescaped(&message.text)).filter(|words| !words.is_empty()),
            file: message.files.first().and_then(|file| self.slack.bytes(file)),
            reply_to: message.thread_ts,
            client_id: None,
        })
    }

    fn sample(&self, kind: ContentKind) -> Option<Content> {
        (kind == ContentKind::Native).then(|| Content::Native {
            body: json!({ "blocks": [
                { "type": "header", "text": { "type": "plain_text", "text": "News" } }, { "type": "divider" },
            ] }),
            text: Some("News & <more>".to_owned()),
        })
    }

    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        let chat = &happened.chat;
        let user = happened.from.as_ref().map(|from| from.address.clone());
        let message = |id: &str, content: &Content| {
            json!({ "type": "message", "channel": chat, "channel_type": "im", "user": user, "ts": id,
                "text": content.words(), "event_ts": id })
        };
        let event = match &happened.kind {
            InboundKind::Message { provider_id, content, .. } => message(provider_id, content),
            InboundKind::Edited { provider_id, content } => {
                let mut now = message(provider_id, content);
                now["edited"] = json!({ "user": user, "ts": "1790000060.000000" });
                json!({ "type": "message", "subtype": "message_changed", "channel": chat, "hidden": true,
                    "message": now, "previous_message": { "ts": provider_id, "text": "before" } })
            }
            InboundKind::Deleted { provider_id } => {
                json!({ "type": "message", "subtype": "message_deleted", "channel": chat, "hidden": true,
                    "deleted_ts": provider_id, "event_ts": "1790000070.000000" })
            }
            InboundKind::Reacted { provider_id, emoji } => {
                let kind = if emoji.is_empty() { "reaction_removed" } else { "reaction_added" };
                assert!(emoji.iter().all(|emoji| emoji == "\u{1f44d}"), "the suite's own");
                json!({ "type": kind, "user": user, "reaction": "+1", "event_ts": "1790000080.000000",
                    "item": { "type": "message", "channel": chat, "ts": provider_id } })
            }
            InboundKind::ChatMoved { to } => {
                json!({ "type": "channel_id_changed", "old_channel_id": chat, "new_channel_id": to })
            }
            // Slack tells nothing of these.
            InboundKind::Receipt(_)
            | InboundKind::ReceiptUpTo { .. }
            | InboundKind::ContactBlocked { .. }
            | InboundKind::ContactOptedOut { .. }
            | InboundKind::AccountNotice { .. }
            | InboundKind::Ignored { .. } => return None,
        };
        Some(self.events.envelope(&event))
    }

    fn unheard_of(&self) -> Vec<u8> {
        let event: Value = json!({ "type": "hologram_projected", "channel": ROOM, "depth": 3 });
        self.events.envelope(&event)
    }

    fn webhook_headers(&self, login: &Login, body: &[u8]) -> Vec<(String, String)> {
        sign(login.credentials.get("app_signing_secret"), NOW, body)
    }

    fn signs_body(&self) -> bool {
        true
    }

    async fn happen(&self, _login: &Login, _happened: &Inbound) -> bool {
        false
    }

    async fn put_file(&self, _login: &Login, bytes: Bytes) -> Option<Media> {
        let file = self.slack.file("notes.txt", bytes, |_| {});
        Some(Media { provider_ref: Some(file), ..Media::default() })
    }
}

#[tokio::test]
async fn slack_is_a_channel_like_any_other() {
    let stage = Stage::new().await;
    stage.slack.archive(ARCHIVED);
    let simulated = Simulated { slack: &stage.slack, events: stage.slack.events() };
    conformance::run(&stage.channel, &simulated, &stage.login).await;
}
