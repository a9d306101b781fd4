//! Random calls of several operations, judged by what the promises allow: what one of them changed the next one sees,
//! although all is written at the end.

use std::time::Duration;

use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};
use queue::{
    Claim, Claims, Engine, HoldTarget, JobId, LaneId, LaneState, Mark, Op, Outcome, Push, RedisEngine, Settle,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::basics::worker;
use crate::judge::Judge;
use crate::server::Server;

/// Rules differ, so that of two holds that end together either may be named: times are drawn without repeats instead.
struct Dice {
    rng: StdRng,
    drawn: i64,
    claims: Vec<Claim>,
    lanes: u64,
}

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn time(&mut self, now: Timestamp) -> Timestamp {
        self.drawn += 1;
        let seconds = self.below(9);
        now + Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(self.drawn).unwrap())
    }

    fn lane(&mut self) -> LaneId {
        let n = self.below(self.lanes);
        LaneId { queue: Queue::Send, name: format!("l{n}") }
    }

    fn worker(&mut self) -> WorkerId {
        worker(u128::from(1 + self.below(3)))
    }

    fn push(&mut self, now: Timestamp) -> Push {
        let lane = self.lane();
        let key = self.below(4);
        let id = self.below(12);
        let width =
            if self.below(20) == 0 { self.below(4) + 1 } else { u64::from(lane.name != "l0") * 2 + 1 };
        Push {
            job: JobId(format!("j{key}-{id}")),
            lane,
            key: format!("k{key}"),
            class: Class::ALL[usize::try_from(self.below(3)).unwrap()],
            order: i64::try_from(self.below(40)).unwrap() - 10,
            ready_at: if self.below(3) == 0 { self.time(now) } else { Timestamp::ZERO },
            width: u32::try_from(width).unwrap(),
            route: (self.below(12) == 0).then(|| self.worker()),
        }
    }

    fn class(&mut self) -> Class {
        Class::ALL[usize::try_from(self.below(3)).unwrap()]
    }

    fn job(&mut self) -> JobId {
        JobId(format!("j{}-{}", self.below(4), self.below(12)))
    }

    fn wait(&mut self, now: Timestamp) -> Wait {
        let scope = Scope::ALL[usize::try_from(self.below(5)).unwrap()];
        let wait = Wait::new(format!("rule{}", self.below(5)), scope, self.time(now));
        if self.below(2) == 0 { wait.because(format!("{} left", self.below(5))) } else { wait }
    }

    fn state(&mut self, claim: &Claim) -> LaneState {
        let version = claim.state.version + u64::from(self.below(6) == 0);
        LaneState { bytes: (self.below(9) > 0).then(|| vec![0, 7, 255]), version }
    }

    fn target(&mut self) -> HoldTarget {
        match self.below(8) {
            0 => HoldTarget::Queue(Queue::Send),
            1 | 2 => HoldTarget::Lane(self.lane()),
            3 => HoldTarget::Class(self.lane(), self.class()),
            4 | 5 => HoldTarget::Job(self.lane(), self.job()),
            _ => HoldTarget::Key(self.lane(), format!("k{}", self.below(4))),
        }
    }

    fn held(&mut self) -> Option<Claim> {
        if self.claims.is_empty() {
            return None;
        }
        let at = usize::try_from(self.below(self.claims.len() as u64)).unwrap();
        // Now and then a ticket is used twice.
        Some(if self.below(15) == 0 { self.claims[at].clone() } else { self.claims.swap_remove(at) })
    }

    fn op(&mut self, now: Timestamp) -> Op {
        match self.below(100) {
            0..30 => {
                let pushes = (0..=self.below(4)).map(|_| self.push(now)).collect();
                let mark = if self.below(4) == 0 { Mark::IfAbsent } else { Mark::Again };
                Op::Push { pushes, mark }
            }
            30..55 => Op::Claim {
                queue: Queue::Send,
                worker: self.worker(),
                max: usize::try_from(self.below(6)).unwrap(),
                own: self.below(8) == 0,
            },
            55..80 => match self.held() {
                None => Op::Beat { worker: self.worker() },
                Some(claim) => match self.below(10) {
                    0..4 => Op::Settle {
                        how: match self.below(8) {
                            0 => Settle::Fail,
                            1 => Settle::Retry(self.time(now)),
                            2 => Settle::Later(self.time(now)),
                            3 => Settle::Release,
                            _ => Settle::Done,
                        },
                        state: (self.below(3) == 0).then(|| (self.state(&claim), self.time(now))),
                        ticket: claim.ticket,
                    },
                    4..8 => Op::Park { wait: self.wait(now), ticket: claim.ticket },
                    _ => {
                        let grant = Op::Grant {
                            state: self.state(&claim),
                            binds_until: self.time(now),
                            ticket: claim.ticket.clone(),
                        };
                        self.claims.push(claim);
                        grant
                    }
                },
            },
            80..84 => Op::Reap,
            84..87 => Op::Beat { worker: self.worker() },
            87..90 => Op::Hold { target: self.target(), wait: self.wait(now) },
            90..92 => Op::Resume { target: self.target() },
            92..95 => Op::Find { job: self.job(), lane: self.lane() },
            95 => Op::Peek { lane: self.lane() },
            96..98 => Op::Inspect { queue: Queue::Send, limit: 100 },
            _ => Op::Jobs { lane: self.lane(), limit: 1000 },
        }
    }
}

/// A claim of nothing in a queue that is not used tells the time of the call.
const CLOCK: Queue = Queue::Upkeep;

async fn run(engine: &RedisEngine, seed: u64, steps: usize) {
    let mut dice =
        Dice { rng: StdRng::seed_from_u64(seed), drawn: 0, claims: Vec::new(), lanes: 1 + seed % 4 };
    let mut judge = Judge::default();
    let mut trail = std::collections::VecDeque::new();
    for step in 0..steps {
        if dice.below(4) == 0 {
            engine.advance(Duration::from_millis(100 * dice.below(40)));
        }
        let clock = worker(4);
        let beat = Op::Beat { worker: clock };
        let mut ops = vec![Op::Claim { queue: CLOCK, worker: clock, max: 0, own: false }, beat];
        let now = judge.now;
        ops.extend((0..=dice.below(5)).map(|_| dice.op(now)));
        let outcomes = engine.apply(ops.clone()).await.expect("an answer");
        let Outcome::Claimed(Claims { now, .. }) = &outcomes[0] else { panic!() };
        judge.at(*now);
        for (op, outcome) in ops.iter().zip(&outcomes).skip(1) {
            trail.push_back(format!("{step} {now}: {op:?}\n      -> {outcome:?}"));
            if trail.len() > 40 {
                trail.pop_front();
            }
            let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge.check(op, outcome)));
            assert!(
                judged.is_ok(),
                "seed {seed}:\n{}",
                trail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
            );
            if let Outcome::Claimed(claims) = outcome {
                dice.claims.extend(claims.claims.iter().cloned());
            }
        }
    }
}

/// How many steps a seed: more by `ROOKERY_LONG_TESTS=1`.
fn length() -> usize {
    if std::env::var("ROOKERY_LONG_TESTS").as_deref() == Ok("1") { 20_000 } else { 1_500 }
}

#[tokio::test]
async fn whatever_is_asked_the_answers_are_allowed() {
    let Some(server) = Server::shared().await else { return };
    let first = std::env::var("ROOKERY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + 6 {
        let engine = server.ready().await;
        run(&engine, seed, length()).await;
    }
}
