//! Instagram's messaging: a professional account is an account, the people who wrote to it are conversations.
//!
//! What it shares with Messenger is in `graph/messaging`. An account comes by one of two logins, which the setting `login`
//! names: `facebook`, through the page that it is tied to, whose token lasts; or `instagram`, by itself, at a host of its own
//! and with a token that is renewed each 60 days (`login.rs`). A text is measured in bytes. Who wrote within 24 hours may be
//! answered, by a person within 7 days, and nobody after that. Messages can be taken back by whoever wrote them.

pub(crate) mod limits;
mod login;

use std::collections::BTreeMap;

use async_trait::async_trait;
use channel::{
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected,
    ContentProblem, Credentials, Login, MediaFetcher, OAuth, Outgoing, ParseError, Reactor, Reader,
    Refresher, Typist, WebhookError, WebhookRequest, WebhookResponse,
};
use model::{Account, Content, Inbound, Timestamp};
use serde_json::Value;

use crate::AdaptersConfig;
use crate::graph::apps::{APP_SECRET, PROVIDER, fields};
use crate::graph::messaging::pages::{Page, credentials, nobody, with_page};
use crate::graph::messaging::{BY_INSTAGRAM, Dialect, LOGIN, Messaging, TOKEN, check};
use crate::graph::{VERIFY_TOKEN, refresh_at};
use login::{APP_INSTAGRAM_ID, APP_INSTAGRAM_SECRET, InstagramLogin};

const DIALECT: Dialect = Dialect {
    name: "instagram",
    object: "instagram",
    // Which of an app's two secrets signs is not documented.
    signers: &[APP_INSTAGRAM_SECRET],
    platform: Some("instagram"),
    typed: false,
    worded_reactions: false,
};
/// The account came by its page.
const BY_FACEBOOK: &str = "facebook";
/// What the page of Facebook's asks a person for.
const SCOPES: &[&str] =
    &["instagram_basic", "instagram_manage_messages", "pages_show_list", "pages_manage_metadata"];

/// The Instagram channel.
#[derive(Debug)]
pub struct Instagram {
    messaging: Messaging,
    login: InstagramLogin,
    capabilities: Capabilities,
}

impl Instagram {
    /// The channel, at Meta's own addresses or at the one that the configuration gives for all of them.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self {
            messaging: Messaging::new(config, &DIALECT),
            login: InstagramLogin::new(config, &DIALECT),
            capabilities: limits::capabilities(),
        }
    }

    async fn connect_by_page(
        &self,
        credentials: &Credentials,
        settings: &Value,
    ) -> Result<Connected, ChannelError> {
        let token = credentials.get(TOKEN);
        let page = self.messaging.page_of(token).await?;
        let connected = by_page(&page, credentials.clone(), settings).ok_or_else(|| {
            let message = "no professional account of Instagram is tied to this page";
            ChannelError::permanent("no_accounts", message)
        })?;
        self.messaging.subscribe_page(token, &page.id).await?;
        self.messaging.set_profile(token, &page.id, settings).await?;
        Ok(connected)
    }
}

/// The account that is tied to a page.
fn by_page(page: &Page, credentials: Credentials, settings: &Value) -> Option<Connected> {
    let account = page.instagram_business_account.as_ref()?;
    let mut settings = with_page(settings, &page.id);
    settings.insert(LOGIN.to_owned(), BY_FACEBOOK.into());
    Some(Connected {
        external_id: account.id.clone(),
        name: account.username.clone().or_else(|| page.name.clone()),
        credentials,
        settings: Value::Object(settings),
    })
}

fn form() -> Vec<ConnectField> {
    let field = |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
    vec![
        field(
            LOGIN,
            "Login",
            "`instagram` for a token of the account itself (Instagram Login), `facebook` for a token of its page.",
            false,
            false,
        ),
        field(
            TOKEN,
            "Access token",
            "developers.facebook.com, your app, Instagram, API setup: generate a token for the account or its page.",
            true,
            true,
        ),
        field(
            APP_SECRET,
            "App secret",
            "Your app, App settings, Basic. Not needed for an account of a registered app.",
            true,
            false,
        ),
        field(
            APP_INSTAGRAM_SECRET,
            "Instagram app secret",
            "Your app, Instagram, API setup with Instagram login. It may sign webhooks instead of the app secret.",
            true,
            false,
        ),
        field(
            VERIFY_TOKEN,
            "Verify token",
            "A word of your own choice; enter the same one beside the webhook's address in the app's page.",
            true,
            false,
        ),
    ]
}

#[async_trait]
impl Channel for Instagram {
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

    /// Subscribes the app to the account (or its page) and sets its profile. Where events go stands in the app's own
    /// settings: an app has one address for all its accounts, and no account another.
    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        _webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        // Entered in a form, it may come among the secrets.
        let setting = settings.get(LOGIN).and_then(Value::as_str);
        match setting.unwrap_or_else(|| credentials.get(LOGIN)) {
            BY_INSTAGRAM => self.login.connect(&self.messaging, credentials, settings).await,
            BY_FACEBOOK | "" => self.connect_by_page(credentials, settings).await,
            _ => Err(ChannelError::permanent(LOGIN, "`login` is either `facebook` or `instagram`")),
        }
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

    fn apps(&self) -> Option<&dyn Apps> {
        Some(self)
    }

    fn refresher(&self) -> Option<&dyn Refresher> {
        Some(self)
    }
}

#[async_trait]
impl Apps for Instagram {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    /// Beside those of all apps of Meta's: Instagram's own id and secret. With them, people let the app in by Instagram's
    /// page, else by Facebook's.
    fn fields(&self) -> Vec<ConnectField> {
        fields().into_iter().chain(login::app_fields()).collect()
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
impl OAuth for Instagram {
    fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError> {
        if app.get(APP_INSTAGRAM_ID).is_empty() {
            return self.messaging.graph.login_page(app, redirect, state, SCOPES);
        }
        self.login.page(app, redirect, state)
    }

    /// The account itself, or every account that is tied to a page that the person let the app in for. The app is told of
    /// what happens at one once it is connected.
    async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError> {
        if !app.get(APP_INSTAGRAM_ID).is_empty() {
            return self.login.finish(app, redirect, query).await.map(|connected| vec![connected]);
        }
        let pages = self.messaging.let_in(app, redirect, query).await?;
        let usable = pages.iter().filter(|page| page.access_token.is_some());
        let found: Vec<_> =
            usable.filter_map(|page| by_page(page, credentials(page), &Value::Null)).collect();
        if found.is_empty() { Err(nobody("page with an account of Instagram's")) } else { Ok(found) }
    }
}

#[async_trait]
impl Refresher for Instagram {
    fn refresh_at(&self, credentials: &Credentials) -> Option<Timestamp> {
        refresh_at(credentials)
    }

    /// A page's token lasts. An account's stays good beside the new one, so nothing is lost when that one is.
    async fn refresh(&self, login: &Login) -> Result<Credentials, ChannelError> {
        let by = login.account.settings.get(LOGIN).and_then(Value::as_str);
        if by != Some(BY_INSTAGRAM) {
            return Ok(login.credentials.clone());
        }
        self.login.renewed(&login.credentials).await
    }
}
