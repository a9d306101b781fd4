//! Apps of Slack: their secrets, the page on which a workspace lets one in, and tokens that end.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use channel::{
    Apps, ChannelError, ConnectField, Connected, Credentials, Login, OAuth, Refresher, WebhookError,
    WebhookRequest, WebhookResponse,
};
use model::Timestamp;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::Call;
use super::{
    APP_ID, BOT_ID, BOT_TOKEN, BOT_USER, CLIENT_ID, CLIENT_SECRET, EXPIRES_AT, NAME, REFRESH_TOKEN,
    SIGNING_SECRET, Slack, receive,
};

/// What the app asks for: to write, to read what is written to it, reactions, files, its own mark of what was read.
pub(super) const SCOPES: &[&str] = &[
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "channels:write",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:write",
    "im:history",
    "im:write",
    "mpim:history",
    "mpim:write",
    "reactions:read",
    "reactions:write",
    "users:read",
];

/// A token that ends lasts twelve hours; it is renewed this long before.
const RENEW_BEFORE: Duration = Duration::from_hours(2);

/// The answer of `auth.test`.
#[derive(Deserialize)]
struct Identity {
    team: Option<String>,
    team_id: Option<String>,
    enterprise_id: Option<String>,
    #[serde(default)]
    is_enterprise_install: bool,
    user_id: Option<String>,
    bot_id: Option<String>,
    app_id: Option<String>,
}

#[derive(Deserialize)]
struct BotInfo {
    bot: Bot,
}

#[derive(Deserialize)]
struct Bot {
    app_id: Option<String>,
}

/// The answer of `oauth.v2.access`.
#[derive(Deserialize)]
struct Granted {
    /// Missing where only a person's token was asked for.
    access_token: Option<String>,
    refresh_token: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
    app_id: Option<String>,
}

impl Slack {
    /// Who a token belongs to, with everything that parsing needs to know noted in the settings.
    pub(super) async fn identify(
        &self,
        credentials: &Credentials,
        settings: &Value,
    ) -> Result<Connected, ChannelError> {
        let call = Call::new("auth.test");
        let (me, scopes): (Identity, _) = self.api.call_with_scopes(credentials, call).await?;
        let (Some(user), Some(bot)) = (&me.user_id, &me.bot_id) else {
            return Err(ChannelError::permanent(
                "not_a_bot",
                "the token is a person's: give the bot's, xoxb-…",
            ));
        };
        let workspace = if me.is_enterprise_install { &me.enterprise_id } else { &me.team_id };
        let workspace = workspace.as_ref().or(me.team_id.as_ref()).ok_or_else(|| {
            ChannelError::permanent("unreadable", "Slack does not tell the token's workspace")
        })?;
        let mut settings = settings.as_object().cloned().unwrap_or_else(Map::new);
        let known = settings.get(APP_ID).and_then(Value::as_str).filter(|id| !id.is_empty());
        let app = match me.app_id.as_deref().or(known) {
            Some(app) => app.to_owned(),
            None => self.app_of(credentials, bot).await?,
        };
        settings.insert(BOT_USER.to_owned(), user.as_str().into());
        settings.insert(BOT_ID.to_owned(), bot.as_str().into());
        if !scopes.is_empty() {
            settings.insert("scopes".to_owned(), scopes.into());
        }
        let external_id = receive::external_id(workspace, &app);
        settings.insert(APP_ID.to_owned(), app.into());
        Ok(Connected {
            external_id,
            name: me.team.filter(|name| !name.is_empty()),
            credentials: credentials.clone(),
            settings: Value::Object(settings),
        })
    }

    /// The app that a bot belongs to.
    async fn app_of(&self, credentials: &Credentials, bot: &str) -> Result<String, ChannelError> {
        let info: Result<BotInfo, _> =
            self.api.call(credentials, Call::form("bots.info").with("bot", bot)).await;
        let unknown = || {
            let message =
                "Slack does not tell which app the token is of: give the App ID, or the scope users:read";
            ChannelError::permanent("app_unknown", message)
        };
        match info {
            Ok(info) => info.bot.app_id.filter(|id| !id.is_empty()).ok_or_else(unknown),
            Err(error) if error.class == channel::ErrorClass::Permanent => Err(unknown()),
            Err(error) => Err(error),
        }
    }

    async fn grant(&self, app: &Credentials, call: Call) -> Result<Granted, ChannelError> {
        let call = call.with(CLIENT_ID_ARGUMENT, needed(app, CLIENT_ID)?);
        let call = call.with("client_secret", needed(app, CLIENT_SECRET)?);
        self.api.call_unproved(call).await
    }

    /// `credentials` with what was granted.
    fn granted(&self, credentials: Credentials, granted: &Granted) -> Result<Credentials, ChannelError> {
        let token = granted.access_token.as_deref().ok_or_else(|| {
            ChannelError::permanent(
                "no_bot_token",
                "Slack granted no bot token: does the app have a bot user?",
            )
        })?;
        let mut credentials = credentials.with(BOT_TOKEN, token);
        if let Some(refresh) = &granted.refresh_token {
            credentials = credentials.with(REFRESH_TOKEN, refresh);
        }
        if let Some(seconds) = granted.expires_in {
            let ends = self.clock.now() + Duration::from_secs(seconds);
            credentials = credentials.with(EXPIRES_AT, (ends.as_micros() / 1_000_000).to_string());
        }
        Ok(credentials)
    }
}

const CLIENT_ID_ARGUMENT: &str = "client_id";

/// A secret of the app, or which one it lacks.
fn needed<'a>(app: &'a Credentials, name: &str) -> Result<&'a str, ChannelError> {
    Some(app.get(name))
        .filter(|secret| !secret.is_empty())
        .ok_or_else(|| ChannelError::permanent("app_incomplete", format!("the app has no {name}")))
}

impl Apps for Slack {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn fields(&self) -> Vec<ConnectField> {
        // The client id is no secret, but only secrets go into credentials.
        let field = |name, label, help| ConnectField { name, label, help, secret: true, required: true };
        vec![
            field(
                CLIENT_ID,
                "Client ID",
                "On the app's page at api.slack.com/apps, under Basic Information.",
            ),
            field(CLIENT_SECRET, "Client secret", "Beside the client ID."),
            field(SIGNING_SECRET, "Signing secret", "Below the client secret: proves Slack's webhooks."),
        ]
    }

    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        receive::receive(app, self.clock.now(), request)
    }

    fn oauth(&self) -> Option<&dyn OAuth> {
        Some(self)
    }
}

#[async_trait]
impl OAuth for Slack {
    fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError> {
        let page = format!("{}/oauth/v2/authorize", self.api.base_url());
        let client = needed(app, CLIENT_ID)?;
        // So that nobody is led to a page that cannot be come back from.
        needed(app, CLIENT_SECRET)?;
        let scopes = SCOPES.join(",");
        let parameters = [
            (CLIENT_ID_ARGUMENT, client),
            ("scope", scopes.as_str()),
            ("redirect_uri", redirect),
            ("state", state),
        ];
        let url = Url::parse_with_params(&page, parameters)
            .map_err(|_| ChannelError::permanent("base_url", "Slack's address here is not a URL"))?;
        Ok(url.into())
    }

    async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError> {
        if let Some(word) = query.get("error") {
            return Err(ChannelError::permanent(word, format!("Slack came back with {word}")));
        }
        let code = query.get("code").filter(|code| !code.is_empty());
        let code =
            code.ok_or_else(|| ChannelError::permanent("no_code", "Slack came back without a code"))?;
        let call = Call::form("oauth.v2.access").with("code", code.as_str()).with("redirect_uri", redirect);
        let granted = self.grant(app, call).await?;
        let credentials = self.granted(Credentials::default(), &granted)?;
        let mut settings = Map::new();
        if let Some(app) = &granted.app_id {
            settings.insert(APP_ID.to_owned(), app.as_str().into());
        }
        Ok(vec![self.identify(&credentials, &Value::Object(settings)).await?])
    }
}

#[async_trait]
impl Refresher for Slack {
    fn refresh_at(&self, credentials: &Credentials) -> Option<Timestamp> {
        if credentials.get(REFRESH_TOKEN).is_empty() {
            return None;
        }
        let ends: i64 = credentials.get(EXPIRES_AT).parse().ok()?;
        Some(Timestamp::from_micros(ends.saturating_mul(1_000_000)) - RENEW_BEFORE)
    }

    async fn refresh(&self, login: &Login) -> Result<Credentials, ChannelError> {
        let call = Call::form("oauth.v2.access")
            .with("grant_type", "refresh_token")
            .with(REFRESH_TOKEN, needed(&login.credentials, REFRESH_TOKEN)?);
        let granted = self.grant(&login.credentials, call).await?;
        self.granted(login.credentials.clone(), &granted)
    }
}
