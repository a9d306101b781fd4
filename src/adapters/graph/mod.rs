//! Meta's Graph API, which WhatsApp's Cloud API, Messenger and Instagram share: calls with a bearer token, one form of
//! errors, usage headers, signed webhooks, tokens that are exchanged and end.
//!
//! What a channel adds to it is its paths, its bodies, and what its own error codes mean ([`Classify`]). The token stands
//! in a header, never in a URL; where Meta wants secrets in the query (the exchange of tokens), no URL leaves this module.

pub(crate) mod apps;
mod call;
mod download;
mod error;
mod hook;
pub(crate) mod messaging;
mod token;
mod usage;

use std::time::Duration;

use channel::{ChannelError, ErrorClass};
use outbound::Http;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::AdaptersConfig;
use crate::unanswered::unanswered;

pub(crate) use call::{Call, File};
pub(crate) use download::too_large;
pub(crate) use error::{Classify, Refusal, stopped};
pub(crate) use hook::{Change, VERIFY_TOKEN, challenge, deliveries, fingerprint};
pub(crate) use token::{TokenInfo, code, refresh_at};

/// Meta's own address.
const BASE_URL: &str = "https://graph.facebook.com";
/// The version that is spoken. Meta keeps each for two years and lists their ends at
/// <https://developers.facebook.com/docs/graph-api/changelog/versions>.
pub(crate) const VERSION: &str = "v25.0";
/// The key of [`AdaptersConfig::base_urls`] that holds for all of Meta's channels which have none of their own.
const SHARED_KEY: &str = "graph";
/// No answer comes near: the largest are a hundred templates.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;
/// How many pages of a listing are read: nobody has so much, and a server that sends in circles must not hold us.
const MAX_PAGES: usize = 50;

/// The Graph API at one address, as one channel sees it.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    http: Http,
    /// Without a slash at its end.
    base_url: String,
    timeout: Duration,
    classify: Classify,
}

/// A page of a listing.
#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    cursors: Option<Cursors>,
    /// Holds the token: only that it is there is looked at.
    next: Option<Value>,
}

#[derive(Deserialize)]
struct Cursors {
    after: Option<String>,
}

impl Graph {
    /// The Graph API for `channel`, whose own codes mean what `classify` says.
    pub fn new(config: &AdaptersConfig, channel: &str, classify: Classify) -> Self {
        Self::at(config, channel, BASE_URL, classify)
    }

    /// The same at another usual place: Instagram has a host of its own.
    pub fn at(config: &AdaptersConfig, channel: &str, usual: &str, classify: Classify) -> Self {
        Self {
            http: config.http.clone(),
            base_url: config.base_url(channel, &config.base_url(SHARED_KEY, usual)),
            timeout: config.call_timeout,
            classify,
        }
    }

    /// Where it answers, without a slash at its end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Makes a call with a token (none: the call carries its secrets itself) and reads its answer.
    pub async fn call<T: DeserializeOwned>(&self, token: &str, call: Call) -> Result<T, ChannelError> {
        let repeatable = call.is_repeatable();
        let result = self.try_call(token, call).await;
        result.map_err(|error| match error.class {
            // What may be repeated without harm is never in doubt.
            ErrorClass::Ambiguous if repeatable => ChannelError { class: ErrorClass::Retry, ..error },
            _ => error,
        })
    }

    async fn try_call<T: DeserializeOwned>(&self, token: &str, call: Call) -> Result<T, ChannelError> {
        let url = self.url(call.path(), call.is_versioned())?;
        let request = call.request(&self.http, &url, self.timeout)?;
        let request = if token.is_empty() { request } else { request.bearer(token) };
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        let usage = usage::Usage::of(|name| answer.header(name));
        usage.tell();
        if answer.is_success() {
            // Meta has answered some errors with 200.
            let body: Value = answer.json().ok_or_else(unreadable)?;
            if let Some(refusal) = Refusal::of(answer.status, Some(&body), &usage) {
                return Err(refusal.into_error(self.classify));
            }
            return serde_json::from_value(body).map_err(|_| unreadable());
        }
        let body: Option<Value> = answer.json();
        Err(match Refusal::of(answer.status, body.as_ref(), &usage) {
            Some(refusal) => refusal.into_error(self.classify),
            None => error::gateway(answer.status, &usage),
        })
    }

    /// All of a listing, page by page. `call` is a GET.
    pub async fn list<T: DeserializeOwned>(&self, token: &str, call: Call) -> Result<Vec<T>, ChannelError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let call = match &after {
                Some(after) => call.again().query("after", after.as_str()),
                None => call.again(),
            };
            let page: Page<T> = self.call(token, call).await?;
            all.extend(page.data);
            let more = page.paging.filter(|paging| paging.next.is_some());
            let next = more.and_then(|paging| paging.cursors).and_then(|cursors| cursors.after);
            if next.is_none() || next == after {
                break;
            }
            after = next;
        }
        Ok(all)
    }

    /// The address of a path: its parts are typed by people or come from others, so none can leave its place.
    fn url(&self, path: &[String], versioned: bool) -> Result<String, ChannelError> {
        let invalid = || ChannelError::permanent("invalid_request", "the Graph API's address is not a URL");
        let mut url = Url::parse(&self.base_url).map_err(|_| invalid())?;
        let version = versioned.then_some(VERSION);
        url.path_segments_mut().map_err(|()| invalid())?.pop_if_empty().extend(version).extend(path);
        Ok(url.into())
    }
}

/// It said yes, but to what cannot be read.
fn unreadable() -> ChannelError {
    ChannelError::ambiguous("unreadable", "the answer is not in the Graph API's form")
}

#[cfg(test)]
mod tests {
    use outbound::HttpConfig;

    use super::*;

    fn graph(config: &AdaptersConfig) -> Graph {
        Graph::new(config, "messenger", |_| None)
    }

    #[test]
    fn an_address_is_the_channels_or_that_of_all_of_meta_or_the_usual_one() {
        let config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap());
        assert_eq!(graph(&config).base_url(), BASE_URL);
        let config = config.with_base_url(SHARED_KEY, "http://all/");
        assert_eq!(graph(&config).base_url(), "http://all");
        let config = config.with_base_url("messenger", "http://own");
        assert_eq!(graph(&config).base_url(), "http://own");
    }

    #[test]
    fn a_part_of_a_path_stays_one() {
        let config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap());
        let path = ["1/../2?x#y".to_owned(), "messages".to_owned()];
        let url = graph(&config).url(&path, true).unwrap();
        assert_eq!(url, format!("{BASE_URL}/{VERSION}/1%2F..%2F2%3Fx%23y/messages"));
        let url = graph(&config).url(&["access_token".to_owned()], false).unwrap();
        assert_eq!(url, format!("{BASE_URL}/access_token"));
    }
}
