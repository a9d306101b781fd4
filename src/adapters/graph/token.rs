//! Tokens: got for a code, made long-lived, renewed, asked about.

use std::collections::BTreeMap;
use std::time::Duration;

use channel::{ChannelError, Credentials};
use model::Timestamp;
use reqwest::Url;
use serde::Deserialize;

use super::apps::{APP_CONFIG_ID, APP_ID, APP_SECRET, app_token};
use super::{Call, Graph, VERSION};

/// When the account's token ends, among the credentials: seconds since 1970. Not there: it lasts.
const EXPIRES_AT: &str = "token_expires_at";
/// How long before its end a token is renewed: a week of failing attempts is room enough, and Meta renews tokens that are
/// a day old.
const RENEW_BEFORE: Duration = Duration::from_hours(7 * 24);
/// The page on which a person lets an app in.
const DIALOG_URL: &str = "https://www.facebook.com";

/// What Meta knows of a token.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct TokenInfo {
    /// Whether it may be used.
    #[serde(default)]
    pub is_valid: bool,
    /// Seconds since 1970; 0: it lasts.
    #[serde(default)]
    pub expires_at: i64,
    /// What it allows.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it allows, and for which accounts.
    #[serde(default)]
    pub granular_scopes: Vec<GranularScope>,
}

/// A permission with what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct GranularScope {
    /// The permission.
    pub scope: String,
    /// The ids of what it is for; not there: all that the person has.
    #[serde(default)]
    pub target_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Inspected {
    data: TokenInfo,
}

impl TokenInfo {
    /// A token that is good until then, in seconds since 1970.
    pub fn until(expires_at: i64) -> Self {
        Self { is_valid: true, expires_at, scopes: Vec::new(), granular_scopes: Vec::new() }
    }

    /// What `scope` is given for.
    pub fn targets(&self, scope: &str) -> impl Iterator<Item = &str> {
        let granted = self.granular_scopes.iter().filter(move |granted| granted.scope == scope);
        granted.flat_map(|granted| granted.target_ids.iter().map(String::as_str))
    }

    /// The credentials with the token's end beside it.
    pub fn note_end(&self, credentials: Credentials) -> Credentials {
        if self.expires_at > 0 {
            return credentials.with(EXPIRES_AT, self.expires_at.to_string());
        }
        let mut secrets = credentials.into_secrets();
        secrets.remove(EXPIRES_AT);
        secrets.into()
    }
}

impl Graph {
    /// The token for a code that Meta gave on its page.
    pub async fn token_for_code(
        &self,
        app: &Credentials,
        redirect: &str,
        code: &str,
    ) -> Result<String, ChannelError> {
        let call = as_app(app)?.query("redirect_uri", redirect).query("code", code);
        self.call::<Token>("", call).await.map(|token| token.access_token)
    }

    /// A token that lasts about 60 days for one that lasts hours, and a fresh one for one of those.
    pub async fn long_lived(&self, app: &Credentials, token: &str) -> Result<String, ChannelError> {
        let call = as_app(app)?.query("grant_type", "fb_exchange_token").query("fb_exchange_token", token);
        self.call::<Token>("", call).await.map(|token| token.access_token)
    }

    /// What Meta knows of a token, asked as its app.
    pub async fn inspect(&self, app: &Credentials, token: &str) -> Result<TokenInfo, ChannelError> {
        let call = Call::get(["debug_token"]).query("input_token", token);
        self.call::<Inspected>(&app_token(app), call).await.map(|inspected| inspected.data)
    }

    /// The page on which a person lets the app in, for these permissions. A configuration of Facebook Login for Business
    /// has its own list of them.
    pub fn login_page(
        &self,
        app: &Credentials,
        redirect: &str,
        state: &str,
        scopes: &[&str],
    ) -> Result<String, ChannelError> {
        // An operator who has Meta elsewhere has its pages there, too.
        let usual = self.base_url() == super::BASE_URL;
        let host = if usual { DIALOG_URL } else { self.base_url() };
        let mut page = Url::parse(&format!("{host}/{VERSION}/dialog/oauth"))
            .map_err(|_| ChannelError::permanent("invalid_request", "the page's address is not a URL"))?;
        let mut query = page.query_pairs_mut();
        query.append_pair("client_id", secret(app, APP_ID)?);
        query.append_pair("redirect_uri", redirect).append_pair("state", state);
        query.append_pair("response_type", "code");
        match app.get(APP_CONFIG_ID) {
            "" => query.append_pair("scope", &scopes.join(",")),
            config => {
                query.append_pair("config_id", config).append_pair("override_default_response_type", "true")
            }
        };
        drop(query);
        Ok(page.into())
    }
}

/// The code that a person came back with from the page; what went wrong there, otherwise.
pub(crate) fn code(query: &BTreeMap<String, String>) -> Result<&str, ChannelError> {
    if let Some(code) = query.get("code").filter(|code| !code.is_empty()) {
        return Ok(code);
    }
    let told = |name: &str| query.get(name).map(String::as_str);
    let code = told("error_reason").or(told("error")).or(told("error_code")).unwrap_or("no_code");
    let words = told("error_description").or(told("error_message")).unwrap_or("Meta's page gave no code");
    Err(ChannelError::permanent(code, words))
}

/// When to renew the token of these credentials; none: it lasts, or nobody knows its end.
pub(crate) fn refresh_at(credentials: &Credentials) -> Option<Timestamp> {
    let seconds: i64 = credentials.get(EXPIRES_AT).parse().ok()?;
    Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000)) - RENEW_BEFORE)
}

fn as_app(app: &Credentials) -> Result<Call, ChannelError> {
    Ok(Call::get(["oauth", "access_token"])
        .query("client_id", secret(app, APP_ID)?)
        .query("client_secret", secret(app, APP_SECRET)?))
}

fn secret<'a>(app: &'a Credentials, name: &str) -> Result<&'a str, ChannelError> {
    match app.get(name) {
        "" => Err(ChannelError::permanent("app", format!("the app lacks `{name}`"))),
        secret => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_end_are_renewed_a_week_before() {
        let credentials = Credentials::default();
        assert_eq!(refresh_at(&credentials), None);
        let ends =
            TokenInfo { is_valid: true, expires_at: 1_800_000_000, scopes: vec![], granular_scopes: vec![] };
        let noted = ends.note_end(credentials);
        assert_eq!(refresh_at(&noted), Some(Timestamp::from_micros(1_799_395_200_000_000)));
        let lasts = TokenInfo { expires_at: 0, ..ends };
        assert_eq!(refresh_at(&lasts.note_end(noted)), None);
    }

    #[test]
    fn who_comes_back_without_a_code_is_told_why() {
        let query = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(code(&query(&[("code", "AQB")])).unwrap(), "AQB");
        let denied = query(&[("error_reason", "user_denied"), ("error_description", "Permissions error")]);
        let error = code(&denied).unwrap_err();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("user_denied", "Permissions error"));
        assert_eq!(code(&query(&[])).unwrap_err().code, "no_code");
    }
}
