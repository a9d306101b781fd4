//! The suite that every channel passes, with the simulator as the provider.

use async_trait::async_trait;
use bytes::Bytes;
use channel::conformance::{self, Received, Simulator};
use channel::{Channel, Credentials, ErrorClass, Login};
use model::{Content, ContentKind, Inbound, InboundKind, Media};
use serde_json::{Value, json};

use super::Stage;
use crate::simulators::discord::Fault;

struct Simulated {
    stage: Stage,
    blocked: u64,
    bob: u64,
}

/// What a person sees of words with escapes.
fn shown(content: &str) -> String {
    let mut chars = content.chars().peekable();
    let mut shown = String::new();
    while let Some(c) = chars.next() {
        let escapes =
            c == '\\' && chars.peek().is_some_and(|next| !next.is_alphanumeric() && !next.is_whitespace());
        if !escapes {
            shown.push(c);
        } else if let Some(next) = chars.next() {
            shown.push(next);
        }
    }
    shown
}

/// What a message is to Discord.
fn kind_of(message: &Value) -> ContentKind {
    let file = &message["attachments"][0];
    if message["flags"].as_u64().is_some_and(|flags| flags & 8192 != 0) {
        return ContentKind::Voice;
    }
    match file["content_type"].as_str().and_then(|mime| mime.split('/').next()) {
        Some("image") => ContentKind::Image,
        Some("video") => ContentKind::Video,
        Some("audio") => ContentKind::Audio,
        Some(_) => ContentKind::Document,
        None if message["components"][0]["components"][0]["type"] == 3 => ContentKind::List,
        None if message["embeds"].as_array().is_some_and(|embeds| !embeds.is_empty()) => ContentKind::Native,
        None => ContentKind::Text,
    }
}

#[async_trait]
impl Simulator for Simulated {
    fn credentials(&self) -> Credentials {
        Credentials::default().with("bot_token", self.stage.server.token())
    }

    fn bad_credentials(&self) -> Credentials {
        Credentials::default().with("bot_token", "looks.well-and.is-not")
    }

    fn chat(&self) -> String {
        self.stage.chat.to_string()
    }

    async fn fault(&self, class: &ErrorClass) -> Option<String> {
        let fault = match class {
            ErrorClass::Permanent => return Some(self.blocked.to_string()),
            ErrorClass::Retry => Fault::Page(502),
            ErrorClass::RetryAfter(_) => Fault::TooMany("global", 0.05),
            ErrorClass::BulkHeld(_) => {
                let words = "You are opening direct messages too fast";
                self.stage.server.meets("POST /users/@me/channels", Fault::Refuse(429, 40_003, words));
                return Some(format!("user:{}", self.bob));
            }
            ErrorClass::RecipientHeld(_) => Fault::TooMany("user", 0.05),
            ErrorClass::AccountStopped { .. } => Fault::Refuse(401, 0, "401: Unauthorized"),
            ErrorClass::Ambiguous => Fault::Hangup { carried_out: true },
        };
        self.stage.server.meets("", fault);
        Some(self.chat())
    }

    async fn calm(&self) {
        self.stage.server.calm().await;
    }

    async fn received(&self, chat: &str, provider_id: &str) -> Option<Received> {
        let message = self.stage.server.message(chat, provider_id)?;
        let words = message["content"].as_str().filter(|content| !content.is_empty());
        Some(Received {
            kind: kind_of(&message),
            words: words.map(shown),
            file: self.stage.server.file(&message["attachments"][0]),
            reply_to: message["message_reference"]["message_id"].as_str().map(str::to_owned),
            client_id: None,
        })
    }

    fn sample(&self, kind: ContentKind) -> Option<Content> {
        let body = json!({ "embeds": [{ "title": "Order 7", "description": "is on its way" }] });
        (kind == ContentKind::Native).then_some(Content::Native { body, text: None })
    }

    /// The endpoint tells of interactions only; a form that was filled in is what comes nearest to writing.
    fn webhook_body(&self, happened: &Inbound) -> Option<Vec<u8>> {
        let InboundKind::Message { provider_id, content, .. } = &happened.kind else { return None };
        let from = happened.from.as_ref()?;
        let told = json!({
            "id": provider_id, "application_id": self.stage.server.app(), "type": 5, "token": "key", "version": 1,
            "channel_id": happened.chat, "channel": { "id": happened.chat, "type": 1 },
            "user": { "id": from.address, "username": "ada", "global_name": from.name },
            "data": { "custom_id": "form", "components": [
                { "type": 18, "component": { "type": 4, "custom_id": "words", "value": content.words() } }
            ]},
        });
        Some(told.to_string().into_bytes())
    }

    fn unheard_of(&self) -> Vec<u8> {
        let told = json!({
            "id": "70003", "application_id": self.stage.server.app(), "type": 99, "token": "key",
            "channel_id": self.chat(), "data": { "hologram": true },
        });
        told.to_string().into_bytes()
    }

    fn webhook_headers(&self, _login: &Login, body: &[u8]) -> Vec<(String, String)> {
        self.stage.server.signed(body)
    }

    fn signs_body(&self) -> bool {
        true
    }

    async fn happen(&self, _login: &Login, _happened: &Inbound) -> bool {
        false
    }

    async fn put_file(&self, login: &Login, bytes: Bytes) -> Option<Media> {
        let file = self.stage.server.attachment("note.txt", "text/plain", bytes);
        let id = self.stage.server.writes(self.stage.chat, self.stage.ada, &json!({ "attachments": [file] }));
        let told = self.stage.server.message(&self.chat(), &id.to_string())?;
        let payload = json!({ "t": "MESSAGE_CREATE", "d": told });
        let meant = self.stage.channel.parse(&login.account, &payload).ok()?.pop()?;
        let InboundKind::Message { content, .. } = meant.kind else { return None };
        // How large it is, the suite finds out by fetching.
        content.media().map(|media| Media { size: None, ..media.clone() })
    }
}

#[tokio::test]
async fn discord_is_a_channel_like_any_other() {
    let stage = Stage::new().await;
    let blocked = stage.server.direct(stage.server.person("Eve"));
    stage.server.close_direct(blocked);
    let simulated = Simulated { blocked, bob: stage.server.person("Bob"), stage };
    let stage = &simulated.stage;
    conformance::run(&stage.channel, &simulated, &stage.login).await;
}

#[tokio::test]
async fn connecting_says_who_the_bot_is_and_what_it_may_read() {
    let stage = Stage::new().await;
    assert_eq!(stage.login.account.external_id, Some(stage.server.app()));
    assert_eq!(stage.login.account.settings["bot_id"], stage.server.bot());
    assert_eq!(stage.login.account.settings["message_content"], true);
    assert_eq!(stage.login.credentials.get("public_key"), stage.server.public_key());
    stage.server.set_may_read(false);
    let connected = stage.channel.connect(&stage.login.credentials, &json!({}), None).await.unwrap();
    assert_eq!(connected.settings["message_content"], false);
}

#[tokio::test]
async fn a_bot_of_another_application_is_not_the_apps() {
    let stage = Stage::new().await;
    for (name, value) in [("app_id", "1"), ("app_public_key", "00")] {
        let credentials = stage.login.credentials.clone().with(name, value);
        let error = stage.channel.connect(&credentials, &json!({}), None).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Permanent, "mismatch"));
    }
    let own = stage.login.credentials.clone().with("app_id", stage.server.app());
    let own = own.with("app_public_key", stage.server.public_key().to_uppercase());
    stage.channel.connect(&own, &json!({}), None).await.unwrap();
}

#[tokio::test]
async fn commands_are_registered_from_the_settings() {
    let stage = Stage::new().await;
    let connect = async |settings: Value| {
        stage
            .channel
            .connect(&stage.login.credentials, &settings, None)
            .await
            .map(|connected| connected.settings)
    };
    let commands = json!([{ "name": "order", "type": 1, "description": "Where is it?" }]);
    let settings = connect(json!({ "commands": commands })).await.unwrap();
    assert_eq!((&settings["commands"], stage.server.commands()), (&commands, commands.clone()));
    connect(json!({ "commands": commands, "command_guild": "42" })).await.unwrap();
    let put = stage.server.calls().into_iter().rev().find(|call| call.what.starts_with("PUT")).unwrap();
    assert_eq!(put.what, format!("PUT /applications/{}/guilds/42/commands", stage.server.app()));
    // Without the setting those before stay.
    connect(json!({})).await.unwrap();
    assert_eq!(stage.server.commands(), commands);
    let error = connect(json!({ "commands": [{ "name": "" }] })).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Permanent);
    assert!(error.message.contains("0.name"), "{error}");
    assert_eq!(connect(json!({ "commands": "order" })).await.unwrap_err().class, ErrorClass::Permanent);
}
