//! The `sandbox` channel: a provider of our own, spoken to like any other.
//!
//! It is what a new installation is connected to and what frontends are developed against, so it can do everything
//! that some network can do, and is paced like the strictest of them.

mod actions;
mod api;
mod content;
mod event;
mod session;
mod session_line;

#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use channel::signature::{hmac_sha256_hex, secrets_match};
use channel::{
    Accepted, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected, Credentials,
    Deleter, Editor, Limit, Login, MediaFetcher, MediaLimit, Outgoing, Pacing, ParseError, Poller, Reactor,
    Reader, Sessions, TextUnit, Typist, WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, ContentKind, Inbound};
use outbound::Method;
use serde_json::{Value, json};

use crate::AdaptersConfig;
use api::Api;

/// Where `rookery sandbox` listens unless told otherwise.
const USUAL_URL: &str = "http://127.0.0.1:8420";
/// The largest file, in bytes.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// It is paced like a person, so one send is under way at a time.
pub(crate) const WIDTH: u32 = 1;
/// The provider has no limits but those that a test gives it.
pub(crate) const LIMITS: &[Limit] = &[];

/// The channel.
#[derive(Debug)]
pub(crate) struct Sandbox {
    api: Api,
    capabilities: Capabilities,
    open: session::Open,
}

impl Sandbox {
    pub(crate) fn new(config: &AdaptersConfig) -> Self {
        Self {
            api: Api::new(config, config.base_url("sandbox", USUAL_URL)),
            capabilities: capabilities(),
            open: session::Open::default(),
        }
    }

    /// Calls the sandbox for an account: over its session if it is a device, else by HTTP.
    async fn ask(
        &self,
        login: &Login,
        what: What,
        id: Option<&str>,
        body: &Value,
    ) -> Result<Value, ChannelError> {
        if session::is_device(&login.account.settings) {
            let patience = self.api.timeout();
            return self.open.call(&login.account, what.name(), id, body, patience).await;
        }
        let (method, path) = what.http(id.unwrap_or_default());
        self.api.call(login.credentials.get("token"), method, &path, body).await
    }
}

/// What an account does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Send,
    Edit,
    Delete,
    React,
    Typing,
    Read,
}

impl What {
    /// Its name in a session.
    const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::React => "react",
            Self::Typing => "typing",
            Self::Read => "read",
        }
    }

    /// Its place in the HTTP API; `id` names the message.
    fn http(self, id: &str) -> (Method, String) {
        match self {
            Self::Send => (Method::POST, "/v1/messages".to_owned()),
            Self::Edit => (Method::PATCH, format!("/v1/messages/{id}")),
            Self::Delete => (Method::DELETE, format!("/v1/messages/{id}")),
            Self::React => (Method::PUT, format!("/v1/messages/{id}/reaction")),
            Self::Typing => (Method::POST, "/v1/typing".to_owned()),
            Self::Read => (Method::POST, "/v1/read".to_owned()),
        }
    }
}

/// What files are moved with.
fn bearer(login: &Login) -> &str {
    let is_device = session::is_device(&login.account.settings);
    login.credentials.get(if is_device { session::SECRET } else { "token" })
}

fn capabilities() -> Capabilities {
    let media = [
        ContentKind::Image,
        ContentKind::Video,
        ContentKind::Audio,
        ContentKind::Voice,
        ContentKind::Document,
        ContentKind::Sticker,
    ];
    let mut sends = vec![ContentKind::Text];
    sends.extend(media);
    sends.extend([ContentKind::Location, ContentKind::Contacts]);
    Capabilities {
        sends,
        text_max: 4_096,
        text_unit: TextUnit::Chars,
        caption_max: 1_024,
        captions: vec![ContentKind::Image, ContentKind::Video, ContentKind::Audio, ContentKind::Document],
        media: media.map(|kind| MediaLimit { kind, max_bytes: LARGEST_FILE, mimes: Vec::new() }).into(),
        buttons: true,
        replies: true,
        edits: true,
        deletes: true,
        reactions: true,
        typing: true,
        receipts: true,
        // Only where the account is told to: what is promised must hold for all of them.
        deduplicates: false,
        width: WIDTH,
        pacing: Pacing::Person,
        limits: LIMITS.to_vec(),
        window: None,
    }
}

#[async_trait]
impl Channel for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn provider_url(&self) -> Option<&str> {
        Some(self.api.base_url())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect_steps(&self) -> Vec<ConnectStep> {
        let field = |name, label, help, secret| ConnectField { name, label, help, secret, required: false };
        vec![
            ConnectStep::Fields {
                fields: vec![
                    field(
                        "token",
                        "Token",
                        "Anything that begins with sandbox-auto-, or a token registered with the sandbox's control API",
                        true,
                    ),
                    field(
                        "mode",
                        "Mode",
                        "`session` for a device that is paired; then there is no token",
                        false,
                    ),
                    field("phone", "Phone", "In mode `session`: the number that a code is typed into", false),
                ],
            },
            ConnectStep::ScanQr { label: "In mode `session`: scan the code with the sandbox's control API" },
            ConnectStep::EnterCode { label: "In mode `session`, with a phone: type the code into it" },
        ]
    }

    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let token = credentials.get("token");
        let account = self.api.post(token, "/v1/accounts/verify", &json!({})).await?;
        let webhook = self.api.post(token, "/v1/webhook", &json!({"url": webhook_url})).await?;
        let mut credentials = credentials.clone();
        if let Some(secret) = webhook["secret"].as_str() {
            credentials = credentials.with("webhook_secret", secret);
        }
        Ok(Connected {
            external_id: api::text(&account, "id")?,
            name: account["name"].as_str().map(str::to_owned),
            credentials,
            settings: settings.clone(),
        })
    }

    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let file = match (message.content.media(), &message.file) {
            (Some(media), Some(bytes)) => {
                let mime = media.mime.as_deref().unwrap_or("application/octet-stream");
                Some(self.api.upload(bearer(login), mime, bytes.clone()).await?)
            }
            (Some(media), None) => media.provider_ref.clone(),
            (None, _) => None,
        };
        let body = json!({
            "client_id": message.message_id,
            "chat": message.chat,
            "thread": message.thread,
            "reply_to": message.reply_to,
            "content": content::outgoing(&message.content, file)?,
        });
        let answer = self.ask(login, What::Send, None, &body).await?;
        Ok(Accepted { provider_id: api::text(&answer, "id")?, moved_to: None })
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        let secret = login.credentials.get("webhook_secret");
        let given = request
            .header("x-sandbox-signature")
            .and_then(|value| value.strip_prefix("sha256="))
            .ok_or(WebhookError::Signature)?;
        // An empty key is one that anybody can sign with.
        if secret.is_empty() || !secrets_match(&hmac_sha256_hex(secret.as_bytes(), &[request.body]), given) {
            return Err(WebhookError::Signature);
        }
        let body = serde_json::from_slice(request.body).map_err(|_| WebhookError::Malformed("sandbox"))?;
        Ok(WebhookResponse {
            events: event::split(body).ok_or(WebhookError::Malformed("sandbox"))?,
            answer: None,
        })
    }

    fn parse(&self, _account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        event::parse(payload).map(|inbound| vec![inbound])
    }

    fn typist(&self) -> Option<&dyn Typist> {
        Some(self)
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

    fn poller(&self) -> Option<&dyn Poller> {
        Some(self)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self)
    }
}

/// How long a poll waits for events.
const POLL: Duration = Duration::from_secs(25);
