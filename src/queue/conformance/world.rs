//! A model of lanes that is slow and plain: every question scans every job. Written from the promises alone, so that a
//! mistake in an engine is not repeated here.

use std::collections::{BTreeMap, BTreeSet};

use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};

use crate::{HoldTarget, JobId, LaneId, LaneState};

#[derive(Debug)]
pub(super) struct World {
    pub lanes: BTreeMap<LaneId, MLane>,
    pub queue_holds: BTreeMap<Queue, Until>,
    pub leases: BTreeMap<WorkerId, Timestamp>,
    pub reaped: BTreeSet<WorkerId>,
    pub last_token: u64,
    /// Whether it is known to the microsecond when each operation was carried out.
    pub exact: bool,
}

/// A hold: when it ends, its rule and what is told of it.
pub(super) type Until = (Timestamp, String, Option<String>);

#[derive(Debug, Default)]
pub(super) struct MLane {
    pub width: usize,
    pub route: Option<WorkerId>,
    pub state: LaneState,
    pub binds_until: Timestamp,
    pub hold: Until,
    pub classes: [Until; 3],
    /// What slows a class down.
    pub paces: [Until; 3],
    pub keys: BTreeMap<String, Until>,
    pub jobs: BTreeMap<JobId, MJob>,
}

#[derive(Debug, Clone)]
pub(super) struct MJob {
    pub key: String,
    pub class: Class,
    pub order: i64,
    pub ready_at: Timestamp,
    pub wait: Until,
    /// It was parked with its pace last.
    pub slow: bool,
    pub waits: Vec<Wait>,
    pub lost: u32,
    pub claim: Option<(u64, WorkerId)>,
    pub again: Option<(Class, i64, Timestamp)>,
}

pub(super) fn extend(old: &mut Until, wait: &Wait, now: Timestamp) {
    let until = wait.until.unwrap_or(crate::FOREVER);
    if until > old.0.max(now) {
        *old = (until, wait.rule.clone(), wait.detail.clone());
    }
}

impl MLane {
    pub fn claims(&self) -> impl Iterator<Item = (&JobId, &MJob)> {
        self.jobs.iter().filter(|(_, job)| job.claim.is_some())
    }

    pub fn owner(&self) -> Option<WorkerId> {
        self.claims().find_map(|(_, job)| Some(job.claim?.1))
    }

    /// Whether a worker may claim from it, were anything ready.
    pub fn open_to(&self, worker: WorkerId, own: bool) -> bool {
        self.claims().count() < self.width
            && self.owner().is_none_or(|owner| owner == worker)
            && self.route.is_none_or(|route| route == worker)
            && (!own || self.owner().or(self.route).is_some())
    }

    /// The jobs of a key that stand in its order at `now`, best first.
    pub fn line(&self, key: &str, now: Timestamp) -> Vec<(&JobId, &MJob)> {
        let mut line: Vec<_> = self.jobs.iter().collect();
        line.retain(|(_, job)| job.key == key && job.claim.is_none() && job.ready_at <= now);
        line.sort_by_key(|(id, job)| (job.class, job.order, *id));
        line
    }

    /// What a key offers at `now`, if it may go as far as the key is concerned.
    pub fn offer(&self, key: &str, now: Timestamp) -> Option<(&JobId, &MJob)> {
        let busy = self.claims().any(|(_, job)| job.key == key);
        let held = self.keys.get(key).is_some_and(|hold| hold.0 > now);
        let (id, job) = self.line(key, now).first().copied()?;
        (!busy && !held && self.own_wait(job) <= now).then_some((id, job))
    }

    /// Until when a job waits by itself: for its own time, or for its pace.
    fn own_wait(&self, job: &MJob) -> Timestamp {
        let pace = if job.slow { self.paces[job.class.rank()].0 } else { Timestamp::ZERO };
        job.wait.0.max(pace)
    }

    pub fn names(&self) -> BTreeSet<&str> {
        self.jobs.values().map(|job| job.key.as_str()).collect()
    }

    /// The jobs that may go at `now`, the lane's openness aside.
    pub fn ready(&self, now: Timestamp) -> Vec<(&JobId, &MJob)> {
        if self.hold.0 > now {
            return Vec::new();
        }
        let offers = self.names().into_iter().filter_map(|key| self.offer(key, now));
        offers.filter(|(_, job)| self.classes[job.class.rank()].0 <= now).collect()
    }

    /// The wait that ends last of those that keep a job which waits.
    pub fn held_by(&self, id: &JobId, queue: &Until, now: Timestamp) -> Option<Timestamp> {
        let job = &self.jobs[id];
        let line = self.line(&job.key, now);
        let first = line.first().filter(|(_, first)| first.class <= job.class);
        let key = self.keys.get(&job.key).map(|hold| hold.0);
        let ends = [queue.0, self.hold.0, self.classes[job.class.rank()].0, self.own_wait(job)];
        let ends = ends.into_iter().chain(key).chain(first.map(|(_, first)| self.own_wait(first)));
        ends.max().filter(|end| *end > now)
    }
}

impl Default for World {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            queue_holds: BTreeMap::new(),
            leases: BTreeMap::new(),
            reaped: BTreeSet::new(),
            last_token: 0,
            exact: true,
        }
    }
}

impl World {
    pub fn queue_hold(&self, queue: Queue) -> Until {
        self.queue_holds.get(&queue).cloned().unwrap_or_default()
    }

    /// The waits that a job is handed out with: those that it was parked with and what the holds over it kept it by.
    pub fn waits(&self, of: &LaneId, id: &JobId) -> Vec<Wait> {
        let lane = &self.lanes[of];
        let job = &lane.jobs[id];
        let mut slots = vec![
            (self.queue_hold(of.queue), Scope::Lane),
            (lane.hold.clone(), Scope::Lane),
            (lane.classes[job.class.rank()].clone(), Scope::Class),
            (lane.keys.get(&job.key).cloned().unwrap_or_default(), Scope::Recipient),
        ];
        if job.slow {
            slots.push((lane.paces[job.class.rank()].clone(), Scope::Pace));
        }
        slots.retain(|(hold, _)| hold.0 > job.ready_at);
        slots.sort_by_key(|(hold, _)| hold.0);
        let mut waits = job.waits.clone();
        for (hold, scope) in slots {
            let is_told = |wait: &Wait| wait.rule == hold.1 && wait.scope == scope;
            let last = waits.iter().rposition(is_told);
            if last.is_some_and(|last| waits[last].until.is_none_or(|until| until >= hold.0)) {
                continue;
            }
            if last.is_some_and(|last| last + 1 == waits.len()) {
                waits.pop();
            }
            add(&mut waits, told(&hold, scope));
        }
        waits
    }

    /// What is held after `now`.
    pub fn held(&self, now: Timestamp) -> Vec<HoldTarget> {
        let queues = self.queue_holds.iter().map(|(queue, hold)| (hold, HoldTarget::Queue(*queue)));
        let mut all: Vec<_> = queues.collect();
        for (id, lane) in &self.lanes {
            all.push((&lane.hold, HoldTarget::Lane(id.clone())));
            let classes = lane.classes.iter().chain(&lane.paces).zip(Class::ALL.iter().chain(Class::ALL));
            all.extend(classes.map(|(hold, class)| (hold, HoldTarget::Class(id.clone(), *class))));
            let keys = lane.keys.iter();
            all.extend(keys.map(|(key, hold)| (hold, HoldTarget::Key(id.clone(), key.clone()))));
            let jobs = lane.jobs.iter();
            all.extend(jobs.map(|(job, of)| (&of.wait, HoldTarget::Job(id.clone(), job.clone()))));
        }
        all.retain(|(hold, _)| hold.0 > now);
        all.into_iter().map(|(_, target)| target).collect()
    }

    /// Whether a worker may claim anything of a queue at `now`.
    pub fn may_claim(&self, queue: Queue, worker: WorkerId, own: bool, now: Timestamp) -> Option<&JobId> {
        if self.queue_hold(queue).0 > now {
            return None;
        }
        let open = self.lanes.iter().filter(|(id, lane)| id.queue == queue && lane.open_to(worker, own));
        open.flat_map(|(_, lane)| lane.ready(now)).map(|(id, _)| id).next()
    }

    /// The first time after `now` at which a worker may claim something of a queue, if nothing else happens.
    pub fn next_due(&self, queue: Queue, worker: WorkerId, own: bool, now: Timestamp) -> Option<Timestamp> {
        let mut times = BTreeSet::from([self.queue_hold(queue).0]);
        for (_, lane) in self.lanes.iter().filter(|(id, _)| id.queue == queue) {
            times.insert(lane.hold.0);
            times.extend(lane.classes.iter().chain(&lane.paces).map(|hold| hold.0));
            times.extend(lane.keys.values().map(|hold| hold.0));
            times.extend(lane.jobs.values().flat_map(|job| [job.ready_at, job.wait.0]));
        }
        let mut later = times.range(now..).copied();
        later.find(|time| self.may_claim(queue, worker, own, *time).is_some())
    }

    /// The lane and job of a claim that is still its worker's.
    pub fn claimed(&mut self, ticket: &crate::Ticket) -> Option<&mut MJob> {
        let job = self.lanes.get_mut(&ticket.lane)?.jobs.get_mut(&ticket.job)?;
        (job.claim == Some((ticket.token, ticket.worker))).then_some(job)
    }

    /// Takes all claims away from a worker that is gone. How many those were.
    pub fn lose(&mut self, worker: WorkerId) -> usize {
        let jobs = self.lanes.values_mut().flat_map(|lane| lane.jobs.values_mut());
        let mut count = 0;
        for job in jobs.filter(|job| job.claim.is_some_and(|claim| claim.1 == worker)) {
            job.claim = None;
            job.again = None;
            job.lost += 1;
            count += 1;
        }
        self.leases.remove(&worker);
        self.reaped.insert(worker);
        count
    }
}

/// Adds a wait to others: the newest are kept.
pub(super) fn add(waits: &mut Vec<Wait>, wait: Wait) {
    waits.push(wait);
    let extra = waits.len().saturating_sub(crate::WAITS_KEPT);
    waits.drain(..extra);
}

/// What is told of a hold.
pub(super) fn told(hold: &Until, scope: Scope) -> Wait {
    let until = (hold.0 < crate::FOREVER).then_some(hold.0);
    Wait { rule: hold.1.clone(), scope, until, detail: hold.2.clone() }
}
