//! Files on their way to and from Slack, and from the links that users give.

use std::time::Duration;

use bytes::Bytes;
use channel::{ChannelError, Credentials, ErrorClass};
use reqwest::Url;

use super::BOT_TOKEN;
use super::api::{Api, MAX_ANSWER, wait};
use super::error::{Circumstances, status};
use crate::unanswered::{unanswered, unanswered_repeatable};

/// Longest wait for a call that carries a file.
const FILE_TIMEOUT: Duration = Duration::from_mins(2);

impl Api {
    /// Brings a file's bytes to the address that Slack gave for them. Nobody sees them there yet.
    pub async fn upload(&self, url: &str, bytes: Bytes) -> Result<(), ChannelError> {
        self.known(url)?;
        let request = self.http.provider().post(url, FILE_TIMEOUT);
        let request = request.header("content-type", "application/octet-stream").body(bytes);
        let answer = request.answer(MAX_ANSWER).await.map_err(unanswered_repeatable)?;
        match answer.status {
            200..=299 => Ok(()),
            code => {
                Err(status(code, Circumstances { retry_after: wait(&answer), ..Circumstances::default() }))
            }
        }
    }

    /// Downloads a file. A token that may not read it is shown a page to log in on, with a status that says all is well.
    pub async fn download(
        &self,
        credentials: &Credentials,
        url: &str,
        mime: Option<&str>,
        max_bytes: u64,
    ) -> Result<Bytes, ChannelError> {
        // The token goes along: never to anybody else's machine.
        self.known(url)?;
        let request = self.http.provider().get(url, FILE_TIMEOUT).bearer(credentials.get(BOT_TOKEN));
        let answer = match request.answer(max_bytes).await {
            Ok(answer) => answer,
            Err(outbound::Error::TooLarge { limit, .. }) => return Err(too_large(limit)),
            Err(error) => return Err(unanswered_repeatable(error)),
        };
        match answer.status {
            200..=299 => {}
            300..=399 | 401 | 403 => return Err(login_page()),
            code => {
                let about = Circumstances { retry_after: wait(&answer), ..Circumstances::default() };
                return Err(match status(code, about) {
                    error if error.class == ErrorClass::Ambiguous => {
                        ChannelError { class: ErrorClass::Retry, ..error }
                    }
                    error => error,
                });
            }
        }
        let is_page = answer.header("content-type").is_some_and(|told| told.starts_with("text/html"));
        if is_page && mime.is_none_or(|mime| !mime.starts_with("text/html")) {
            return Err(login_page());
        }
        Ok(answer.body)
    }

    /// Fetches a file that a user linked, to be uploaded: Slack itself fetches pictures only.
    pub async fn fetch_link(&self, url: &str, max_bytes: u64) -> Result<Bytes, ChannelError> {
        let answer = match self.http.public().get(url, FILE_TIMEOUT).answer(max_bytes).await {
            Ok(answer) => answer,
            Err(outbound::Error::TooLarge { limit, .. }) => return Err(too_large(limit)),
            Err(error) if error.outcome() == outbound::Outcome::NotSent => {
                return Err(ChannelError::new(
                    unanswered(error).class,
                    error.code(),
                    "the link cannot be reached",
                ));
            }
            Err(error) => return Err(unanswered_repeatable(error)),
        };
        match answer.status {
            200..=299 => Ok(answer.body),
            429 | 500..=599 => {
                Err(ChannelError::retry("link", format!("the link answers with HTTP {}", answer.status)))
            }
            code => Err(ChannelError::permanent("link", format!("the link answers with HTTP {code}"))),
        }
    }

    /// Whether an address is Slack's: below the base URL, or on a host of Slack's own.
    fn known(&self, url: &str) -> Result<(), ChannelError> {
        let host_is_slacks = |url: &Url| {
            let host = url.host_str().unwrap_or_default();
            url.scheme() == "https" && ["slack.com", "slack-gov.com"].iter().any(|own| is_within(host, own))
        };
        let base = Url::parse(self.base_url()).ok();
        match Url::parse(url) {
            Ok(url) if host_is_slacks(&url) => Ok(()),
            Ok(url) if base.is_some_and(|base| base.origin() == url.origin()) => Ok(()),
            _ => Err(ChannelError::permanent("foreign_file", "the file does not lie at Slack")),
        }
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The error for a file that is larger than the caller takes.
pub(super) fn too_large(max_bytes: u64) -> ChannelError {
    ChannelError::permanent("too_large", format!("the file is larger than {max_bytes} bytes"))
}

fn login_page() -> ChannelError {
    ChannelError::permanent("login_page", "Slack wants a login for the file: does the app have files:read?")
}

#[cfg(test)]
mod tests {
    use outbound::{Http, HttpConfig};

    use super::*;
    use crate::AdaptersConfig;

    #[test]
    fn tokens_go_to_slacks_own_machines_only() {
        let config = AdaptersConfig::new(Http::new(&HttpConfig::default()).unwrap());
        let api = Api::new(&config.with_base_url("slack", "http://127.0.0.1:4000/"));
        for own in [
            "https://files.slack.com/files-pri/T1-F1/a.png",
            "https://slack.com/x",
            "https://a.slack-gov.com/x",
            "http://127.0.0.1:4000/files/F1",
        ] {
            assert!(api.known(own).is_ok(), "{own}");
        }
        for foreign in [
            "http://files.slack.com/x",
            "https://notslack.com/x",
            "https://slack.com.evil.example/x",
            "https://slack.com@evil.example/x",
            "http://127.0.0.1:4001/files/F1",
            "F1",
            "",
        ] {
            assert_eq!(api.known(foreign).unwrap_err().class, ErrorClass::Permanent, "{foreign}");
        }
    }
}
