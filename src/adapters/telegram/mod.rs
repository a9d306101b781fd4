//! Telegram, through the Bot API (10.3): a bot is an account, its chats are conversations.
//!
//! What there is to know of the provider: a bot cannot begin a conversation; nothing tells it that a message arrived
//! or was read, nor that one was deleted; there are no repeat-safe message ids of ours, so a call whose answer was
//! lost stays in doubt. The bot's token stands in the URL of every call, so no URL leaves this module.
//!
//! The crate `frankenstein` was weighed for its types: its update kinds, chat types and the like are closed lists, so
//! one new word of Telegram's would make whole messages unreadable. The few fields that we read are in `update.rs`.

mod abilities;
mod api;
mod content;
mod entities;
mod error;
mod html;
mod ids;
mod keyboard;
pub(crate) mod limits;
pub(crate) mod markdown;
mod parse;
mod reactions;
mod send;
#[cfg(test)]
mod tests;
mod update;
mod vcard;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use channel::{
    Accepted, Acknowledger, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected,
    ContentProblem, Credentials, Deleter, Editor, Login, MediaFetcher, Outgoing, ParseError, Poller, Reactor,
    Typist, WebhookError, WebhookEvent, WebhookRequest, WebhookResponse, signature,
};
use model::{Account, Content, Format, Ids, Inbound};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::AdaptersConfig;

use api::{Api, Call};

/// The channel's name.
const NAME: &str = "telegram";
/// The bot's token among the credentials.
const TOKEN: &str = "bot_token";
/// What Telegram says with every webhook, among the credentials.
const SECRET: &str = "webhook_secret";
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// The Telegram channel.
#[derive(Debug)]
pub struct Telegram {
    api: Api,
    ids: Arc<Ids>,
    capabilities: Capabilities,
}

/// The answer of `getMe`.
#[derive(Deserialize)]
struct Me {
    id: i64,
    #[serde(default)]
    first_name: String,
    username: Option<String>,
}

/// What matters of a message that was sent.
#[derive(Deserialize)]
struct Sent {
    message_id: i64,
    chat: SentChat,
}

#[derive(Deserialize)]
struct SentChat {
    id: i64,
}

impl Telegram {
    /// The channel, at Telegram's own address or at the one that the configuration gives (one's own Bot API server).
    pub fn new(config: &AdaptersConfig) -> Self {
        Self { api: Api::new(config), ids: Arc::clone(&config.ids), capabilities: limits::capabilities() }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        call: Call,
    ) -> Result<T, ChannelError> {
        self.api.call(credentials.get(TOKEN), call).await
    }

    async fn download(&self, credentials: &Credentials, path: &str, max: u64) -> Result<Bytes, ChannelError> {
        self.api.download(credentials.get(TOKEN), path, max).await
    }

    /// 256 random bits in letters that Telegram admits.
    fn secret(&self) -> String {
        (0..4).fold(String::new(), |secret, _| format!("{secret}{:016x}", self.ids.number()))
    }
}

#[async_trait]
impl Channel for Telegram {
    fn name(&self) -> &'static str {
        NAME
    }

    fn provider_url(&self) -> Option<&str> {
        Some(self.api.base_url())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect_steps(&self) -> Vec<ConnectStep> {
        vec![ConnectStep::Fields {
            fields: vec![ConnectField {
                name: TOKEN,
                label: "Bot token",
                help: "Write /newbot (or /token for a bot you have) to @BotFather in Telegram; it answers with the token.",
                secret: true,
                required: true,
            }],
        }]
    }

    /// With a `webhook_url`, tells Telegram to deliver there; without one, tells it to deliver nowhere, so that the
    /// bot can be polled. Updates that wait are kept either way.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let me: Me = self.call(credentials, Call::new("getMe")).await?;
        let mut credentials = credentials.clone();
        let webhook = if let Some(url) = webhook_url {
            if credentials.get(SECRET).is_empty() {
                credentials = credentials.with(SECRET, self.secret());
            }
            Call::new("setWebhook")
                .with("url", url)
                .with("secret_token", credentials.get(SECRET))
                .with("allowed_updates", update::KINDS)
        } else {
            Call::new("deleteWebhook")
        };
        self.call::<Value>(&credentials, webhook).await?;

        let mut settings = settings.as_object().cloned().unwrap_or_else(Map::new);
        if let Some(username) = &me.username {
            settings.insert("username".to_owned(), username.as_str().into());
        }
        Ok(Connected {
            external_id: me.id.to_string(),
            name: Some(me.first_name).filter(|name| !name.is_empty()).or(me.username),
            credentials,
            settings: Value::Object(settings),
        })
    }

    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        self.capabilities.check(content)?;
        let problem = |field: &str, code, message: &str| {
            Err(ContentProblem { field: field.to_owned(), code, message: message.to_owned() })
        };
        match content {
            Content::Text { text, format, buttons } => {
                if *format == Format::Markdown && markdown::visible(&markdown::parse(text)).trim().is_empty()
                {
                    return problem("text", "empty", "nothing is left of it without its marks");
                }
                keyboard::check(buttons)
            }
            Content::Contacts { contacts } => match contacts.as_slice() {
                [card] if card.phones.is_empty() => {
                    problem("contacts[0].phones", "empty", "Telegram's address cards need a phone number")
                }
                [card] if vcard::write(card).len() > vcard::MAX => problem(
                    "contacts[0]",
                    "too_long",
                    "more than the 2048 bytes that Telegram takes as a vCard",
                ),
                [_] => Ok(()),
                _ => problem("contacts", "out_of_range", "Telegram takes one address card a message"),
            },
            _ => Ok(()),
        }
    }

    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let sent: Sent = self.call(&login.credentials, send::call(message)?).await?;
        let chat = sent.chat.id.to_string();
        Ok(Accepted {
            provider_id: ids::provider_id(sent.chat.id, sent.message_id, None),
            moved_to: (chat != message.chat).then_some(chat),
        })
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        let given = request.header(SECRET_HEADER).unwrap_or_default();
        if !signature::secrets_match(login.credentials.get(SECRET), given) {
            return Err(WebhookError::Signature);
        }
        let malformed = WebhookError::Malformed("Telegram");
        let payload: Value = serde_json::from_slice(request.body).map_err(|_| malformed.clone())?;
        let id = parse::update_id(&payload).ok_or(malformed)?;
        Ok(WebhookResponse {
            events: vec![WebhookEvent { dedupe_key: id.to_string(), account: None, payload }],
            answer: None,
        })
    }

    fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        parse::update(account, payload)
    }

    fn typist(&self) -> Option<&dyn Typist> {
        Some(self)
    }

    fn editor(&self) -> Option<&dyn Editor> {
        Some(self)
    }

    fn deleter(&self) -> Option<&dyn Deleter> {
        Some(self)
    }

    fn reactor(&self) -> Option<&dyn Reactor> {
        Some(self)
    }

    fn acknowledger(&self) -> Option<&dyn Acknowledger> {
        Some(self)
    }

    fn media_fetcher(&self) -> Option<&dyn MediaFetcher> {
        Some(self)
    }

    fn poller(&self) -> Option<&dyn Poller> {
        Some(self)
    }
}
