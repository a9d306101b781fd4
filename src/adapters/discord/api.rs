//! One call of Discord's REST API: where it goes, how it is written, what its answer means.
//!
//! Every call passes through the process's one HTTP client. What an answer's headers say about the next call on the same
//! route is remembered ([`super::buckets`]) and kept: Discord counts refusals, and ten thousand of them within ten minutes
//! (401, 403 and 429) shut out the whole address.

use std::time::Duration;

use bytes::Bytes;
use channel::{ChannelError, ErrorClass};
use outbound::{Answer, Http, Method};
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use super::buckets::{Buckets, Route};
use super::error::{self, Refusal};
use crate::AdaptersConfig;
use crate::unanswered::{unanswered, unanswered_repeatable};

/// Discord's own address, with the API's version.
const BASE_URL: &str = "https://discord.com/api/v10";
/// Where files of messages lie.
const FILE_HOSTS: &[&str] = &["https://cdn.discordapp.com/", "https://media.discordapp.net/"];
/// Discord asks for this form and turns others away.
const USER_AGENT: &str = concat!("DiscordBot (https://rookery.example, ", env!("CARGO_PKG_VERSION"), ")");
/// Longest wait for a call that carries a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(2);
/// The largest answers are messages, of a few hundred kilobytes.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    /// Below the API's address, beginning with a slash, its parts encoded.
    pub path: String,
    pub route: Route,
    pub body: Option<Value>,
    pub upload: Option<Upload>,
    /// Whether doing it twice is the same as doing it once.
    pub repeatable: bool,
}

/// A file in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    pub name: String,
    pub mime: String,
    pub bytes: Bytes,
}

impl Call {
    /// A call about the bot itself. `name` stands for the route.
    pub fn of_bot(method: Method, name: &'static str, path: impl Into<String>) -> Self {
        let route = Route { name, chat: None };
        Self { method, path: path.into(), route, body: None, upload: None, repeatable: true }
    }

    /// A call about a channel: `rest` follows the channel in the path.
    pub fn in_chat(method: Method, name: &'static str, chat: &str, rest: &str) -> Self {
        let path = format!("/channels/{}{rest}", path_safe(chat));
        let route = Route { name, chat: Some(chat.to_owned()) };
        Self { route, ..Self::of_bot(method, name, path) }
    }

    pub fn with_body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Makes it a call that sends a message.
    pub fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }
}

/// The REST API at one address.
#[derive(Debug)]
pub(super) struct Api {
    http: Http,
    /// Without a slash at its end.
    base_url: String,
    timeout: Duration,
    buckets: Buckets,
}

impl Api {
    pub fn new(config: &AdaptersConfig) -> Self {
        Self {
            http: config.http.clone(),
            base_url: config.base_url(super::NAME, BASE_URL),
            timeout: config.call_timeout,
            buckets: Buckets::default(),
        }
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether the API is spoken to in clear, as only a simulator is.
    pub fn is_clear(&self) -> bool {
        self.base_url.starts_with("http://")
    }

    /// Makes a call as the bot with `token` and reads its answer; null where there is no body.
    pub async fn call(&self, token: &str, call: Call) -> Result<Value, ChannelError> {
        if token.trim().is_empty() {
            return Err(error::token_revoked("no_token", "the account has no bot token"));
        }
        if let Some(held) = self.buckets.held(token, &call.route) {
            return Err(held);
        }
        let repeatable = call.repeatable;
        self.try_call(token, call).await.map_err(|error| match error.class {
            // What may be repeated without harm is never in doubt.
            ErrorClass::Ambiguous if repeatable => ChannelError { class: ErrorClass::Retry, ..error },
            _ => error,
        })
    }

    async fn try_call(&self, token: &str, call: Call) -> Result<Value, ChannelError> {
        let url = format!("{}{}", self.base_url, call.path);
        let timeout = if call.upload.is_some() { FILE_TIMEOUT } else { self.timeout };
        let request = self
            .http
            .provider()
            .request(call.method, &url, timeout)
            .header("user-agent", USER_AGENT)
            .header("authorization", &format!("Bot {token}"));
        let request = match (call.upload, call.body) {
            (Some(upload), body) => request.multipart(form(&body.unwrap_or_default(), upload)?),
            (None, Some(body)) => request.json(&body),
            // Without a body, and without its length Discord's edge answers 411.
            (None, None) => request.header("content-length", "0"),
        };
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        self.buckets.note(token, &call.route, &answer);
        read(&answer, call.route.chat.is_some())
    }

    /// Downloads a file from where Discord keeps them; none when its link is no longer (or not) valid.
    pub async fn download(&self, url: &str, max_bytes: u64) -> Result<Option<Bytes>, ChannelError> {
        if !self.is_file_host(url) {
            return Err(ChannelError::permanent("host", "the file does not lie where Discord keeps files"));
        }
        let request = self.http.provider().get(url, FILE_TIMEOUT);
        match request.answer(max_bytes).await {
            Ok(answer) if answer.is_success() => Ok(Some(answer.body)),
            Ok(answer) => match answer.status {
                401 | 403 | 404 | 410 => Ok(None),
                429 | 500..=599 => {
                    let message = "the file server has a bad moment";
                    Err(ChannelError::retry(answer.status.to_string(), message))
                }
                status => {
                    let message = "the file server does not have the file";
                    Err(ChannelError::permanent(status.to_string(), message))
                }
            },
            Err(outbound::Error::TooLarge { limit, .. }) => Err(too_large(limit)),
            Err(error) => Err(unanswered_repeatable(error)),
        }
    }

    /// Links come from events: only Discord's own hosts are asked, and the one that the operator named.
    fn is_file_host(&self, url: &str) -> bool {
        let own = self.base_url.split_inclusive('/').take(3).collect::<String>();
        FILE_HOSTS.iter().any(|host| url.starts_with(host))
            || (self.base_url != BASE_URL && own.ends_with('/') && url.starts_with(&own))
    }
}

/// The error for a file that is larger than the caller takes.
pub(super) fn too_large(max_bytes: u64) -> ChannelError {
    ChannelError::permanent("too_large", format!("the file is larger than {max_bytes} bytes"))
}

/// `text` as one segment of a URL's path.
pub(super) fn path_safe(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut safe, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
        safe
    })
}

/// The body as JSON beside the file that it speaks of.
fn form(body: &Value, upload: Upload) -> Result<Form, ChannelError> {
    let part = Part::stream_with_length(upload.bytes.clone(), upload.bytes.len() as u64)
        .file_name(upload.name)
        .mime_str(&upload.mime)
        .map_err(|_| ChannelError::permanent("mime", format!("`{}` is not a MIME type", upload.mime)))?;
    Ok(Form::new().text("payload_json", body.to_string()).part("files[0]", part))
}

fn read(answer: &Answer, in_chat: bool) -> Result<Value, ChannelError> {
    if answer.is_success() {
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        // It said yes, but to what cannot be read.
        return answer.json().ok_or_else(|| {
            ChannelError::ambiguous("unreadable", "the answer is not in the form of Discord's API")
        });
    }
    let seconds = |name: &str| answer.header(name).and_then(|value| value.trim().parse::<f64>().ok());
    Err(error::refusal(&Refusal {
        status: answer.status,
        body: answer.json::<Value>().filter(Value::is_object),
        hint: seconds("retry-after").or_else(|| seconds("x-ratelimit-reset-after")),
        scope: answer.header("x-ratelimit-scope"),
        is_global: answer.header("x-ratelimit-global").is_some_and(|value| value != "false"),
        in_chat,
    }))
}

#[cfg(test)]
mod tests {
    use outbound::{Http, HttpConfig};

    use super::*;

    #[test]
    fn what_stands_in_a_path_stays_in_its_place() {
        assert_eq!(path_safe("123"), "123");
        assert_eq!(path_safe("1/../2?a#b"), "1%2F%2E%2E%2F2%3Fa%23b");
        assert_eq!(path_safe("\u{1f44d}"), "%F0%9F%91%8D");
        assert_eq!(path_safe("name:42"), "name%3A42");
    }

    #[test]
    fn only_discords_own_hosts_are_asked_for_files() {
        let http = Http::new(&HttpConfig::default()).unwrap();
        let usual = Api::new(&AdaptersConfig::new(http.clone()));
        assert!(usual.is_file_host("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1"));
        for other in [
            "http://cdn.discordapp.com/a",
            "https://cdn.discordapp.com.evil.example/a",
            "https://discord.com/api/v10/users/@me",
            "https://169.254.169.254/",
            "",
        ] {
            assert!(!usual.is_file_host(other), "{other}");
        }
        let told =
            Api::new(&AdaptersConfig::new(http).with_base_url("discord", "http://127.0.0.1:9/api/v10"));
        assert!(told.is_file_host("http://127.0.0.1:9/attachments/1"));
        assert!(!told.is_file_host("http://127.0.0.1:99/attachments/1"));
    }
}
