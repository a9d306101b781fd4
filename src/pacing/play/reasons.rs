//! Why whoever stands behind others waits: for what they wait for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{Timestamp, Wait};

use super::Held;

/// What held the sends of a play, one behind the other.
#[derive(Debug)]
pub struct Reasons {
    began: Timestamp,
    last: Timestamp,
    sends: Vec<Send>,
    /// For how long each rule held them in all.
    whole: Holds,
}

/// The time before a send, and what held it.
#[derive(Debug)]
struct Send {
    from: Timestamp,
    until: Timestamp,
    held: Option<Arc<Wait>>,
}

/// For how long rules held; what nothing but other sends did has no name.
#[derive(Debug, Default)]
struct Holds(BTreeMap<String, (Duration, Option<Arc<Wait>>)>);

impl Holds {
    fn add(&mut self, held: Option<&Arc<Wait>>, time: Duration) {
        let rule = held.map_or("", |wait| wait.rule.as_str());
        if let Some((sum, _)) = self.0.get_mut(rule) {
            *sum += time;
        } else {
            self.0.insert(rule.to_owned(), (time, held.cloned()));
        }
    }

    /// The one that held longest.
    fn longest(&self) -> Option<Arc<Wait>> {
        self.0.values().max_by_key(|(time, _)| *time).and_then(|(_, held)| held.clone())
    }
}

impl Reasons {
    /// That of a play which begins then.
    pub const fn new(began: Timestamp) -> Self {
        Self { began, last: began, sends: Vec::new(), whole: Holds(BTreeMap::new()) }
    }

    /// The next send.
    pub fn sent(&mut self, at: Timestamp, held: &Held) {
        let from = self.last.max(held.joined);
        self.whole.add(held.last.as_ref(), at.since(from));
        self.sends.push(Send { from, until: at, held: held.last.clone() });
        self.last = at;
    }

    /// What made the newest send wait most since the play began: a rule that held it alone, or the one that held longest those
    /// that went before it. None where nothing but they did.
    pub fn why(&self, held: &Held) -> Option<Arc<Wait>> {
        let own = held.own.as_ref().filter(|own| own.until.is_some_and(|until| until > self.began));
        let Some((own, free)) = own.and_then(|own| Some((own, own.until?))) else {
            return self.whole.longest();
        };
        if free.since(self.began) >= self.last.since(free) {
            return Some(Arc::clone(own));
        }
        let mut since = Holds::default();
        for send in self.sends.iter().rev().take_while(|send| send.until > free) {
            since.add(send.held.as_ref(), send.until.since(send.from.max(free)));
        }
        since.longest()
    }

    /// How many were sent, from when until when.
    pub fn span(&self) -> (usize, Timestamp, Timestamp) {
        (self.sends.len(), self.began, self.last)
    }

    /// The rule that held it longest in all.
    pub fn most(&self) -> Option<Arc<Wait>> {
        self.whole.longest()
    }
}
