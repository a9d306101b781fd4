//! Whom a message goes to. A chat is a phone number (digits, `wa_id`), a business-scoped user id where a person hides the
//! number (`US.13491208655302741918`), or a group.

use serde_json::{Map, Value};

/// Writes the recipient into a message.
pub(super) fn write(body: &mut Map<String, Value>, chat: &str) {
    let (kind, field) = match kind(chat) {
        Kind::Phone => ("individual", "to"),
        Kind::User => ("individual", "recipient"),
        Kind::Group => ("group", "to"),
    };
    body.insert("recipient_type".to_owned(), kind.into());
    body.insert(field.to_owned(), chat.into());
}

/// The chat as Meta has it, when it took the message under another number than was given: the leading `+`, or the digit
/// that Brazilian and Mexican numbers may or may not have.
pub(super) fn moved(chat: &str, wa_id: Option<&str>) -> Option<String> {
    // Some of Meta's own examples have a space behind it.
    let is_number = |wa_id: &&str| !wa_id.is_empty() && wa_id.bytes().all(|byte| byte.is_ascii_digit());
    let wa_id = wa_id.map(str::trim).filter(is_number).filter(|_| kind(chat) == Kind::Phone)?;
    (wa_id != chat).then(|| wa_id.to_owned())
}

/// Whether a chat is a person without a phone number.
pub(super) fn is_user(chat: &str) -> bool {
    kind(chat) == Kind::User
}

/// The digits of a phone number, however it is written.
pub(super) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Phone,
    User,
    Group,
}

fn kind(chat: &str) -> Kind {
    let is_country = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if chat.split_once('.').is_some_and(|(country, id)| is_country(country) && !id.is_empty()) {
        return Kind::User;
    }
    let number = chat.strip_prefix('+').unwrap_or(chat);
    let is_phone = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || " -().".contains(c));
    if is_phone { Kind::Phone } else { Kind::Group }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_users_and_groups_are_told_apart() {
        for (chat, expected) in [
            ("16505551234", Kind::Phone),
            ("+1 (650) 555-1234", Kind::Phone),
            ("US.13491208655302741918", Kind::User),
            ("BR.ENT.11815799212886844830", Kind::User),
            ("Y2FwaV9ncm91cDoxODA1NTU1MDE3MjoxMjAzNjMyMjI3NzE5NjMwNjcZD", Kind::Group),
        ] {
            assert_eq!(kind(chat), expected, "{chat}");
        }
    }

    #[test]
    fn a_number_moves_only_when_meta_writes_it_otherwise() {
        assert_eq!(moved("+16505551234", Some("16505551234")), Some("16505551234".to_owned()));
        assert_eq!(moved("16505551234", Some("16505551234")), None);
        assert_eq!(moved("+16505551234", Some("16505551234 ")), Some("16505551234".to_owned()));
        assert_eq!(moved("16505551234", Some("<WHATSAPP_ID>")), None);
        assert_eq!(moved("US.1349", Some("16505551234")), None);
        assert_eq!(moved("16505551234", None), None);
    }
}
