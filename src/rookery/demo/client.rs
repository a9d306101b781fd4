//! A client of the REST API, as small as the demo needs it.

use std::time::Duration;

use outbound::{Http, HttpConfig};
use serde_json::Value;

use crate::Failure;

const TIMEOUT: Duration = Duration::from_secs(15);
const LONGEST_STREAM: Duration = Duration::from_mins(10);
const LARGEST: u64 = 4 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct Client {
    http: Http,
    base: String,
    key: String,
}

impl Client {
    pub(super) fn new(base: String, key: &str) -> Result<Self, Failure> {
        let http = Http::new(&HttpConfig::default())?;
        Ok(Self { http, base, key: key.to_owned() })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        self.answer(path, self.http.provider().get(&url, TIMEOUT)).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        self.answer(path, self.http.provider().post(&url, TIMEOUT).json(body)).await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failure> {
        let method = method.parse().map_err(|_| Failure::Other(format!("{method} is no HTTP method")))?;
        let url = format!("{}{path}", self.base);
        self.answer(path, self.http.provider().request(method, &url, TIMEOUT).json(body)).await
    }

    pub(super) async fn upload(
        &self,
        path: &str,
        mime: &str,
        bytes: &'static [u8],
    ) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.http.provider().post(&url, TIMEOUT).header("Content-Type", mime).body(bytes);
        self.answer(path, request).await
    }

    pub(super) async fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.base);
        let request = self.http.provider().post(&url, TIMEOUT).header("Idempotency-Key", key).json(body);
        self.answer(path, request).await
    }

    async fn answer(&self, path: &str, request: outbound::Request) -> Result<Value, Failure> {
        let answer = request.bearer(&self.key).answer(LARGEST).await?;
        let body: Value = answer.json().unwrap_or(Value::Null);
        if answer.is_success() {
            return Ok(body);
        }
        Err(Failure::Other(format!("{path} answered {}: {body}", answer.status)))
    }

    /// Reads the stream of events after `after` until it ends.
    pub(super) async fn follow(&self, after: i64, mut take: impl FnMut(&Value)) -> Result<(), Failure> {
        let url = format!("{}/v1/events?after={after}", self.base);
        let mut response = self.http.provider().get(&url, LONGEST_STREAM).bearer(&self.key).send().await?;
        if response.status() != 200 {
            return Err(Failure::Other(format!("/v1/events answered {}", response.status())));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = text.drain(..end + 2).collect();
                for line in String::from_utf8_lossy(&event).lines() {
                    if let Some(data) = line.strip_prefix("data:")
                        && let Ok(event) = serde_json::from_str(data.trim())
                    {
                        take(&event);
                    }
                }
            }
        }
        Ok(())
    }
}
