//! What waits in one class of a lane: a queue for each chat, and the chats in the order in which their turn comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Default)]
pub struct Queue {
    chats: BTreeMap<usize, VecDeque<usize>>,
    /// When the head of each chat came.
    heads: BTreeSet<(i64, usize)>,
    len: usize,
}

impl Queue {
    pub const fn new() -> Self {
        Self { chats: BTreeMap::new(), heads: BTreeSet::new(), len: 0 }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// Adds a job that comes after all others of its chat.
    pub fn push(&mut self, chat: usize, job: usize, arrivals: &[i64]) {
        let jobs = self.chats.entry(chat).or_default();
        if jobs.is_empty() {
            self.heads.insert((arrivals[job], chat));
        }
        jobs.push_back(job);
        self.len += 1;
    }

    /// Puts the head of a chat back into its place.
    pub fn back(&mut self, chat: usize, job: usize, arrivals: &[i64]) {
        let jobs = self.chats.entry(chat).or_default();
        if let Some(head) = jobs.front() {
            self.heads.remove(&(arrivals[*head], chat));
        }
        jobs.push_front(job);
        self.heads.insert((arrivals[job], chat));
        self.len += 1;
    }

    /// Takes the head of a chat out.
    pub fn remove(&mut self, chat: usize, arrivals: &[i64]) {
        let Some(jobs) = self.chats.get_mut(&chat) else { return };
        if let Some(job) = jobs.pop_front() {
            self.heads.remove(&(arrivals[job], chat));
            self.len -= 1;
        }
        if let Some(next) = jobs.front() {
            self.heads.insert((arrivals[*next], chat));
        }
    }

    /// The chats whose heads have come, with their heads.
    pub fn heads(&self, now: i64) -> impl Iterator<Item = (usize, usize)> {
        let come = self.heads.iter().take_while(move |(arrival, _)| *arrival <= now);
        come.filter_map(|(_, chat)| Some((*chat, *self.chats.get(chat)?.front()?)))
    }

    /// Whether a job of a chat has come.
    pub fn has(&self, chat: usize, now: i64, arrivals: &[i64]) -> bool {
        self.chats.get(&chat).and_then(VecDeque::front).is_some_and(|head| arrivals[*head] <= now)
    }

    /// When the next head comes.
    pub fn next(&self, now: i64) -> Option<i64> {
        self.heads.range((now + 1, 0)..).next().map(|(arrival, _)| *arrival)
    }
}
