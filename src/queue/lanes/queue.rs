//! The lanes of a queue in the order in which they are due, for each who may serve them.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Timestamp, WorkerId};

use super::hold::Slot;
use super::lane::Lane;
use crate::LaneId;

/// Who may serve a lane now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    Anybody,
    Owner(WorkerId),
    /// It has jobs, but none may go before something is settled.
    Nobody,
}

/// Where a lane stands in its queue: kept by the shard beside the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    route: Route,
    due: (Timestamp, u64),
    waiting: usize,
    claimed: usize,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    pub hold: Slot,
    /// Lanes by due time, then turn. A lane with jobs is in exactly one.
    pub routes: BTreeMap<Route, BTreeMap<(Timestamp, u64), Arc<LaneId>>>,
    pub lanes: usize,
    pub waiting: usize,
    pub claimed: usize,
}

impl Line {
    /// Puts a lane where it belongs after a change.
    pub fn stand(&mut self, lane: &Lane, old: Option<Standing>) -> Option<Standing> {
        let new = (!lane.jobs.is_empty()).then(|| {
            let (route, due) = match lane.due() {
                Some(due) => (lane.route(), due),
                None => (Route::Nobody, lane.floor),
            };
            Standing {
                route,
                due: (due, lane.turn),
                waiting: lane.jobs.len() - lane.claims.len(),
                claimed: lane.claims.len(),
            }
        });
        if new == old {
            return new;
        }
        if let Some(old) = old {
            self.lanes -= 1;
            self.waiting -= old.waiting;
            self.claimed -= old.claimed;
            if let Some(route) = self.routes.get_mut(&old.route) {
                route.remove(&old.due);
                if route.is_empty() {
                    self.routes.remove(&old.route);
                }
            }
        }
        if let Some(new) = new {
            self.lanes += 1;
            self.waiting += new.waiting;
            self.claimed += new.claimed;
            self.routes.entry(new.route).or_default().insert(new.due, Arc::clone(&lane.id));
        }
        new
    }

    /// When the first lane of a route is due, the queue's own hold aside.
    pub fn first(&self, route: Route) -> Option<(Timestamp, u64)> {
        self.routes.get(&route)?.first_key_value().map(|(due, _)| *due)
    }

    /// The lane that a worker should serve next, and when that is due.
    pub fn next(&self, worker: WorkerId, own: bool) -> Option<(Timestamp, Arc<LaneId>)> {
        let routes = [Route::Owner(worker), Route::Anybody];
        let firsts = routes
            .iter()
            .take(if own { 1 } else { 2 })
            .filter_map(|route| self.routes.get(route)?.first_key_value());
        let (due, lane) = firsts.min_by_key(|(due, _)| **due)?;
        Some((due.0.max(self.hold.end()), Arc::clone(lane)))
    }
}
