//! A request on its way out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Upgraded};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use crate::breaker::Verdict;
use crate::hosts::Hosts;
use crate::{Answer, Client, Error, Failure, Response, guard};

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
        let parts = target(url, client.guarded)
            .map(|url| Parts { host: host_of(&url), builder: client.inner.request(method, url) });
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
        let host = self.hosts.of(&host);
        let deadline = Instant::now() + self.timeout;
        let place = if self.waits {
            None
        } else {
            let place = tokio::time::timeout_at(deadline, host.enter()).await;
            Some(place.map_err(|_| Error::Busy)?)
        };
        // Only now: it may have gone down while this one waited for its place.
        let mut watch = host.watch(self.waits).map_err(|retry_in| Error::HostDown { retry_in })?;
        let left = deadline.saturating_duration_since(Instant::now());
        match builder.timeout(left).send().await {
            Ok(response) => Ok(Response::new(response, place, watch)),
            Err(error) => {
                let error = Error::before_answer(&error);
                error.verdict().into_iter().for_each(|verdict| watch.end(verdict));
                Err(error)
            }
        }
    }

    /// Sends it and reads the whole answer, of at most `max_bytes`.
    pub async fn answer(self, max_bytes: u64) -> Result<Answer, Error> {
        self.send().await?.into_answer(max_bytes).await
    }

    /// Has the connection turned to another protocol (HTTP/1.1 `Upgrade`) and gives it bare. It lives for as long as it is
    /// used and takes no place among the host's requests; only its coming about is limited in time.
    pub async fn upgrade(self, protocol: &str) -> Result<Upgraded, Error> {
        let Self { parts, timeout, hosts, .. } =
            self.header("connection", "upgrade").header("upgrade", protocol);
        let Parts { builder, host } = parts?;
        let mut watch = hosts.of(&host).watch(true).map_err(|retry_in| Error::HostDown { retry_in })?;
        let turned = async {
            let response =
                builder.timeout(timeout).send().await.map_err(|error| Error::before_answer(&error))?;
            let status = response.status().as_u16();
            response
                .upgrade()
                .await
                .map_err(|error| Error::BrokenAnswer { status, failure: Failure::of(&error) })
        };
        let turned = turned.await;
        match &turned {
            Ok(_) => watch.end(Verdict::Well),
            Err(error) => error.verdict().into_iter().for_each(|verdict| watch.end(verdict)),
        }
        turned
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

/// Host and port, as they are counted.
pub(crate) fn host_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
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
