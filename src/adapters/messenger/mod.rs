//! Messenger: a Facebook page is an account, the people who wrote to it are conversations, known by ids of the page's own.
//!
//! What it shares with Instagram is in `graph/messaging`. What there is to know beside: who wrote within 24 hours may be
//! answered freely, by a person within 7 days, and by a utility template after that; the other tags are no more. Receipts
//! tell a time, not messages. What people may press beside a conversation (the menu, the button to get started, ice
//! breakers) is the setting `messenger_profile`.

pub(crate) mod limits;

use std::collections::BTreeMap;

use async_trait::async_trait;
use channel::{
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected,
    ContentProblem, Credentials, Login, MediaFetcher, OAuth, Outgoing, ParseError, ProviderTemplate, Reactor,
    Reader, TemplateSource, Typist, WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, Content, Inbound};
use serde::Deserialize;
use serde_json::Value;

use crate::AdaptersConfig;
use crate::graph::apps::{APP_SECRET, PROVIDER, fields};
use crate::graph::messaging::pages::{Page, credentials, nobody, with_page};
use crate::graph::messaging::{Dialect, Messaging, PAGE_ID, TOKEN, check, named};
use crate::graph::{Call, VERIFY_TOKEN};

const DIALECT: Dialect = Dialect {
    name: "messenger",
    object: "page",
    signers: &[],
    platform: None,
    typed: true,
    worded_reactions: true,
};
/// What the page of Meta asks a person for.
const SCOPES: &[&str] =
    &["pages_show_list", "pages_messaging", "pages_manage_metadata", "pages_utility_messaging"];

/// The Messenger channel.
#[derive(Debug)]
pub struct Messenger {
    messaging: Messaging,
    capabilities: Capabilities,
}

impl Messenger {
    /// The channel, at Meta's own address or at the one that the configuration gives.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self { messaging: Messaging::new(config, &DIALECT), capabilities: limits::capabilities() }
    }
}

fn connected(page: &Page, credentials: Credentials, settings: &Value) -> Connected {
    Connected {
        external_id: page.id.clone(),
        name: page.name.clone(),
        credentials,
        settings: Value::Object(with_page(settings, &page.id)),
    }
}

fn form() -> Vec<ConnectField> {
    let field = |name, label, help, required| ConnectField { name, label, help, secret: true, required };
    vec![
        field(
            TOKEN,
            "Page access token",
            "developers.facebook.com, your app, Messenger, Settings: generate a token for the page.",
            true,
        ),
        field(
            APP_SECRET,
            "App secret",
            "Your app, App settings, Basic. Not needed for an account of a registered app.",
            false,
        ),
        field(
            VERIFY_TOKEN,
            "Verify token",
            "A word of your own choice; enter the same one beside the webhook's address in the app's page.",
            false,
        ),
    ]
}

#[async_trait]
impl Channel for Messenger {
    fn name(&self) -> &'static str {
        DIALECT.name
    }

    fn provider_url(&self) -> Option<&str> {
        Some(self.messaging.graph.base_url())
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect_steps(&self) -> Vec<ConnectStep> {
        vec![ConnectStep::Fields { fields: form() }]
    }

    /// Subscribes the app to the page and sets its profile. Where events go stands in the app's own settings: an app has one
    /// address for all its pages, and no page another.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        _webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let token = credentials.get(TOKEN);
        let page = self.messaging.page_of(token).await?;
        let meant = settings.get(PAGE_ID).and_then(Value::as_str);
        if meant.is_some_and(|meant| meant != page.id) {
            return Err(ChannelError::permanent(PAGE_ID, "the token is for another page"));
        }
        self.messaging.subscribe_page(token, &page.id).await?;
        self.messaging.set_profile(token, &page.id, settings).await?;
        Ok(connected(&page, credentials.clone(), settings))
    }

    fn check(&self, content: &Content) -> Result<(), ContentProblem> {
        check(&self.capabilities, content)
    }

    async fn send(&self, login: &Login, message: &Outgoing) -> Result<Accepted, ChannelError> {
        self.messaging.send(login, message).await
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        self.messaging.receive(login, request)
    }

    fn parse(&self, account: &Account, payload: &Value) -> Result<Vec<Inbound>, ParseError> {
        self.messaging.parse(account, payload)
    }

    fn typist(&self) -> Option<&dyn Typist> {
        Some(&self.messaging)
    }

    fn reader(&self) -> Option<&dyn Reader> {
        Some(&self.messaging)
    }

    fn reactor(&self) -> Option<&dyn Reactor> {
        Some(&self.messaging)
    }

    fn media_fetcher(&self) -> Option<&dyn MediaFetcher> {
        Some(&self.messaging)
    }

    fn templates(&self) -> Option<&dyn TemplateSource> {
        Some(self)
    }

    fn apps(&self) -> Option<&dyn Apps> {
        Some(self)
    }
}

#[async_trait]
impl Apps for Messenger {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn fields(&self) -> Vec<ConnectField> {
        fields()
    }

    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        self.messaging.receive_for(app, request)
    }

    fn oauth(&self) -> Option<&dyn OAuth> {
        Some(self)
    }
}

#[async_trait]
impl OAuth for Messenger {
    fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError> {
        self.messaging.graph.login_page(app, redirect, state, SCOPES)
    }

    /// Every page that the person let the app in for. The app is told of what happens at one once it is connected.
    async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError> {
        let pages = self.messaging.let_in(app, redirect, query).await?;
        let usable = pages.iter().filter(|page| page.access_token.is_some());
        let found: Vec<_> = usable.map(|page| connected(page, credentials(page), &Value::Null)).collect();
        if found.is_empty() { Err(nobody("page")) } else { Ok(found) }
    }
}

/// A template as Meta lists it.
#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    components: Value,
}

#[async_trait]
impl TemplateSource for Messenger {
    async fn templates(&self, login: &Login) -> Result<Vec<ProviderTemplate>, ChannelError> {
        let page = login.account.external_id.as_deref().unwrap_or_default();
        let call = Call::get([page, "message_templates"]).query("limit", "100");
        let listed: Vec<Listed> =
            self.messaging.graph.list(login.credentials.get(TOKEN), call).await.map_err(named)?;
        Ok(listed
            .into_iter()
            .map(|Listed { name, language, status, category, components }| ProviderTemplate {
                name,
                language,
                status,
                category,
                components,
            })
            .collect())
    }
}
