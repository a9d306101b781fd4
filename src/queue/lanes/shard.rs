//! A shard: all lanes of an engine as one pure state machine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::{Queue, Scope, Timestamp, WorkerId};

use super::hold::Hold;
use super::lane::Lane;
use super::queue::{Line, Standing};
use super::wakes::Idle;
use crate::{HoldTarget, LEASE, LaneId, Op, Outcome, Wakes};

/// After so long without any operation nobody could beat: reaping waits a lease, so that workers can say what they hold.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a reaped worker is remembered, so that its next beat learns of it.
const REMEMBERED: Duration = Duration::from_hours(1);

/// An empty lane that still binds somebody is looked at again after this, at the earliest.
const LOOKED_AT_AGAIN: Duration = Duration::from_mins(1);

/// How many listed lanes and keys are looked at a reap.
const DROPPED_AT_ONCE: usize = 1024;

/// Numbers that are never used twice: tokens, turns and the like.
#[derive(Debug, Default)]
pub(super) struct Counter(u64);

impl Counter {
    pub fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// A worker's lease and what it holds by it.
#[derive(Debug, Default)]
pub(super) struct Lease {
    pub ends: Timestamp,
    pub claims: BTreeMap<u64, Arc<LaneId>>,
}

/// All lanes of an engine, as a pure state machine: what an operation does depends on nothing but the operations before
/// it and the times they came with.
#[derive(Debug, Default)]
pub struct Shard {
    pub(super) now: Timestamp,
    pub(super) counter: Counter,
    pub(super) lanes: HashMap<Arc<LaneId>, (Lane, Option<Standing>)>,
    pub(super) queues: BTreeMap<Queue, Line>,
    pub(super) leases: BTreeMap<WorkerId, Lease>,
    pub(super) idle: Idle,
    reaped: BTreeMap<WorkerId, Timestamp>,
    reap_from: Timestamp,
    /// Lanes, and keys of lanes, that may be dropped then if nothing was put into them.
    spent: BTreeSet<(Timestamp, Arc<LaneId>, Option<Arc<str>>)>,
    touched: BTreeSet<Queue>,
}

impl Shard {
    /// Lane time: the latest that any operation came with.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Carries out one operation at `now` (or at lane time, if that is later), whole or not at all.
    pub fn apply(&mut self, now: Timestamp, op: Op) -> (Outcome, Wakes) {
        if now.since(self.now) >= SILENCE {
            self.reap_from = now + LEASE;
        }
        self.now = self.now.max(now);
        let outcome = match op {
            Op::Push { pushes, mark } => self.push(pushes, mark),
            Op::Claim { queue, worker, max, own } => Outcome::Claimed(self.claim(queue, worker, max, own)),
            Op::Park { ticket, wait } => self.park(&ticket, &wait),
            Op::Grant { ticket, state, binds_until } => self.grant(&ticket, state, binds_until),
            Op::Settle { ticket, how, state } => self.settle(&ticket, how, state),
            Op::Beat { worker } => self.beat(worker),
            Op::Reap => self.reap(),
            Op::Hold { target, wait } => self.hold(target, &Hold::of(&wait)),
            Op::Resume { target } => self.resume(target),
            Op::Find { job, lane } => Outcome::Place(self.find(&job, &lane)),
            Op::Peek { lane } => Outcome::Lane(self.peek(&lane)),
            Op::Inspect { queue, limit } => Outcome::Queue(self.inspect(queue, limit)),
            Op::Jobs { lane, limit } => Outcome::Jobs(self.jobs(&lane, limit)),
        };
        let mut wakes = Wakes::new();
        for queue in std::mem::take(&mut self.touched) {
            if let Some(line) = self.queues.get(&queue) {
                wakes.extend(self.idle.call(queue, line));
            }
        }
        (outcome, wakes)
    }

    /// Says that a queue changed: perhaps somebody must be woken.
    pub(super) fn touch(&mut self, queue: Queue) {
        self.touched.insert(queue);
    }

    /// Changes a lane, opened if it is new, and puts it where it then belongs in its queue.
    pub(super) fn open<R>(
        &mut self,
        id: &LaneId,
        change: impl FnOnce(&mut Lane, Timestamp, &mut Counter) -> R,
    ) -> R {
        if !self.lanes.contains_key(id) {
            let id = Arc::new(id.clone());
            let lane = Lane::new(Arc::clone(&id), self.now, self.counter.next());
            self.lanes.insert(id, (lane, None));
        }
        self.change(id, change).expect("the lane was opened just now")
    }

    /// Changes a lane that exists.
    pub(super) fn change<R>(
        &mut self,
        id: &LaneId,
        change: impl FnOnce(&mut Lane, Timestamp, &mut Counter) -> R,
    ) -> Option<R> {
        let (lane, standing) = self.lanes.get_mut(id)?;
        let was_empty = lane.jobs.is_empty();
        let result = change(lane, self.now, &mut self.counter);
        if was_empty && !lane.jobs.is_empty() {
            // It waited for nothing while it was empty: it begins behind the lanes that are due.
            lane.floor = self.now;
            lane.turn = self.counter.next();
        }
        *standing = self.queues.entry(id.queue).or_default().stand(lane, *standing);
        for (until, key) in lane.spent.drain(..) {
            self.spent.insert((until, Arc::clone(&lane.id), Some(key)));
        }
        if lane.jobs.is_empty() && !lane.listed {
            lane.listed = true;
            self.spent.insert((lane.binds_until(), Arc::clone(&lane.id), None));
        }
        self.touched.insert(id.queue);
        Some(result)
    }

    fn hold(&mut self, target: HoldTarget, hold: &Hold) -> Outcome {
        match target {
            HoldTarget::Queue(queue) => {
                self.queues.entry(queue).or_default().hold.extend(hold.clone(), self.now);
            }
            HoldTarget::Lane(id) => self.open(&id, |lane, now, _| lane.hold.extend(hold.clone(), now)),
            HoldTarget::Key(id, key) => self.open(&id, |lane, now, counter| {
                let (name, key) = lane.key(&key);
                key.hold.extend(hold.clone(), now);
                lane.place(&name, now, counter);
            }),
            HoldTarget::Class(id, class) => {
                self.open(&id, |lane, now, _| lane.class_holds[class.rank()].extend(hold.clone(), now));
            }
            HoldTarget::Job(id, job) => {
                self.change(&id, |lane, now, counter| {
                    lane.note(&job, hold.wait(Scope::Job));
                    lane.own_wait(&job, |wait| wait.extend(hold.clone(), now), now, counter);
                });
            }
        }
        Outcome::Ok
    }

    fn resume(&mut self, target: HoldTarget) -> Outcome {
        match target {
            HoldTarget::Queue(queue) => {
                self.queues.entry(queue).or_default().hold.lift(self.now);
                self.touch(queue);
            }
            HoldTarget::Lane(id) => {
                self.change(&id, |lane, now, _| {
                    lane.hold.lift(now);
                    let classes = lane.class_holds.iter_mut().chain(&mut lane.paces);
                    classes.for_each(|hold| hold.lift(now));
                });
            }
            HoldTarget::Key(id, name) => {
                self.change(&id, |lane, now, counter| {
                    let (name, key) = lane.key(&name);
                    key.hold.lift(now);
                    lane.place(&name, now, counter);
                });
            }
            HoldTarget::Class(id, class) => {
                self.change(&id, |lane, now, _| {
                    lane.class_holds[class.rank()].lift(now);
                    lane.paces[class.rank()].lift(now);
                });
            }
            HoldTarget::Job(id, job) => {
                self.change(&id, |lane, now, counter| {
                    if let Some(job) = lane.jobs.get_mut(&job) {
                        job.slow = false;
                    }
                    lane.own_wait(&job, |wait| wait.lift(now), now, counter);
                });
            }
        }
        Outcome::Ok
    }

    fn beat(&mut self, worker: WorkerId) -> Outcome {
        self.leases.entry(worker).or_default().ends = self.now + LEASE;
        match self.reaped.remove(&worker) {
            Some(_) => Outcome::Lost,
            None => Outcome::Ok,
        }
    }

    fn reap(&mut self) -> Outcome {
        self.drop_spent();
        let now = self.now;
        self.reaped.retain(|_, at| now.since(*at) < REMEMBERED);
        let mut gone = Vec::new();
        if now >= self.reap_from {
            gone.extend(self.leases.iter().filter(|(_, lease)| lease.ends <= now).map(|(id, _)| *id));
        }
        let mut jobs = 0;
        for worker in &gone {
            self.reaped.insert(*worker, now);
            for queue in Queue::ALL {
                self.idle.forget(*queue, *worker);
            }
            for (token, lane) in self.leases.remove(worker).unwrap_or_default().claims {
                jobs += 1;
                self.change(&lane, |lane, now, counter| lane.give_back(token, true, now, counter));
            }
        }
        self.touched.extend(Queue::ALL);
        Outcome::Reaped { workers: gone, jobs }
    }

    /// Drops lanes and keys that hold no job and bind nobody any more, a bounded number at a time.
    fn drop_spent(&mut self) {
        for _ in 0..DROPPED_AT_ONCE {
            let Some((at, id, key)) = self.spent.pop_first() else {
                return;
            };
            if at > self.now {
                self.spent.insert((at, id, key));
                return;
            }
            let Some((lane, _)) = self.lanes.get_mut(&id) else {
                continue;
            };
            if let Some(name) = key {
                if let Some(key) = lane.keys.get_mut(&name) {
                    key.listed = false;
                }
                self.change(&id, |lane, now, counter| lane.place(&name, now, counter));
            } else if lane.jobs.is_empty() && lane.binds_until() <= self.now && lane.keys.is_empty() {
                self.lanes.remove(&id);
            } else {
                lane.listed = lane.jobs.is_empty();
                if lane.listed {
                    let next = lane.binds_until().max(self.now + LOOKED_AT_AGAIN);
                    self.spent.insert((next, id, None));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Class;
    use uuid::Uuid;

    use super::*;
    use crate::{JobId, LaneState, Mark, Push, Settle};

    #[test]
    fn memory_does_not_grow_with_lanes_ever_used() {
        let mut shard = Shard::default();
        let (now, worker) = (Timestamp::from_micros(1), WorkerId(Uuid::nil()));
        let binds_until = now + Duration::from_hours(1);
        for n in 0..500 {
            let push = Push {
                job: JobId("job".to_owned()),
                lane: LaneId { queue: Queue::Send, name: n.to_string() },
                key: "key".to_owned(),
                class: Class::Normal,
                order: 0,
                ready_at: now,
                width: 1,
                route: None,
            };
            shard.apply(now, Op::Push { pushes: vec![push], mark: Mark::Again });
            let claim = shard.claim(Queue::Send, worker, 1, false).claims.remove(0);
            let state = (n % 2 == 0).then_some((LaneState::default(), binds_until));
            shard.apply(now, Op::Settle { ticket: claim.ticket, how: Settle::Done, state });
        }
        shard.apply(now, Op::Reap);
        assert_eq!(shard.lanes.len(), 250, "those whose state still binds");
        shard.apply(binds_until, Op::Reap);
        assert!(shard.lanes.is_empty() && shard.spent.is_empty());
    }
}
