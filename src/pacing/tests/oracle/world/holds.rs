//! What waits in a lane by the word of pacing, as much of it as its scope says.

use std::collections::{BTreeMap, HashSet};

use model::{Scope, Timestamp, Wait};

#[derive(Debug, Default)]
pub(super) struct Holds {
    lane: Option<Timestamp>,
    classes: [Option<Timestamp>; 3],
    /// Of each class, those of its jobs that were parked at a pace go on together.
    paces: [Option<Timestamp>; 3],
    paced: HashSet<usize>,
    chats: BTreeMap<usize, Timestamp>,
    jobs: BTreeMap<usize, Timestamp>,
}

/// A job, its chat and the rank of its class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) job: usize,
    pub(super) chat: usize,
    pub(super) class: usize,
}

impl Holds {
    /// Parks a job; the later time holds.
    pub(super) fn park(&mut self, place: Place, wait: &Wait, now: Timestamp) {
        let until = wait.until.expect("pacing knows when");
        assert!(until > now, "a wait that is over: {wait:?}");
        // Those that are over need no place.
        if self.chats.len() + self.jobs.len() > 100 {
            self.chats.retain(|_, until| *until > now);
            self.jobs.retain(|_, until| *until > now);
        }
        if wait.scope == Scope::Pace {
            self.paced.insert(place.job);
        } else {
            self.paced.remove(&place.job);
        }
        let slot = match wait.scope {
            Scope::Lane => self.lane.get_or_insert(until),
            Scope::Class => self.classes[place.class].get_or_insert(until),
            Scope::Pace => self.paces[place.class].get_or_insert(until),
            Scope::Recipient => self.chats.entry(place.chat).or_insert(until),
            Scope::Job => self.jobs.entry(place.job).or_insert(until),
        };
        *slot = (*slot).max(until);
    }

    /// A person lets a class go on.
    pub(super) fn lift(&mut self, class: usize) {
        self.classes[class] = None;
    }

    pub(super) fn lane_is_held(&self, now: Timestamp) -> bool {
        self.lane.is_some_and(|until| until > now)
    }

    pub(super) fn class_is_held(&self, class: usize, now: Timestamp) -> bool {
        self.classes[class].is_some_and(|until| until > now)
    }

    pub(super) fn is_held(&self, place: Place, now: Timestamp) -> bool {
        let held = |until: Option<&Timestamp>| until.is_some_and(|until| *until > now);
        held(self.chats.get(&place.chat))
            || held(self.jobs.get(&place.job))
            || held(self.paces[place.class].as_ref()) && self.paced.contains(&place.job)
    }

    /// When the next hold ends.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let classes = self.classes.iter().chain(&self.paces).flatten();
        let all = self.lane.iter().chain(classes).chain(self.chats.values()).chain(self.jobs.values());
        all.filter(|until| **until > now).min().copied()
    }
}
