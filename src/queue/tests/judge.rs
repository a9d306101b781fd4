//! The judge itself: an engine that breaks a promise, each in one way, does not get past it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};
use queue::conformance::{Chance, Subject, random};
use queue::{Engine, HoldTarget, Mark, Op, Outcome, QueueError, Settle};

/// An engine that does something else than it is asked, or answers something else than it did.
#[derive(Debug)]
struct Liar {
    honest: Arc<dyn Engine>,
    hears: fn(&mut Op),
    says: fn(&mut Outcome),
}

#[async_trait]
impl Engine for Liar {
    async fn apply(&self, mut ops: Vec<Op>) -> Result<Vec<Outcome>, QueueError> {
        for op in &mut ops {
            (self.hears)(op);
        }
        let mut answers = self.honest.apply(ops).await?;
        for answer in &mut answers {
            (self.says)(answer);
        }
        Ok(answers)
    }

    async fn wake(&self, queue: Queue, worker: WorkerId, longest: Duration) {
        self.honest.wake(queue, worker, longest).await;
    }

    async fn now(&self) -> Result<Timestamp, QueueError> {
        self.honest.now().await
    }
}

/// The judge's verdict, if it found something.
async fn verdict(hears: fn(&mut Op), says: fn(&mut Outcome)) -> Option<String> {
    let mut subject = Subject::memory();
    subject.engine = Arc::new(Liar { honest: subject.engine, hears, says });
    let chance = Chance { seed: 1, steps: 20_000, unit: Duration::from_millis(50), leases: true };
    let judged = tokio::spawn(async move { random(&subject, chance).await }).await;
    let panic = judged.err()?.into_panic();
    Some(*panic.downcast::<String>().expect("the judge says what is wrong"))
}

async fn is_caught(what: &str, hears: fn(&mut Op), says: fn(&mut Outcome)) {
    let verdict = verdict(hears, says).await;
    let verdict = verdict.unwrap_or_else(|| panic!("{what} went unseen"));
    assert!(verdict.starts_with("seed 1: "), "it was not the judge who found it: {verdict}");
}

#[tokio::test]
async fn an_honest_engine_passes() {
    assert_eq!(verdict(|_| (), |_| ()).await, None);
}

macro_rules! hears {
    ($($name:ident: $pattern:pat => $change:expr;)+) => { $(
        #[tokio::test]
        async fn $name() {
            let hears = |op: &mut Op| if let $pattern = op { $change; };
            is_caught(stringify!($name), hears, |_| ()).await;
        }
    )+ };
}

macro_rules! says {
    ($($name:ident: $pattern:pat => $change:expr;)+) => { $(
        #[tokio::test]
        async fn $name() {
            let says = |answer: &mut Outcome| if let $pattern = answer { $change; };
            is_caught(stringify!($name), |_| (), says).await;
        }
    )+ };
}

hears! {
    forgets_the_order: Op::Push { pushes, .. } => for push in pushes { push.order = 0; };
    forgets_the_class: Op::Push { pushes, .. } => for push in pushes { push.class = Class::Normal };
    starts_before_its_time: Op::Push { pushes, .. } => for push in pushes { push.ready_at = Timestamp::ZERO };
    hands_out_too_many: Op::Push { pushes, .. } => for push in pushes { push.width += 1 };
    hands_out_too_few: Op::Push { pushes, .. } => for push in pushes { push.width = 1 };
    ignores_routes: Op::Push { pushes, .. } => for push in pushes { push.route = None };
    marks_for_the_sweep: Op::Push { mark, .. } => *mark = Mark::Again;
    never_marks: Op::Push { mark, .. } => *mark = Mark::IfAbsent;
    parks_for_nothing: Op::Park { wait, .. } => wait.until = Some(Timestamp::ZERO);
    parks_too_long: Op::Park { wait, .. } => wait.until = wait.until.map(|until| until + Duration::from_millis(1));
    holds_too_much: Op::Park { wait, .. } => wait.scope = Scope::Lane;
    holds_too_little: Op::Park { wait, .. } => wait.scope = Scope::Job;
    forgets_paces: Op::Park { wait: Wait { scope: scope @ Scope::Pace, .. }, .. } => *scope = Scope::Job;
    slows_a_class_down: Op::Park { wait: Wait { scope: scope @ Scope::Pace, .. }, .. } => *scope = Scope::Class;
    forgets_why: Op::Park { wait, .. } => wait.detail = None;
    retries_at_once: Op::Settle { how: Settle::Retry(at), .. } => *at = Timestamp::ZERO;
    never_moves_later: Op::Settle { how: how @ Settle::Later(_), .. } => *how = Settle::Release;
    releases_what_is_done: Op::Settle { how: how @ Settle::Done, .. } => *how = Settle::Release;
    drops_what_is_released: Op::Settle { how: how @ Settle::Release, .. } => *how = Settle::Done;
    forgets_states: Op::Settle { state, .. } => *state = None;
    grants_over_old_states: Op::Grant { state, .. } => state.version = 0;
    resumes_the_wrong_thing: Op::Resume { target: HoldTarget::Lane(lane) } => lane.name.push('x');
    holds_by_another_name: Op::Hold { wait, .. } => wait.rule.push('x');
    resumes_another_job: Op::Resume { target: HoldTarget::Job(_, job) } => job.0.push('x');
    holds_another_class: Op::Hold { target: HoldTarget::Class(_, class), .. } => *class = Class::Normal;
    holds_another_key: Op::Hold { target: HoldTarget::Key(_, key), .. } => key.push('x');
}

says! {
    loses_a_claim: Outcome::Claimed(claims) => claims.claims.truncate(1);
    repeats_tokens: Outcome::Claimed(claims) => for claim in &mut claims.claims { claim.ticket.token = 7 };
    hides_what_is_due: Outcome::Claimed(claims) => claims.next_due = None;
    promises_too_late: Outcome::Claimed(claims) => claims.next_due = claims.next_due.map(|due| due + Duration::from_secs(1));
    hides_holds: Outcome::Lane(view) => view.held.clear();
    peeks_at_another: Outcome::Lane(view) => view.state.version += 1;
    forgets_waits: Outcome::Claimed(claims) => for claim in &mut claims.claims { claim.waits.clear() };
    forgets_losses: Outcome::Claimed(claims) => for claim in &mut claims.claims { claim.lost = 0 };
    hides_a_lost_claim: answer @ Outcome::Lost => *answer = Outcome::Ok;
    reaps_in_secret: Outcome::Reaped { workers, .. } => workers.clear();
    counts_all_as_new: Outcome::Pushed { inserted } => *inserted += 1;
}
