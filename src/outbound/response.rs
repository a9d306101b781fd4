//! An answer on its way in, never read without a bound.

use std::fmt;

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use crate::breaker::Verdict;
use crate::hosts::Watch;
use crate::{Error, Failure};

/// An answer whose head has arrived. It keeps its place among the host's requests, if it has one, until it is read or
/// dropped.
pub struct Response {
    inner: reqwest::Response,
    _place: Option<OwnedSemaphorePermit>,
    watch: Watch,
}

/// An answer that was read to its end.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    headers: reqwest::header::HeaderMap,
    /// The body, untouched.
    pub body: Bytes,
}

impl Response {
    pub(crate) fn new(
        inner: reqwest::Response,
        place: Option<OwnedSemaphorePermit>,
        mut watch: Watch,
    ) -> Self {
        if inner.status().is_server_error() {
            watch.end(Verdict::Failing);
        }
        Self { inner, _place: place, watch }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// The header `name`, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// All headers.
    pub fn headers(&self) -> &reqwest::header::HeaderMap {
        self.inner.headers()
    }

    /// The length of the body, where the other side tells it.
    pub fn content_length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// The next piece of the body; none at its end. For bodies that are too large for memory.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let status = self.status();
        match self.inner.chunk().await {
            Ok(chunk) => {
                if chunk.is_none() {
                    self.watch.end(Verdict::Well);
                }
                Ok(chunk)
            }
            Err(error) => {
                self.watch.end(Verdict::Failing);
                Err(Error::BrokenAnswer { status, failure: Failure::of(&error) })
            }
        }
    }

    /// The whole body, of at most `max_bytes`: a longer one is refused as soon as it shows.
    pub async fn read_limited(mut self, max_bytes: u64) -> Result<Bytes, Error> {
        let too_large = Error::TooLarge { status: self.status(), limit: max_bytes };
        let told = self.content_length();
        if told.is_some_and(|length| length > max_bytes) {
            return Err(too_large);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (body.len() + chunk.len()) as u64 > max_bytes {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Reads the whole answer, of at most `max_bytes`.
    pub async fn into_answer(self, max_bytes: u64) -> Result<Answer, Error> {
        let status = self.status();
        let headers = self.inner.headers().clone();
        let body = self.read_limited(max_bytes).await?;
        Ok(Answer { status, headers, body })
    }
}

impl Answer {
    /// The header `name`, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The body as JSON; none if it is not.
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Drop for Response {
    /// Whoever has read enough has had an answer.
    fn drop(&mut self) {
        self.watch.end(Verdict::Well);
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
