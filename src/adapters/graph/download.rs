//! Files that lie at Meta: fetched from Meta's hosts only, since the token goes along.

use std::time::Duration;

use bytes::Bytes;
use channel::{ChannelError, ErrorClass};
use reqwest::Url;

use super::error::{Refusal, gateway};
use super::usage::Usage;
use super::{Classify, Graph};
use crate::unanswered::unanswered_repeatable;

/// Longest wait for a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(2);
/// Where Meta keeps files.
const HOSTS: &[&str] =
    &["fbsbx.com", "fbcdn.net", "facebook.com", "whatsapp.net", "cdninstagram.com", "instagram.com"];

impl Graph {
    /// The file at an address that Meta gave; at most `max_bytes`. With an empty `token` none is sent.
    pub async fn download(&self, token: &str, url: &str, max_bytes: u64) -> Result<Bytes, ChannelError> {
        if !self.is_metas(url) {
            let message = "the file's address is not Meta's: no token goes there";
            return Err(ChannelError::permanent("host", message));
        }
        let request = self.http.provider().get(url, FILE_TIMEOUT);
        let request = if token.is_empty() { request } else { request.bearer(token) };
        match request.answer(max_bytes).await {
            Ok(answer) if answer.is_success() => Ok(answer.body),
            Ok(answer) => Err(refused(&answer, self.classify)),
            Err(outbound::Error::TooLarge { limit, .. }) => Err(too_large(limit)),
            Err(error) => Err(unanswered_repeatable(error)),
        }
    }

    /// Whether an address is Meta's: one of its hosts by HTTPS, or the place where the operator has it.
    fn is_metas(&self, url: &str) -> bool {
        let (Ok(url), Ok(base)) = (Url::parse(url), Url::parse(&self.base_url)) else { return false };
        if url.origin() == base.origin() {
            return true;
        }
        let host = url.host_str().unwrap_or_default();
        let within =
            |known: &str| host == known || host.strip_suffix(known).is_some_and(|sub| sub.ends_with('.'));
        url.scheme() == "https" && HOSTS.iter().any(|known| within(known))
    }
}

/// The error for a file that is larger than the caller takes.
pub(crate) fn too_large(max_bytes: u64) -> ChannelError {
    ChannelError::permanent("too_large", format!("the file is larger than {max_bytes} bytes"))
}

fn refused(answer: &outbound::Answer, classify: Classify) -> ChannelError {
    let usage = Usage::of(|name| answer.header(name));
    let body: Option<serde_json::Value> = answer.json();
    let error = match Refusal::of(answer.status, body.as_ref(), &usage) {
        Some(refusal) => refusal.into_error(classify),
        None => gateway(answer.status, &usage),
    };
    match error.class {
        ErrorClass::Ambiguous => ChannelError { class: ErrorClass::Retry, ..error },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use outbound::{Http, HttpConfig};

    use super::*;
    use crate::AdaptersConfig;

    #[test]
    fn tokens_go_to_meta_only() {
        let config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap());
        let graph =
            Graph::new(&config.with_base_url("graph", "http://127.0.0.1:81/x"), "messenger", |_| None);
        for url in [
            "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1",
            "https://scontent.xx.fbcdn.net/v/t1",
            "https://graph.facebook.com/a",
            "http://127.0.0.1:81/file",
        ] {
            assert!(graph.is_metas(url), "{url}");
        }
        for url in [
            "http://lookaside.fbsbx.com/a",
            "https://evilfbsbx.com/a",
            "https://fbsbx.com.evil.example/a",
            "https://evil.example/https://fbsbx.com",
            "https://fbsbx.com@evil.example/",
            "http://127.0.0.1:82/file",
            "file:///etc/passwd",
            "nonsense",
        ] {
            assert!(!graph.is_metas(url), "{url}");
        }
    }
}
