//! Putting jobs into lanes.

use std::sync::Arc;

use model::Timestamp;

use super::hold::Slot;
use super::key::{Again, At, Job};
use super::lane::Lane;
use super::shard::{Counter, Shard};
use crate::{Mark, Outcome, Push};

impl Shard {
    pub(super) fn push(&mut self, pushes: Vec<Push>, mark: Mark) -> Outcome {
        let mut inserted = 0;
        for push in pushes {
            let new = self.open(&push.lane, |lane, now, counter| lane.push(&push, mark, now, counter));
            inserted += usize::from(new);
        }
        Outcome::Pushed { inserted }
    }
}

impl Lane {
    /// Whether the job was new.
    fn push(&mut self, push: &Push, mark: Mark, now: Timestamp, counter: &mut Counter) -> bool {
        self.width = usize::try_from(push.width.max(1)).unwrap_or(usize::MAX);
        self.route = push.route;
        let Some(job) = self.jobs.get_mut(&push.job) else {
            let (key, _) = self.key(&push.key);
            let id = Arc::new(push.job.clone());
            let job = Job {
                key,
                class: push.class,
                order: push.order,
                // What is ready at once joined its key just now, whatever earlier time was written on it.
                ready_at: push.ready_at.max(now),
                lost: 0,
                waits: Vec::new(),
                wait: Slot::default(),
                slow: false,
                at: At::Line,
            };
            self.jobs.insert(Arc::clone(&id), job);
            self.enter(&id, now, counter);
            return true;
        };
        match &mut job.at {
            At::Claimed(again) => {
                if mark == Mark::Again {
                    *again = Some(Again {
                        class: again.map_or(push.class, |old| old.class.min(push.class)),
                        order: push.order,
                        ready_at: again.map_or(push.ready_at, |old| old.ready_at.min(push.ready_at)),
                    });
                }
            }
            At::Line | At::Future(_) => self.merge(push, now, counter),
        }
        false
    }

    /// A push of a job that waits: the earlier time and the higher class hold. Its order stays, and its own wait (a
    /// retry's) too, unless the class rises.
    fn merge(&mut self, push: &Push, now: Timestamp, counter: &mut Counter) {
        let Some((id, job)) = self.jobs.get_key_value(&push.job) else {
            return;
        };
        let sooner = push.ready_at.max(now) < job.ready_at;
        let higher = push.class < job.class;
        if !sooner && !higher {
            return;
        }
        let id = Arc::clone(id);
        self.leave(&id);
        if let Some(job) = self.jobs.get_mut(&id) {
            if sooner {
                job.ready_at = push.ready_at.max(now);
            }
            if higher {
                job.class = push.class;
                job.wait.lift(now);
                job.slow = false;
            }
        }
        self.enter(&id, now, counter);
    }
}
