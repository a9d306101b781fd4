//! One call of the Graph API before it is made.

use std::time::Duration;

use bytes::Bytes;
use channel::ChannelError;
use outbound::{Http, Method, Request};
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// Longest wait for a call that carries a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(2);

/// A method, a path, and what goes with them.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Body,
    repeatable: bool,
    versioned: bool,
    patience: Duration,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Json(Value),
    Form { fields: Vec<(&'static str, String)>, file: Option<File> },
}

/// A file in a form.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// The field that it is.
    pub field: &'static str,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub mime: String,
    /// Itself.
    pub bytes: Bytes,
}

impl Call {
    fn new<S: Into<String>>(method: Method, path: impl IntoIterator<Item = S>) -> Self {
        Self {
            method,
            path: path.into_iter().map(Into::into).collect(),
            query: Vec::new(),
            body: Body::None,
            repeatable: true,
            versioned: true,
            patience: Duration::ZERO,
        }
    }

    /// Reads.
    pub fn get<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Writes, in a way that may be repeated without harm; what may not says so by [`Call::once`].
    pub fn post<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Makes it a call that must not be made twice lightly: one that sends a message.
    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Has this for a body.
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// Has a form with a file for a body.
    pub fn form(mut self, fields: Vec<(&'static str, String)>, file: File) -> Self {
        self.body = Body::Form { fields, file: Some(file) };
        self
    }

    /// Has a form without a file for a body.
    pub fn fields(mut self, fields: Vec<(&'static str, String)>) -> Self {
        self.body = Body::Form { fields, file: None };
        self
    }

    /// Leaves the version out of the address: Instagram's exchange of tokens knows none.
    pub fn unversioned(mut self) -> Self {
        self.versioned = false;
        self
    }

    /// Lets Meta itself take longer: it fetches a link before it answers.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same call once more.
    pub(super) fn again(&self) -> Self {
        self.clone()
    }

    pub(super) fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    pub(super) fn is_versioned(&self) -> bool {
        self.versioned
    }

    /// The request, without its token.
    pub(super) fn request(self, http: &Http, url: &str, timeout: Duration) -> Result<Request, ChannelError> {
        let usual =
            if matches!(self.body, Body::Form { file: Some(_), .. }) { FILE_TIMEOUT } else { timeout };
        let request = http.provider().request(self.method, url, usual + self.patience).query(&self.query);
        Ok(match self.body {
            Body::None => request,
            Body::Json(body) => request.json(&body),
            Body::Form { fields, file } => request.multipart(form(fields, file)?),
        })
    }
}

fn form(fields: Vec<(&'static str, String)>, file: Option<File>) -> Result<Form, ChannelError> {
    let form = fields.into_iter().fold(Form::new(), |form, (name, value)| form.text(name, value));
    let Some(file) = file else { return Ok(form) };
    let length = file.bytes.len() as u64;
    let part = Part::stream_with_length(file.bytes, length)
        .file_name(file.name)
        .mime_str(&file.mime)
        .map_err(|_| ChannelError::permanent("mime", format!("`{}` is not a MIME type", file.mime)))?;
    Ok(form.part(file.field, part))
}
