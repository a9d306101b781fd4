//! Slack, through the Web API and the Events API: an account is an app's bot in one workspace (or in one organisation),
//! its channels and direct messages are conversations.
//!
//! What there is to know of the provider: errors are words in answers with HTTP 200; a message is known by its `ts`
//! within its channel; nothing tells that a message arrived or was read, bots cannot show that they type, and there are
//! no repeat-safe message ids of ours, so a post whose answer was lost stays in doubt. Files are shared some time after
//! they were uploaded (`send.rs`).
//!
//! Webhooks: the app's page at Slack wants the same address three times (events, interactivity, slash commands). Slack
//! tells each event to one of the app's accounts even if several are in the channel (companies that share one). People
//! are told by their ids; names are not looked up.
//!
//! The crate `slack-morphism` was weighed for its types and its signature check: its blocks and rich texts are closed
//! lists, so that one new word of Slack's makes whole messages unreadable, and its users report such words several times a
//! year. The few fields that we read are read leniently here; HMAC is the contract's own. Socket Mode is left out.

mod abilities;
mod api;
mod apps;
mod blocks;
mod check;
mod emoji;
mod error;
mod ids;
mod interactive;
pub(crate) mod limits;
mod message;
mod mrkdwn;
mod mrkdwn_reader;
mod parse;
mod receive;
mod send;
#[cfg(test)]
mod tests;
mod transfer;

use std::sync::Arc;

use async_trait::async_trait;
use channel::{
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected,
    ContentProblem, Credentials, Deleter, Editor, Login, MediaFetcher, Outgoing, ParseError, Reactor, Reader,
    Refresher, WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, Clock, Content, Inbound};
use serde_json::Value;

use crate::AdaptersConfig;

use api::{Api, Call};

/// The channel's name.
const NAME: &str = "slack";
/// The bot's token among the credentials.
const BOT_TOKEN: &str = "bot_token";
/// What renews it, where the app has token rotation switched on.
const REFRESH_TOKEN: &str = "refresh_token";
/// When it ends, in seconds since 1970.
const EXPIRES_AT: &str = "token_expires_at";
/// What the app's webhooks are signed with: the app's, or the account's own where it has no app here.
const SIGNING_SECRET: &str = "app_signing_secret";
const CLIENT_ID: &str = "app_client_id";
const CLIENT_SECRET: &str = "app_client_secret";

/// Settings of an account, found out when it is connected: the app's id at Slack, and who we are in channels.
const APP_ID: &str = "slack_app_id";
const BOT_ID: &str = "bot_id";
const BOT_USER: &str = "bot_user_id";

/// The Slack channel.
#[derive(Debug)]
pub struct Slack {
    api: Api,
    clock: Arc<dyn Clock>,
    capabilities: Capabilities,
}

impl Slack {
    /// The channel, at Slack's own address or at the one that the configuration gives.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self { api: Api::new(config), clock: Arc::clone(&config.clock), capabilities: limits::capabilities() }
    }

    /// The bot's id as a user: connecting noted it.
    async fn bot_user(&self, login: &Login) -> Result<String, ChannelError> {
        if let Some(user) = login.account.settings.get(BOT_USER).and_then(Value::as_str) {
            return Ok(user.to_owned());
        }
        let me: Value = self.api.call(&login.credentials, Call::new("auth.test")).await?;
        let user = me.get("user_id").and_then(Value::as_str);
        let user = user.ok_or_else(|| ChannelError::retry("unreadable", "auth.test tells no user_id"))?;
        Ok(user.to_owned())
    }
}

#[async_trait]
impl Channel for Slack {
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
        let field =
            |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
        vec![
            ConnectStep::OpenPage { label: "Add the app to your workspace" },
            ConnectStep::Fields {
                fields: vec![
                    field(
                        BOT_TOKEN,
                        "Bot token",
                        "Begins with xoxb-: on the app's page at api.slack.com/apps, under OAuth & Permissions.",
                        true,
                        true,
                    ),
                    field(
                        SIGNING_SECRET,
                        "Signing secret",
                        "On the app's page under Basic Information. Not needed if the app is registered here.",
                        true,
                        false,
                    ),
                    field(
                        APP_ID,
                        "App ID",
                        "Begins with A, under Basic Information. Needed if the app lacks the scope users:read.",
                        false,
                        false,
                    ),
                ],
            },
        ]
    }

    /// Slack is told where to deliver on the app's page, not by API: `webhook_url` is for a person to enter there.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        _webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        self.identify(credentials, settings).await
    }

    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        self.capabilities.check(content)?;
        check::check(content)
    }

    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.post(login, message).await
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        let mut response = receive::receive(&login.credentials, self.clock.now(), request)?;
        // The address is this account's alone.
        response.events.iter_mut().for_each(|event| event.account = None);
        Ok(response)
    }

    fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        parse::payload(account, payload)
    }

    fn reader(&self) -> Option<&dyn Reader> {
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

    fn media_fetcher(&self) -> Option<&dyn MediaFetcher> {
        Some(self)
    }

    fn apps(&self) -> Option<&dyn Apps> {
        Some(self)
    }

    fn refresher(&self) -> Option<&dyn Refresher> {
        Some(self)
    }
}
