//! What the simulator knows: pages, people, messages, files.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::simulators::meta::Refusal;

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Messenger.
    Messenger,
    /// Instagram through a page.
    Instagram,
    /// Instagram through the account itself.
    InstagramLogin,
}

/// Since when somebody has not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// For less than 24 hours.
    #[default]
    Open,
    /// For less than 7 days: only people answer.
    People,
    /// For longer.
    Closed,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// What may be written to them.
    pub window: Window,
    /// With what a message to them is refused, whatever it is: code, subcode, words.
    pub refuses: Option<(i64, i64, &'static str)>,
}

/// A message that was taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Whose conversation it is in.
    pub to: String,
    /// As it was asked for.
    pub body: Value,
}

#[derive(Debug)]
pub(super) struct Page {
    pub name: String,
    pub token: String,
    pub account: String,
}

#[derive(Debug)]
pub(super) struct Attachment {
    pub kind: String,
    pub bytes: Bytes,
}

#[derive(Debug)]
pub(super) struct State {
    pub kind: Kind,
    /// How long a second of the limits lasts; none: they are not enforced.
    pub second: Option<Duration>,
    pub pages: BTreeMap<String, Page>,
    pub people: BTreeMap<String, Person>,
    pub attachments: BTreeMap<String, Attachment>,
    pub messages: Vec<Message>,
    pub received: Vec<String>,
    pub actions: Vec<Value>,
    pub subscribed: BTreeMap<String, String>,
    pub profiles: BTreeMap<String, Value>,
    /// When the last ones went: all of them, and those with sound.
    sent: [VecDeque<Instant>; 2],
}

impl State {
    pub fn new(kind: Kind, second: Option<Duration>) -> Self {
        Self {
            kind,
            second,
            pages: BTreeMap::new(),
            people: BTreeMap::new(),
            attachments: BTreeMap::new(),
            messages: Vec::new(),
            received: Vec::new(),
            actions: Vec::new(),
            subscribed: BTreeMap::new(),
            profiles: BTreeMap::new(),
            sent: [VecDeque::new(), VecDeque::new()],
        }
    }

    pub fn is_instagram(&self) -> bool {
        self.kind != Kind::Messenger
    }

    /// 300 a second, and 10 of sound and film: counted, or refused.
    pub fn admit(&mut self, at: Instant, has_sound: bool) -> Result<(), Refusal> {
        let Some(second) = self.second else { return Ok(()) };
        let limits: &[(usize, usize)] = if has_sound { &[(0, 300), (1, 10)] } else { &[(0, 300)] };
        for (which, limit) in limits {
            let sent = &mut self.sent[*which];
            while sent.front().is_some_and(|earlier| at - *earlier >= second) {
                sent.pop_front();
            }
            if sent.len() >= *limit {
                let refusal =
                    Refusal::new(400, 613, "(#613) Calls to this api have exceeded the rate limit.");
                return Err(refusal.with_regain_minutes(1));
            }
        }
        for (which, _) in limits {
            self.sent[*which].push_back(at);
        }
        Ok(())
    }

    /// Whether a message is known: one of ours, or one that was received.
    pub fn knows(&self, mid: &str) -> bool {
        self.received.iter().any(|id| id == mid) || self.messages.iter().any(|message| message.id == mid)
    }
}
