//! Who gets no campaign at all: contacts who asked for none, and contacts who fell silent.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Chat;
use crate::numbers::{Numbers, Problem, time};
use crate::unit::{self, words};

/// A contact who sent a stop word gets no campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// The words, in lower case; a message that is one of them, and nothing else, is one.
    pub words: Cow<'static, [Cow<'static, str>]>,
}

/// Campaigns skip a contact that was silent for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleContact {
    /// Since the contact last wrote; since the first message to it where it never did.
    #[serde(rename = "after_days", with = "unit::days")]
    pub after: Duration,
}

/// So many stop words are named where a person reads the rule.
const SHOWN: usize = 5;

impl StaleContact {
    /// Since when the contact is silent, if that is too long. Its dates are the account's own time.
    pub(crate) fn silent_since(
        &self,
        chat: &Chat,
        inside: impl Fn(Timestamp) -> Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let since = chat.last_inbound_at.or(chat.first_sent_at)?;
        (inside(since) + self.after <= now).then_some(since)
    }
}

impl Numbers for OptOut {
    fn check(&self) -> Result<(), Problem> {
        if self.words.is_empty() {
            return Err(("words", "is empty; say \"off\" for no stop words".to_owned()));
        }
        if self.words.len() > 100 || self.words.iter().any(|word| word.trim().is_empty() || word.len() > 100)
        {
            return Err(("words", "must be up to 100 words of 1 to 100 bytes".to_owned()));
        }
        Ok(())
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        base.words.iter().any(|word| !self.words.contains(word))
    }
}

impl Numbers for StaleContact {
    fn check(&self) -> Result<(), Problem> {
        time("after_days", self.after, Duration::from_micros(1))
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.after > base.after
    }
}

impl fmt::Display for OptOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, more) = self.words.split_at(self.words.len().min(SHOWN));
        write!(f, "no campaign for who wrote {}", shown.join(", "))?;
        if more.is_empty() { Ok(()) } else { write!(f, " or one of {} words more", more.len()) }
    }
}

impl fmt::Display for StaleContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "campaigns skip contacts silent for {}", words(self.after))
    }
}
