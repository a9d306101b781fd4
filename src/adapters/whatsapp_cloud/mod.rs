//! WhatsApp, through Meta's Cloud API: a phone number is an account, its people (and groups) are conversations.
//!
//! What there is to know of the provider: who wrote within 24 hours may be answered freely, everybody else only by a
//! template; an error may come in the answer, in a receipt, or in both; a person may hide the phone number, and is then
//! known by an id of the business's own (BSUID). There is no editing or deleting of what was sent, and no id of ours by
//! which a repeated call would be known, so a call whose answer was lost stays in doubt.
//!
//! Webhooks come for a whole app: each message and receipt is an event of its own (`hook.rs` has the keys), routed by the
//! number's id. What Meta says of a WhatsApp Business Account as a whole concerns each of its numbers.

mod abilities;
mod address;
mod apps;
mod connect;
mod content;
mod error;
mod hook;
mod interactive;
pub(crate) mod limits;
mod markup;
mod media;
mod notices;
mod parse;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use channel::{
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectStep, Connected, ContentProblem, Credentials,
    Login, MediaFetcher, Outgoing, ParseError, Reactor, Reader, Refresher, TemplateSource, Typist,
    WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, Content, Format, Ids, Inbound, InboundKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::AdaptersConfig;
use crate::graph::{Call, Graph};
use abilities::LastReceived;

/// The channel's name.
const NAME: &str = "whatsapp_cloud";
/// The account's token among the credentials.
const TOKEN: &str = "access_token";
/// The number's id at Meta, among the settings; the account's id as well.
const NUMBER_ID: &str = "phone_number_id";
/// The id of its WhatsApp Business Account, among the settings.
const WABA_ID: &str = "waba_id";
/// The number as people dial it, among the settings.
const DISPLAY_PHONE: &str = "display_phone_number";
/// How long Meta may take to look at a link before it answers.
const LINK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Most address cards in a message.
const CARDS: usize = 257;

/// The WhatsApp Cloud channel.
#[derive(Debug)]
pub struct WhatsAppCloud {
    graph: Graph,
    ids: Arc<Ids>,
    capabilities: Capabilities,
    last_received: LastReceived,
}

/// The answer to a message.
#[derive(Deserialize)]
struct Sent {
    #[serde(default)]
    contacts: Vec<SentTo>,
    messages: Vec<SentMessage>,
}

#[derive(Deserialize)]
struct SentTo {
    wa_id: Option<String>,
}

#[derive(Deserialize)]
struct SentMessage {
    id: String,
}

impl WhatsAppCloud {
    /// The channel, at Meta's own address or at the one that the configuration gives.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self {
            graph: Graph::new(config, NAME, error::classify),
            ids: Arc::clone(&config.ids),
            capabilities: limits::capabilities(),
            last_received: LastReceived::default(),
        }
    }

    async fn call<T: DeserializeOwned>(&self, login: &Login, call: Call) -> Result<T, ChannelError> {
        self.graph.call(login.credentials.get(TOKEN), call).await.map_err(error::named)
    }
}

/// The number's id at Meta.
fn number(login: &Login) -> Result<&str, ChannelError> {
    let id = login.account.external_id.as_deref().filter(|id| !id.is_empty());
    id.ok_or_else(|| ChannelError::permanent(NUMBER_ID, "the account has no phone number's id"))
}

#[async_trait]
impl Channel for WhatsAppCloud {
    fn name(&self) -> &'static str {
        NAME
    }

    fn provider_url(&self) -> Option<&str> {
        Some(self.graph.base_url())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect_steps(&self) -> Vec<ConnectStep> {
        vec![ConnectStep::Fields { fields: connect::form() }]
    }

    /// Subscribes the account's app to its business, where that is told. With a `webhook_url`, and without an app that has
    /// an address of its own, has Meta tell this number's events there.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        self.connect_number(credentials, settings, webhook_url).await
    }

    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        self.capabilities.check(content)?;
        let problem = |field: &str, code, message: &str| {
            Err(ContentProblem { field: field.to_owned(), code, message: message.to_owned() })
        };
        match content {
            Content::Text { text, format: format @ Format::Markdown, .. } => {
                // WhatsApp counts the marks, too, and a link's address.
                let length = self.capabilities.text_unit.length(&markup::write(text, *format));
                if length > self.capabilities.text_max {
                    let message = format!(
                        "{length} with its marks is over the limit of {}",
                        self.capabilities.text_max
                    );
                    return problem("text", "too_long", &message);
                }
            }
            Content::Contacts { contacts } => {
                if contacts.is_empty() || contacts.len() > CARDS {
                    return problem("contacts", "out_of_range", "WhatsApp takes 1 to 257 address cards");
                }
                if contacts.iter().any(|card| card.name.trim().is_empty()) {
                    return problem("contacts.name", "empty", "each address card needs a name");
                }
            }
            Content::ProviderTemplate { name, language, .. } => {
                for (field, text) in [("name", name), ("language", language)] {
                    if text.trim().is_empty() {
                        return problem(field, "empty", "a template has a name and a language");
                    }
                }
            }
            Content::Native { body, .. } => send::check_native(body)?,
            _ => {}
        }
        interactive::check(content)
    }

    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        let uploaded = match &message.file {
            Some(bytes) => Some(self.upload(login, &message.content, bytes).await?),
            None => None,
        };
        let body = send::body(message, uploaded.as_deref())?;
        let call = Call::post([number(login)?, "messages"]).json(body).once().patient(LINK_PATIENCE);
        let sent: Sent = self.call(login, call).await?;
        let id = sent.messages.into_iter().next().map(|message| message.id);
        let provider_id = id.ok_or_else(|| {
            ChannelError::ambiguous("unreadable", "Meta said yes, but not which message it became")
        })?;
        let wa_id = sent.contacts.first().and_then(|contact| contact.wa_id.as_deref());
        Ok(Accepted { provider_id, moved_to: address::moved(&message.chat, wa_id) })
    }

    /// Events of this account carry no id; those of another number of the same app carry that one's.
    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        let mut response = hook::receive(&login.credentials, request)?;
        let own = login.account.external_id.as_deref();
        let business = login.account.settings.get(WABA_ID).and_then(Value::as_str).map(hook::business);
        for event in &mut response.events {
            let meant = event.account.as_deref();
            // Without its business's id, what concerns a business is taken for its own.
            let of_business = meant.is_some_and(|meant| meant.starts_with("waba:"))
                && (business.is_none() || meant == business.as_deref());
            if meant == own || of_business {
                event.account = None;
            }
        }
        Ok(response)
    }

    fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        let parsed = parse::change(account, payload)?;
        for inbound in &parsed {
            if let InboundKind::Message { provider_id, echo: false, .. } = &inbound.kind {
                self.last_received.note(account.id, &inbound.chat, provider_id);
            }
        }
        Ok(parsed)
    }

    fn typist(&self) -> Option<&dyn Typist> {
        Some(self)
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(self)
    }

    fn reactor(&self) -> Option<&dyn Reactor> {
        Some(self)
    }

    fn media_fetcher(&self) -> Option<&dyn MediaFetcher> {
        Some(self)
    }

    fn templates(&self) -> Option<&dyn TemplateSource> {
        Some(self)
    }

    fn apps(&self) -> Option<&dyn Apps> {
        Some(self)
    }

    fn refresher(&self) -> Option<&dyn Refresher> {
        Some(self)
    }
}
