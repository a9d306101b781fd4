//! Discord, through its API v10: a bot is an account, channels, threads and direct messages are chats.
//!
//! Messages come over the Gateway ([`gateway`]), commands and pressed buttons over the interactions endpoint ([`webhook`])
//! where the application names one, else over the Gateway, too. Nothing tells that a message arrived or was read.
//!
//! twilight-model was weighed for the REST side: its kinds are closed lists in many places, so one new word of Discord's would
//! make whole messages unreadable, and twilight-http would be a second HTTP client. The few fields that we read are read
//! from JSON; twilight-gateway keeps the Gateway's line and hands its payloads through as text.

mod abilities;
mod api;
mod buckets;
mod components;
mod content;
mod error;
mod gateway;
mod interaction;
pub(crate) mod limits;
mod markup;
mod parse;
mod send;
mod snowflake;
#[cfg(test)]
mod tests;
mod voice;
mod webhook;

use async_trait::async_trait;
use channel::{
    Accepted, Acknowledger, Apps, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected,
    ContentProblem, Credentials, Deleter, Editor, Login, MediaFetcher, Outgoing, ParseError, Reactor,
    Sessions, Typist, WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, Content, Inbound};
use outbound::Method;
use serde_json::{Map, Value, json};

use crate::AdaptersConfig;

use api::{Api, Call};
use snowflake::{id, is_id};
use webhook::{APP_PUBLIC_KEY, PUBLIC_KEY};

/// The channel's name, and the provider's.
const NAME: &str = "discord";
/// The bot's token among the credentials.
const TOKEN: &str = "bot_token";
/// The application's id among the secrets of an app.
const APP_ID: &str = "app_id";
/// The setting that says whether the bot may read what people write.
const MESSAGE_CONTENT: &str = "message_content";
/// The flags by which an application may: with leave, and as one of few servers.
const MAY_READ: u64 = (1 << 18) | (1 << 19);
/// What a chat begins with that is a person whom nobody wrote to yet.
const PERSON: &str = "user:";

/// The Discord channel.
#[derive(Debug)]
pub struct Discord {
    api: Api,
    capabilities: Capabilities,
    places: gateway::Places,
}

impl Discord {
    /// The channel, at Discord's own address or at the one that the configuration gives (with the API's version in it).
    pub fn new(config: &AdaptersConfig) -> Self {
        Self {
            api: Api::new(config),
            capabilities: limits::capabilities(),
            places: gateway::Places::default(),
        }
    }

    async fn call(&self, login: &Login, call: Call) -> Result<Value, ChannelError> {
        self.api.call(login.credentials.get(TOKEN), call).await
    }

    /// Posts a message into a channel, and says what it is called there.
    async fn post(&self, login: &Login, chat: &str, message: &Outgoing) -> Result<String, ChannelError> {
        let (body, upload) = send::message(message)?;
        let call = Call::in_chat(Method::POST, "send", chat, "/messages").with_body(body).once();
        let sent = self.call(login, Call { upload, ..call }).await?;
        id(&sent["id"]).ok_or_else(|| ChannelError::ambiguous("unreadable", "a message without an id"))
    }

    /// The channel of the direct messages with a person; there may be one already.
    async fn direct(&self, login: &Login, person: &str) -> Result<String, ChannelError> {
        let call = Call::of_bot(Method::POST, "direct", "/users/@me/channels")
            .with_body(json!({ "recipient_id": person }));
        let channel = self.call(login, call).await?;
        id(&channel["id"]).ok_or_else(|| ChannelError::retry("unreadable", "a channel without an id"))
    }

    /// Tells Discord the account's commands, if its settings have any: they replace those before.
    async fn register(&self, token: &str, app: &str, settings: &Value) -> Result<(), ChannelError> {
        let commands = &settings["commands"];
        if commands.is_null() {
            return Ok(());
        }
        if !commands.is_array() {
            return Err(ChannelError::permanent(
                "commands",
                "the setting `commands` is a list of Discord's commands",
            ));
        }
        let path = match settings["command_guild"].as_str() {
            Some(guild) => format!("/applications/{app}/guilds/{}/commands", api::path_safe(guild)),
            None => format!("/applications/{app}/commands"),
        };
        let call = Call::of_bot(Method::PUT, "commands", path).with_body(commands.clone());
        self.api.call(token, call).await.map(drop)
    }
}

#[async_trait]
impl Channel for Discord {
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
        let setting = |name, label, help| ConnectField { name, label, help, secret: false, required: false };
        vec![ConnectStep::Fields {
            fields: vec![
                ConnectField {
                    name: TOKEN,
                    label: "Bot token",
                    help: "In the Developer Portal, under Bot: reset the token to see it once. Switch on the message \
                           content intent there, and add the bot to your server under Installation.",
                    secret: true,
                    required: true,
                },
                setting(
                    "commands",
                    "Commands",
                    "A list of application commands in Discord's own form. It replaces those registered before.",
                ),
                setting(
                    "command_guild",
                    "Server of the commands",
                    "The id of the one server that gets the commands; without it, every one does.",
                ),
                setting(
                    "command_answer",
                    "Answer to commands",
                    "What who gives a command reads at once. Without it they read nothing until you write.",
                ),
                setting(
                    "gateway",
                    "Receive messages",
                    "False for an account that only sends and gets commands: then no connection is kept open.",
                ),
            ],
        }]
    }

    /// Asks who the bot and its application are, and registers the commands of the settings. Where the interactions endpoint
    /// is, a person tells Discord in the Developer Portal: Discord tries it at once, when the account is not there yet.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        _webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let token = credentials.get(TOKEN);
        let bot = self.api.call(token, Call::of_bot(Method::GET, "me", "/users/@me")).await?;
        let app = self.api.call(token, Call::of_bot(Method::GET, "application", "/applications/@me")).await?;
        let unreadable = || ChannelError::retry("unreadable", "Discord does not say who the bot is");
        let (bot_id, app_id) = id(&bot["id"]).zip(id(&app["id"])).ok_or_else(unreadable)?;
        let public_key = app["verify_key"].as_str().unwrap_or_default();
        for (name, known) in [(APP_ID, app_id.as_str()), (APP_PUBLIC_KEY, public_key)] {
            let given = credentials.get(name);
            if !given.is_empty() && !given.eq_ignore_ascii_case(known) {
                let message = format!("the bot belongs to another application than `{name}` says");
                return Err(ChannelError::permanent("mismatch", message));
            }
        }
        self.register(token, &app_id, settings).await?;

        let flags = app["flags"].as_u64().unwrap_or_default();
        let mut settings = settings.as_object().cloned().unwrap_or_else(Map::new);
        settings.insert("bot_id".to_owned(), bot_id.into());
        settings.insert(MESSAGE_CONTENT.to_owned(), (flags & MAY_READ != 0).into());
        if let Some(username) = bot["username"].as_str() {
            settings.insert("username".to_owned(), username.into());
        }
        let name = app["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Connected {
            external_id: app_id,
            name: name.or_else(|| content::known_as(&bot)),
            credentials: credentials.clone().with(PUBLIC_KEY, public_key),
            settings: Value::Object(settings),
        })
    }

    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        self.capabilities.check(content)?;
        send::check(content)
    }

    /// Into a channel or thread by its id; to a person by `user:` and their id, or by the bare id where no channel has it.
    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let chat = message.thread.as_deref().unwrap_or(&message.chat);
        let person = chat.strip_prefix(PERSON);
        if !is_id(person.unwrap_or(chat)) {
            let words = "a chat of Discord's is the id of a channel, or `user:` and the id of a person";
            return Err(ChannelError::permanent("chat", words));
        }
        let refused = if person.is_none() {
            match self.post(login, chat, message).await {
                Ok(provider_id) => return Ok(Accepted { provider_id, moved_to: None }),
                Err(error) if error::is_no_channel(&error) && message.thread.is_none() => Some(error),
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let direct = match (self.direct(login, person.unwrap_or(chat)).await, refused) {
            (Ok(direct), _) => direct,
            // Neither a channel nor a person.
            (Err(error), Some(refused)) if error.class == channel::ErrorClass::Permanent => {
                return Err(refused);
            }
            (Err(error), _) => return Err(error),
        };
        let provider_id = self.post(login, &direct, message).await?;
        Ok(Accepted { provider_id, moved_to: Some(direct) })
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        webhook::receive(&login.credentials, request)
    }

    fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        parse::event(account, payload)
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

    fn apps(&self) -> Option<&dyn Apps> {
        Some(self)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self)
    }
}

/// An application has one bot, so its accounts share it with themselves only; registering it as an app gives the endpoint an
/// address before the account is there, which Discord tries as soon as it is named.
impl Apps for Discord {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn fields(&self) -> Vec<ConnectField> {
        let help = "In the Developer Portal, under General Information.";
        let field = |name, label| ConnectField { name, label, help, secret: true, required: true };
        vec![field(APP_ID, "Application id"), field(APP_PUBLIC_KEY, "Public key")]
    }

    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        // The address is the app's: an account's key, should there be one, is not asked.
        let app = Credentials::default().with(APP_PUBLIC_KEY, app.get(APP_PUBLIC_KEY));
        webhook::receive(&app, request)
    }
}
