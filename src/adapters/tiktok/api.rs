//! One call of the open API: how it is signed and written, what its answer means.
//!
//! The app's secret and the tokens are in the URL of two calls, so no URL leaves this module.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use channel::{ChannelError, Credentials, ErrorClass};
use model::Clock;
use outbound::{Answer, Http, Method};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Refusal;
use super::{ACCESS_TOKEN, APP_KEY, APP_SECRET, NAME, REFRESH_TOKEN, SHOP_CIPHER, sign};
use crate::AdaptersConfig;
use crate::unanswered::unanswered;

/// Where every shop's calls go.
const BASE_URL: &str = "https://open-api.tiktokglobalshop.com";
/// Where tokens are given out.
const AUTH_URL: &str = "https://auth.tiktok-shops.com";
/// Longest wait for a call that carries a file, and for a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(2);
/// No answer comes near: the largest are 20 conversations.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// A call to be signed.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Body,
    /// Whether it is about the shop rather than about the seller.
    of_shop: bool,
    /// Whether doing it twice is the same as doing it once.
    repeatable: bool,
}

#[derive(Debug)]
enum Body {
    Empty,
    Json(String),
    /// A picture in a form; the form is not signed.
    Picture {
        bytes: Bytes,
        mime: &'static str,
        name: String,
    },
}

impl Call {
    /// A question about the shop.
    pub fn get(path: impl Into<String>) -> Self {
        let (path, query) = (path.into(), Vec::new());
        Self { method: Method::GET, path, query, body: Body::Empty, of_shop: true, repeatable: true }
    }

    /// A call for the shop that may be repeated; sends say otherwise by [`Call::once`].
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self { method: Method::POST, body: Body::Json(body.to_string()), ..Self::get(path) }
    }

    /// The same that replaces something.
    pub fn put(path: impl Into<String>, body: &Value) -> Self {
        Self { method: Method::PUT, ..Self::post(path, body) }
    }

    /// Brings a picture.
    pub fn upload(path: impl Into<String>, bytes: Bytes, mime: &'static str, name: String) -> Self {
        Self { method: Method::POST, body: Body::Picture { bytes, mime, name }, ..Self::get(path) }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Makes it a call about the seller.
    pub fn of_seller(self) -> Self {
        Self { of_shop: false, ..self }
    }

    /// Makes it a call that sends a message: repeating it sends another one.
    pub fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }
}

/// What wraps every answer.
#[derive(Deserialize)]
struct Envelope {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    request_id: Option<String>,
}

/// The open API and the place where tokens are given out.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: Http,
    /// Both without a slash at their end.
    base_url: String,
    auth_url: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl Api {
    /// Another address in the configuration stands for both places.
    pub fn new(config: &AdaptersConfig) -> Self {
        Self {
            http: config.http.clone(),
            base_url: config.base_url(NAME, BASE_URL),
            auth_url: config.base_url(NAME, AUTH_URL),
            timeout: config.call_timeout,
            clock: Arc::clone(&config.clock),
        }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_micros() / 1_000_000
    }

    /// Makes a call with an account's credentials and reads what it answers.
    pub async fn call<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        call: Call,
    ) -> Result<T, ChannelError> {
        let repeatable = call.repeatable;
        self.try_call(credentials, call).await.map_err(|error| match error.class {
            // What may be repeated without harm is never in doubt.
            ErrorClass::Ambiguous if repeatable => ChannelError { class: ErrorClass::Retry, ..error },
            _ => error,
        })
    }

    async fn try_call<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        call: Call,
    ) -> Result<T, ChannelError> {
        let Call { method, path, mut query, body, of_shop, .. } = call;
        query.push(("app_key", credentials.get(APP_KEY).to_owned()));
        query.push(("timestamp", self.now().to_string()));
        if of_shop {
            query.push(("shop_cipher", credentials.get(SHOP_CIPHER).to_owned()));
        }
        let signed = match &body {
            Body::Json(json) => json.as_bytes(),
            Body::Empty | Body::Picture { .. } => b"",
        };
        let signature = sign::call(credentials.get(APP_SECRET), &path, &query, signed);
        query.push(("sign", signature));

        let timeout = if matches!(body, Body::Picture { .. }) { FILE_TIMEOUT } else { self.timeout };
        let request = self
            .http
            .provider()
            .request(method, &format!("{}{path}", self.base_url), timeout)
            .query(&query)
            .header("x-tts-access-token", credentials.get(ACCESS_TOKEN));
        let request = match body {
            Body::Empty => request.header("content-type", "application/json"),
            Body::Json(json) => request.header("content-type", "application/json").body(json),
            Body::Picture { bytes, mime, name } => request.multipart(form(bytes, mime, name)?),
        };
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        read(&answer, credentials.has(REFRESH_TOKEN))
    }

    /// Asks for tokens. Not signed: the secret itself goes along. Nobody knows what became of a call without an answer, and
    /// what it would have brought is lost.
    pub async fn tokens<T: DeserializeOwned>(
        &self,
        app: &Credentials,
        what: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ChannelError> {
        let secrets = [("app_key", app.get(APP_KEY)), ("app_secret", app.get(APP_SECRET))];
        let url = format!("{}/api/v2/token/{what}", self.auth_url);
        let request = self.http.provider().get(&url, self.timeout).query(&secrets).query(query);
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        read(&answer, false)
    }

    /// Fetches a file from where somebody's link leads: public addresses only, and no credential goes along.
    pub async fn download(&self, link: &str, max_bytes: u64) -> Result<Bytes, ChannelError> {
        match self.http.public().get(link, FILE_TIMEOUT).answer(max_bytes).await {
            Ok(answer) if answer.is_success() => Ok(answer.body),
            Ok(answer) => {
                let (code, message) = (answer.status.to_string(), "the file cannot be had at its link");
                Err(match answer.status {
                    429 | 500..=599 => ChannelError::retry(code, message),
                    _ => ChannelError::permanent(code, message),
                })
            }
            Err(outbound::Error::TooLarge { limit, .. }) => Err(too_large(limit)),
            Err(error @ (outbound::Error::NotPublic | outbound::Error::Invalid(_))) => {
                Err(ChannelError::permanent(error.code(), error.to_string()))
            }
            // Fetching changes nothing, so nothing about it is in doubt.
            Err(error) => Err(ChannelError::retry(error.code(), error.to_string())),
        }
    }
}

/// The error for a file that is larger than the caller takes.
pub(super) fn too_large(max_bytes: u64) -> ChannelError {
    ChannelError::permanent("too_large", format!("the file is larger than {max_bytes} bytes"))
}

fn form(bytes: Bytes, mime: &'static str, name: String) -> Result<Form, ChannelError> {
    let length = bytes.len() as u64;
    let part = Part::stream_with_length(bytes, length)
        .file_name(name)
        .mime_str(mime)
        .map_err(|_| ChannelError::permanent("mime", format!("`{mime}` is not a MIME type")))?;
    Ok(Form::new().part("data", part))
}

fn read<T: DeserializeOwned>(answer: &Answer, renewable: bool) -> Result<T, ChannelError> {
    let retry_after = answer.header("retry-after");
    let (status, unreadable) = (answer.status, "the answer is not in TikTok's form");
    let refusal = Refusal { status, code: None, message: unreadable, retry_after, renewable };
    match answer.json::<Envelope>() {
        Some(envelope) if envelope.code == 0 && answer.is_success() => serde_json::from_value(envelope.data)
            // It said yes, but to what cannot be read.
            .map_err(|_| ChannelError::ambiguous("unreadable", unreadable)),
        Some(Envelope { code, message, request_id, .. }) => {
            let error = Refusal { code: (code != 0).then_some(code), message: &message, ..refusal }.error();
            // TikTok's support asks for it.
            let request = request_id.map(|id| format!(" (request {id})")).unwrap_or_default();
            Err(ChannelError { message: error.message.clone() + &request, ..error })
        }
        None if answer.is_success() => Err(ChannelError::ambiguous("unreadable", unreadable)),
        None => Err(refusal.error()),
    }
}
