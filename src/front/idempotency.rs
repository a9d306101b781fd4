//! The promise of `Idempotency-Key`: equal requests with one key are one request.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use store::Idempotency;

use crate::Front;
use crate::body::{json_bytes, parse};
use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;

/// A JSON body with the key under which its request is remembered, if the caller gave one.
#[derive(Debug)]
pub(crate) struct Keyed<T> {
    /// The body.
    pub(crate) body: T,
    /// The key, and what the request is.
    pub(crate) idempotency: Option<Idempotency>,
}

/// The key that a request names.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(|key| Some(key.to_owned()))
        .ok_or_else(|| {
            let message = format!("1 to {LONGEST} visible ASCII characters without spaces");
            Problem::field("Idempotency-Key", "invalid", message)
        })
}

impl<T: DeserializeOwned> FromRequest<Front> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, front: &Front) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        let mut hash = Sha256::new();
        hash.update(request.method().as_str());
        hash.update([0]);
        hash.update(request.uri().path());
        hash.update([0]);
        let bytes = json_bytes(request, front).await?;
        hash.update(&bytes);
        Ok(Self {
            body: parse(&bytes)?,
            idempotency: key.map(|key| Idempotency { key, request_hash: hash.finalize().to_vec() }),
        })
    }
}
