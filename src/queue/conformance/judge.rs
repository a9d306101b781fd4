//! Judging the answers to all other operations, and taking them over into the model.

use model::{Class, Scope, Timestamp, Wait, WorkerId};

use super::judge_claim::{Verdict, check};
use super::world::{MJob, Until, World, add, extend, told};
use crate::{
    HoldTarget, JobPlace, LEASE, LaneState, LaneView, Mark, Op, Outcome, Push, QueueSummary, Settle, Ticket,
};

/// When an operation was carried out: at some time in between, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Whether nobody could beat for a while, so that reaping may wait.
    pub after_silence: bool,
}

impl World {
    /// Whether an engine may answer so; takes the operation over.
    pub fn judge(&mut self, when: When, op: &Op, answer: &Outcome) -> Verdict {
        self.exact &= when.from == when.to;
        let wrong = || Err(format!("{answer:?} is no answer to this"));
        match (op, answer) {
            (Op::Push { pushes, mark }, Outcome::Pushed { inserted }) => {
                let new = pushes.iter().filter(|push| self.push(push, *mark, when.to)).count();
                check(new == *inserted, || format!("{new} were new"))
            }
            (Op::Claim { queue, worker, max, own }, Outcome::Claimed(claims)) => {
                let in_time = when.from <= claims.now && claims.now <= when.to;
                check(in_time, || "its time is not lane time".to_owned())?;
                self.judge_claim(*queue, *worker, *max, *own, claims)
            }
            (Op::Park { ticket, wait }, Outcome::Ok | Outcome::Lost) => {
                let held = self.claimed(ticket).is_some();
                check(held == (*answer == Outcome::Ok), || format!("the claim was valid: {held}"))?;
                if held {
                    if let Some(job) = self.claimed(ticket) {
                        add(&mut job.waits, wait.clone());
                    }
                    self.hold_back(ticket, wait, when.to);
                }
                Ok(())
            }
            (Op::Grant { ticket, state, binds_until }, _) => {
                self.judge_grant(when, ticket, state, *binds_until, answer)
            }
            (Op::Settle { ticket, how, state }, Outcome::Ok | Outcome::Lost) => {
                let held = self.claimed(ticket).is_some();
                check(held == (*answer == Outcome::Ok), || format!("the claim was valid: {held}"))?;
                if held {
                    self.settle(ticket, *how, state.as_ref(), when.to);
                }
                Ok(())
            }
            (Op::Beat { worker }, Outcome::Ok | Outcome::Lost) => {
                let lost = self.reaped.remove(worker);
                self.leases.insert(*worker, when.to + LEASE);
                check(lost == (*answer == Outcome::Lost), || format!("it was reaped: {lost}"))
            }
            (Op::Reap, Outcome::Reaped { workers, jobs }) => self.judge_reap(when, workers, *jobs),
            (Op::Hold { target, wait }, Outcome::Ok) => {
                self.slots(target, |slot| extend(slot, wait, when.to));
                if let HoldTarget::Job(lane, job) = target
                    && let Some(job) = self.lanes.get_mut(lane).and_then(|lane| lane.jobs.get_mut(job))
                {
                    add(&mut job.waits, Wait { scope: Scope::Job, ..wait.clone() });
                }
                Ok(())
            }
            (Op::Resume { target }, Outcome::Ok) => {
                self.slots(target, |slot| slot.0 = slot.0.min(when.to));
                self.lift_classes(target, when.to);
                Ok(())
            }
            (Op::Peek { lane }, Outcome::Lane(view)) => self.judge_view(when, lane, view),
            (Op::Find { job, lane }, Outcome::Place(place)) => self.judge_place(when, lane, job, place),
            (Op::Inspect { queue, limit }, Outcome::Queue(summary)) => {
                check(summary.queue == *queue && summary.first.len() <= *limit, || "of another".to_owned())?;
                self.judge_summary(summary, *limit)
            }
            (Op::Jobs { lane, limit }, Outcome::Jobs(jobs)) => {
                let known = self.lanes.get(lane).map_or(0, |lane| lane.jobs.len());
                check(jobs.len() == known.min(*limit), || format!("it has {known} jobs"))?;
                jobs.iter().try_for_each(|(job, place)| self.judge_place(when, lane, job, place))
            }
            _ => wrong(),
        }
    }

    fn push(&mut self, push: &Push, mark: Mark, now: Timestamp) -> bool {
        let ready_at = if self.exact { push.ready_at.max(now) } else { push.ready_at };
        let lane = self.lanes.entry(push.lane.clone()).or_default();
        lane.width = push.width as usize;
        lane.route = push.route;
        let Some(job) = lane.jobs.get_mut(&push.job) else {
            let job = MJob {
                key: push.key.clone(),
                class: push.class,
                order: push.order,
                ready_at,
                wait: Until::default(),
                slow: false,
                waits: Vec::new(),
                lost: 0,
                claim: None,
                again: None,
            };
            lane.jobs.insert(push.job.clone(), job);
            return true;
        };
        if job.claim.is_none() {
            job.ready_at = job.ready_at.min(ready_at);
            if push.class < job.class {
                job.class = push.class;
                job.wait = Until::default();
                job.slow = false;
            }
        } else if mark == Mark::Again {
            let (class, _, ready_at) = job.again.unwrap_or((Class::Bulk, 0, push.ready_at));
            job.again = Some((class.min(push.class), push.order, ready_at.min(push.ready_at)));
        }
        false
    }

    fn judge_grant(
        &mut self,
        when: When,
        ticket: &Ticket,
        state: &LaneState,
        binds_until: Timestamp,
        answer: &Outcome,
    ) -> Verdict {
        let queue = self.queue_hold(ticket.lane.queue).0;
        let Some((class, own)) = self.claimed(ticket).map(|job| (job.class, job.wait.0)) else {
            return check(*answer == Outcome::Lost, || "the claim was not valid".to_owned());
        };
        let lane = self.lanes.get_mut(&ticket.lane).ok_or("the lane is gone")?;
        let key = lane.keys.get(&ticket.key).map_or(Timestamp::ZERO, |hold| hold.0);
        let end = queue.max(lane.hold.0).max(lane.classes[class.rank()].0).max(key).max(own);
        let fits = state.version == lane.state.version;
        match answer {
            Outcome::Held(wait) => {
                check(end > when.from, || "nothing was held".to_owned())?;
                let until = wait.until.unwrap_or(crate::FOREVER);
                check(until == end, || format!("the hold that ends last ends at {end}"))
            }
            Outcome::Ok => {
                check(end <= when.to, || format!("it was held until {end}"))?;
                check(fits, || "its state was old".to_owned())?;
                lane.state = LaneState { bytes: state.bytes.clone(), version: state.version + 1 };
                lane.binds_until = binds_until;
                Ok(())
            }
            Outcome::Stale(newest) => {
                check(end <= when.to && !fits && *newest == lane.state, || format!("it was {:?}", lane.state))
            }
            _ => Err("the claim was valid".to_owned()),
        }
    }

    fn hold_back(&mut self, ticket: &Ticket, wait: &Wait, now: Timestamp) {
        let Some(job) = self.claimed(ticket) else { return };
        job.claim = None;
        job.again = None;
        job.slow = wait.scope == Scope::Pace;
        let class = job.class;
        if wait.scope == Scope::Job {
            extend(&mut job.wait, wait, now);
        }
        let Some(lane) = self.lanes.get_mut(&ticket.lane) else { return };
        match wait.scope {
            Scope::Job => {}
            Scope::Recipient => extend(lane.keys.entry(ticket.key.clone()).or_default(), wait, now),
            Scope::Pace => extend(&mut lane.paces[class.rank()], wait, now),
            Scope::Class => extend(&mut lane.classes[class.rank()], wait, now),
            Scope::Lane => extend(&mut lane.hold, wait, now),
        }
    }

    fn settle(
        &mut self,
        ticket: &Ticket,
        how: Settle,
        state: Option<&(LaneState, Timestamp)>,
        now: Timestamp,
    ) {
        let exact = self.exact;
        let Some(lane) = self.lanes.get_mut(&ticket.lane) else { return };
        if let Some((state, binds_until)) = state
            && state.version == lane.state.version
        {
            lane.state = LaneState { bytes: state.bytes.clone(), version: state.version + 1 };
            lane.binds_until = *binds_until;
        }
        let Some(job) = lane.jobs.get_mut(&ticket.job) else { return };
        let again = job.again;
        match how {
            Settle::Done | Settle::Fail => match again {
                Some((class, order, ready_at)) => {
                    let key = job.key.clone();
                    let ready_at = if exact { ready_at.max(now) } else { ready_at };
                    let wait = Until::default();
                    *job = MJob {
                        key,
                        class,
                        order,
                        ready_at,
                        wait,
                        slow: false,
                        waits: Vec::new(),
                        lost: 0,
                        claim: None,
                        again: None,
                    };
                }
                None => drop(lane.jobs.remove(&ticket.job)),
            },
            Settle::Retry(at) => self.hold_back(ticket, &Wait::new("retry", Scope::Job, at), now),
            Settle::Later(at) => {
                job.ready_at = again.map_or(at, |(_, _, earlier)| earlier.min(at));
                job.ready_at = if exact { job.ready_at.max(now) } else { job.ready_at };
                job.class = again.map_or(job.class, |(class, _, _)| class.min(job.class));
                (job.claim, job.again) = (None, None);
                job.wait = Until::default();
                job.slow = false;
            }
            Settle::Release => (job.claim, job.again) = (None, None),
        }
    }

    fn judge_reap(&mut self, when: When, workers: &[WorkerId], jobs: usize) -> Verdict {
        let expired = |by: Timestamp| {
            let ended = self.leases.iter().filter(move |(_, ends)| **ends <= by);
            ended.map(|(worker, _)| *worker).collect::<Vec<_>>()
        };
        let (surely, perhaps) = (expired(when.from), expired(when.to));
        check(workers.iter().all(|worker| perhaps.contains(worker)), || "one of them lives".to_owned())?;
        let all = surely.iter().all(|worker| workers.contains(worker));
        check(all || when.after_silence, || format!("{surely:?} are gone"))?;
        let held: usize = workers.iter().map(|worker| self.lose(*worker)).sum();
        check(held == jobs, || format!("they held {held}"))
    }

    /// What a resume lifts besides what was named: of a lane its classes, of those and of a job what slows them down.
    fn lift_classes(&mut self, target: &HoldTarget, now: Timestamp) {
        if let HoldTarget::Job(id, job) = target
            && let Some(job) = self.lanes.get_mut(id).and_then(|lane| lane.jobs.get_mut(job))
        {
            job.slow = false;
        }
        let (HoldTarget::Lane(id) | HoldTarget::Class(id, _)) = target else { return };
        let Some(lane) = self.lanes.get_mut(id) else { return };
        for class in Class::ALL {
            if matches!(target, HoldTarget::Class(_, one) if one != class) {
                continue;
            }
            for slot in [&mut lane.classes[class.rank()], &mut lane.paces[class.rank()]] {
                slot.0 = slot.0.min(now);
            }
        }
    }

    fn slots(&mut self, target: &HoldTarget, change: impl FnOnce(&mut Until)) {
        match target {
            HoldTarget::Queue(queue) => change(self.queue_holds.entry(*queue).or_default()),
            HoldTarget::Lane(lane) => change(&mut self.lanes.entry(lane.clone()).or_default().hold),
            HoldTarget::Key(lane, key) => {
                let lane = self.lanes.entry(lane.clone()).or_default();
                change(lane.keys.entry(key.clone()).or_default());
            }
            HoldTarget::Class(lane, class) => {
                change(&mut self.lanes.entry(lane.clone()).or_default().classes[class.rank()]);
            }
            HoldTarget::Job(lane, job) => {
                if let Some(job) = self.lanes.get_mut(lane).and_then(|lane| lane.jobs.get_mut(job)) {
                    change(&mut job.wait);
                }
            }
        }
    }

    fn judge_view(&self, when: When, of: &crate::LaneId, view: &LaneView) -> Verdict {
        let none = super::world::MLane::default();
        let lane = self.lanes.get(of).unwrap_or(&none);
        check(when.from <= view.now && view.now <= when.to, || "its time is not lane time".to_owned())?;
        let holds = lane.classes.iter().map(|hold| (hold, Scope::Class));
        let holds = holds.chain(lane.paces.iter().map(|hold| (hold, Scope::Pace)));
        let queue = self.queue_hold(of.queue);
        let holds = holds.chain([(&lane.hold, Scope::Lane), (&queue, Scope::Lane)]);
        let held: Vec<_> =
            holds.filter(|(hold, _)| hold.0 > view.now).map(|(hold, of)| told(hold, of)).collect();
        check(view.held == held, || format!("{held:?} holds it"))?;
        let claimed: std::collections::BTreeSet<_> = lane.claims().map(|(id, _)| id).collect();
        let same = view.claimed.len() == claimed.len() && view.claimed.iter().all(|id| claimed.contains(id));
        check(same && view.state == lane.state, || format!("{claimed:?} and {:?}", lane.state))
    }

    fn judge_place(&self, when: When, of: &crate::LaneId, id: &crate::JobId, place: &JobPlace) -> Verdict {
        let found = self.lanes.get(of).and_then(|lane| Some((lane, lane.jobs.get(id)?)));
        let Some((lane, job)) = found else {
            return check(*place == JobPlace::Absent, || "it is absent".to_owned());
        };
        let right = match place {
            JobPlace::Absent => false,
            JobPlace::Claimed { worker } => job.claim.is_some_and(|claim| claim.1 == *worker),
            JobPlace::Future { ready_at } => {
                job.claim.is_none() && job.ready_at == *ready_at && *ready_at > when.from
            }
            JobPlace::Waiting { behind, held } => {
                let busy = lane.claims().any(|(_, other)| other.key == job.key);
                let at = |now: Timestamp| {
                    let jobs = lane.line(&job.key, now);
                    let place = jobs.iter().position(|(other, _)| *other == id);
                    let held_until = lane.held_by(id, &self.queue_hold(of.queue), now);
                    place.map(|place| (place + usize::from(busy), held_until))
                };
                let until = held.as_ref().map(|wait| wait.until.unwrap_or(crate::FOREVER));
                // Something may have become due in between.
                let told = Some((*behind, until));
                when.from != when.to || (job.claim.is_none() && told == at(when.to))
            }
        };
        check(right, || format!("{id}: {place:?}, but it is {job:?}"))
    }

    fn judge_summary(&self, summary: &QueueSummary, limit: usize) -> Verdict {
        let lanes = self.lanes.iter().filter(|(id, lane)| id.queue == summary.queue && !lane.jobs.is_empty());
        let (mut count, mut waiting, mut claimed) = (0, 0, 0);
        for (id, lane) in lanes {
            let busy = lane.claims().count();
            count += 1;
            claimed += busy;
            waiting += lane.jobs.len() - busy;
            let told = summary.first.iter().find(|told| told.lane == *id);
            let right =
                told.is_none_or(|told| (told.waiting, told.claimed) == (lane.jobs.len() - busy, busy));
            check(right, || format!("{told:?} has {busy} claims of {} jobs", lane.jobs.len()))?;
        }
        let sums = (summary.lanes, summary.waiting, summary.claimed) == (count, waiting, claimed);
        check(sums && summary.first.len() == count.min(limit), || {
            format!("it has {count} lanes with {waiting} waiting and {claimed} claimed jobs")
        })
    }
}
