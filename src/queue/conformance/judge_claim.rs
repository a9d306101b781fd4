//! Judging what a claim gave.

use model::{Queue, Wait, WorkerId};

use super::world::World;
use crate::{Claim, Claims, WAITS_KEPT};

/// Says why an answer is wrong.
pub(super) type Verdict = Result<(), String>;

pub(super) fn check(truth: bool, wrong: impl FnOnce() -> String) -> Verdict {
    if truth { Ok(()) } else { Err(wrong()) }
}

/// Whether the waits of a job's parks, and of what it was told before, are still told: all but the last unchanged, and the
/// oldest only while there is room.
fn are_told(told: &[Wait], known: &[Wait]) -> bool {
    let Some((last, others)) = known.split_last() else { return true };
    let is_last = |wait: &Wait| (wait.scope, &wait.rule) == (last.scope, &last.rule);
    told.len() <= WAITS_KEPT
        && (0..=others.len()).any(|gone| {
            let rest = &others[gone..];
            (gone == 0 || told.len() == WAITS_KEPT)
                && told.starts_with(rest)
                && told.get(rest.len()).is_some_and(is_last)
        })
}

impl World {
    /// Whether a claim's answer is legal and complete; takes it over.
    pub fn judge_claim(
        &mut self,
        queue: Queue,
        worker: WorkerId,
        max: usize,
        own: bool,
        answer: &Claims,
    ) -> Verdict {
        self.leases.insert(worker, answer.now + crate::LEASE);
        check(answer.claims.len() <= max, || "more than was asked for".to_owned())?;
        for claim in &answer.claims {
            self.judge_one(queue, worker, own, answer, claim)?;
        }
        let more = self.may_claim(queue, worker, own, answer.now);
        let full = answer.claims.len() == max;
        let again = answer.next_due.is_some_and(|due| due <= answer.now);
        check(full || again || more.is_none(), || format!("{more:?} could have been given"))?;
        let due = self.next_due(queue, worker, own, answer.now);
        let told = match (due, answer.next_due) {
            (Some(due), Some(told)) => told <= due,
            (Some(_), None) => false,
            (None, _) => true,
        };
        check(told, || format!("something is due at {due:?}, but it said {:?}", answer.next_due))
    }

    fn judge_one(
        &mut self,
        queue: Queue,
        worker: WorkerId,
        own: bool,
        answer: &Claims,
        claim: &Claim,
    ) -> Verdict {
        let (now, ticket) = (answer.now, &claim.ticket);
        let queue_hold = self.queue_hold(queue).0;
        let last = std::mem::replace(&mut self.last_token, ticket.token);
        check(ticket.token > last, || format!("token {} after {last}", ticket.token))?;
        check(ticket.worker == worker && ticket.lane.queue == queue, || "another's ticket".to_owned())?;
        check(queue_hold <= now, || "the queue is held".to_owned())?;
        let exact = self.exact;
        let known = self.lanes.get(&ticket.lane).is_some_and(|lane| lane.jobs.contains_key(&ticket.job));
        check(known, || "there is no such job".to_owned())?;
        let waits = self.waits(&ticket.lane, &ticket.job);
        let lane = self.lanes.get_mut(&ticket.lane).ok_or("there is no such lane")?;
        check(lane.open_to(worker, own), || "the lane is full, or not this worker's".to_owned())?;
        check(lane.hold.0 <= now, || "the lane is held".to_owned())?;
        let offer = lane.offer(&ticket.key, now).map(|(id, _)| id.clone());
        let job = lane.jobs.get(&ticket.job).ok_or("there is no such job")?;
        check(job.key == ticket.key, || "another key".to_owned())?;
        check(job.ready_at <= now, || format!("it is not due before {}", job.ready_at))?;
        check(lane.classes[job.class.rank()].0 <= now, || "its class is held".to_owned())?;
        // Whether a lower class of a key may go while its higher one is held as a class, engines decide.
        let top = lane.line(&ticket.key, now).first().map(|(id, job)| ((*id).clone(), job.class));
        let held_above = top.filter(|(_, class)| *class < job.class && lane.classes[class.rank()].0 > now);
        let right = offer.as_ref() == Some(&ticket.job) || held_above.is_some();
        check(right, || format!("{} went where {offer:?} was next", ticket.job))?;
        let better = lane.ready(now).into_iter().find(|(_, other)| other.class < job.class);
        check(better.is_none(), || format!("{better:?} is of a higher class"))?;
        let same = (claim.class, claim.order, claim.lost) == (job.class, job.order, job.lost);
        // Where time is not known to the microsecond, what a hold kept may be told or not, and of how long.
        let told = if exact { claim.waits == waits } else { are_told(&claim.waits, &job.waits) };
        check(same && told, || format!("{claim:?} was {job:?} with {waits:?}"))?;
        check(claim.state == lane.state, || format!("{:?} was {:?}", claim.state, lane.state))?;
        check(claim.at == now && claim.ready_at <= now, || "wrong times".to_owned())?;
        check(!exact || claim.ready_at == job.ready_at, || format!("it was ready at {}", job.ready_at))?;
        if let Some(job) = lane.jobs.get_mut(&ticket.job) {
            job.waits.clone_from(&claim.waits);
            job.claim = Some((ticket.token, worker));
            job.wait.0 = model::Timestamp::ZERO;
        }
        Ok(())
    }
}
