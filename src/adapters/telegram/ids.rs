//! Chats' and messages' numbers as the rest of Rookery keeps them.
//!
//! A message's number is unique within its chat, but a group that becomes a supergroup is the same conversation with
//! numbers that begin again at 1. So numbers given in a plain group are marked: they meet no later one, and nothing
//! meant for an old message reaches another that has its number now.

use channel::ChannelError;
use serde_json::Value;

/// Plain groups have ids above this; supergroups and channels lie at or below.
const SUPERGROUPS: i64 = -1_000_000_000_000;
/// Marks a number given in a plain group.
const GROUP: &str = "group:";
/// Marks a message that only one member sees; it has a number of another series.
const EPHEMERAL: &str = "ephemeral:";

fn is_plain_group(chat: i64) -> bool {
    chat < 0 && chat > SUPERGROUPS
}

/// How a message in `chat` is called. `message` is 0 in messages that only one member sees.
pub(super) fn provider_id(chat: i64, message: i64, ephemeral: Option<i64>) -> String {
    match ephemeral {
        Some(id) if message == 0 => format!("{EPHEMERAL}{id}"),
        _ if is_plain_group(chat) => format!("{GROUP}{message}"),
        _ => message.to_string(),
    }
}

/// The number by which a message can be reached in `chat` today, if it can.
pub(super) fn number(chat: &str, provider_id: &str) -> Option<i64> {
    match provider_id.strip_prefix(GROUP) {
        Some(id) => id.parse().ok().filter(|_| chat.parse().is_ok_and(is_plain_group)),
        None => provider_id.parse().ok(),
    }
}

/// [`number`], for calls that make no sense without one.
pub(super) fn message_id(chat: &str, provider_id: &str) -> Result<i64, ChannelError> {
    number(chat, provider_id).ok_or_else(|| {
        let message = "the message cannot be reached: it is no message of this chat, or stayed in the group that \
                       this chat was before";
        ChannelError::permanent("message id", message)
    })
}

/// The number of a message that only one member sees.
pub(super) fn ephemeral(provider_id: &str) -> Option<i64> {
    provider_id.strip_prefix(EPHEMERAL)?.parse().ok()
}

/// A chat as the Bot API wants it: ids are numbers, user names are not.
pub(super) fn chat_id(chat: &str) -> Value {
    chat.parse::<i64>().map_or_else(|_| chat.into(), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_back_to_its_message() {
        for (chat, called) in [(42, "7"), (-599, "group:7"), (-1_001_555_296_434, "7"), (SUPERGROUPS, "7")] {
            assert_eq!(provider_id(chat, 7, None), called);
            assert_eq!(message_id(&chat.to_string(), called).unwrap(), 7);
        }
        assert_eq!(provider_id(-599, 0, Some(3)), "ephemeral:3");
        assert_eq!(ephemeral("ephemeral:3"), Some(3));
    }

    #[test]
    fn numbers_of_the_group_that_was_are_not_those_of_the_supergroup() {
        assert_eq!(number("-1001555296434", "group:7"), None);
        assert_ne!(provider_id(-599, 7, None), provider_id(-1_001_555_296_434, 7, None));
        for other in ["callback:7", "ephemeral:7", "", "group:", "group:x"] {
            assert_eq!(number("-599", other), None, "{other}");
        }
    }
}
