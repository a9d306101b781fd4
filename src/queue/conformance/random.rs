//! Random operations on few lanes, keys, jobs and workers, so that everything meets everything.

use std::collections::VecDeque;
use std::time::Duration;

use model::{Class, Ids, Queue, Scope, Timestamp, Wait, WorkerId};
use uuid::Uuid;

use super::Subject;
use super::judge::When;
use super::world::World;
use crate::{HoldTarget, JobId, LaneId, LaneState, Mark, Op, Outcome, Push, Settle, Ticket};

const RULES: [&str; 3] = ["gap", "per_minute", "provider"];

/// What is left to chance.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    /// The same seed makes the same operations, as far as the engine's answers are the same.
    pub seed: u64,
    /// How many operations.
    pub steps: usize,
    /// The unit of times: waits are a few of it, and time passes by a few of it.
    pub unit: Duration,
    /// Whether leases may run out: only where time can be made to pass.
    pub leases: bool,
}

#[derive(Debug)]
struct Driver<'a> {
    subject: &'a Subject,
    chance: Chance,
    ids: Ids,
    world: World,
    tickets: VecDeque<(Ticket, LaneState)>,
    /// What comes next, and how long after the one before.
    plan: VecDeque<(Duration, Op)>,
    silence: Timestamp,
    seen: Timestamp,
}

/// Drives an engine by chance.
///
/// # Panics
/// When an answer is not what the promises allow; it says which, and after which operations.
pub async fn random(subject: &Subject, chance: Chance) {
    let ids = Ids::seeded(chance.seed);
    let world = World::default();
    let (tickets, plan) = (VecDeque::new(), VecDeque::new());
    let (silence, seen) = (Timestamp::ZERO, Timestamp::ZERO);
    let mut driver = Driver { subject, chance, ids, world, tickets, plan, silence, seen };
    let mut past: VecDeque<String> = VecDeque::new();
    for step in 0..chance.steps {
        let op = driver.next().await;
        let line = format!("{step} {op:?}");
        let verdict = driver.carry_out(op).await;
        past.push_back(format!(
            "{line}\n     => {:?} {:?}",
            driver.seen,
            verdict.as_ref().map_or_else(Clone::clone, |o| format!("{o:?}"))
        ));
        if past.len() > 40 {
            past.pop_front();
        }
        if let Err(wrong) = verdict {
            let told: Vec<_> = past.into();
            panic!("seed {}: {wrong}\nafter\n{}", chance.seed, told.join("\n"));
        }
    }
}

impl Driver<'_> {
    fn below(&self, n: u64) -> u64 {
        self.ids.number() % n
    }

    /// The next operation, after time has passed or not.
    async fn next(&mut self) -> Op {
        if self.plan.is_empty() && self.chance.leases && self.below(150) == 0 {
            // Somebody beats while the leases of the others run out.
            let worker = self.worker();
            let beat = (Duration::from_secs(1), Op::Beat { worker });
            self.plan.extend((0..7).map(|_| beat.clone()).chain([(Duration::ZERO, Op::Reap)]));
        }
        if let Some((by, op)) = self.plan.pop_front() {
            self.subject.time.advance(by).await;
            return op;
        }
        if self.below(12) == 0 {
            let long = self.chance.leases && self.below(40) == 0;
            let some = self.chance.unit * u32::try_from(1 + self.below(6)).unwrap_or(1);
            let by = if long { Duration::from_secs(self.below(8)) } else { some };
            self.subject.time.advance(by).await;
        }
        self.op()
    }

    async fn carry_out(&mut self, op: Op) -> Result<Outcome, String> {
        let unreachable = |error: crate::QueueError| error.to_string();
        let from = self.subject.engine.now().await.map_err(unreachable)?;
        if from.since(self.seen) >= Duration::from_secs(3) {
            self.silence = from;
        }
        let answers = self.subject.engine.apply(vec![op.clone()]).await.map_err(unreachable)?;
        let to = self.subject.engine.now().await.map_err(unreachable)?;
        self.seen = to;
        let after_silence = to.since(self.silence) <= crate::LEASE;
        let [answer] = &answers[..] else { return Err(format!("{} answers", answers.len())) };
        self.world.judge(When { from, to, after_silence }, &op, answer)?;
        if let Outcome::Claimed(claims) = answer {
            self.tickets
                .extend(claims.claims.iter().map(|claim| (claim.ticket.clone(), claim.state.clone())));
            while self.tickets.len() > 12 {
                self.tickets.pop_front();
            }
        }
        Ok(answer.clone())
    }

    fn soon(&self) -> Timestamp {
        self.seen + self.chance.unit * u32::try_from(self.below(12)).unwrap_or(0)
    }

    fn worker(&self) -> WorkerId {
        WorkerId(Uuid::from_u128(1 + u128::from(self.below(3))))
    }

    fn queue(&self) -> Queue {
        if self.below(8) == 0 { Queue::Ingest } else { Queue::Send }
    }

    fn lane(&self) -> LaneId {
        LaneId { queue: self.queue(), name: format!("lane{}", self.below(3)) }
    }

    fn class(&self) -> Class {
        Class::ALL[usize::try_from(self.below(3)).unwrap_or(0)]
    }

    fn wait(&self, until: Timestamp) -> Wait {
        let wait = Wait::new(RULES[usize::try_from(self.below(3)).unwrap_or(0)], self.scope(), until);
        if self.below(2) == 0 { wait.because(format!("{}", self.below(9))) } else { wait }
    }

    fn key(&self) -> String {
        format!("key{}", self.below(3))
    }

    fn job(&self, key: &str) -> JobId {
        JobId(format!("job:{key}{}", self.below(4)))
    }

    fn push(&self) -> Push {
        let (lane, key) = (self.lane(), self.key());
        Push {
            job: self.job(&key),
            // Mostly the same, now and then another width or route.
            width: if self.below(10) == 0 { 1 + u32::try_from(self.below(3)).unwrap_or(0) } else { 2 },
            route: (self.below(12) == 0).then(|| self.worker()),
            lane,
            key,
            class: self.class(),
            order: i64::try_from(self.below(6)).unwrap_or(0) - 1,
            ready_at: if self.below(3) == 0 { self.soon() } else { self.seen },
        }
    }

    /// A ticket, mostly one that is still good, and a state to write.
    fn ticket(&self) -> Option<(Ticket, LaneState)> {
        let good: Vec<_> = self.tickets.iter().filter(|(ticket, _)| self.is_good(ticket)).collect();
        let one_of = |len: usize| usize::try_from(self.below(len as u64)).unwrap_or(0);
        let (ticket, state) = match good.len() {
            0 if self.tickets.is_empty() => return None,
            len if len > 0 && self.below(10) > 0 => good[one_of(len)],
            _ => &self.tickets[one_of(self.tickets.len())],
        };
        let newest = self.world.lanes.get(&ticket.lane).map_or(0, |lane| lane.state.version);
        let version = if self.below(4) == 0 { state.version } else { newest };
        Some((ticket.clone(), LaneState { bytes: Some(self.ids.number().to_le_bytes().to_vec()), version }))
    }

    fn is_good(&self, ticket: &Ticket) -> bool {
        let job = self.world.lanes.get(&ticket.lane).and_then(|lane| lane.jobs.get(&ticket.job));
        job.is_some_and(|job| job.claim == Some((ticket.token, ticket.worker)))
    }

    fn scope(&self) -> Scope {
        Scope::ALL[usize::try_from(self.below(5)).unwrap_or(0)]
    }

    fn target(&self) -> HoldTarget {
        match self.below(9) {
            0 => HoldTarget::Queue(self.queue()),
            1 | 2 => HoldTarget::Lane(self.lane()),
            3 => HoldTarget::Class(self.lane(), self.class()),
            4 | 5 => HoldTarget::Job(self.lane(), self.job(&self.key())),
            _ => HoldTarget::Key(self.lane(), self.key()),
        }
    }

    /// Something that is held, mostly.
    fn held(&self) -> HoldTarget {
        let mut held = self.world.held(self.seen);
        match held.len() as u64 {
            len if len > 0 && self.below(8) > 0 => {
                held.swap_remove(usize::try_from(self.below(len)).unwrap_or(0))
            }
            _ => self.target(),
        }
    }

    fn op(&self) -> Op {
        let claim = || Op::Claim {
            queue: self.queue(),
            worker: self.worker(),
            max: usize::try_from(self.below(4)).unwrap_or(0),
            own: self.below(8) == 0,
        };
        let lane = self.lane();
        match self.below(100) {
            0..28 => {
                let mark = if self.below(4) == 0 { Mark::IfAbsent } else { Mark::Again };
                Op::Push { pushes: (0..=self.below(3)).map(|_| self.push()).collect(), mark }
            }
            28..52 => claim(),
            52..60 => Op::Find { job: self.job(&self.key()), lane },
            60..62 => Op::Inspect { queue: self.queue(), limit: usize::try_from(self.below(4)).unwrap_or(0) },
            62 => Op::Peek { lane },
            63 => Op::Jobs { lane, limit: usize::try_from(self.below(20)).unwrap_or(0) },
            64..67 => Op::Beat { worker: self.worker() },
            67..69 => Op::Reap,
            69..72 => Op::Hold { target: self.target(), wait: self.wait(self.soon()) },
            72..74 => Op::Resume { target: self.held() },
            n => self.ticket().map_or_else(claim, |(ticket, state)| self.with_ticket(n, ticket, state)),
        }
    }

    fn with_ticket(&self, n: u64, ticket: Ticket, state: LaneState) -> Op {
        let until = self.soon();
        let how = match n {
            74..79 => return Op::Park { ticket, wait: self.wait(until) },
            79..83 => return Op::Grant { ticket, state, binds_until: crate::FOREVER },
            83..91 => Settle::Done,
            91..93 => Settle::Fail,
            93..95 => Settle::Retry(until),
            95..97 => Settle::Later(until),
            _ => Settle::Release,
        };
        // State that binds for ever, so that no lane is dropped: when an engine forgets is its own affair.
        let state = (self.below(3) == 0).then_some((state, crate::FOREVER));
        Op::Settle { ticket, how, state }
    }
}
