//! What the promises' tests are written with.

use std::time::Duration;

use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};
use uuid::Uuid;

use super::Subject;
use crate::{
    Claim, Claims, HoldTarget, JobId, JobPlace, LaneId, LaneState, LaneView, Mark, Op, Outcome, Push,
    QueueSummary, Settle, Ticket,
};

#[derive(Debug)]
pub(super) struct Kit<'a>(pub &'a Subject);

pub(super) fn worker(n: u128) -> WorkerId {
    WorkerId(Uuid::from_u128(n))
}

pub(super) fn lane(name: &str) -> LaneId {
    LaneId { queue: Queue::Send, name: name.to_owned() }
}

/// A job that is ready, in a key of its own in the lane `a`, where ten may be claimed at once.
pub(super) fn job(name: &str) -> Push {
    Push {
        job: JobId(name.to_owned()),
        lane: lane("a"),
        key: name.to_owned(),
        class: Class::Normal,
        order: 0,
        ready_at: Timestamp::ZERO,
        width: 10,
        route: None,
    }
}

/// A job of the key `k`.
pub(super) fn of_key(name: &str, class: Class, order: i64) -> Push {
    Push { key: "k".to_owned(), class, order, ..job(name) }
}

/// A job of a lane where one may be claimed at once.
pub(super) fn of_lane(of: &str, name: &str) -> Push {
    Push { lane: lane(of), width: 1, ..job(name) }
}

pub(super) fn bytes(text: &str, version: u64) -> LaneState {
    LaneState { bytes: Some(text.as_bytes().to_vec()), version }
}

pub(super) fn names(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.ticket.job.0.as_str()).collect()
}

impl Kit<'_> {
    pub async fn one(&self, op: Op) -> Outcome {
        let mut answers = self.0.engine.apply(vec![op]).await.expect("the engine answers");
        assert_eq!(answers.len(), 1, "an answer an operation");
        answers.remove(0)
    }

    pub async fn ok(&self, op: Op) {
        assert_eq!(self.one(op.clone()).await, Outcome::Ok, "{op:?}");
    }

    pub async fn lost(&self, op: Op) {
        assert_eq!(self.one(op.clone()).await, Outcome::Lost, "{op:?}");
    }

    pub async fn push(&self, pushes: impl IntoIterator<Item = Push>) -> usize {
        self.push_marked(pushes, Mark::Again).await
    }

    pub async fn push_marked(&self, pushes: impl IntoIterator<Item = Push>, mark: Mark) -> usize {
        let pushes = pushes.into_iter().collect();
        match self.one(Op::Push { pushes, mark }).await {
            Outcome::Pushed { inserted } => inserted,
            other => panic!("{other:?}"),
        }
    }

    pub async fn claim_of(&self, queue: Queue, by: u128, max: usize) -> Claims {
        match self.one(Op::Claim { queue, worker: worker(by), max, own: false }).await {
            Outcome::Claimed(claims) => claims,
            other => panic!("{other:?}"),
        }
    }

    /// What a worker gets of the send queue that serves nothing but its own lanes.
    pub async fn claim_own(&self, by: u128, max: usize) -> Claims {
        match self.one(Op::Claim { queue: Queue::Send, worker: worker(by), max, own: true }).await {
            Outcome::Claimed(claims) => claims,
            other => panic!("{other:?}"),
        }
    }

    /// What a worker gets of the send queue.
    pub async fn claim(&self, by: u128, max: usize) -> Vec<Claim> {
        self.claim_of(Queue::Send, by, max).await.claims
    }

    /// The one job that a worker gets when it asks for as many as there are.
    pub async fn only(&self, by: u128, name: &str) -> Claim {
        let mut claims = self.claim(by, 100).await;
        assert_eq!(names(&claims), [name]);
        claims.remove(0)
    }

    pub async fn none(&self, by: u128) {
        let claims = self.claim(by, 100).await;
        assert_eq!(names(&claims), [""; 0]);
    }

    /// Claims one after the other and settles each as done: the order in which jobs go.
    pub async fn drain(&self, by: u128) -> Vec<String> {
        let mut order = Vec::new();
        while let [claim] = &self.claim(by, 1).await[..] {
            order.push(claim.ticket.job.0.clone());
            self.settle(claim, Settle::Done).await;
        }
        order
    }

    /// Claims one job and settles it as done. Its name.
    pub async fn drain_one(&self, by: u128) -> String {
        let claim = self.claim(by, 1).await.remove(0);
        self.settle(&claim, Settle::Done).await;
        claim.ticket.job.0
    }

    pub fn settling(claim: &Claim, how: Settle) -> Op {
        Op::Settle { ticket: claim.ticket.clone(), how, state: None }
    }

    pub fn parking(claim: &Claim, until: Timestamp, rule: &str, scope: Scope) -> Op {
        Op::Park { ticket: claim.ticket.clone(), wait: Wait::new(rule, scope, until) }
    }

    pub fn granting(ticket: &Ticket, state: LaneState) -> Op {
        Op::Grant { ticket: ticket.clone(), state, binds_until: crate::FOREVER }
    }

    pub async fn settle(&self, claim: &Claim, how: Settle) {
        self.ok(Self::settling(claim, how)).await;
    }

    pub async fn park(&self, claim: &Claim, until: Timestamp, rule: &str, scope: Scope) {
        self.ok(Self::parking(claim, until, rule, scope)).await;
    }

    pub async fn hold(&self, target: HoldTarget, until: Timestamp, rule: &str) {
        let until = (until < crate::FOREVER).then_some(until);
        self.ok(Op::Hold { target, wait: Wait::new(rule, Scope::Lane, until) }).await;
    }

    pub async fn resume(&self, target: HoldTarget) {
        self.ok(Op::Resume { target }).await;
    }

    pub async fn place(&self, of: &str, name: &str) -> JobPlace {
        match self.one(Op::Find { job: JobId(name.to_owned()), lane: lane(of) }).await {
            Outcome::Place(place) => place,
            other => panic!("{other:?}"),
        }
    }

    pub async fn inspect(&self, queue: Queue) -> QueueSummary {
        match self.one(Op::Inspect { queue, limit: 9 }).await {
            Outcome::Queue(summary) => summary,
            other => panic!("{other:?}"),
        }
    }

    pub async fn peek(&self, of: &str) -> LaneView {
        match self.one(Op::Peek { lane: lane(of) }).await {
            Outcome::Lane(view) => view,
            other => panic!("{other:?}"),
        }
    }

    pub async fn now(&self) -> Timestamp {
        self.0.engine.now().await.expect("the engine answers")
    }

    /// Far enough ahead that it does not come by itself during a test.
    pub async fn far(&self) -> Timestamp {
        self.now().await + Duration::from_hours(1)
    }

    /// A tick ahead: wait for it with [`Kit::reach`].
    pub async fn soon(&self) -> Timestamp {
        self.now().await + self.0.time.tick()
    }

    /// Lets time pass until then.
    pub async fn reach(&self, time: Timestamp) {
        while self.now().await < time {
            let left = time.since(self.now().await);
            self.0.time.advance(left).await;
        }
    }

    /// Lets the leases of all who do not beat run out, while a bystander does, and ends them.
    pub async fn outlive(&self) {
        let end = self.now().await + crate::LEASE + Duration::from_millis(1);
        while self.now().await < end {
            self.0.time.advance(Duration::from_secs(1)).await;
            self.one(Op::Beat { worker: worker(99) }).await;
        }
    }

    pub async fn reap(&self) -> (Vec<WorkerId>, usize) {
        match self.one(Op::Reap).await {
            Outcome::Reaped { workers, jobs } => (workers, jobs),
            other => panic!("{other:?}"),
        }
    }
}
