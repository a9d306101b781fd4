//! Stop words: who answers with nothing but one of them gets no campaign any more, until they answer with a start word.
//!
//! Only the whole message counts: "stop" ends campaigns, "I cannot stop laughing" does not. How it is written does not
//! matter, nor what stands around it: `STOP!`, `/stop` and `Opt-out.` are stop words.

use channel::Capabilities;
use model::{Account, Content, ConversationKind, Inbound, InboundKind};
use pacing::Profile;

use crate::lane_pace;

const START: &[&str] = &["start", "unstop", "subscribe"];

/// What a contact wants of campaigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// None any more.
    Stop,
    /// Again.
    Start,
}

/// The stop words of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopWords(Vec<String>);

impl StopWords {
    /// Those of an account, by its rules.
    pub(crate) fn of(capabilities: &Capabilities, account: &Account) -> Self {
        // Numbers that make no sense hold sends back, and nobody's wish.
        let profile = lane_pace::profile(capabilities, account).unwrap_or_else(|_| Profile::person());
        Self::new(profile.stop_words())
    }

    /// Adds to what a provider told what a contact wants by it.
    pub(crate) fn read(&self, meaning: &mut Vec<Inbound>) {
        let wishes = meaning.iter().filter_map(|inbound| {
            let opted_out = self.wish(inbound)? == Wish::Stop;
            Some(Inbound { kind: InboundKind::ContactOptedOut { opted_out }, ..inbound.clone() })
        });
        let wishes: Vec<_> = wishes.collect();
        meaning.extend(wishes);
    }

    fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        Self(words.map(plain).filter(|word| !word.is_empty()).collect())
    }

    /// What the other side of a direct chat wants, if that is all that it says.
    pub(crate) fn wish(&self, inbound: &Inbound) -> Option<Wish> {
        let InboundKind::Message { content, echo: false, .. } = &inbound.kind else { return None };
        if inbound.chat_kind != ConversationKind::Direct {
            return None;
        }
        let said = match content {
            Content::Text { text, .. } => text,
            Content::Callback { title, data } => title.as_ref().unwrap_or(data),
            _ => return None,
        };
        // Whoever writes so much says more than a word; it need not be looked at.
        if said.len() > LONGEST {
            return None;
        }
        let said = plain(said);
        if self.0.contains(&said) {
            Some(Wish::Stop)
        } else {
            START.contains(&said.as_str()).then_some(Wish::Start)
        }
    }
}

/// Bytes of the longest message that is looked at.
const LONGEST: usize = 200;

/// Letters and digits in lower case and without accents, single spaces between words, nothing around them.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase).filter(|c| !is_mark(*c)) {
        match bare(c) {
            c if c.is_alphanumeric() => plain.push(c),
            _ if plain.ends_with(' ') || plain.is_empty() => {}
            _ => plain.push(' '),
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// An accent that stands by itself, a joiner or a variant selector: nothing between letters.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The letter without its accent, of the languages above.
const fn bare(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn said(content: Content, chat_kind: ConversationKind, echo: bool) -> Inbound {
        Inbound {
            chat: "anna".to_owned(),
            chat_kind,
            chat_title: None,
            thread: None,
            from: None,
            at: Timestamp::ZERO,
            kind: InboundKind::Message { provider_id: "1".to_owned(), content, reply_to: None, echo },
        }
    }

    fn wish(words: &StopWords, text: &str) -> Option<Wish> {
        words.wish(&said(Content::text(text), ConversationKind::Direct, false))
    }

    #[test]
    fn only_the_whole_message_counts_however_it_is_written() {
        let words = StopWords::new(Profile::person().stop_words());
        for text in [
            "stop",
            "STOP",
            " Stop. ",
            "/stop",
            "Stop!!!",
            "«stop»",
            "stop 🛑",
            "Opt-out",
            "opt  out",
            "STOPALL",
            "Stop promotions",
            "End",
            "Arrêt",
            "ARRE\u{302}T",
            "Désabonner",
            "Baja",
            "Sair",
            "Abmelden",
            "basta!",
        ] {
            assert_eq!(wish(&words, text), Some(Wish::Stop), "{text}");
        }
        for text in ["Start", "UNSTOP", "subscribe!"] {
            assert_eq!(wish(&words, text), Some(Wish::Start), "{text}");
        }
        for text in [
            "",
            "…",
            "please stop",
            "stop it",
            "stopp it",
            "non-stop",
            "yes",
            "stop\nand go",
            &"stop ".repeat(60),
        ] {
            assert_eq!(wish(&words, text), None, "{text}");
        }
    }

    #[test]
    fn a_button_counts_by_what_it_says() {
        let words = StopWords::new(Profile::person().stop_words());
        let pressed = |title: Option<&str>| {
            let content = Content::Callback { data: "STOP".to_owned(), title: title.map(str::to_owned) };
            words.wish(&said(content, ConversationKind::Direct, false))
        };
        assert_eq!(pressed(Some("Stop promotions")), Some(Wish::Stop));
        assert_eq!(pressed(Some("More")), None);
        assert_eq!(pressed(None), Some(Wish::Stop));
    }

    #[test]
    fn groups_and_echoes_do_not_count() {
        let words = StopWords::new(Profile::person().stop_words());
        assert_eq!(words.wish(&said(Content::text("stop"), ConversationKind::Group, false)), None);
        assert_eq!(words.wish(&said(Content::text("stop"), ConversationKind::Direct, true)), None);
    }

    #[test]
    fn an_account_may_have_words_of_its_own() {
        let words = StopWords::new(["Genug jetzt!", "!"].into_iter());
        assert_eq!(wish(&words, "genug, jetzt"), Some(Wish::Stop));
        assert_eq!(wish(&words, "stop"), None);
        assert_eq!(wish(&words, "!"), None);
        assert_eq!(wish(&words, "start"), Some(Wish::Start));
    }
}
