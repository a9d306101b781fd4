//! TikTok Shop's customer service: a shop is an account, its buyers' conversations are conversations.
//!
//! What there is to know of the provider: nothing tells that a message arrived or was read, none can be changed, taken back
//! or answered as such, and there are no repeat-safe ids of ours, so a call whose answer was lost stays in doubt. Our own
//! messages come back as echoes, with the ids that sending gave. A chat is a conversation's id; `buyer:` and the `user_id`
//! of an order begins one with that buyer.
//!
//! Facts: Partner Center's customer service API 202309, read on 2026-11-20.

mod api;
mod connect;
mod cursor;
mod error;
pub(crate) mod limits;
mod oauth;
mod parse;
mod poll;
mod send;
mod sign;
#[cfg(test)]
mod tests;
mod webhook;

use async_trait::async_trait;
use bytes::Bytes;
use channel::{
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectStep, Connected, ContentProblem, Credentials,
    Login, MediaFetcher, Outgoing, ParseError, Poller, Reader, Refresher, WebhookError, WebhookRequest,
    WebhookResponse,
};
use model::{Account, Content, Inbound, Media};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::AdaptersConfig;

use api::{Api, Call};

/// The channel's name, and the provider's.
const NAME: &str = "tiktok";

// Among the credentials: an account's own, and its app's.
const ACCESS_TOKEN: &str = "access_token";
const REFRESH_TOKEN: &str = "refresh_token";
/// When the two end, in seconds since 1970.
const ACCESS_TOKEN_ENDS: &str = "access_token_ends";
const REFRESH_TOKEN_ENDS: &str = "refresh_token_ends";
const SHOP_CIPHER: &str = "shop_cipher";
const APP_KEY: &str = "app_key";
const APP_SECRET: &str = "app_secret";
const APP_SERVICE_ID: &str = "app_service_id";
const APP_MARKET: &str = "app_market";

/// What a chat begins with that is a buyer and no conversation yet.
const BUYER: &str = "buyer:";
const CONVERSATIONS: &str = "/customer_service/202309/conversations";

// Types of webhooks that concern conversations.
const NEW_CONVERSATION: i64 = 13;
const NEW_MESSAGE: i64 = 14;

/// The TikTok Shop channel.
#[derive(Debug)]
pub struct TikTok {
    api: Api,
    capabilities: Capabilities,
}

/// The answer to a conversation that was asked for.
#[derive(Deserialize)]
struct Created {
    conversation_id: String,
}

impl TikTok {
    /// The channel, at TikTok's own addresses or at the one that the configuration gives for all of them.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self { api: Api::new(config), capabilities: limits::capabilities() }
    }

    /// The conversation behind a chat, and whether it was just begun. To begin one that is there opens it again.
    async fn conversation(
        &self,
        credentials: &Credentials,
        chat: &str,
    ) -> Result<(String, bool), ChannelError> {
        let Some(buyer) = chat.strip_prefix(BUYER) else { return Ok((chat.to_owned(), false)) };
        let call = Call::post(CONVERSATIONS, &json!({ "buyer_user_id": buyer }));
        let created: Created = self.api.call(credentials, call).await?;
        Ok((created.conversation_id, true))
    }
}

#[async_trait]
impl Channel for TikTok {
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
        vec![ConnectStep::Fields { fields: connect::fields() }]
    }

    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        self.connect_shop(credentials, settings, webhook_url).await
    }

    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        self.check_content(content)
    }

    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let credentials = &login.credentials;
        let (chat, is_new) = self.conversation(credentials, &message.chat).await?;
        let call = self.said(credentials, message).await?.call(&chat)?;
        let sent: send::Sent = self.api.call(credentials, call).await?;
        Ok(Accepted { provider_id: sent.message_id, moved_to: is_new.then_some(chat) })
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        webhook::receive(&login.credentials, request, false)
    }

    fn parse(&self, _account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        parse::event(payload)
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(self)
    }

    fn media_fetcher(&self) -> Option<&dyn MediaFetcher> {
        Some(self)
    }

    fn poller(&self) -> Option<&dyn Poller> {
        Some(self)
    }

    fn apps(&self) -> Option<&dyn Apps> {
        Some(self)
    }

    fn refresher(&self) -> Option<&dyn Refresher> {
        Some(self)
    }
}

#[async_trait]
impl Reader for TikTok {
    /// Marks all that the buyer wrote: TikTok asks for no message.
    async fn mark_read(&self, login: &Login, chat: &str, _provider_id: &str) -> Result<(), ChannelError> {
        let call = Call::post(conversation_path(chat)? + "/messages/read", &json!({}));
        self.api.call::<Value>(&login.credentials, call).await.map(drop)
    }
}

#[async_trait]
impl MediaFetcher for TikTok {
    /// Files lie at links of their own, for whoever knows them, until they end.
    async fn fetch(&self, _login: &Login, media: &Media, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let link = media
            .provider_ref
            .as_deref()
            .ok_or_else(|| ChannelError::permanent("media", "the file has no link at TikTok"))?;
        if media.size.is_some_and(|size| size > max_bytes) {
            return Err(api::too_large(max_bytes));
        }
        self.api.download(link, max_bytes).await
    }
}

/// A conversation's path. An id may come from anybody's hands, and must not lead elsewhere.
fn conversation_path(chat: &str) -> Result<String, ChannelError> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if chat.is_empty() || !chat.bytes().all(is_id) {
        let message = "a chat is the id of a conversation, or `buyer:` and the user_id of an order";
        return Err(ChannelError::permanent("chat", message));
    }
    Ok(format!("{CONVERSATIONS}/{chat}"))
}

/// A whole number, which TikTok writes as one or as a text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// An id, which TikTok writes as a text or as a number.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
