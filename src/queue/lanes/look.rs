//! Where things are and why they wait: for people, so it may cost as much as it shows.

use std::sync::Arc;

use model::{Class, Queue, Scope, Timestamp, Wait};

use super::hold::{Slot, longest};
use super::key::{At, Job, Key};
use super::lane::Lane;
use super::queue::{Line, Route};
use super::shard::Shard;
use crate::{JobId, JobPlace, LaneId, LaneState, LaneSummary, LaneView, QueueSummary};

impl Shard {
    pub(super) fn find(&mut self, job: &JobId, lane: &LaneId) -> JobPlace {
        self.places(lane, |of| of.jobs.get_key_value(job).map(|(id, _)| Arc::clone(id)).into_iter().collect())
            .pop()
            .map_or(JobPlace::Absent, |(_, place)| place)
    }

    pub(super) fn jobs(&mut self, lane: &LaneId, limit: usize) -> Vec<(JobId, JobPlace)> {
        self.places(lane, |of| of.jobs.keys().take(limit).cloned().collect())
    }

    /// Where some jobs of a lane are. What is due counts as due, whether or not a claim came by to see it.
    fn places(
        &mut self,
        lane: &LaneId,
        which: impl FnOnce(&Lane) -> Vec<Arc<JobId>>,
    ) -> Vec<(JobId, JobPlace)> {
        let hold = self.queues.get(&lane.queue).map(|line| line.hold.clone()).unwrap_or_default();
        let places = self.change(lane, |lane, now, counter| {
            let jobs = which(lane);
            for id in &jobs {
                let key = Arc::clone(&lane.jobs[id].key);
                lane.join_due(&key, now, counter);
            }
            let place = |id: &Arc<JobId>| ((**id).clone(), lane.place_of(id, &lane.jobs[id], &hold, now));
            jobs.iter().map(place).collect()
        });
        places.unwrap_or_default()
    }

    pub(super) fn peek(&self, lane: &LaneId) -> LaneView {
        let queue = self.queues.get(&lane.queue).and_then(|line| line.hold.wait(Scope::Lane, self.now));
        let mut view =
            LaneView { now: self.now, state: LaneState::default(), claimed: Vec::new(), held: Vec::new() };
        if let Some((lane, _)) = self.lanes.get(lane) {
            view.state = lane.state.clone();
            view.claimed.extend(lane.claims.values().map(|(job, _)| (**job).clone()));
            view.held = lane.holds(self.now);
        }
        view.held.extend(queue);
        view
    }

    pub(super) fn inspect(&self, queue: Queue, limit: usize) -> QueueSummary {
        let empty = Line::default();
        let line = self.queues.get(&queue).unwrap_or(&empty);
        let served = line.routes.iter().filter(|(route, _)| **route != Route::Nobody);
        let mut due: Vec<_> = served.flat_map(|(_, lanes)| lanes.iter().take(limit)).collect();
        due.sort();
        due.extend(line.routes.get(&Route::Nobody).into_iter().flatten().take(limit));
        let first = due.into_iter().take(limit).filter_map(|(_, id)| Some(&self.lanes.get(id)?.0));
        QueueSummary {
            queue,
            held: line.hold.wait(Scope::Lane, self.now),
            lanes: line.lanes,
            waiting: line.waiting,
            claimed: line.claimed,
            first: first.map(|lane| lane.summary(&line.hold, self.now)).collect(),
        }
    }
}

impl Lane {
    fn summary(&self, queue: &Slot, now: Timestamp) -> LaneSummary {
        LaneSummary {
            lane: (*self.id).clone(),
            waiting: self.jobs.len() - self.claims.len(),
            claimed: self.claims.len(),
            due: self.due().map(|due| due.max(queue.end())),
            held: self.holds(now),
        }
    }

    /// What holds its classes and itself.
    fn holds(&self, now: Timestamp) -> Vec<Wait> {
        let classes = self.class_holds.iter().map(|hold| hold.wait(Scope::Class, now));
        let paces = self.paces.iter().map(|hold| hold.wait(Scope::Pace, now));
        classes.chain(paces).chain([self.hold.wait(Scope::Lane, now)]).flatten().collect()
    }

    fn place_of(&self, id: &Arc<JobId>, job: &Job, queue: &Slot, now: Timestamp) -> JobPlace {
        let key = &self.keys[&job.key];
        match job.at {
            At::Claimed(_) => {
                let mut claims = self.claims.values();
                match claims.find(|(claimed, _)| claimed == id) {
                    Some((_, worker)) => JobPlace::Claimed { worker: *worker },
                    None => JobPlace::Absent,
                }
            }
            At::Future(_) => JobPlace::Future { ready_at: job.ready_at },
            At::Line => JobPlace::Waiting {
                behind: key.before(job.class, job.order, id),
                held: longest([
                    self.held_by(&job.key, job.class, queue, now),
                    self.own_waits(job, now),
                    self.head_wait(key, job.class, now),
                ]),
            },
        }
    }

    /// The wait of what a key offers, which everything of its class and the lower ones waits for too.
    fn head_wait(&self, key: &Key, class: Class, now: Timestamp) -> Option<Wait> {
        let (of, head) = key.head()?;
        if of > class {
            return None;
        }
        self.own_waits(&self.jobs[head], now)
    }

    /// What a job waits for by itself: its own time, and its pace.
    fn own_waits(&self, job: &Job, now: Timestamp) -> Option<Wait> {
        let pace = &self.paces[job.class.rank()];
        longest([job.wait.wait(Scope::Job, now), pace.wait(Scope::Pace, now).filter(|_| job.slow)])
    }
}
