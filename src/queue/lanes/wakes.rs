//! Who is told that there is work: one idle worker, and only if none expects it yet.

use std::collections::BTreeMap;

use model::{Queue, Timestamp, WorkerId};

use super::queue::{Line, Route};
use crate::Wakes;

/// What an idle worker waits for.
#[derive(Debug, Clone, Copy)]
enum Expects {
    /// It claims again then; none if it was told that nothing waits.
    Due(Option<Timestamp>),
    /// It was woken and is about to claim.
    Woken,
}

impl Expects {
    fn covers(self, due: Timestamp) -> bool {
        match self {
            Self::Woken => true,
            Self::Due(at) => at.is_some_and(|at| at <= due),
        }
    }
}

#[derive(Debug)]
struct Rest {
    /// Whether it serves nothing but the lanes that are routed to it.
    own: bool,
    expects: Expects,
}

/// The idle workers: those whose last claim of the queue gave less than they asked for.
#[derive(Debug, Default)]
pub(super) struct Idle(BTreeMap<(Queue, WorkerId), Rest>);

impl Idle {
    /// A worker claimed and has room left; it was told when the next lane is due.
    pub fn rests(&mut self, queue: Queue, worker: WorkerId, own: bool, due: Option<Timestamp>) {
        self.0.insert((queue, worker), Rest { own, expects: Expects::Due(due) });
    }

    /// A worker has no room, or is gone.
    pub fn forget(&mut self, queue: Queue, worker: WorkerId) {
        self.0.remove(&(queue, worker));
    }

    /// Sees to it that what is due first in each route is expected by somebody who may serve it.
    pub fn call(&mut self, queue: Queue, line: &Line) -> Wakes {
        let held = line.hold.end();
        let mut wakes = Wakes::new();
        for ((of, worker), rest) in &mut self.0 {
            if *of != queue {
                continue;
            }
            if let Some((due, _)) = line.first(Route::Owner(*worker))
                && !rest.expects.covers(due.max(held))
            {
                rest.expects = Expects::Woken;
                wakes.push((queue, Some(*worker)));
            }
        }
        let Some((due, _)) = line.first(Route::Anybody) else {
            return wakes;
        };
        let due = due.max(held);
        let serves = |of: Queue, rest: &Rest| of == queue && !rest.own;
        let mut serving = self.0.iter().filter(|((of, _), rest)| serves(*of, rest));
        if !serving.any(|(_, rest)| rest.expects.covers(due))
            && let Some(((_, worker), rest)) = self.0.iter_mut().find(|((of, _), rest)| serves(*of, rest))
        {
            rest.expects = Expects::Woken;
            wakes.push((queue, Some(*worker)));
        }
        wakes
    }
}
