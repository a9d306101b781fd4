//! Handing jobs to a worker.

use std::sync::Arc;

use model::{Class, Queue, Scope, Timestamp, WorkerId};

use super::hold::{Slot, tell};
use super::key::At;
use super::lane::Lane;
use super::shard::{Counter, Shard};
use crate::{Claim, Claims, JobId, LEASE, Ticket};

/// How many holds that ended are looked at by one claim: a worker that was given nothing although something is due asks
/// again at once, and others get a word in between.
const PROMOTED_A_CLAIM: usize = 4096;

impl Shard {
    pub(super) fn claim(&mut self, queue: Queue, worker: WorkerId, max: usize, own: bool) -> Claims {
        let now = self.now;
        self.leases.entry(worker).or_default().ends = now + LEASE;
        let mut budget = PROMOTED_A_CLAIM;
        let hold = self.queues.entry(queue).or_default().hold.clone();
        let mut claims = Vec::new();
        while claims.len() < max && budget > 0 {
            let Some((due, lane)) = self.queues.entry(queue).or_default().next(worker, own) else {
                break;
            };
            if due > now {
                break;
            }
            let claim = self.change(&lane, |lane, now, counter| {
                let (class, name) = lane.choose(now, &mut budget, counter)?;
                lane.tell_holds(class, &name, &hold);
                Some(lane.claim(class, &name, worker, now, counter))
            });
            if let Some(claim) = claim.flatten() {
                if let Some(lease) = self.leases.get_mut(&worker) {
                    lease.claims.insert(claim.ticket.token, lane);
                }
                claims.push(claim);
            }
        }
        let next_due = self.queues.entry(queue).or_default().next(worker, own).map(|(due, _)| due);
        if claims.len() < max {
            self.idle.rests(queue, worker, own, next_due);
        } else {
            self.idle.forget(queue, worker);
        }
        self.touch(queue);
        Claims { now, claims, next_due }
    }
}

impl Lane {
    /// Gives the head of a ready key to a worker; the lane goes behind those that are due.
    fn claim(
        &mut self,
        class: Class,
        name: &Arc<str>,
        worker: WorkerId,
        now: Timestamp,
        counter: &mut Counter,
    ) -> Claim {
        let token = counter.next();
        let key = self.keys.get_mut(name).expect("a ready key exists");
        let (order, id) = key.lines[class.rank()].pop_first().expect("a ready key has a head");
        key.claim = Some(Arc::clone(&id));
        let job = self.jobs.get_mut(&id).expect("a queued job has a record");
        job.at = At::Claimed(None);
        let claim = Claim {
            ticket: Ticket {
                lane: (*self.id).clone(),
                key: name.to_string(),
                job: (*id).clone(),
                worker,
                token,
            },
            class,
            order,
            state: self.state.clone(),
            at: now,
            ready_at: job.ready_at,
            lost: job.lost,
            waits: job.waits.clone(),
        };
        self.claims.insert(token, (id, worker));
        self.floor = now;
        self.turn = counter.next();
        self.place(name, now, counter);
        claim
    }

    /// Tells the head of a key which holds kept it.
    fn tell_holds(&mut self, class: Class, name: &Arc<str>, queue: &Slot) {
        let key = &self.keys[name];
        let Some(job) = key.head().and_then(|(_, id)| self.jobs.get_mut(id)) else { return };
        let pace = Slot::default();
        let slots = [
            (queue, Scope::Lane),
            (&self.hold, Scope::Lane),
            (&self.class_holds[class.rank()], Scope::Class),
            (&key.hold, Scope::Recipient),
            (if job.slow { &self.paces[class.rank()] } else { &pace }, Scope::Pace),
        ];
        let kept = slots.into_iter().filter_map(|(slot, scope)| slot.kept(scope, job.ready_at));
        let mut kept: Vec<_> = kept.collect();
        kept.sort_by_key(|wait| wait.until);
        for wait in kept {
            tell(&mut job.waits, wait);
        }
    }

    /// Takes a claim away from its holder and returns its job to its place and turn. The job that was claimed, for what
    /// else is to be done with it: the key must be placed again then.
    pub(super) fn give_back(
        &mut self,
        token: u64,
        lost: bool,
        now: Timestamp,
        counter: &mut Counter,
    ) -> Option<Arc<JobId>> {
        let id = self.release(token)?;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.lost += u32::from(lost);
        }
        self.enter(&id, now, counter);
        Some(id)
    }

    /// Ends a claim: its job is nowhere until it enters again.
    pub(super) fn release(&mut self, token: u64) -> Option<Arc<JobId>> {
        let (id, _) = self.claims.remove(&token)?;
        let job = self.jobs.get(&id)?;
        if let Some(key) = self.keys.get_mut(&job.key) {
            key.claim = None;
        }
        Some(id)
    }
}
