//! What the holder of a claim may do: park, grant, settle.

use std::sync::Arc;

use model::{Scope, Timestamp, Wait};

use super::hold::{Hold, longest, note};
use super::key::{Again, At};
use super::lane::Lane;
use super::shard::{Counter, Shard};
use crate::{JobId, LaneState, Outcome, Settle, Ticket};

/// The rule that a retry's wait goes by.
const RETRY: &str = "retry";

impl Shard {
    /// Whether a ticket names a claim that is still its worker's.
    fn holds(&self, ticket: &Ticket) -> bool {
        let claim = self.lanes.get(&ticket.lane).and_then(|(lane, _)| lane.claims.get(&ticket.token));
        claim.is_some_and(|(job, worker)| **job == ticket.job && *worker == ticket.worker)
    }

    /// Lets the worker's lease forget a claim.
    fn forget(&mut self, ticket: &Ticket) {
        if let Some(lease) = self.leases.get_mut(&ticket.worker) {
            lease.claims.remove(&ticket.token);
        }
    }

    pub(super) fn park(&mut self, ticket: &Ticket, wait: &Wait) -> Outcome {
        if !self.holds(ticket) {
            return Outcome::Lost;
        }
        self.forget(ticket);
        self.change(&ticket.lane, |lane, now, counter| {
            let hold = Hold::of(wait);
            lane.note(&ticket.job, hold.wait(wait.scope));
            lane.hold_back(ticket.token, hold, wait.scope, now, counter);
        });
        Outcome::Ok
    }

    pub(super) fn grant(&mut self, ticket: &Ticket, state: LaneState, binds_until: Timestamp) -> Outcome {
        if !self.holds(ticket) {
            return Outcome::Lost;
        }
        let queue = self.queues.entry(ticket.lane.queue).or_default();
        let Some((lane, _)) = self.lanes.get_mut(&ticket.lane) else {
            return Outcome::Lost;
        };
        let Some(job) = lane.jobs.get(&ticket.job) else { return Outcome::Lost };
        let own = job.wait.wait(Scope::Job, self.now);
        if let Some(wait) = longest([lane.held_by(&ticket.key, job.class, &queue.hold, self.now), own]) {
            return Outcome::Held(wait);
        }
        if lane.write(state, binds_until) { Outcome::Ok } else { Outcome::Stale(lane.state.clone()) }
    }

    pub(super) fn settle(
        &mut self,
        ticket: &Ticket,
        how: Settle,
        state: Option<(LaneState, Timestamp)>,
    ) -> Outcome {
        if !self.holds(ticket) {
            return Outcome::Lost;
        }
        self.forget(ticket);
        self.change(&ticket.lane, |lane, now, counter| {
            if let Some((state, binds_until)) = state {
                lane.write(state, binds_until);
            }
            match how {
                Settle::Done | Settle::Fail => lane.finish(ticket.token, now, counter),
                Settle::Retry(at) => {
                    lane.hold_back(ticket.token, Hold::new(at, RETRY), Scope::Job, now, counter);
                }
                Settle::Later(at) => lane.later(ticket.token, at, now, counter),
                Settle::Release => drop(lane.give_back(ticket.token, false, now, counter)),
            }
        });
        Outcome::Ok
    }
}

impl Lane {
    /// Writes the state if it was made from the one that is here.
    fn write(&mut self, state: LaneState, binds_until: Timestamp) -> bool {
        let fits = state.version == self.state.version;
        if fits {
            self.state = LaneState { bytes: state.bytes, version: state.version + 1 };
            self.binds_until = binds_until;
        }
        fits
    }

    /// Notes why a job waits, for its timeline.
    pub(super) fn note(&mut self, id: &JobId, wait: Wait) {
        if let Some(job) = self.jobs.get_mut(id) {
            note(&mut job.waits, wait);
        }
    }

    /// Ends a claim with a wait.
    fn hold_back(&mut self, token: u64, hold: Hold, scope: Scope, now: Timestamp, counter: &mut Counter) {
        let Some(id) = self.release(token) else { return };
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.slow = scope == Scope::Pace;
        match scope {
            Scope::Job => job.wait.extend(hold, now),
            Scope::Recipient => {
                if let Some(key) = self.keys.get_mut(&job.key) {
                    key.hold.extend(hold, now);
                }
            }
            Scope::Pace => self.paces[job.class.rank()].extend(hold, now),
            Scope::Class => self.class_holds[job.class.rank()].extend(hold, now),
            Scope::Lane => self.hold.extend(hold, now),
        }
        self.enter(&id, now, counter);
    }

    /// Ends a claim and its job, unless a push came in between that queues it once more.
    fn finish(&mut self, token: u64, now: Timestamp, counter: &mut Counter) {
        let Some(id) = self.release(token) else { return };
        if let Some(mark) = self.again(&id)
            && let Some(job) = self.jobs.get_mut(&id)
        {
            job.class = mark.class;
            job.order = mark.order;
            job.ready_at = mark.ready_at.max(now);
            job.lost = 0;
            job.waits.clear();
            job.wait.lift(now);
            job.slow = false;
            self.take_turn(&id, counter);
            self.enter(&id, now, counter);
        } else {
            self.take_turn(&id, counter);
            if let Some(job) = self.jobs.remove(&id) {
                self.place(&job.key, now, counter);
            }
        }
    }

    /// Ends a claim whose job goes at another time. A push that came in between may know of a still newer one.
    fn later(&mut self, token: u64, at: Timestamp, now: Timestamp, counter: &mut Counter) {
        let Some(id) = self.release(token) else { return };
        let mark = self.again(&id);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.wait.lift(now);
        job.slow = false;
        job.ready_at = mark.map_or(at, |mark| mark.ready_at.min(at)).max(now);
        job.class = mark.map_or(job.class, |mark| mark.class.min(job.class));
        self.take_turn(&id, counter);
        self.enter(&id, now, counter);
    }

    fn again(&self, id: &Arc<JobId>) -> Option<Again> {
        match self.jobs.get(id)?.at {
            At::Claimed(again) => again,
            At::Line | At::Future(_) => None,
        }
    }

    /// The key of a claimed job goes behind the ready ones. It is in none of the lane's sets while claimed.
    fn take_turn(&mut self, id: &Arc<JobId>, counter: &mut Counter) {
        if let Some(job) = self.jobs.get(id)
            && let Some(key) = self.keys.get_mut(&job.key)
        {
            key.turn = counter.next();
        }
    }
}
