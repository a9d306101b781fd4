//! A request on its way out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use crate::hosts::Hosts;
use crate::{Answer, Client, Error, Response, guard};

/// A request that was not sent yet.
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    parts: Result<Parts, Error>,
    timeout: Duration,
    hosts: Arc<Hosts>,
    waits: bool,
}

struct Parts {
    builder: RequestBuilder,
    /// Host and port: what the limit of requests under way counts for.
    host: String,
}

impl Request {
    pub(crate) fn new(client: &Client, method: Method, url: &str, timeout: Duration) -> Self {
        let parts = target(url, client.guarded).map(|url| Parts {
            host: format!(
                "{}:{}",
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default()
            ),
            builder: client.inner.request(method, url),
        });
        Self { parts, timeout, hosts: Arc::clone(&client.hosts), waits: false }
    }

    /// Says that the other side answers when it has something to say (a long poll). It takes no place among the host's
    /// requests: a thousand polls that wait must not keep one message from leaving.
    pub fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }

    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.map(|builder| builder.header(name, value))
    }

    /// Authenticates with a bearer token. It shows in no log or error.
    pub fn bearer(self, token: &str) -> Self {
        self.map(|builder| builder.bearer_auth(token))
    }

    /// Adds query parameters, encoded.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.map(|builder| builder.query(query))
    }

    /// Sends `body` as JSON.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        self.map(|builder| builder.json(body))
    }

    /// Sends a form with files.
    pub fn multipart(self, form: reqwest::multipart::Form) -> Self {
        self.map(|builder| builder.multipart(form))
    }

    /// Sends bytes as they are.
    pub fn body(self, body: impl Into<reqwest::Body>) -> Self {
        self.map(|builder| builder.body(body))
    }

    /// Sends it and waits until the answer begins. Any status is an answer; redirects are not followed.
    pub async fn send(self) -> Result<Response, Error> {
        let Parts { builder, host } = self.parts?;
        let deadline = Instant::now() + self.timeout;
        let place = if self.waits {
            None
        } else {
            let place = tokio::time::timeout_at(deadline, self.hosts.enter(&host)).await;
            Some(place.map_err(|_| Error::Busy)?)
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match builder.timeout(left).send().await {
            Ok(response) => Ok(Response::new(response, place)),
            Err(error) => Err(Error::before_answer(&error)),
        }
    }

    /// Sends it and reads the whole answer, of at most `max_bytes`.
    pub async fn answer(self, max_bytes: u64) -> Result<Answer, Error> {
        self.send().await?.into_answer(max_bytes).await
    }

    fn map(mut self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        self.parts = self.parts.map(|parts| Parts { builder: change(parts.builder), host: parts.host });
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").finish_non_exhaustive()
    }
}

fn target(url: &str, guarded: bool) -> Result<Url, Error> {
    let url = Url::parse(url).map_err(|_| Error::Invalid("it is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Invalid("the URL must begin with http:// or https://"));
    }
    if guarded {
        guard::check(&url)?;
    }
    Ok(url)
}
