//! A request's parameters, however they came: query string, form, JSON or multipart.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde_json::Value;

use super::answer::{Refusal, bad_request};

/// Largest request that is read.
const MAX_REQUEST: usize = 64 * 1024 * 1024;

/// A file that came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name, as told.
    pub name: String,
    /// Its MIME type, as told.
    pub mime: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// A request's parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    /// By name: JSON as it came, texts of forms as strings.
    pub values: BTreeMap<String, Value>,
    /// By name of the part.
    pub uploads: BTreeMap<String, Upload>,
}

impl Params {
    /// Reads a request.
    pub(crate) async fn read(request: Request) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.add_form(request.uri().query().unwrap_or_default());
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if content_type.starts_with("multipart/form-data") {
            params.add_multipart(request).await?;
            return Ok(params);
        }
        let body = axum::body::to_bytes(request.into_body(), MAX_REQUEST)
            .await
            .map_err(|_| Refusal::new(413, "Request Entity Too Large"))?;
        if content_type.starts_with("application/json") {
            if !body.is_empty() {
                let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
                    return Err(bad_request("Can't parse JSON object in the request body"));
                };
                params.values.extend(fields);
            }
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            params.add_form(&String::from_utf8_lossy(&body));
        } else if !body.is_empty() {
            return Err(bad_request("the body is neither JSON nor a form"));
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &str) {
        for (name, value) in url::form_urlencoded::parse(form.as_bytes()) {
            self.values.insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    async fn add_multipart(&mut self, request: Request<Body>) -> Result<(), Refusal> {
        let broken = |_| bad_request("the multipart body is broken");
        let mut parts = Multipart::from_request(request, &())
            .await
            .map_err(|_| bad_request("the multipart body has no boundary"))?;
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let mime = part.content_type().unwrap_or_default().to_owned();
            let bytes = part.bytes().await.map_err(broken)?;
            if let Some(file_name) = file_name {
                let upload = Upload { name: file_name, mime, bytes };
                self.uploads.insert(name, upload);
            } else {
                let text = String::from_utf8(bytes.to_vec())
                    .map_err(|_| bad_request("strings must be encoded in UTF-8"))?;
                self.values.insert(name, Value::String(text));
            }
        }
        Ok(())
    }

    /// A text; numbers are written out.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    /// A number.
    pub fn float(&self, name: &str) -> Option<f64> {
        self.text(name)?.trim().parse().ok()
    }

    /// An object or array: as it is in JSON bodies, as JSON text in forms.
    pub fn json(&self, name: &str) -> Result<Option<Value>, Refusal> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| bad_request(&format!("can't parse {name} JSON object"))),
            Some(value) => Ok(Some(value.clone())),
        }
    }
}
