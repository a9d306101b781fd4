//! TikTok Shop's customer service: a shop is an account, its buyers' conversations are conversations.
//!
//! What there is to know of the provider: nothing tells that a message arrived or was read, none can be changed, taken back
//! or answered as such, and there are no repeat-safe ids of ours, so a call whose answer was lost stays in doubt. Our own
//! messages come back as echoes, with the ids that sending gave. A chat is a conversation's id; `buyer:` and the `user_id`
//! of an order begins one with that buyer.
//!
//! Facts: Partner Center's customer service API 202309, read on 2026-11-20.

mod api;
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
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected,
    ContentProblem, Credentials, ErrorClass, Login, MediaFetcher, Outgoing, ParseError, Poller, Reader,
    Refresher, WebhookError, WebhookRequest, WebhookResponse,
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
/// What a shop's webhook is asked for.
const TOPICS: &[&str] =
    &["NEW_MESSAGE", "NEW_CONVERSATION", "SELLER_DEAUTHORIZATION", "UPCOMING_AUTHORIZATION_EXPIRATION"];

/// The TikTok Shop channel.
#[derive(Debug)]
pub struct TikTok {
    api: Api,
    capabilities: Capabilities,
}

/// A shop that a seller let the app into.
#[derive(Debug, Clone, Deserialize)]
struct Shop {
    id: String,
    name: Option<String>,
    region: Option<String>,
    seller_type: Option<String>,
    /// What calls name the shop by.
    cipher: String,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Shops {
    #[serde(default)]
    shops: Vec<Shop>,
}

#[derive(Deserialize)]
struct Created {
    conversation_id: String,
}

impl TikTok {
    /// The channel, at TikTok's own addresses or at the one that the configuration gives for all of them.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self { api: Api::new(config), capabilities: limits::capabilities() }
    }

    /// The shops that these credentials open.
    async fn shops(&self, credentials: &Credentials) -> Result<Vec<Shop>, ChannelError> {
        let call = Call::get("/authorization/202309/shops").of_seller();
        self.api.call::<Shops>(credentials, call).await.map(|shops| shops.shops)
    }

    /// Tells TikTok where the shop's events go. An app whose address stands in Partner Center may lack the leave for it.
    async fn tell_webhook(&self, credentials: &Credentials, url: &str) -> Result<(), ChannelError> {
        for topic in TOPICS {
            let body = json!({ "event_type": topic, "address": url });
            let told = self.api.call::<Value>(credentials, Call::put("/event/202309/webhooks", &body)).await;
            match told {
                Ok(_) => {}
                Err(error) if matches!(error.class, ErrorClass::Retry | ErrorClass::RetryAfter(_)) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(topic, %error, "TikTok was not told the webhook's address: Partner Center has to be");
                }
            }
        }
        Ok(())
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
        let field =
            |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
        let own_app = "Only if the account belongs to no app that is registered here. Partner Center, App & Service, your app.";
        vec![ConnectStep::Fields {
            fields: vec![
                field(
                    ACCESS_TOKEN,
                    "Access token",
                    "What Get Access Token answers once the seller has let the app in.",
                    true,
                    true,
                ),
                field(
                    REFRESH_TOKEN,
                    "Refresh token",
                    "It comes with the access token, which ends after a week without it.",
                    true,
                    false,
                ),
                field(
                    SHOP_CIPHER,
                    "Shop cipher",
                    "What Get Authorized Shops answers. Needed only if the seller has several shops.",
                    true,
                    false,
                ),
                field("shop_id", "Shop ID", "In place of the cipher.", false, false),
                field(APP_KEY, "App key", own_app, true, false),
                field(APP_SECRET, "App secret", own_app, true, false),
            ],
        }]
    }

    /// Asks which shops the token opens and takes the one that is meant; then whether its conversations may be read, because
    /// customer service is a leave of its own that most apps lack.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let shops = self.shops(credentials).await?;
        let shop_id = settings.get("shop_id").and_then(word);
        let shop = meant(&shops, credentials.get(SHOP_CIPHER), shop_id.as_deref())?;
        let connected = oauth::connected(shop, credentials.clone(), settings);
        let probe = Call::get(CONVERSATIONS).with("page_size", "1");
        self.api.call::<Value>(&connected.credentials, probe).await?;
        if let Some(url) = webhook_url {
            self.tell_webhook(&connected.credentials, url).await?;
        }
        Ok(connected)
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

/// The shop that is meant: by its cipher, by its id, or because there is no other. A cipher that changed is found by the id.
fn meant<'a>(shops: &'a [Shop], cipher: &str, id: Option<&str>) -> Result<&'a Shop, ChannelError> {
    let by_id = || shops.iter().find(|shop| Some(shop.id.as_str()) == id);
    if let Some(shop) = shops.iter().find(|shop| shop.cipher == cipher && !cipher.is_empty()).or_else(by_id) {
        return Ok(shop);
    }
    let refuse = |message: String| Err(ChannelError::permanent("shop", message));
    match shops {
        [] => refuse("the seller let the app into no shop".to_owned()),
        [only] if cipher.is_empty() && id.is_none() => Ok(only),
        _ => {
            let names =
                shops.iter().map(|shop| format!("{} ({})", shop.id, shop.name.as_deref().unwrap_or("?")));
            let names: Vec<_> = names.collect();
            refuse(format!("say by `shop_id` or `shop_cipher` which shop is meant: {}", names.join(", ")))
        }
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
