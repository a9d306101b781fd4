//! What the Cloud API knows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;

use super::limits::Bucket;
use crate::simulators::meta::{Grant, Refusal};

/// Somebody on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Whether they wrote within the last 24 hours.
    pub window_open: bool,
    /// What a message to them meets, if anything: `131026` and the like, with Meta's words.
    pub refuses: Option<(i64, &'static str)>,
    /// Whether they got as much marketing as Meta lets them have.
    pub marketing_capped: bool,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Whom it went to.
    pub to: String,
    /// All that was posted.
    pub body: Value,
}

/// A template of the business.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: &'static str,
    /// Its language.
    pub language: &'static str,
    /// `APPROVED`, `PAUSED`, …
    pub status: &'static str,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`
    pub category: &'static str,
    /// How many values its body takes.
    pub parameters: usize,
}

/// A file that was uploaded or received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub number: String,
    pub mime: String,
    pub bytes: Bytes,
}

#[derive(Debug)]
pub(super) struct Number {
    pub business: String,
    pub phone: String,
    pub name: String,
    pub people: BTreeMap<String, Person>,
    pub messages: Vec<Message>,
    /// Ids with whom they came from.
    pub received: Vec<(String, String)>,
    pub seen: Vec<(String, bool)>,
    pub callback: Option<(String, String)>,
    pub registered: bool,
    pub throughput: Bucket,
    pub pairs: BTreeMap<String, Bucket>,
}

impl Number {
    pub fn new(business: &str, phone: &str, name: &str) -> Self {
        Self {
            business: business.to_owned(),
            phone: phone.to_owned(),
            name: name.to_owned(),
            people: BTreeMap::new(),
            messages: Vec::new(),
            received: Vec::new(),
            seen: Vec::new(),
            callback: None,
            registered: true,
            throughput: Bucket::default(),
            pairs: BTreeMap::new(),
        }
    }

    /// Whether there is a message of this id, of either side.
    pub fn knows(&self, id: &str) -> bool {
        self.messages.iter().any(|message| message.id == id)
            || self.received.iter().any(|(known, _)| known == id)
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub numbers: BTreeMap<String, Number>,
    pub templates: Vec<Template>,
    pub media: BTreeMap<String, File>,
    pub subscribed: BTreeSet<String>,
    pub callback_answers: bool,
    pub files_at: Option<String>,
}

impl State {
    /// A number that this simulator made.
    pub fn number(&mut self, id: &str) -> &mut Number {
        self.numbers.get_mut(id).expect("the number was made by this simulator")
    }

    /// A number that a token may send from.
    pub fn sender(&mut self, id: &str, grant: &Grant) -> Result<&mut Number, Refusal> {
        let number = self.numbers.get_mut(id).ok_or_else(|| Refusal::unknown(id))?;
        if grant.allows("whatsapp_business_messaging", &number.business) {
            return Ok(number);
        }
        Err(Refusal::unknown(id))
    }

    /// Whether a token may manage a business.
    pub fn manages(&self, business: &str, grant: &Grant) -> Result<(), Refusal> {
        let exists = self.numbers.values().any(|number| number.business == business);
        if exists && grant.allows("whatsapp_business_management", business) {
            return Ok(());
        }
        Err(Refusal::unknown(business))
    }
}
