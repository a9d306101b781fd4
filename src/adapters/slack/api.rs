//! One call of Slack's Web API: where it goes, how it is written, what its answer means.

use std::time::Duration;

use channel::{ChannelError, Credentials, ErrorClass};
use outbound::{Answer, Http};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::{Circumstances, refusal, status};
use super::{BOT_TOKEN, REFRESH_TOKEN};
use crate::AdaptersConfig;
use crate::unanswered::{unanswered, unanswered_repeatable};

/// Slack's own address.
const BASE_URL: &str = "https://slack.com";
/// The longest answers are messages with all their blocks.
pub(super) const MAX_ANSWER: u64 = 4 * 1024 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// A method with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    method: &'static str,
    arguments: Map<String, Value>,
    /// Whether doing it twice is the same as doing it once.
    repeatable: bool,
    /// Some methods read JSON, some a form only.
    form: bool,
    /// Whether it posts into a channel.
    posts: bool,
}

impl Call {
    /// A call that may be repeated, written as JSON.
    pub fn new(method: &'static str) -> Self {
        Self { method, arguments: Map::new(), repeatable: true, form: false, posts: false }
    }

    /// A call that may be repeated, of a method that reads forms only.
    pub fn form(method: &'static str) -> Self {
        Self { form: true, ..Self::new(method) }
    }

    /// Makes it a call that posts: repeating it posts again, and the channel's limit holds for it.
    pub fn posting(self) -> Self {
        Self { repeatable: false, posts: true, ..self }
    }

    /// Makes it a call that shows something to somebody, and shows it again when it is repeated.
    pub fn once(self) -> Self {
        Self { repeatable: false, ..self }
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.arguments.insert(name.to_owned(), value.into());
        self
    }

    /// Adds arguments that were made elsewhere.
    pub fn with_all(mut self, arguments: Map<String, Value>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Adds an argument if there is one.
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// What every answer has.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    error: Option<String>,
    /// With `missing_scope`: which.
    needed: Option<String>,
    #[serde(default)]
    response_metadata: Metadata,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    messages: Vec<Value>,
}

/// The Web API at one address.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) http: Http,
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

    /// Makes a call with the bot's token and reads its answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        call: Call,
    ) -> Result<T, ChannelError> {
        let (answer, _) = self.answered(credentials, call).await?;
        answer
    }

    /// As [`Api::call`], with the scopes of the token, which Slack tells beside the answer.
    pub async fn call_with_scopes<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        call: Call,
    ) -> Result<(T, Vec<String>), ChannelError> {
        let (result, answer) = self.answered(credentials, call).await?;
        let scopes = answer.header("x-oauth-scopes").unwrap_or_default();
        let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
        Ok((result?, scopes.map(str::to_owned).collect()))
    }

    async fn answered<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        call: Call,
    ) -> Result<(Result<T, ChannelError>, Answer), ChannelError> {
        let url = format!("{}/api/{}", self.base_url, call.method);
        let token = credentials.get(BOT_TOKEN);
        if !token.chars().all(|c| c.is_ascii_graphic()) {
            // It could not even be written into the header.
            return Err(refusal("invalid_auth", None, Circumstances::default()));
        }
        let request = self.http.provider().post(&url, self.timeout).bearer(token);
        let request = if call.form {
            request.header("content-type", FORM).body(form(&call.arguments))
        } else {
            request.json(&call.arguments)
        };
        let unanswered = if call.repeatable { unanswered_repeatable } else { unanswered };
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        let renewed = !credentials.get(REFRESH_TOKEN).is_empty();
        let result = read(&answer, call.posts, renewed);
        let result = result.map_err(|error| match error.class {
            // What may be repeated without harm is never in doubt.
            ErrorClass::Ambiguous if call.repeatable => ChannelError { class: ErrorClass::Retry, ..error },
            _ => error,
        });
        Ok((result, answer))
    }

    /// A call that proves who makes it by what is among its arguments (OAuth).
    pub async fn call_unproved<T: DeserializeOwned>(&self, call: Call) -> Result<T, ChannelError> {
        let url = format!("{}/api/{}", self.base_url, call.method);
        let request = self.http.provider().post(&url, self.timeout);
        let request = request.header("content-type", FORM).body(form(&call.arguments));
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered)?;
        read(&answer, false, false)
    }
}

/// Arguments as a form: texts as they are, anything else as JSON.
fn form(arguments: &Map<String, Value>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in arguments {
        match value {
            Value::String(text) => form.append_pair(name, text),
            other => form.append_pair(name, &other.to_string()),
        };
    }
    form.finish()
}

/// The result in an answer, or what its refusal means.
fn read<T: DeserializeOwned>(answer: &Answer, posts: bool, renewed: bool) -> Result<T, ChannelError> {
    let about = Circumstances { posts, renewed, retry_after: wait(answer) };
    let Some(envelope) = answer.json::<Envelope>() else {
        return Err(if answer.is_success() { unreadable() } else { status(answer.status, about) });
    };
    if envelope.ok {
        return serde_json::from_value(Value::Object(envelope.rest)).map_err(|_| unreadable());
    }
    let word = envelope.error.as_deref().unwrap_or("no_word");
    let hints = envelope.response_metadata.messages.iter().filter_map(Value::as_str);
    let detail = envelope.needed.map(|scope| format!("the app needs the scope {scope}"));
    let detail = detail.or_else(|| hints.map(str::to_owned).reduce(|all, hint| format!("{all}; {hint}")));
    Err(refusal(word, detail.as_deref(), about))
}

/// What the header `Retry-After` says.
pub(super) fn wait(answer: &Answer) -> Option<Duration> {
    let seconds: u64 = answer.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// It said yes, but to what cannot be read.
fn unreadable() -> ChannelError {
    ChannelError::ambiguous("unreadable", "the answer is not in the Web API's form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_texts_as_they_are_and_the_rest_as_json() {
        let call = Call::form("m").with("a", "x y&z").with("b", serde_json::json!([{"id": "F1"}]));
        assert_eq!(form(&call.arguments), "a=x+y%26z&b=%5B%7B%22id%22%3A%22F1%22%7D%5D");
    }
}
