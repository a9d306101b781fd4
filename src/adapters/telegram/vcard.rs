//! Address cards with more in them than Telegram's own fields (RFC 6350, the few lines that we need).

use model::ContactCard;

/// Longest card that Telegram takes, in bytes.
pub(super) const MAX: usize = 2048;

/// A card as a vCard.
pub(super) fn write(card: &ContactCard) -> String {
    let mut lines =
        vec!["BEGIN:VCARD".to_owned(), "VERSION:3.0".to_owned(), format!("FN:{}", escape(&card.name))];
    lines.extend(card.phones.iter().map(|phone| format!("TEL:{}", escape(phone))));
    lines.extend(card.emails.iter().map(|email| format!("EMAIL:{}", escape(email))));
    lines.push("END:VCARD".to_owned());
    lines.join("\r\n")
}

/// The values of the property `name` (`TEL`, `EMAIL`) in a vCard.
pub(super) fn values(vcard: &str, name: &str) -> Vec<String> {
    vcard
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.split(';').next().is_some_and(|key| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| unescape(value.trim()))
        .filter(|value| !value.is_empty())
        .collect()
}

fn escape(value: &str) -> String {
    value.chars().fold(String::new(), |mut escaped, c| {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => {}
            '\\' | ',' | ';' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
        escaped
    })
}

fn unescape(value: &str) -> String {
    let mut plain = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(c) => plain.push(c),
                None => {}
            },
            (c, false) => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_back_as_it_was_written() {
        let card = ContactCard {
            name: "Doe, Jane; \\ MD\nBerlin".to_owned(),
            phones: vec!["+4930123".to_owned(), "+4930456".to_owned()],
            emails: vec!["jane@example.org".to_owned()],
        };
        let vcard = write(&card);
        assert_eq!(values(&vcard, "FN"), [card.name]);
        assert_eq!(values(&vcard, "tel"), card.phones);
        assert_eq!(values(&vcard, "EMAIL"), card.emails);
        assert_eq!(vcard.lines().count(), 7);
    }

    #[test]
    fn parameters_of_a_property_are_passed_over() {
        assert_eq!(values("TEL;TYPE=CELL:+1 555\r\nTEL:\r\nnonsense", "TEL"), ["+1 555"]);
    }
}
