//! A client of the REST API and of the sandbox's control API.

use std::time::Duration;

use outbound::{Http, HttpConfig};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(30);
const LARGEST: u64 = 64 * 1024 * 1024;

/// An answer: its status and its JSON body (null if it has none).
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// Speaks to one address with one key.
#[derive(Debug, Clone)]
pub struct Api {
    http: Http,
    base: String,
    key: String,
}

impl Api {
    /// A client for `base` (without a slash at its end) that shows `key`.
    ///
    /// # Panics
    /// When no HTTP client can be made.
    pub fn new(base: impl Into<String>, key: impl Into<String>) -> Self {
        // What is down is asked on: that is what tests look at.
        let config = HttpConfig { max_per_host: 2_000, breaker: None, ..HttpConfig::default() };
        let http = Http::new(&config).expect("an HTTP client");
        Self { http, base: base.into(), key: key.into() }
    }

    /// The address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The key that it shows.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// GET, whatever the answer; none when there is none.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.answer(self.http.provider().get(&format!("{}{path}", self.base), TIMEOUT)).await
    }

    /// GET of something that is no JSON; none when there is no answer.
    pub async fn text(&self, path: &str) -> Option<String> {
        let request = self.http.provider().get(&format!("{}{path}", self.base), TIMEOUT).bearer(&self.key);
        Some(String::from_utf8_lossy(&request.answer(LARGEST).await.ok()?.body).into_owned())
    }

    /// POST, whatever the answer; none when there is none.
    pub async fn try_post(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Option<Answer> {
        let request = self.http.provider().post(&format!("{}{path}", self.base), TIMEOUT).json(body);
        self.answer(headers.iter().fold(request, |request, (name, value)| request.header(name, value))).await
    }

    /// POST of bytes as they are.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post_raw(&self, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
        let request = self
            .http
            .provider()
            .post(&format!("{}{path}", self.base), TIMEOUT)
            .header("content-type", "application/json")
            .body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.answer(request).await.expect("an answer")
    }

    /// POST of a file.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post_bytes(&self, path: &str, mime: &str, body: Vec<u8>) -> Answer {
        let request = self.http.provider().post(&format!("{}{path}", self.base), TIMEOUT);
        self.answer(request.header("content-type", mime).body(body)).await.expect("an answer")
    }

    /// GET of a file, whatever the answer.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get_bytes(&self, path: &str) -> outbound::Answer {
        let request = self.http.provider().get(&format!("{}{path}", self.base), TIMEOUT);
        request.bearer(&self.key).answer(LARGEST).await.expect("an answer")
    }

    /// Any method with a JSON body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let method = method.parse().expect("a method");
        let request =
            self.http.provider().request(method, &format!("{}{path}", self.base), TIMEOUT).json(body);
        self.answer(request).await.expect("an answer")
    }

    /// GET that succeeds.
    ///
    /// # Panics
    /// When it does not.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.try_get(path).await.unwrap_or_else(|| panic!("GET {path} had no answer"));
        assert!((200..300).contains(&answer.status), "GET {path}: {answer:?}");
        answer.body
    }

    /// POST that succeeds.
    ///
    /// # Panics
    /// When it does not.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer =
            self.try_post(path, body, &[]).await.unwrap_or_else(|| panic!("POST {path} had no answer"));
        assert!((200..300).contains(&answer.status), "POST {path} {body}: {answer:?}");
        answer.body
    }

    /// Every row of a listing, page by page.
    ///
    /// # Panics
    /// When a page cannot be had.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        let join = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{join}limit=200{cursor}")).await;
            rows.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return rows,
            }
        }
    }

    /// Every event so far and as they come, until `found` likes one; gives that one.
    ///
    /// # Panics
    /// When the stream ends, or none comes in good time.
    pub async fn event(&self, found: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            let host = self.base.trim_start_matches("http://");
            let mut stream = TcpStream::connect(host).await.expect("the API is there");
            let request = format!(
                "GET /v1/events?after=0 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
                self.key
            );
            stream.write_all(request.as_bytes()).await.expect("the API listens");
            let mut lines = BufReader::new(stream).lines();
            while let Some(line) = lines.next_line().await.expect("the API speaks") {
                let event = line.strip_prefix("data:").and_then(|data| serde_json::from_str(data).ok());
                if let Some(event) = event.filter(&found) {
                    return event;
                }
            }
            panic!("the stream of events ended");
        };
        tokio::time::timeout(super::PATIENCE, reading).await.expect("an event comes in good time")
    }

    async fn answer(&self, request: outbound::Request) -> Option<Answer> {
        let answer = request.bearer(&self.key).answer(LARGEST).await.ok()?;
        Some(Answer { status: answer.status, body: answer.json().unwrap_or(Value::Null) })
    }
}
