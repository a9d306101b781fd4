//! A call as it arrived, however it was written: query, JSON, form, multipart.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use bytes::Bytes;
use serde_json::Value;

use super::Refusal;

/// Largest request that is read.
const MAX_REQUEST: usize = 128 * 1024 * 1024;

/// A file that came with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The form's field.
    pub field: String,
    /// Its name, as told.
    pub name: String,
    /// Its MIME type, as told.
    pub mime: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// A call with all that came with it, and what it was answered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// `GET`, `POST`, `DELETE`
    pub method: String,
    /// The path behind the version.
    pub path: Vec<String>,
    /// Query and body in one.
    pub params: BTreeMap<String, Value>,
    /// Files.
    pub uploads: Vec<Upload>,
    /// The bearer token, or the one in the query.
    pub token: Option<String>,
    /// Whether a token stood in the URL, where logs would show it.
    pub token_in_url: bool,
    /// The status of the answer; 0 while there is none.
    pub status: u16,
    /// The answer's body.
    pub answer: Value,
}

impl Call {
    /// Reads a request to `path` (behind the version).
    pub(super) async fn read(request: Request, path: &str) -> Result<Self, Refusal> {
        let bearer = header(&request, AUTHORIZATION).strip_prefix("Bearer ").map(str::to_owned);
        let content_type = header(&request, CONTENT_TYPE).to_ascii_lowercase();
        let mut call = Self {
            method: request.method().to_string(),
            path: path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            ..Self::default()
        };
        call.add_form(request.uri().query().unwrap_or_default());
        let in_url = call.params.get("access_token").and_then(Value::as_str).map(str::to_owned);
        call.token_in_url = in_url.is_some();
        call.token = bearer.or(in_url);
        if content_type.starts_with("multipart/form-data") {
            call.add_multipart(request).await?;
            return Ok(call);
        }
        let body = axum::body::to_bytes(request.into_body(), MAX_REQUEST)
            .await
            .map_err(|_| Refusal::new(413, 1, "Request Entity Too Large"))?;
        if content_type.starts_with("application/json") {
            let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
                return Err(Refusal::parameter("the body is not a JSON object"));
            };
            call.params.extend(fields);
        } else if !body.is_empty() {
            call.add_form(&String::from_utf8_lossy(&body));
        }
        Ok(call)
    }

    /// Whether the path ends in `place`; `*` is any.
    pub fn is_at(&self, place: &str) -> bool {
        place == "*" || self.path.last().is_some_and(|last| last == place)
    }

    /// A parameter that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str)
    }

    /// The path's parts, to be matched.
    pub fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The body with the query, as one object.
    pub fn body(&self) -> Value {
        Value::Object(self.params.clone().into_iter().collect())
    }

    fn add_form(&mut self, form: &str) {
        for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
            self.params.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    async fn add_multipart(&mut self, request: Request) -> Result<(), Refusal> {
        let broken = |_| Refusal::parameter("the multipart body is broken");
        let mut parts = Multipart::from_request(request, &())
            .await
            .map_err(|_| Refusal::parameter("the multipart body has no boundary"))?;
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            let field = part.name().unwrap_or_default().to_owned();
            let file = part.file_name().map(str::to_owned);
            let mime = part.content_type().unwrap_or("application/octet-stream").to_owned();
            let bytes = part.bytes().await.map_err(broken)?;
            if let Some(name) = file {
                self.uploads.push(Upload { field, name, mime, bytes });
            } else {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.params.insert(field, Value::String(text));
            }
        }
        Ok(())
    }
}

fn header(request: &Request, name: HeaderName) -> &str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
