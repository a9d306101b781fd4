//! What Slack's refusals mean for the queue. Nearly all come as HTTP 200 with a word; the words are an open list, and a
//! word that nobody knows says no to this one message.

use std::time::Duration;

use channel::{ChannelError, ErrorClass};

/// The credentials are worth nothing until somebody installs the app again.
const REVOKED: &[&str] = &[
    "account_inactive",
    "app_uninstalled",
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "user_removed_from_team",
    // Of a renewal that was made before, or whose grant is gone.
    "invalid_refresh_token",
];
/// The workspace lets the app do nothing for now.
const RESTRICTED: &[&str] = &[
    "accesslimited",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "org_login_required",
    "team_access_not_granted",
    "team_disabled",
    "team_not_found",
    "two_factor_setup_required",
];
/// A bad moment in which nothing was done.
const RETRY: &[&str] = &[
    "request_timeout",
    "service_unavailable",
    // The workspace is being moved, for minutes.
    "team_added_to_org",
    "token_rotated_recently",
];
/// Errors in the midst of the work: Slack says that part of it may have been done.
const DOUBTFUL: &[&str] = &["fatal_error", "internal_error"];
/// Too many calls.
const LIMITED: &[&str] = &["rate_limited", "ratelimited"];

/// A wait of up to this is that of a channel, which takes one message a second; the limits of a method or of the whole
/// workspace count minutes. The answer does not say which limit was met.
const CHANNEL_WAIT: Duration = Duration::from_secs(5);

/// What is known of a refusal beside its word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Circumstances {
    /// Whether the call posts into a channel, and so has the channel's own limit.
    pub posts: bool,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Whether the token is one that is renewed.
    pub renewed: bool,
}

/// The error behind `"ok": false`. `detail` is what Slack adds to its word.
pub(super) fn refusal(word: &str, detail: Option<&str>, about: Circumstances) -> ChannelError {
    let class = if LIMITED.contains(&word) {
        limited(about)
    } else if word == "token_expired" && about.renewed {
        // Its renewal is under way.
        ErrorClass::Retry
    } else if REVOKED.contains(&word) || word == "token_expired" {
        ErrorClass::AccountStopped { reason: "token_revoked", lasting: None }
    } else if RESTRICTED.contains(&word) {
        ErrorClass::AccountStopped { reason: "restricted", lasting: None }
    } else if RETRY.contains(&word) {
        ErrorClass::Retry
    } else if DOUBTFUL.contains(&word) {
        ErrorClass::Ambiguous
    } else {
        ErrorClass::Permanent
    };
    let message = match detail {
        Some(detail) => format!("Slack says {word}: {detail}"),
        None => format!("Slack says {word}"),
    };
    ChannelError::new(class, word, message)
}

/// The error behind an HTTP status without a word of Slack's.
pub(super) fn status(status: u16, about: Circumstances) -> ChannelError {
    let class = match status {
        429 => limited(about),
        // The gateway gave up waiting for a server that may have carried the call out.
        504 => ErrorClass::Ambiguous,
        500..=599 => ErrorClass::Retry,
        _ => ErrorClass::Permanent,
    };
    ChannelError::new(class, status.to_string(), format!("Slack answers with HTTP {status}"))
}

fn limited(about: Circumstances) -> ErrorClass {
    match about.retry_after {
        Some(wait) if about.posts && wait <= CHANNEL_WAIT => {
            ErrorClass::RecipientHeld(wait.max(Duration::from_secs(1)))
        }
        wait => ErrorClass::RetryAfter(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(word: &str) -> ErrorClass {
        refusal(word, None, Circumstances::default()).class
    }

    #[test]
    fn words_have_their_classes() {
        let stopped = |reason| ErrorClass::AccountStopped { reason, lasting: None };
        for (words, expected) in [
            (
                &["invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"][..],
                stopped("token_revoked"),
            ),
            (&["org_login_required", "team_access_not_granted"], stopped("restricted")),
            (
                &[
                    "missing_scope",
                    "no_permission",
                    "channel_not_found",
                    "not_in_channel",
                    "is_archived",
                    "user_not_found",
                    "msg_too_long",
                    "msg_blocks_too_long",
                    "no_text",
                    "invalid_blocks",
                    "restricted_action",
                    "cant_update_message",
                    "edit_window_closed",
                    "message_not_found",
                    "already_reacted",
                    "no_reaction",
                    "a_word_of_next_year",
                ],
                ErrorClass::Permanent,
            ),
            (&["service_unavailable", "request_timeout"], ErrorClass::Retry),
            (&["internal_error", "fatal_error"], ErrorClass::Ambiguous),
            (&["ratelimited", "rate_limited"], ErrorClass::RetryAfter(None)),
        ] {
            for word in words {
                assert_eq!(class(word), expected, "{word}");
            }
        }
        let error = refusal("invalid_blocks", Some("no text"), Circumstances::default());
        assert_eq!(error.code, "invalid_blocks");
        assert_eq!(error.message, "Slack says invalid_blocks: no text");
    }

    #[test]
    fn a_short_wait_is_the_channels_and_a_long_one_the_accounts() {
        let about = |posts, seconds| Circumstances {
            posts,
            retry_after: Some(Duration::from_secs(seconds)),
            renewed: false,
        };
        let class = |posts, seconds| refusal("ratelimited", None, about(posts, seconds)).class;
        assert_eq!(class(true, 1), ErrorClass::RecipientHeld(Duration::from_secs(1)));
        assert_eq!(class(true, 0), ErrorClass::RecipientHeld(Duration::from_secs(1)));
        assert_eq!(class(true, 30), ErrorClass::RetryAfter(Some(Duration::from_secs(30))));
        assert_eq!(class(false, 1), ErrorClass::RetryAfter(Some(Duration::from_secs(1))));
        assert_eq!(status(429, about(true, 30)).class, ErrorClass::RetryAfter(Some(Duration::from_secs(30))));
    }

    #[test]
    fn an_expired_token_that_is_renewed_is_waited_for() {
        let about = Circumstances { renewed: true, ..Circumstances::default() };
        assert_eq!(refusal("token_expired", None, about).class, ErrorClass::Retry);
        assert_eq!(
            refusal("token_revoked", None, about).class,
            ErrorClass::AccountStopped { reason: "token_revoked", lasting: None }
        );
    }

    #[test]
    fn statuses_have_their_classes() {
        let class = |code| status(code, Circumstances::default()).class;
        for code in [500, 502, 503] {
            assert_eq!(class(code), ErrorClass::Retry);
        }
        assert_eq!(class(504), ErrorClass::Ambiguous);
        assert_eq!(class(404), ErrorClass::Permanent);
    }
}
