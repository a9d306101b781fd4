//! What messages and chats are called.
//!
//! A message is its `ts`, unique within its channel. Where we have none there are other names: a shared file whose message
//! Slack has not told yet is `file:` with the file's id; the further files of one message are its `ts` with theirs; a
//! pressed button and a command are no messages, but something that somebody said.

use model::Timestamp;

const FILE: &str = "file:";

/// The name of a shared file whose message is not known yet.
pub(super) fn unshared(file: &str) -> String {
    format!("{FILE}{file}")
}

/// The file in such a name.
pub(super) fn file(provider_id: &str) -> Option<&str> {
    provider_id.strip_prefix(FILE).filter(|file| !file.is_empty())
}

/// The `ts` of the message that a name leads to.
pub(super) fn ts(provider_id: &str) -> Option<&str> {
    let ts = provider_id.split(':').next()?;
    is_ts(ts).then_some(ts)
}

fn is_ts(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, rest)| digits(seconds) && digits(rest))
}

/// When a `ts` was: its first part counts seconds, the second tells messages of one second apart, and so orders them.
pub(super) fn time(ts: &str) -> Timestamp {
    let micros = ts.split_once('.').and_then(|(seconds, rest)| {
        let fraction: i64 = format!("{rest:0<6}").get(..6)?.parse().ok()?;
        seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(fraction)
    });
    Timestamp::from_micros(micros.unwrap_or(0))
}

/// Whether a chat's address is a person's: writing there opens a conversation with them.
pub(super) fn is_user(chat: &str) -> bool {
    let id = chat.strip_prefix(['U', 'W']).unwrap_or_default();
    id.len() >= 7 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Whether a channel is a conversation with one person.
pub(super) fn is_direct(channel: &str) -> bool {
    channel.starts_with('D')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_messages() {
        assert_eq!(ts("1710000000.123456"), Some("1710000000.123456"));
        assert_eq!(ts("1710000000.123456:F024BE91L"), Some("1710000000.123456"));
        for other in ["file:F024BE91L", "action:1710000000.123456", "command:1.2", "", "1", "1.", "a.b"] {
            assert_eq!(ts(other), None, "{other}");
        }
        assert_eq!(file(&unshared("F1")), Some("F1"));
        assert_eq!(file("1710000000.123456"), None);
    }

    #[test]
    fn a_ts_is_a_time() {
        assert_eq!(time("1710000000.123456").as_micros(), 1_710_000_000_123_456);
        assert_eq!(time("1710000000.0001").as_micros(), 1_710_000_000_000_100);
        for odd in ["", "x.y", "99999999999999999999.000000", "1710000000"] {
            assert_eq!(time(odd), Timestamp::ZERO, "{odd}");
        }
    }

    #[test]
    fn people_and_channels_differ_by_their_ids() {
        assert!(is_user("U024BE7LH") && is_user("W012A3CDE"));
        for other in ["C024BE91L", "D024BE91L", "#general", "Users", "UPPERCASE_", "U1"] {
            assert!(!is_user(other), "{other}");
        }
    }
}
