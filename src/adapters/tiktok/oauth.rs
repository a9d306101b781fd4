//! The app, the page on which a seller lets it in, and the tokens that come of it.
//!
//! An access token lasts about a week. Renewing it takes both tokens back and gives new ones, so whoever asks keeps the
//! answer at once. One seller's tokens serve all of their shops: shops that were let in together share them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use channel::{
    Apps, ChannelError, ConnectField, Connected, Credentials, ErrorClass, Login, OAuth, Refresher,
    WebhookError, WebhookRequest, WebhookResponse,
};
use model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connect::connected;
use super::{
    ACCESS_TOKEN, ACCESS_TOKEN_ENDS, APP_KEY, APP_MARKET, APP_SECRET, APP_SERVICE_ID, NAME, REFRESH_TOKEN,
    REFRESH_TOKEN_ENDS, TikTok, number, webhook,
};

/// The page for sellers everywhere but in the United States.
const PAGE: &str = "https://services.tiktokshop.com/open/authorize";
/// The page for sellers there.
const US_PAGE: &str = "https://services.us.tiktokshop.com/open/authorize";
/// Tokens are renewed so long before they end: a day of an outage, of ours or theirs, costs nothing.
const AHEAD: i64 = 24 * 60 * 60;
/// A smaller "expire in" is a number of seconds rather than a time (2001).
const LEAST_TIME: i64 = 1_000_000_000;

/// What both calls for tokens answer.
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    /// In spite of their name, these two are times.
    #[serde(default)]
    access_token_expire_in: Value,
    #[serde(default)]
    refresh_token_expire_in: Value,
    seller_name: Option<String>,
    open_id: Option<String>,
}

impl Tokens {
    /// Credentials with these tokens in place of those before.
    fn replace(&self, credentials: Credentials, now: i64) -> Credentials {
        let ends = |told: &Value| match number(told) {
            Some(seconds) if seconds < LEAST_TIME => {
                tracing::warn!(seconds, "TikTok told a token's end as a number of seconds");
                now.saturating_add(seconds).to_string()
            }
            Some(time) => time.to_string(),
            None => String::new(),
        };
        credentials
            .with(ACCESS_TOKEN, self.access_token.as_str())
            .with(REFRESH_TOKEN, self.refresh_token.as_str())
            .with(ACCESS_TOKEN_ENDS, ends(&self.access_token_expire_in))
            .with(REFRESH_TOKEN_ENDS, ends(&self.refresh_token_expire_in))
    }
}

#[async_trait]
impl Apps for TikTok {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn fields(&self) -> Vec<ConnectField> {
        let field =
            |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
        vec![
            field(APP_KEY, "App key", "Partner Center, App & Service, your app.", true, true),
            field(APP_SECRET, "App secret", "It stands beside the app key.", true, true),
            field(
                APP_SERVICE_ID,
                "Service ID",
                "It stands in the authorization link that Partner Center shows for the app. Needed for sellers to connect on a page.",
                true,
                false,
            ),
            field(
                APP_MARKET,
                "Market",
                "`us` if the app's sellers are in the United States; else leave it empty.",
                true,
                false,
            ),
        ]
    }

    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        webhook::receive(app, request, true)
    }

    fn oauth(&self) -> Option<&dyn OAuth> {
        Some(self)
    }
}

#[async_trait]
impl OAuth for TikTok {
    /// TikTok knows `redirect` from the app's settings and takes no other.
    fn page(&self, app: &Credentials, _redirect: &str, state: &str) -> Result<String, ChannelError> {
        let missing = |name| {
            let message = format!("the app has no {name}: without it there is no page for sellers to open");
            Err(ChannelError::permanent("app", message))
        };
        let service = app.get(APP_SERVICE_ID).trim();
        if service.is_empty() {
            return missing(APP_SERVICE_ID);
        }
        if !service.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(ChannelError::permanent("app", format!("{APP_SERVICE_ID} is not a service's id")));
        }
        if let Some(name) = [APP_KEY, APP_SECRET].into_iter().find(|name| app.get(name).is_empty()) {
            return missing(name);
        }
        let page = match app.get(APP_MARKET).trim() {
            "us" | "US" => US_PAGE,
            _ => PAGE,
        };
        let state = query_safe(state);
        Ok(format!("{page}?service_id={service}&state={state}"))
    }

    async fn finish(
        &self,
        app: &Credentials,
        _redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError> {
        let code = query.get("code").map(String::as_str).unwrap_or_default();
        if code.is_empty() {
            let message = "TikTok sent the seller back without a code: they did not let the app in";
            return Err(ChannelError::permanent("denied", message));
        }
        let asked = [("auth_code", code), ("grant_type", "authorized_code")];
        let tokens: Tokens =
            self.api.tokens(app, "get", &asked).await.map_err(|error| match error.class {
                // A code is good for once and half an hour; with no answer to it, only a new one helps.
                ErrorClass::Ambiguous => ChannelError { class: ErrorClass::Permanent, ..error },
                _ => error,
            })?;
        // The app's own secrets are needed for the calls and stay with the app.
        let own = tokens.replace(Credentials::default(), self.api.now());
        let login = [APP_KEY, APP_SECRET]
            .into_iter()
            .fold(own.clone(), |login, name| login.with(name, app.get(name)));
        let shops = self.shops(&login).await?;
        if shops.is_empty() {
            return Err(ChannelError::permanent("no_shop", "the seller let the app into no shop"));
        }
        let connected = shops.into_iter().map(|shop| {
            let settings = json!({ "seller": tokens.seller_name, "seller_id": tokens.open_id });
            connected(&shop, own.clone(), &settings)
        });
        Ok(connected.collect())
    }
}

#[async_trait]
impl Refresher for TikTok {
    /// A day before the first of the two tokens ends; at once where nobody knows when (tokens that a person entered); never
    /// without a token to renew by.
    fn refresh_at(&self, credentials: &Credentials) -> Option<Timestamp> {
        if credentials.get(REFRESH_TOKEN).is_empty() {
            return None;
        }
        let end = |name| credentials.get(name).parse::<i64>().ok();
        let Some(access) = end(ACCESS_TOKEN_ENDS) else { return Some(Timestamp::ZERO) };
        let first = end(REFRESH_TOKEN_ENDS).map_or(access, |refresh| refresh.min(access));
        Some(Timestamp::from_micros(first.saturating_sub(AHEAD).max(0).saturating_mul(1_000_000)))
    }

    async fn refresh(&self, login: &Login) -> Result<Credentials, ChannelError> {
        let credentials = &login.credentials;
        let asked = [("refresh_token", credentials.get(REFRESH_TOKEN)), ("grant_type", "refresh_token")];
        let tokens: Tokens =
            self.api.tokens(credentials, "refresh", &asked).await.map_err(|error| match error.class {
                // Whatever it says, these tokens bring no others any more.
                ErrorClass::Permanent => {
                    let class = ErrorClass::AccountStopped { reason: "token_revoked", lasting: None };
                    ChannelError { class, ..error }
                }
                _ => error,
            })?;
        Ok(tokens.replace(credentials.clone(), self.api.now()))
    }
}

/// `text` as a value in a URL's query.
fn query_safe(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |safe, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            safe + &char::from(byte).to_string()
        } else {
            format!("{safe}%{byte:02X}")
        }
    })
}
