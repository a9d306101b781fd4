//! One call of the Bot API: where it goes, how it is written, what its answer means.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use channel::{ChannelError, ErrorClass};
use outbound::{Answer, Http};
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Parameters, refusal};
use crate::AdaptersConfig;
use crate::unanswered::{unanswered, unanswered_repeatable};

/// Telegram's own address.
const BASE_URL: &str = "https://api.telegram.org";
/// Longest wait for a call that carries a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(2);
/// No answer of the Bot API comes near: the largest are 100 updates.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// A method with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub method: &'static str,
    pub params: Map<String, Value>,
    /// A file to upload; the call is then a form, else JSON.
    pub upload: Option<Upload>,
    /// How long Telegram itself may take, on top of the network.
    pub patience: Duration,
    /// Whether doing it twice is the same as doing it once.
    pub repeatable: bool,
}

/// A file in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    /// The parameter that it is.
    pub field: &'static str,
    pub name: String,
    pub mime: String,
    pub bytes: Bytes,
}

impl Call {
    /// A call that may be repeated; sends say otherwise by [`Call::once`].
    pub fn new(method: &'static str) -> Self {
        Self { method, params: Map::new(), upload: None, patience: Duration::ZERO, repeatable: true }
    }

    /// Makes it a call that sends a message: repeating it sends another one.
    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a parameter if there is one.
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// What wraps every answer.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    result: Option<Value>,
    error_code: Option<u16>,
    description: Option<String>,
    #[serde(default)]
    parameters: Parameters,
}

/// The Bot API at one address.
#[derive(Debug, Clone)]
pub(super) struct Api {
    http: Http,
    /// Without a slash at its end.
    base_url: String,
    timeout: Duration,
}

impl Api {
    pub fn new(config: &AdaptersConfig) -> Self {
        Self {
            http: config.http.clone(),
            base_url: config.base_url(super::NAME, BASE_URL),
            timeout: config.call_timeout,
        }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Makes a call as the bot with `token` and reads its result.
    pub async fn call<T: DeserializeOwned>(&self, token: &str, call: Call) -> Result<T, ChannelError> {
        let repeatable = call.repeatable;
        let result = self.try_call(token, call).await;
        result.map_err(|error| match error.class {
            // What may be repeated without harm is never in doubt.
            ErrorClass::Ambiguous if repeatable => ChannelError { class: ErrorClass::Retry, ..error },
            _ => error,
        })
    }

    async fn try_call<T: DeserializeOwned>(&self, token: &str, call: Call) -> Result<T, ChannelError> {
        let url = format!("{}/bot{}/{}", self.base_url, path_safe(token), call.method);
        let heavy = call.upload.is_some();
        let timeout = call.patience + if heavy { FILE_TIMEOUT } else { self.timeout };
        let request = self.http.provider().post(&url, timeout);
        let request = if call.patience.is_zero() { request } else { request.waiting() };
        let request = match call.upload {
            Some(upload) => request.multipart(form(call.params, upload)?),
            None => request.json(&call.params),
        };
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        result(&answer)
    }

    /// Downloads a file by the path that `getFile` gave.
    pub async fn download(&self, token: &str, path: &str, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let path: Vec<_> = path.split('/').map(path_safe).collect();
        let url = format!("{}/file/bot{}/{}", self.base_url, path_safe(token), path.join("/"));
        let request = self.http.provider().get(&url, FILE_TIMEOUT);
        match request.answer(max_bytes).await {
            Ok(answer) if answer.is_success() => Ok(answer.body),
            Ok(answer) => Err(match answer.status {
                500..=599 | 429 => {
                    ChannelError::retry(answer.status.to_string(), "the file server has a bad moment")
                }
                _ => ChannelError::permanent(
                    answer.status.to_string(),
                    "the file server does not have the file",
                ),
            }),
            Err(outbound::Error::TooLarge { limit, .. }) => Err(too_large(limit)),
            Err(error) => Err(unanswered_repeatable(error)),
        }
    }
}

/// The error for a file that is larger than the caller takes.
pub(super) fn too_large(max_bytes: u64) -> ChannelError {
    ChannelError::permanent("too_large", format!("the file is larger than {max_bytes} bytes"))
}

/// `text` as one segment of a URL's path: a token is typed by a person and may hold anything.
fn path_safe(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut safe, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            let _ = write!(safe, "%{byte:02X}");
        }
        safe
    })
}

/// Parameters and a file as a form: texts as they are, anything else as JSON.
fn form(params: Map<String, Value>, upload: Upload) -> Result<Form, ChannelError> {
    let form = params.into_iter().fold(Form::new(), |form, (name, value)| {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        form.text(name, text)
    });
    let part = Part::stream_with_length(upload.bytes.clone(), upload.bytes.len() as u64)
        .file_name(upload.name)
        .mime_str(&upload.mime)
        .map_err(|_| ChannelError::permanent("mime", format!("`{}` is not a MIME type", upload.mime)))?;
    Ok(form.part(upload.field, part))
}

fn result<T: DeserializeOwned>(answer: &Answer) -> Result<T, ChannelError> {
    let Some(envelope) = answer.json::<Envelope>() else {
        // A gateway in between, not the Bot API.
        return Err(if answer.is_success() {
            unreadable()
        } else {
            refusal(answer.status, "an answer that is not the Bot API's", Parameters::default())
        });
    };
    if envelope.ok {
        let result = envelope.result.unwrap_or_default();
        return serde_json::from_value(result).map_err(|_| unreadable());
    }
    Err(refusal(
        envelope.error_code.unwrap_or(answer.status),
        envelope.description.as_deref().unwrap_or("no description"),
        envelope.parameters,
    ))
}

/// It said yes, but to what cannot be read.
fn unreadable() -> ChannelError {
    ChannelError::ambiguous("unreadable", "the answer is not in the Bot API's form")
}

#[cfg(test)]
mod tests {
    use super::path_safe;

    #[test]
    fn a_token_cannot_leave_its_place_in_the_path() {
        assert_eq!(path_safe("123:AAb-C_d"), "123:AAb-C_d");
        assert_eq!(path_safe("1/../x?y#z é"), "1%2F..%2Fx%3Fy%23z%20%C3%A9");
    }
}
