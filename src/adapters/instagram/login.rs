//! Instagram's own login: an account lets an app in by itself, with a token of 60 days that is renewed before it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use channel::{ChannelError, ConnectField, Connected, Credentials, ErrorClass};
use model::{Clock, Timestamp};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::AdaptersConfig;
use crate::graph::messaging::{BY_INSTAGRAM, Dialect, LOGIN, Messaging, TOKEN};
use crate::graph::{Call, Graph, TokenInfo, code, refresh_at};

/// The app's id at Instagram, which is another one than Facebook's.
pub(super) const APP_INSTAGRAM_ID: &str = "app_instagram_id";
/// Its secret there: exchanges tokens, and may sign webhooks.
pub(super) const APP_INSTAGRAM_SECRET: &str = "app_instagram_secret";
/// Where a code is turned into a token.
const API_URL: &str = "https://api.instagram.com";
/// Where a person lets the app in.
const PAGE_URL: &str = "https://www.instagram.com";
const SCOPES: &str = "instagram_business_basic,instagram_business_manage_messages";
/// What the app is told of: certain to be known by these names.
const EVENTS: &str = "messages,messaging_postbacks,messaging_seen,message_reactions";
/// What else there is: Meta's pages spell some of it differently, and may refuse it.
const MORE_EVENTS: &str = "messaging_referral,messaging_optins,message_edit,messaging_handover,standby";
/// How long a token lasts at most.
const LONGEST: i64 = 60 * 24 * 3600;

/// Speaks to Instagram's three hosts.
#[derive(Debug)]
pub(super) struct InstagramLogin {
    api: Graph,
    clock: Arc<dyn Clock>,
    graph: Graph,
    page_url: String,
}

#[derive(Deserialize)]
struct Short {
    access_token: String,
}

/// Meta's pages show the answer to a code in either form.
#[derive(Deserialize)]
#[serde(untagged)]
enum ForCode {
    Listed { data: Vec<Short> },
    Plain(Short),
}

#[derive(Deserialize)]
struct Long {
    access_token: String,
    expires_in: Option<i64>,
}

/// The account that a token speaks for.
#[derive(Deserialize)]
struct Me {
    user_id: Value,
    username: Option<String>,
}

impl InstagramLogin {
    pub fn new(config: &AdaptersConfig, dialect: &'static Dialect) -> Self {
        let messaging = Messaging::new(config, dialect);
        let at = |url| Graph::at(config, dialect.name, url, |_| None);
        Self {
            api: at(API_URL),
            clock: messaging.clock,
            graph: messaging.instagram,
            page_url: at(PAGE_URL).base_url().to_owned(),
        }
    }

    /// The page on which an account lets the app in.
    pub fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError> {
        let mut page = Url::parse(&format!("{}/oauth/authorize", self.page_url))
            .map_err(|_| ChannelError::permanent("invalid_request", "the page's address is not a URL"))?;
        page.query_pairs_mut()
            .append_pair("client_id", secret(app, APP_INSTAGRAM_ID)?)
            .append_pair("redirect_uri", redirect)
            .append_pair("response_type", "code")
            .append_pair("scope", SCOPES)
            .append_pair("state", state);
        Ok(page.into())
    }

    /// The account that came back from the page.
    pub async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Connected, ChannelError> {
        // Instagram has been seen to write a fragment behind the code.
        let code = code(query)?.trim_end_matches("#_");
        let fields = vec![
            ("client_id", secret(app, APP_INSTAGRAM_ID)?.to_owned()),
            ("client_secret", secret(app, APP_INSTAGRAM_SECRET)?.to_owned()),
            ("grant_type", "authorization_code".to_owned()),
            ("redirect_uri", redirect.to_owned()),
            ("code", code.to_owned()),
        ];
        // A code is good once.
        let call = Call::post(["oauth", "access_token"]).unversioned().fields(fields).once();
        let short = match self.api.call("", call).await? {
            ForCode::Plain(short) => Some(short),
            ForCode::Listed { data } => data.into_iter().next(),
        };
        let short = short
            .ok_or_else(|| ChannelError::permanent("no_token", "Instagram gave no token for the code"))?;
        let call = Call::get(["access_token"])
            .unversioned()
            .query("grant_type", "ig_exchange_token")
            .query("client_secret", secret(app, APP_INSTAGRAM_SECRET)?)
            .query("access_token", short.access_token);
        let long: Long = self.graph.call("", call).await?;
        let credentials = self.noted(Credentials::default(), long);
        let me = self.me(credentials.get(TOKEN)).await?;
        Ok(connected(me, credentials, &Value::Null))
    }

    /// Connects an account by its token. One whose end is not known is renewed, to know it.
    pub async fn connect(
        &self,
        messaging: &Messaging,
        credentials: &Credentials,
        settings: &Value,
    ) -> Result<Connected, ChannelError> {
        let me = self.me(credentials.get(TOKEN)).await?;
        let credentials = match refresh_at(credentials) {
            Some(_) => credentials.clone(),
            None => match self.renewed(credentials).await {
                Ok(renewed) => renewed,
                // Too young to be renewed: then it has all its time before it.
                Err(error) if error.class == ErrorClass::Permanent => {
                    self.with_end(credentials.clone(), LONGEST)
                }
                Err(error) => return Err(error),
            },
        };
        self.subscribe(credentials.get(TOKEN)).await?;
        messaging.set_own_profile(credentials.get(TOKEN), settings).await?;
        Ok(connected(me, credentials, settings))
    }

    /// The credentials with a fresh token in them.
    pub async fn renewed(&self, credentials: &Credentials) -> Result<Credentials, ChannelError> {
        let call = Call::get(["refresh_access_token"])
            .unversioned()
            .query("grant_type", "ig_refresh_token")
            .query("access_token", credentials.get(TOKEN));
        let long: Long = self.graph.call("", call).await?;
        Ok(self.noted(credentials.clone(), long))
    }

    async fn me(&self, token: &str) -> Result<Me, ChannelError> {
        self.graph.call(token, Call::get(["me"]).query("fields", "user_id,username")).await
    }

    async fn subscribe(&self, token: &str) -> Result<(), ChannelError> {
        let call = |events: String| Call::post(["me", "subscribed_apps"]).query("subscribed_fields", events);
        let all = call(format!("{EVENTS},{MORE_EVENTS}"));
        match self.graph.call::<Value>(token, all).await {
            Err(error) if error.class == ErrorClass::Permanent => {
                tracing::warn!(%error, "Instagram takes not all events by the names that its pages give");
                self.graph.call::<Value>(token, call(EVENTS.to_owned())).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    fn noted(&self, credentials: Credentials, long: Long) -> Credentials {
        let lasting = long.expires_in.unwrap_or(LONGEST);
        self.with_end(credentials.with(TOKEN, long.access_token), lasting)
    }

    fn with_end(&self, credentials: Credentials, lasting: i64) -> Credentials {
        let now = self.clock.now().since(Timestamp::ZERO).as_secs();
        let end = i64::try_from(now).unwrap_or(i64::MAX).saturating_add(lasting);
        TokenInfo::until(end).note_end(credentials)
    }
}

/// What a person enters to register an app at Instagram.
pub(super) fn app_fields() -> Vec<ConnectField> {
    let field = |name, label, help, secret| ConnectField { name, label, help, secret, required: false };
    vec![
        field(
            APP_INSTAGRAM_ID,
            "Instagram app ID",
            "Your app, Instagram, API setup with Instagram login. With it, people connect on Instagram's own page.",
            false,
        ),
        field(APP_INSTAGRAM_SECRET, "Instagram app secret", "On the same page, behind Show.", true),
    ]
}

fn connected(me: Me, credentials: Credentials, settings: &Value) -> Connected {
    let mut settings = settings.as_object().cloned().unwrap_or_default();
    settings.insert(LOGIN.to_owned(), BY_INSTAGRAM.into());
    Connected {
        // Written as a number in some answers.
        external_id: me.user_id.as_str().map_or_else(|| me.user_id.to_string(), str::to_owned),
        name: me.username,
        credentials,
        settings: Value::Object(settings),
    }
}

fn secret<'a>(app: &'a Credentials, name: &str) -> Result<&'a str, ChannelError> {
    match app.get(name) {
        "" => Err(ChannelError::permanent("app", format!("the app lacks `{name}`"))),
        secret => Ok(secret),
    }
}
