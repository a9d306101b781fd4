//! The newest state of each lane that this process works on, so that jobs of one wide lane decide one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use crate::{LaneId, LaneState};

type Cells = Mutex<HashMap<LaneId, Weak<Turns<LaneState>>>>;

/// The states of the lanes that this process has claims of. A lane with claims belongs to one worker, so what it wrote
/// last is the newest; when its last claim ends the state is forgotten, because then another worker may write.
#[derive(Debug, Clone, Default)]
pub struct LaneStates(Arc<Cells>);

/// One claim's hand on its lane's state.
#[derive(Debug)]
pub(super) struct Hand {
    lane: LaneId,
    cell: Arc<Turns<LaneState>>,
    states: LaneStates,
}

/// The lane's state, for as long as a job decides over it: other jobs of the lane in this process wait for their turn.
#[derive(Debug)]
pub struct StateGuard(OwnedMutexGuard<LaneState>);

impl StateGuard {
    /// The newest state known.
    pub fn state(&self) -> &LaneState {
        &self.0
    }

    /// What the engine said: that of a refused grant, or what was just written.
    pub(super) fn replace(&mut self, state: LaneState) {
        *self.0 = state;
    }
}

impl LaneStates {
    pub(super) fn enter(&self, lane: &LaneId, state: &LaneState) -> Hand {
        let mut cells = self.cells();
        let known = cells.get(lane).and_then(Weak::upgrade);
        let cell = known.unwrap_or_else(|| {
            let cell = Arc::new(Turns::new(state.clone()));
            cells.insert(lane.clone(), Arc::downgrade(&cell));
            cell
        });
        Hand { lane: lane.clone(), cell, states: self.clone() }
    }

    /// How many lanes have claims in this process.
    pub fn len(&self) -> usize {
        self.cells().len()
    }

    /// Whether no lane has.
    pub fn is_empty(&self) -> bool {
        self.cells().is_empty()
    }

    fn cells(&self) -> MutexGuard<'_, HashMap<LaneId, Weak<Turns<LaneState>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hand {
    /// Waits for this job's turn. `claimed` is the state that came with its claim.
    pub async fn turn(&self, claimed: &LaneState) -> StateGuard {
        let mut guard = StateGuard(Arc::clone(&self.cell).lock_owned().await);
        if claimed.version > guard.state().version {
            guard.replace(claimed.clone());
        }
        guard
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let mut cells = self.states.cells();
        // Hands are made under the same lock, so a single one stays the single one meanwhile. A guard that outlives its
        // hand only delays the forgetting to the next claim of the lane.
        if Arc::strong_count(&self.cell) == 1 {
            cells.remove(&self.lane);
        }
    }
}
