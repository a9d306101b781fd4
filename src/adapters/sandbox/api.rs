//! Calls to the sandbox's HTTP API, and what its answers mean for the queue.

use std::time::Duration;

use bytes::Bytes;
use channel::{ChannelError, ErrorClass};
use outbound::{Answer, Error, Http, Method, Request, Upgraded};
use serde_json::{Value, json};

use super::{LARGEST_FILE, POLL};
use crate::AdaptersConfig;
use crate::unanswered::unanswered;

/// Answers are small, files and polls aside.
const LARGEST_ANSWER: u64 = 64 * 1024;
const LARGEST_POLL: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Api {
    http: Http,
    base: String,
    timeout: Duration,
}

impl Api {
    pub(super) fn new(config: &AdaptersConfig, base: String) -> Self {
        Self { http: config.http.clone(), base, timeout: config.call_timeout }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base
    }

    fn request(&self, token: &str, method: Method, path: &str, timeout: Duration) -> Request {
        let url = format!("{}{path}", self.base);
        self.http.provider().request(method, &url, timeout).bearer(token)
    }

    pub(super) async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Value, ChannelError> {
        let request = self.request(token, method, path, self.timeout).json(body);
        value(request.answer(LARGEST_ANSWER).await)
    }

    pub(super) async fn post(&self, token: &str, path: &str, body: &Value) -> Result<Value, ChannelError> {
        self.call(token, Method::POST, path, body).await
    }

    /// Uploads a file and answers its id. Nothing is said yet, so that a doubtful outcome is a plain retry.
    pub(super) async fn upload(&self, token: &str, mime: &str, bytes: Bytes) -> Result<String, ChannelError> {
        // A megabyte a second is slow today.
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let timeout = self.timeout + Duration::from_secs(size / 1_000_000);
        let request =
            self.request(token, Method::POST, "/v1/files", timeout).header("content-type", mime).body(bytes);
        let answer = value(request.answer(LARGEST_ANSWER).await).and_then(|answer| text(&answer, "id"));
        answer.map_err(|error| match error.class {
            ErrorClass::Ambiguous => ChannelError::retry(error.code, error.message),
            _ => error,
        })
    }

    pub(super) async fn download(&self, token: &str, id: &str, max: u64) -> Result<Bytes, ChannelError> {
        let path = format!("/v1/files/{id}");
        let timeout = self.timeout + Duration::from_secs(LARGEST_FILE / 1_000_000);
        let answer = self.request(token, Method::GET, &path, timeout).answer(max).await;
        match answer {
            Ok(answer) if answer.is_success() => Ok(answer.body),
            other => value(other).map(|_| Bytes::new()),
        }
    }

    /// A connection for a session, on which nothing was said yet.
    pub(super) async fn session(&self) -> Result<Upgraded, ChannelError> {
        let request = self.http.provider().get(&format!("{}/v1/session", self.base), self.timeout);
        request.upgrade("sandbox-session").await.map_err(unanswered)
    }

    /// How long a call may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) async fn updates(&self, token: &str, cursor: Option<&str>) -> Result<Value, ChannelError> {
        let wait = POLL.as_millis().to_string();
        let mut query = vec![("wait_ms", wait.as_str())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let request = self.request(token, Method::GET, "/v1/updates", POLL + self.timeout);
        let request = request.query(&query).waiting();
        value(request.answer(LARGEST_POLL).await)
    }
}

/// The string at `field` of an answer. Without it the provider said yes and did not say to what.
pub(super) fn text(answer: &Value, field: &str) -> Result<String, ChannelError> {
    answer[field]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| ChannelError::ambiguous("invalid_answer", format!("the answer has no {field}")))
}

/// An id as a part of a path: ids are letters and digits, so nothing else can reach the provider.
pub(super) fn segment(id: &str) -> Result<&str, ChannelError> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(id)
    } else {
        Err(ChannelError::permanent("invalid_id", "this is no id of the sandbox"))
    }
}

fn value(answer: Result<Answer, Error>) -> Result<Value, ChannelError> {
    let answer = answer.map_err(|error| match error {
        Error::Invalid(_) | Error::TooLarge { status: 200..=299, .. } => {
            ChannelError::permanent(error.code(), error.to_string())
        }
        error => unanswered(error),
    })?;
    if answer.is_success() {
        return answer
            .json()
            .ok_or_else(|| ChannelError::ambiguous("invalid_answer", "the answer is not JSON"));
    }
    Err(refused(answer.status, &answer.json().unwrap_or_else(|| json!({}))))
}

pub(super) fn refused(status: u16, body: &Value) -> ChannelError {
    let error = &body["error"];
    let lasting = error["retry_after_ms"].as_u64().map(Duration::from_millis);
    let pause = lasting.unwrap_or(Duration::from_secs(1));
    let code = error["code"].as_str();
    let class = match (status, code) {
        (401, _) => ErrorClass::AccountStopped { reason: "token_revoked", lasting: None },
        (_, Some("account_timelocked")) => ErrorClass::AccountStopped { reason: "timelocked", lasting },
        (_, Some("account_banned")) => ErrorClass::AccountStopped { reason: "banned", lasting },
        (_, Some("tier_limited")) => ErrorClass::BulkHeld(pause),
        (_, Some("recipient_limited")) => ErrorClass::RecipientHeld(pause),
        (429, _) => ErrorClass::RetryAfter(lasting),
        (500.., _) => ErrorClass::Retry,
        _ => ErrorClass::Permanent,
    };
    let message = error["message"].as_str().unwrap_or("the sandbox gave no reason");
    ChannelError::new(class, code.map_or_else(|| status.to_string(), str::to_owned), message)
}
