//! What is told of waits, to whoever looks and to whoever is handed a job.

use std::collections::BTreeSet;

use model::{Class, Scope, Wait};
use queue::{JobId, JobPlace, LaneId, LaneState, LaneView};

use super::{Hold, Job, Judge, Lane, note};

impl Judge {
    /// What a job is told that its lane's holds kept it by.
    pub(super) fn told(&self, of: &LaneId, id: &JobId) -> Vec<Wait> {
        let lane = &self.lanes[of];
        let mut job = lane.jobs[id].clone();
        let key = lane.key_hold(&job.key);
        let class = &lane.classes[job.class.rank()];
        let pace = lane.pace_of(&job);
        let slots = [
            (&self.hold, Scope::Lane),
            (&lane.hold, Scope::Lane),
            (class, Scope::Class),
            (&key, Scope::Recipient),
            (&pace, Scope::Pace),
        ];
        let mut kept: Vec<_> = slots.into_iter().filter(|(hold, _)| hold.0 > job.ready).collect();
        kept.sort_by_key(|(hold, _)| hold.0);
        for (hold, scope) in kept {
            let (until, rule, detail) = hold.clone();
            let wait = Wait { rule, scope, until: Some(until), detail };
            let mut same = job.waits.iter().enumerate().rev();
            let last = same.find(|(_, told)| told.rule == wait.rule && told.scope == scope).map(|(at, _)| at);
            match last {
                Some(at) if job.waits[at].until >= wait.until => {}
                Some(at) if at == job.waits.len() - 1 => job.waits[at] = wait,
                _ => note(&mut job, wait),
            }
        }
        job.waits
    }

    pub(super) fn shown(&self, hold: &Hold, scope: Scope) -> Option<Wait> {
        let (until, rule, detail) = hold.clone();
        (until > self.now).then_some(Wait { rule, scope, until: Some(until), detail })
    }

    pub(super) fn held_by(&self, lane: &LaneId, key: &str, class: Class) -> Option<Wait> {
        let lane = self.lanes.get(lane)?;
        let all = [
            self.shown(&self.hold, Scope::Lane),
            self.shown(&lane.hold, Scope::Lane),
            self.shown(&lane.classes[class.rank()], Scope::Class),
            self.shown(&lane.key_hold(key), Scope::Recipient),
        ];
        all.into_iter().flatten().max_by_key(|wait| wait.until)
    }

    pub(super) fn peek(&self, lane: &LaneId, view: &LaneView) {
        let none = Lane::default();
        let of = self.lanes.get(lane).unwrap_or(&none);
        let classes = of.classes.iter().map(|hold| self.shown(hold, Scope::Class));
        let classes = classes.chain(of.paces.iter().map(|hold| self.shown(hold, Scope::Pace)));
        let held = classes.chain([self.shown(&of.hold, Scope::Lane), self.shown(&self.hold, Scope::Lane)]);
        assert_eq!(view.held, held.flatten().collect::<Vec<_>>());
        let claimed = of.jobs.iter().filter(|(_, job)| job.claim.is_some()).map(|(id, _)| id.clone());
        assert_eq!(view.claimed.iter().cloned().collect::<BTreeSet<_>>(), claimed.collect());
        assert_eq!(view.now, self.now);
        assert!(view.state == of.state || view.state == LaneState::default() && of.binds <= self.now);
    }

    pub(super) fn place(&self, lane: &LaneId, id: &JobId) -> JobPlace {
        let Some((of, job)) = self.lanes.get(lane).and_then(|lane| Some((lane, lane.jobs.get(id)?))) else {
            return JobPlace::Absent;
        };
        if let Some((worker, _)) = job.claim {
            return JobPlace::Claimed { worker };
        }
        if job.ready > self.now {
            return JobPlace::Future { ready_at: job.ready };
        }
        let order = of.line(&job.key, self.now);
        let behind = order.iter().position(|(other, _)| *other == id).expect("in line");
        let blocked = of.is_blocked(&job.key);
        let own = |job: &Job| [self.shown(&job.wait, Scope::Job), self.shown(&of.pace_of(job), Scope::Pace)];
        let first = if blocked { [None, None] } else { own(order[0].1) };
        let all = [self.held_by(lane, &job.key, job.class)].into_iter().chain(own(job)).chain(first);
        let held = all.flatten().max_by_key(|wait| wait.until);
        JobPlace::Waiting { behind: behind + usize::from(blocked), held }
    }
}
