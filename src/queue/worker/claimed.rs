//! A job in a handler's hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::{Timestamp, Wait};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::clock::LaneClock;
use super::heart::Heart;
use super::pause::Pause;
use super::states::{Hand, LaneStates, StateGuard};
use crate::{Claim, Claims, Grant, LaneError, LaneState, Op, Settle};

/// The job is not this worker's any more: whatever was to be said about it, others decide now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the claim is not valid any more: its lease ran out, or the queue was lost")]
pub struct Lost;

/// A claimed job and the slot it fills. It is ended by one of the methods that consume it; whoever drops it without leaves
/// it to the policy of the layer around the handler.
#[derive(Debug)]
pub struct Claimed(pub(super) Arc<Hold>);

/// What the handler and the layer around it share.
#[derive(Debug)]
pub(super) struct Hold {
    pub claim: Claim,
    clock: LaneClock,
    heart: Heart,
    /// How often the lease had been lost when it was claimed.
    losses: u64,
    /// The queue's epoch when it was claimed.
    epoch: u64,
    hand: Hand,
    ended: AtomicBool,
    tracker: TaskTracker,
    _slot: OwnedSemaphorePermit,
}

/// What the claims of one answer have in common.
#[derive(Debug, Clone)]
pub(super) struct Bench {
    pub heart: Heart,
    pub states: LaneStates,
    /// The tasks that hand back what was dropped.
    pub tracker: TaskTracker,
}

impl Bench {
    /// Takes over the claims of an answer to what was asked at `asked`, when the queue's epoch was at least `epoch`; each
    /// with a slot.
    pub fn take(
        &self,
        claims: Claims,
        asked: Instant,
        epoch: u64,
        slots: impl IntoIterator<Item = OwnedSemaphorePermit>,
    ) -> Vec<Claimed> {
        let clock = LaneClock::new(claims.now, asked, self.heart.lanes().clock());
        let losses = self.heart.losses();
        let take = |(claim, slot): (Claim, _)| {
            let hand = self.states.enter(&claim.ticket.lane, &claim.state);
            Claimed(Arc::new(Hold {
                claim,
                clock: clock.clone(),
                heart: self.heart.clone(),
                losses,
                epoch,
                hand,
                ended: AtomicBool::new(false),
                tracker: self.tracker.clone(),
                _slot: slot,
            }))
        };
        claims.claims.into_iter().zip(slots).map(take).collect()
    }
}

impl Claimed {
    /// What was claimed. The job's id is a string here: the handler reads it, and fails what it cannot read.
    pub fn claim(&self) -> &Claim {
        &self.0.claim
    }

    /// Lane time now, at the earliest: what must not start too soon goes by it.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Lane time now, at the latest: what happened is dated by it.
    pub fn latest(&self) -> Timestamp {
        self.0.clock.latest()
    }

    /// By how much [`Claimed::latest`] is ahead of [`Claimed::now`].
    pub fn uncertainty(&self) -> Duration {
        let now = self.now();
        self.latest().since(now)
    }

    /// Whether the job is still this worker's for sure: its lease was confirmed no longer than `age` ago, and neither it nor
    /// the whole queue was lost since the claim. A call to a provider starts only then.
    pub fn confirmed_within(&self, age: Duration) -> bool {
        let Hold { heart, losses, epoch, .. } = &*self.0;
        heart.losses() == *losses && heart.confirmed_epoch() == Some(*epoch) && heart.confirmed_within(age)
    }

    /// Waits until no other job of the lane decides over its state in this process, and gives the newest known.
    pub async fn state(&self) -> StateGuard {
        self.0.hand.turn(&self.0.claim.state).await
    }

    /// Commits the lane's state before a send. After [`Grant::Granted`] and [`Grant::Stale`] the guard has the engine's
    /// state.
    pub async fn grant(
        &self,
        guard: &mut StateGuard,
        bytes: Vec<u8>,
        binds_until: Timestamp,
    ) -> Result<Grant, LaneError> {
        let version = guard.state().version;
        let new = LaneState { bytes: Some(bytes), version };
        let answer = self.0.heart.lanes().grant(&self.0.claim.ticket, new.clone(), binds_until).await?;
        match &answer {
            Grant::Granted => guard.replace(LaneState { version: version + 1, ..new }),
            Grant::Stale(state) => guard.replace(state.clone()),
            Grant::Held(_) => {}
        }
        Ok(answer)
    }

    /// Gives the job back to wait; the scope says what waits with it. Answers when the engine did, however long that takes.
    pub async fn park(self, wait: Wait) -> Result<(), Lost> {
        let ticket = self.claim().ticket.clone();
        self.0.end(Op::Park { ticket, wait }).await
    }

    /// Ends the claim. Answers when the engine did, however long that takes: until then the slot stays taken.
    pub async fn settle(self, how: Settle) -> Result<(), Lost> {
        self.0.settle(how, None).await
    }

    /// Ends the claim and writes the lane's state with it. The state is written only if nobody else wrote meanwhile,
    /// which other processes cannot while this one has claims of the lane.
    pub async fn settle_with(
        self,
        how: Settle,
        mut guard: StateGuard,
        bytes: Vec<u8>,
        binds_until: Timestamp,
    ) -> Result<(), Lost> {
        let version = guard.state().version;
        let new = LaneState { bytes: Some(bytes), version };
        self.0.settle(how, Some((new.clone(), binds_until))).await?;
        guard.replace(LaneState { version: version + 1, ..new });
        Ok(())
    }
}

impl Hold {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub async fn settle(&self, how: Settle, state: Option<(LaneState, Timestamp)>) -> Result<(), Lost> {
        let ticket = self.claim.ticket.clone();
        self.end(Op::Settle { ticket, how, state }).await
    }

    /// Asks until the engine answers: a claim whose end got lost on the way would stay claimed as long as the worker lives.
    async fn end(&self, op: Op) -> Result<(), Lost> {
        let mut pause = Pause::new(self.heart.worker());
        loop {
            let answer = self.heart.lanes().fenced(op.clone()).await;
            if !matches!(answer, Err(LaneError::Queue(_))) {
                self.ended.store(true, Ordering::SeqCst);
                return answer.map_err(|_| Lost);
            }
            pause.wait().await;
        }
    }
}

impl Drop for Hold {
    /// Hands back what nobody ended: it was claimed but not started, or its worker was torn down.
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // Without a runtime the lease ends it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (lanes, ticket) = (self.heart.lanes().clone(), self.claim.ticket.clone());
        let mut pause = Pause::new(self.heart.worker());
        let hand_back = async move {
            while let Err(LaneError::Queue(_)) = lanes.settle(&ticket, Settle::Release, None).await {
                pause.wait().await;
            }
        };
        self.tracker.spawn_on(hand_back, &runtime);
    }
}
