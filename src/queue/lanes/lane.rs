//! A lane: its keys, what holds them, and when it may be served next.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{Class, Scope, Timestamp, Wait, WorkerId};

use super::hold::{Slot, longest};
use super::key::{At, Job, Key, Place};
use super::queue::Route;
use super::shard::Counter;
use crate::{JobId, LaneId, LaneState};

/// How many holds that ended are looked at a class and visit: the rest keeps until the next one.
const PROMOTED_AT_ONCE: usize = 64;

/// A key that waits, or a job that is not yet in its key's order.
#[derive(Debug, Clone)]
pub(super) enum Member {
    Key(Arc<str>),
    Job(Arc<JobId>),
}

#[derive(Debug)]
pub(super) struct Lane {
    pub id: Arc<LaneId>,
    pub width: usize,
    pub route: Option<WorkerId>,
    pub state: LaneState,
    pub binds_until: Timestamp,
    pub hold: Slot,
    pub class_holds: [Slot; 3],
    /// What slows a class down: it holds the slow jobs of that class and what stands behind them in their keys.
    pub paces: [Slot; 3],
    /// When it was last served, or opened: it is due no earlier, so that it goes behind the lanes that are.
    pub floor: Timestamp,
    /// Decides between lanes that are due at the same time. Unique within a shard.
    pub turn: u64,
    /// The claims, by token: their number is what the width limits.
    pub claims: BTreeMap<u64, (Arc<JobId>, WorkerId)>,
    pub keys: HashMap<Arc<str>, Key>,
    pub jobs: HashMap<Arc<JobId>, Job>,
    ready: [BTreeMap<u64, Arc<str>>; 3],
    slow: [BTreeMap<u64, Arc<str>>; 3],
    held: [BTreeMap<(Timestamp, u64), Member>; 3],
    /// Keys without jobs whose hold outlives them, to be listed by the shard.
    pub spent: Vec<(Timestamp, Arc<str>)>,
    /// It is listed to be dropped when nothing in it binds any more.
    pub listed: bool,
}

impl Lane {
    pub fn new(id: Arc<LaneId>, now: Timestamp, turn: u64) -> Self {
        Self {
            id,
            width: 1,
            route: None,
            state: LaneState::default(),
            binds_until: Timestamp::ZERO,
            hold: Slot::default(),
            class_holds: <[Slot; 3]>::default(),
            paces: <[Slot; 3]>::default(),
            floor: now,
            turn,
            claims: BTreeMap::new(),
            keys: HashMap::new(),
            jobs: HashMap::new(),
            ready: <[_; 3]>::default(),
            slow: <[_; 3]>::default(),
            held: <[_; 3]>::default(),
            spent: Vec::new(),
            listed: false,
        }
    }

    /// When it may be served next, if ever: the earliest time at which some class's first key may go.
    pub fn due(&self) -> Option<Timestamp> {
        if self.claims.len() >= self.width {
            return None;
        }
        let of = |class: &Class| {
            let rank = class.rank();
            let ready = (!self.ready[rank].is_empty()).then_some(Timestamp::ZERO);
            let slow = (!self.slow[rank].is_empty()).then(|| self.paces[rank].end());
            let held = self.held[rank].first_key_value().map(|(first, _)| first.0);
            let first = [ready, slow, held].into_iter().flatten().min()?;
            Some(first.max(self.class_holds[rank].end()))
        };
        let first = Class::ALL.iter().filter_map(of).min()?;
        Some(first.max(self.hold.end()).max(self.floor))
    }

    /// Who may claim from it now. Nobody, if it was given to a worker while another still has jobs of it.
    pub fn route(&self) -> Route {
        let holder = self.claims.values().next().map(|(_, worker)| *worker);
        match (holder, self.route) {
            _ if self.claims.len() >= self.width => Route::Nobody,
            (None, None) => Route::Anybody,
            (Some(holder), Some(route)) if holder != route => Route::Nobody,
            (Some(one), _) | (None, Some(one)) => Route::Owner(one),
        }
    }

    /// When nothing in it binds anybody any more.
    pub fn binds_until(&self) -> Timestamp {
        let holds = self.class_holds.iter().chain(&self.paces).chain([&self.hold]).map(Slot::end);
        holds.fold(self.binds_until, Timestamp::max)
    }

    /// What holds a job of this class and key, besides its own place: the wait that ends last.
    pub fn held_by(&self, key: &str, class: Class, queue: &Slot, now: Timestamp) -> Option<Wait> {
        let key = self.keys.get(key).and_then(|key| key.hold.wait(Scope::Recipient, now));
        longest([
            queue.wait(Scope::Lane, now),
            self.hold.wait(Scope::Lane, now),
            self.class_holds[class.rank()].wait(Scope::Class, now),
            key,
        ])
    }

    /// Puts a key where it belongs: called after every change to it, the only place that decides.
    pub fn place(&mut self, name: &Arc<str>, now: Timestamp, counter: &mut Counter) {
        let Some(key) = self.keys.get_mut(name) else {
            return;
        };
        match key.place {
            Place::Ready(class) => drop(self.ready[class.rank()].remove(&key.turn)),
            Place::Slow(class) => drop(self.slow[class.rank()].remove(&key.turn)),
            Place::Held(class, until) => drop(self.held[class.rank()].remove(&(until, key.turn))),
            Place::Nowhere | Place::Claimed => {}
        }
        let before = key.place;
        key.place = match key.head() {
            _ if key.claim.is_some() => Place::Claimed,
            None => Place::Nowhere,
            Some((class, head)) => {
                let head = &self.jobs[head];
                let until = head.wait.end().max(key.hold.end());
                if before == Place::Nowhere {
                    key.turn = counter.next();
                }
                if until > now {
                    self.held[class.rank()].insert((until, key.turn), Member::Key(Arc::clone(name)));
                    Place::Held(class, until)
                } else if head.slow {
                    self.slow[class.rank()].insert(key.turn, Arc::clone(name));
                    Place::Slow(class)
                } else {
                    self.ready[class.rank()].insert(key.turn, Arc::clone(name));
                    Place::Ready(class)
                }
            }
        };
        if key.is_empty() {
            if key.hold.end() <= now {
                self.keys.remove(name);
            } else if !key.listed {
                key.listed = true;
                self.spent.push((key.hold.end(), Arc::clone(name)));
            }
        }
    }

    /// Changes what one job waits for by itself.
    pub fn own_wait(
        &mut self,
        id: &JobId,
        change: impl FnOnce(&mut Slot),
        now: Timestamp,
        counter: &mut Counter,
    ) {
        if let Some(job) = self.jobs.get_mut(id) {
            change(&mut job.wait);
            let key = Arc::clone(&job.key);
            self.place(&key, now, counter);
        }
    }

    /// The key of that name, made if it is new.
    pub fn key(&mut self, name: &str) -> (Arc<str>, &mut Key) {
        let name = match self.keys.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        let key = self.keys.entry(Arc::clone(&name)).or_default();
        (name, key)
    }

    /// Puts a job that is nowhere into its key: into its line, or aside until it is due.
    pub fn enter(&mut self, id: &Arc<JobId>, now: Timestamp, counter: &mut Counter) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let name = Arc::clone(&job.key);
        let key = self.keys.entry(Arc::clone(&name)).or_default();
        if job.ready_at > now {
            let number = counter.next();
            job.at = At::Future(number);
            key.future.insert((job.ready_at, number), Arc::clone(id));
            self.held[job.class.rank()].insert((job.ready_at, number), Member::Job(Arc::clone(id)));
        } else {
            job.at = At::Line;
            key.lines[job.class.rank()].insert((job.order, Arc::clone(id)));
        }
        self.place(&name, now, counter);
    }

    /// Takes a job that waits out of its key. The caller puts it back or forgets it, and places the key.
    pub fn leave(&mut self, id: &Arc<JobId>) {
        let Some(job) = self.jobs.get(id) else { return };
        let Some(key) = self.keys.get_mut(&job.key) else {
            return;
        };
        match job.at {
            At::Line => drop(key.lines[job.class.rank()].remove(&(job.order, Arc::clone(id)))),
            At::Future(number) => {
                key.future.remove(&(job.ready_at, number));
                self.held[job.class.rank()].remove(&(job.ready_at, number));
            }
            At::Claimed(_) => {}
        }
    }

    /// Looks at holds of a class that ended, no more than `budget` of them.
    fn promote(&mut self, class: Class, now: Timestamp, budget: &mut usize, counter: &mut Counter) {
        for _ in 0..PROMOTED_AT_ONCE.min(*budget) {
            let Some(first) = self.held[class.rank()].first_entry().filter(|first| first.key().0 <= now)
            else {
                return;
            };
            *budget -= 1;
            match first.get().clone() {
                Member::Key(name) => self.place(&name, now, counter),
                Member::Job(id) => self.join(&id, now, counter),
            }
        }
    }

    /// Lets the jobs of a key whose time has come into its line: they may stand before its head. Whether there were any.
    pub fn join_due(&mut self, name: &str, now: Timestamp, counter: &mut Counter) -> bool {
        let mut any = false;
        while let Some((due, id)) = self.keys.get(name).and_then(|key| key.future.first_key_value())
            && due.0 <= now
        {
            let id = Arc::clone(id);
            self.join(&id, now, counter);
            any = true;
        }
        any
    }

    /// Moves a job whose time has come into its key's line.
    fn join(&mut self, id: &Arc<JobId>, now: Timestamp, counter: &mut Counter) {
        self.leave(id);
        self.enter(id, now, counter);
    }

    /// The key of a class whose turn it is: while nothing slows the class down, its slow keys take turns with the others.
    fn next_key(&self, class: Class, now: Timestamp) -> Option<Arc<str>> {
        let rank = class.rank();
        let slow = self.slow[rank].first_key_value().filter(|_| self.paces[rank].end() <= now);
        let first = self.ready[rank].first_key_value().into_iter().chain(slow).min()?;
        Some(Arc::clone(first.1))
    }

    /// The key to serve next and its class. None although it is due when the budget ended before a key was found.
    pub fn choose(
        &mut self,
        now: Timestamp,
        budget: &mut usize,
        counter: &mut Counter,
    ) -> Option<(Class, Arc<str>)> {
        for class in Class::ALL {
            if self.class_holds[class.rank()].end() > now {
                continue;
            }
            self.promote(*class, now, budget, counter);
            while let Some(name) = self.next_key(*class, now) {
                if !self.join_due(&name, now, counter) {
                    return Some((*class, name));
                }
            }
            if self.held[class.rank()].first_key_value().is_some_and(|(first, _)| first.0 <= now) {
                return None;
            }
        }
        None
    }
}
