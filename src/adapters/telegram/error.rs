//! What Telegram's refusals mean for the queue.

use std::time::Duration;

use channel::{ChannelError, ErrorClass};
use serde::Deserialize;

/// The facts that come with some refusals.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Parameters {
    /// The group became a supergroup with this id.
    pub migrate_to_chat_id: Option<i64>,
    /// Seconds until the next call is welcome.
    pub retry_after: Option<u64>,
}

/// The error behind `"ok": false`. `code` is Telegram's, which equals the HTTP status.
pub(super) fn refusal(code: u16, description: &str, parameters: Parameters) -> ChannelError {
    if let Some(chat) = parameters.migrate_to_chat_id {
        return ChannelError::retry("chat migrated", description).with_moved_to(chat.to_string());
    }
    let number = code.to_string();
    match code {
        // Nothing in the answer tells whether the chat, the group or the bot is over its limit, so the bot waits.
        429 => {
            let lasting = parameters.retry_after.map(Duration::from_secs);
            ChannelError::new(ErrorClass::RetryAfter(lasting), number, description)
        }
        401 => token_revoked(number, description),
        // A bad token is answered as a page that does not exist; a bad method says so.
        404 if !description.to_ascii_lowercase().contains("method") => token_revoked(number, description),
        // The gateway gave up waiting for a server that may have carried the call out.
        504 => ChannelError::ambiguous(number, description),
        409 | 500..=599 => ChannelError::retry(number, description),
        400 | 403 => ChannelError::permanent(words(description).unwrap_or(number), description),
        _ => ChannelError::permanent(number, description),
    }
}

fn token_revoked(code: String, description: &str) -> ChannelError {
    let class = ErrorClass::AccountStopped { reason: "token_revoked", lasting: None };
    let message = format!("{description} (the bot token is wrong or was revoked: get one from @BotFather)");
    ChannelError::new(class, code, message)
}

/// Telegram's code for a refusal is hardly more than the HTTP status; which one it is, only its words tell. Cut before
/// what varies from message to message, so that they can be counted.
fn words(description: &str) -> Option<String> {
    let (_, words) = description.split_once(": ")?;
    let stem = words.split([':', ';', '"']).next().unwrap_or_default().trim();
    (!stem.is_empty()).then(|| stem.chars().take(64).collect())
}

/// Whether an edit was refused because the message already says so.
pub(super) fn is_not_modified(error: &ChannelError) -> bool {
    error.code.starts_with("message is not modified")
}

/// Whether a deletion was refused because the message is gone.
pub(super) fn is_already_gone(error: &ChannelError) -> bool {
    error.code.starts_with("message to delete not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(code: u16, description: &str) -> ChannelError {
        refusal(code, description, Parameters::default())
    }

    #[test]
    fn what_can_never_work_is_permanent_and_named_by_its_words() {
        for (code, description, word) in [
            (403, "Forbidden: bot was blocked by the user", "bot was blocked by the user"),
            (403, "Forbidden: user is deactivated", "user is deactivated"),
            (403, "Forbidden: bot was kicked from the group chat", "bot was kicked from the group chat"),
            (
                403,
                "Forbidden: bot can't initiate conversation with a user",
                "bot can't initiate conversation with a user",
            ),
            (400, "Bad Request: chat not found", "chat not found"),
            (400, "Bad Request: message to edit not found", "message to edit not found"),
            (400, "Bad Request: message can't be edited", "message can't be edited"),
            (400, "Bad Request: message is too long", "message is too long"),
            (
                400,
                "Bad Request: can't parse entities: Unsupported start tag \"x\" at byte offset 3",
                "can't parse entities",
            ),
            (418, "teapot", "418"),
        ] {
            let error = plain(code, description);
            assert_eq!(error.class, ErrorClass::Permanent, "{description}");
            assert_eq!(error.code, word);
            assert_eq!(error.message, description);
        }
    }

    #[test]
    fn too_many_requests_hold_the_account_for_as_long_as_said() {
        let parameters = Parameters { retry_after: Some(17), ..Parameters::default() };
        let error = refusal(429, "Too Many Requests: retry after 17", parameters);
        assert_eq!(error.class, ErrorClass::RetryAfter(Some(Duration::from_secs(17))));
        assert_eq!(error.code, "429");
        assert_eq!(plain(429, "Too Many Requests").class, ErrorClass::RetryAfter(None));
    }

    #[test]
    fn a_bad_token_stops_the_account_and_a_bad_method_does_not() {
        for error in [plain(401, "Unauthorized"), plain(404, "Not Found")] {
            assert!(matches!(
                error.class,
                ErrorClass::AccountStopped { reason: "token_revoked", lasting: None }
            ));
        }
        assert_eq!(plain(404, "Not Found: method not found").class, ErrorClass::Permanent);
    }

    #[test]
    fn a_migration_carries_the_new_chat() {
        let parameters = Parameters { migrate_to_chat_id: Some(-1_001_555_296_434), ..Parameters::default() };
        let error = refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", parameters);
        assert_eq!(error.class, ErrorClass::Retry);
        assert_eq!(error.moved_to.as_deref(), Some("-1001555296434"));
    }

    #[test]
    fn servers_that_fail_are_tried_again_and_one_that_gave_up_waiting_is_doubtful() {
        for code in [409, 500, 502, 503] {
            assert_eq!(plain(code, "Bad Gateway").class, ErrorClass::Retry);
        }
        assert_eq!(plain(504, "Gateway Timeout").class, ErrorClass::Ambiguous);
    }
}
