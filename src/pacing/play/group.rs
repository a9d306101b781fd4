//! Ready keys of one class for which the same waits hold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::Zone;

use super::hold::Hold;

/// What the messages of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sort {
    pub is_new: bool,
    /// They wait for their pace.
    pub is_slow: bool,
    pub origin: From,
}

/// Whose messages they are, as far as rules tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A person's, in a conversation.
    Person,
    /// A campaign's, to contacts of this zone.
    Campaign(Option<Zone>),
    /// All others.
    Other,
}

/// Ready keys by turn, the texts of their heads apart.
#[derive(Debug)]
pub(super) struct Group {
    pub sort: Sort,
    pub hold: Hold,
    bins: HashMap<Option<u64>, BTreeMap<u64, usize>>,
    /// The first turn of each text that does not rest.
    free: BTreeSet<(u64, Option<u64>)>,
}

impl Group {
    pub fn new(sort: Sort) -> Self {
        Self { sort, hold: Hold::default(), bins: HashMap::new(), free: BTreeSet::new() }
    }

    pub fn insert(&mut self, text: Option<u64>, turn: u64, key: usize, rests: bool) {
        let bin = self.bins.entry(text).or_default();
        let first = bin.first_key_value().map(|(first, _)| *first);
        bin.insert(turn, key);
        if !rests && first.is_none_or(|first| turn < first) {
            if let Some(first) = first {
                self.free.remove(&(first, text));
            }
            self.free.insert((turn, text));
        }
    }

    pub fn remove(&mut self, text: Option<u64>, turn: u64) {
        let Some(bin) = self.bins.get_mut(&text) else { return };
        bin.remove(&turn);
        let next = bin.first_key_value().map(|(next, _)| *next);
        if next.is_none() {
            self.bins.remove(&text);
        }
        if self.free.remove(&(turn, text))
            && let Some(next) = next
        {
            self.free.insert((next, text));
        }
    }

    /// A text may not go.
    pub fn rest(&mut self, text: u64) {
        if let Some(first) = self.first_of(text) {
            self.free.remove(&(first, Some(text)));
        }
    }

    /// A text may go again.
    pub fn wake(&mut self, text: u64) {
        if let Some(first) = self.first_of(text) {
            self.free.insert((first, Some(text)));
        }
    }

    fn first_of(&self, text: u64) -> Option<u64> {
        self.bins.get(&Some(text))?.first_key_value().map(|(first, _)| *first)
    }

    /// The key whose turn it is, and its turn.
    pub fn first(&self) -> Option<(u64, usize)> {
        let (turn, text) = self.free.first()?;
        Some((*turn, *self.bins.get(text)?.get(turn)?))
    }
}
