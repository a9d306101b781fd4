//! A judge that scans everything, exact to the microsecond, for calls of several operations: the suite's own judge asks one
//! at a time.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Class, Scope, Timestamp, Wait, WorkerId};
use queue::{
    Claim, Claims, HoldTarget, JobId, LEASE, LaneId, LaneState, Mark, Op, Outcome, Push, Settle, Ticket,
};

/// When it ends, its rule and what is told of it.
type Hold = (Timestamp, String, Option<String>);

#[derive(Debug, Clone)]
struct Job {
    key: String,
    class: Class,
    order: i64,
    ready: Timestamp,
    wait: Hold,
    slow: bool,
    lost: u32,
    waits: Vec<Wait>,
    claim: Option<(WorkerId, u64)>,
    again: Option<(Class, i64, Timestamp)>,
}

#[derive(Debug, Default)]
struct Lane {
    width: usize,
    route: Option<WorkerId>,
    hold: Hold,
    classes: [Hold; 3],
    paces: [Hold; 3],
    keys: BTreeMap<String, Hold>,
    jobs: BTreeMap<JobId, Job>,
    state: LaneState,
    binds: Timestamp,
}

/// All lanes of one queue.
#[derive(Debug, Default)]
pub struct Judge {
    pub now: Timestamp,
    lanes: BTreeMap<LaneId, Lane>,
    hold: Hold,
    leases: BTreeMap<WorkerId, Timestamp>,
    reaped: BTreeSet<WorkerId>,
    quiet: Timestamp,
    token: u64,
}

fn extend(hold: &mut Hold, wait: &Wait, now: Timestamp) {
    let until = wait.until.expect("chance sets an end");
    if hold.0.max(now) < until {
        *hold = (until, wait.rule.clone(), wait.detail.clone());
    }
}

fn lift(hold: &mut Hold, now: Timestamp) {
    hold.0 = hold.0.min(now);
}

/// The newest waits are kept.
fn note(job: &mut Job, wait: Wait) {
    if job.waits.len() == queue::WAITS_KEPT {
        job.waits.remove(0);
    }
    job.waits.push(wait);
}

impl Lane {
    fn claims(&self) -> Vec<WorkerId> {
        self.jobs.values().filter_map(|job| job.claim.map(|claim| claim.0)).collect()
    }

    /// The jobs of a key that are in order now, first to last.
    fn line(&self, key: &str, now: Timestamp) -> Vec<(&JobId, &Job)> {
        let mut line: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.key == key && job.claim.is_none() && job.ready <= now)
            .collect();
        line.sort_by_key(|(id, job)| (job.class, job.order, *id));
        line
    }

    fn is_blocked(&self, key: &str) -> bool {
        self.jobs.values().any(|job| job.key == key && job.claim.is_some())
    }

    fn key_hold(&self, key: &str) -> Hold {
        self.keys.get(key).cloned().unwrap_or_default()
    }

    /// When each key's head may go, by the holds that are known; only keys that nobody has.
    fn heads(&self, now: Timestamp) -> Vec<(Timestamp, Class, &JobId)> {
        let keys: BTreeSet<_> = self.jobs.values().map(|job| job.key.as_str()).collect();
        let free = keys.into_iter().filter(|key| !self.is_blocked(key));
        free.filter_map(|key| {
            let (id, head) = *self.line(key, now).first()?;
            let holds =
                [self.own_waits(head), self.key_hold(key).0, self.classes[head.class.rank()].0, self.hold.0];
            Some((holds.into_iter().max()?, head.class, id))
        })
        .collect()
    }

    /// Until when a job waits for its own time and for its pace.
    fn own_waits(&self, job: &Job) -> Timestamp {
        job.wait.0.max(self.pace_of(job).0)
    }

    fn pace_of(&self, job: &Job) -> Hold {
        if job.slow { self.paces[job.class.rank()].clone() } else { Hold::default() }
    }

    fn serves(&self, worker: WorkerId, own: bool) -> bool {
        let claims = self.claims();
        let is_own = self.route.is_some() || !claims.is_empty();
        claims.len() < self.width
            && claims.iter().all(|of| *of == worker)
            && self.route.is_none_or(|route| route == worker)
            && (is_own || !own)
    }

    fn write(&mut self, state: &LaneState, binds: Timestamp) -> bool {
        let fits = state.version == self.state.version;
        if fits {
            self.state = LaneState { bytes: state.bytes.clone(), version: state.version + 1 };
            self.binds = binds;
        }
        fits
    }
}

impl Judge {
    /// Time passes; silence is noticed.
    pub fn at(&mut self, now: Timestamp) {
        assert!(now > self.now, "lane time rises with every call");
        if now.since(self.now) >= Duration::from_secs(3) {
            self.quiet = now + LEASE;
        }
        self.now = now;
    }

    /// Whether an answer is one that the promises allow; then it is taken over.
    pub fn check(&mut self, op: &Op, outcome: &Outcome) {
        let now = self.now;
        match (op, outcome) {
            (Op::Push { pushes, mark }, Outcome::Pushed { inserted }) => {
                let new = pushes.iter().filter(|push| self.push(push, *mark)).count();
                assert_eq!(new, *inserted);
            }
            (Op::Claim { worker, max, own, .. }, Outcome::Claimed(claims)) => {
                self.claim(*worker, *max, *own, claims);
            }
            (Op::Park { ticket, wait }, _) => {
                let expected = self.park(ticket, wait);
                assert_eq!(expected, *outcome);
            }
            (Op::Grant { ticket, state, binds_until }, _) => {
                let expected = self.grant(ticket, state, *binds_until);
                assert_eq!(expected, *outcome);
            }
            (Op::Settle { ticket, how, state }, _) => {
                let expected = self.settle(ticket, *how, state.as_ref());
                assert_eq!(expected, *outcome);
            }
            (Op::Beat { worker }, _) => {
                self.leases.insert(*worker, self.now + LEASE);
                let lost = self.reaped.remove(worker);
                assert_eq!(*outcome, if lost { Outcome::Lost } else { Outcome::Ok });
            }
            (Op::Reap, Outcome::Reaped { workers, jobs }) => {
                let expected = self.reap();
                let mut workers = workers.clone();
                workers.sort();
                assert_eq!(expected, (workers, *jobs));
            }
            (Op::Hold { target, wait }, Outcome::Ok) => match target {
                HoldTarget::Queue(_) => extend(&mut self.hold, wait, now),
                HoldTarget::Lane(lane) => extend(&mut self.lane(lane).hold, wait, now),
                HoldTarget::Key(lane, key) => {
                    extend(self.lane(lane).keys.entry(key.clone()).or_default(), wait, now);
                }
                HoldTarget::Class(lane, class) => {
                    extend(&mut self.lane(lane).classes[class.rank()], wait, now);
                }
                HoldTarget::Job(lane, job) => {
                    if let Some(job) = self.lane(lane).jobs.get_mut(job) {
                        extend(&mut job.wait, wait, now);
                        note(job, Wait { scope: Scope::Job, ..wait.clone() });
                    }
                }
            },
            (Op::Resume { target }, Outcome::Ok) => match target {
                HoldTarget::Queue(_) => lift(&mut self.hold, now),
                HoldTarget::Lane(lane) => {
                    let lane = self.lane(lane);
                    lift(&mut lane.hold, now);
                    let classes = lane.classes.iter_mut().chain(&mut lane.paces);
                    classes.for_each(|hold| lift(hold, now));
                }
                HoldTarget::Key(lane, key) => {
                    lift(self.lane(lane).keys.entry(key.clone()).or_default(), now);
                }
                HoldTarget::Class(lane, class) => {
                    lift(&mut self.lane(lane).classes[class.rank()], now);
                    lift(&mut self.lane(lane).paces[class.rank()], now);
                }
                HoldTarget::Job(lane, job) => {
                    if let Some(job) = self.lane(lane).jobs.get_mut(job) {
                        job.wait = Hold::default();
                        job.slow = false;
                    }
                }
            },
            (Op::Peek { lane }, Outcome::Lane(view)) => self.peek(lane, view),
            (Op::Find { job, lane }, Outcome::Place(place)) => assert_eq!(self.place(lane, job), *place),
            (Op::Jobs { lane, .. }, Outcome::Jobs(jobs)) => {
                let all = self.lanes.get(lane).into_iter().flat_map(|lane| lane.jobs.keys());
                let expected: BTreeMap<_, _> = all.map(|id| (id.clone(), self.place(lane, id))).collect();
                assert_eq!(jobs.len(), expected.len());
                assert_eq!(jobs.iter().cloned().collect::<BTreeMap<_, _>>(), expected);
            }
            (Op::Inspect { .. }, Outcome::Queue(summary)) => {
                let busy = || self.lanes.values().filter(|lane| !lane.jobs.is_empty());
                let claimed: usize = busy().map(|lane| lane.claims().len()).sum();
                let all: usize = busy().map(|lane| lane.jobs.len()).sum();
                let sums = (summary.lanes, summary.waiting, summary.claimed);
                assert_eq!(sums, (busy().count(), all - claimed, claimed));
                assert_eq!(summary.held, self.shown(&self.hold, Scope::Lane));
                assert_eq!(summary.first.len(), busy().count());
                for found in &summary.first {
                    let lane = &self.lanes[&found.lane];
                    assert_eq!(found.claimed, lane.claims().len());
                    assert_eq!(found.waiting, lane.jobs.len() - found.claimed);
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn lane(&mut self, id: &LaneId) -> &mut Lane {
        self.lanes.entry(id.clone()).or_default()
    }

    fn push(&mut self, push: &Push, mark: Mark) -> bool {
        let now = self.now;
        let lane = self.lane(&push.lane);
        lane.width = push.width as usize;
        lane.route = push.route;
        let ready = push.ready_at.max(now);
        let Some(job) = lane.jobs.get_mut(&push.job) else {
            let job = Job {
                key: push.key.clone(),
                class: push.class,
                order: push.order,
                ready,
                wait: Hold::default(),
                slow: false,
                lost: 0,
                waits: Vec::new(),
                claim: None,
                again: None,
            };
            lane.jobs.insert(push.job.clone(), job);
            return true;
        };
        if job.claim.is_some() {
            if mark == Mark::Again {
                let (class, _, at) = job.again.unwrap_or((push.class, 0, push.ready_at));
                job.again = Some((class.min(push.class), push.order, at.min(push.ready_at)));
            }
        } else {
            job.ready = job.ready.min(ready);
            if push.class < job.class {
                job.class = push.class;
                job.wait = Hold::default();
                job.slow = false;
            }
        }
        false
    }

    fn claim(&mut self, worker: WorkerId, max: usize, own: bool, claims: &Claims) {
        self.leases.insert(worker, self.now + LEASE);
        assert_eq!(claims.now, self.now);
        assert!(claims.claims.len() <= max);
        for claim in &claims.claims {
            self.take(worker, own, claim);
        }
        if claims.claims.len() < max {
            let mut due = None;
            for lane in self.lanes.values().filter(|lane| lane.serves(worker, own)) {
                for (at, _, id) in lane.heads(self.now) {
                    let at = at.max(self.hold.0);
                    assert!(at > self.now, "{id} was left behind");
                    due = Some(due.unwrap_or(at).min(at));
                }
                for job in lane.jobs.values().filter(|job| job.claim.is_none() && !lane.is_blocked(&job.key))
                {
                    if job.ready > self.now {
                        let at =
                            job.ready.max(lane.hold.0).max(lane.classes[job.class.rank()].0).max(self.hold.0);
                        due = Some(due.unwrap_or(at).min(at));
                    }
                }
            }
            if let Some(due) = due {
                let told = claims.next_due.expect("something waits");
                assert!(told <= due, "told {told}, but due {due}");
                assert!(told > self.now, "nothing was left that is due");
            }
        }
    }

    fn take(&mut self, worker: WorkerId, own: bool, claim: &Claim) {
        let (now, hold) = (self.now, self.hold.0);
        let ticket = &claim.ticket;
        assert!(ticket.token > self.token, "tokens rise");
        self.token = ticket.token;
        assert!(hold <= now, "the queue is held");
        let waits = self.told(&ticket.lane, &ticket.job);
        let lane = self.lanes.get_mut(&ticket.lane).expect("a lane");
        assert!(lane.serves(worker, own), "{ticket:?}");
        let heads = lane.heads(now);
        let found = heads.iter().find(|(_, _, id)| **id == ticket.job);
        let (at, class, _) = *found.expect("the head of a free key");
        assert!(at <= now, "{ticket:?} is held until {at}");
        let higher = heads.iter().find(|(at, other, _)| *at <= now && *other < class);
        assert!(higher.is_none(), "{ticket:?} before {higher:?}");
        let state = LaneState { ..lane.state.clone() };
        let job = lane.jobs.get_mut(&ticket.job).expect("a job");
        job.waits = waits;
        let seen = (claim.class, claim.order, claim.ready_at, claim.lost, &claim.waits, &ticket.key);
        assert_eq!(seen, (job.class, job.order, job.ready, job.lost, &job.waits, &job.key));
        if claim.state.version == 0 && claim.state.bytes.is_none() && lane.binds <= now {
            // It bound nobody any more and was dropped.
            lane.state = LaneState::default();
        } else {
            assert_eq!(claim.state, state);
        }
        job.claim = Some((worker, ticket.token));
        job.wait = Hold::default();
    }

    /// The lane of a claim that its worker still has.
    fn held(&mut self, ticket: &Ticket) -> Option<&mut Lane> {
        let lane = self.lanes.get_mut(&ticket.lane)?;
        let claim = lane.jobs.get(&ticket.job)?.claim;
        (claim == Some((ticket.worker, ticket.token))).then_some(lane)
    }

    fn park(&mut self, ticket: &Ticket, wait: &Wait) -> Outcome {
        let now = self.now;
        let Some(lane) = self.held(ticket) else { return Outcome::Lost };
        let job = lane.jobs.get_mut(&ticket.job).expect("a job");
        note(job, wait.clone());
        let class = job.class;
        job.claim = None;
        job.again = None;
        job.slow = wait.scope == Scope::Pace;
        match wait.scope {
            Scope::Job => extend(&mut job.wait, wait, now),
            Scope::Recipient => extend(lane.keys.entry(ticket.key.clone()).or_default(), wait, now),
            Scope::Pace => extend(&mut lane.paces[class.rank()], wait, now),
            Scope::Class => extend(&mut lane.classes[class.rank()], wait, now),
            Scope::Lane => extend(&mut lane.hold, wait, now),
        }
        Outcome::Ok
    }

    fn grant(&mut self, ticket: &Ticket, state: &LaneState, binds: Timestamp) -> Outcome {
        let Some(lane) = self.held(ticket) else { return Outcome::Lost };
        let job = &lane.jobs[&ticket.job];
        let (class, own) = (job.class, job.wait.clone());
        let all = [self.held_by(&ticket.lane, &ticket.key, class), self.shown(&own, Scope::Job)];
        if let Some(wait) = all.into_iter().flatten().max_by_key(|wait| wait.until) {
            return Outcome::Held(wait);
        }
        let lane = self.lane(&ticket.lane);
        if lane.write(state, binds) { Outcome::Ok } else { Outcome::Stale(lane.state.clone()) }
    }

    fn settle(&mut self, ticket: &Ticket, how: Settle, state: Option<&(LaneState, Timestamp)>) -> Outcome {
        let now = self.now;
        let Some(lane) = self.held(ticket) else { return Outcome::Lost };
        if let Some((state, binds)) = state {
            lane.write(state, *binds);
        }
        let job = lane.jobs.get_mut(&ticket.job).expect("a job");
        job.claim = None;
        let again = job.again.take();
        match (how, again) {
            (Settle::Done | Settle::Fail, Some((class, order, at))) => {
                (job.class, job.order, job.ready) = (class, order, at.max(now));
                (job.lost, job.waits, job.wait) = (0, Vec::new(), Hold::default());
                job.slow = false;
            }
            (Settle::Done | Settle::Fail, None) => drop(lane.jobs.remove(&ticket.job)),
            (Settle::Retry(at), _) => {
                extend(&mut job.wait, &Wait::new("retry", Scope::Job, at), now);
                job.slow = false;
            }
            (Settle::Later(at), again) => {
                job.ready = again.map_or(at, |again| again.2.min(at)).max(now);
                job.class = again.map_or(job.class, |again| again.0.min(job.class));
                job.wait = Hold::default();
                job.slow = false;
            }
            (Settle::Release, _) => {}
        }
        Outcome::Ok
    }

    fn reap(&mut self) -> (Vec<WorkerId>, usize) {
        if self.now < self.quiet {
            return (Vec::new(), 0);
        }
        let gone: Vec<_> =
            self.leases.iter().filter(|(_, ends)| **ends <= self.now).map(|(id, _)| *id).collect();
        let mut jobs = 0;
        for worker in &gone {
            self.leases.remove(worker);
            self.reaped.insert(*worker);
            for job in self.lanes.values_mut().flat_map(|lane| lane.jobs.values_mut()) {
                if job.claim.is_some_and(|claim| claim.0 == *worker) {
                    (job.claim, job.again, job.lost) = (None, None, job.lost + 1);
                    jobs += 1;
                }
            }
        }
        (gone, jobs)
    }
}
