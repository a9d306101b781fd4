//! A lane with workers, holds, crashes and a clock that may step back, small enough to run hours in milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Class, Origin, Pace, Purpose, Scope, Timestamp, Wait};
use pacing::{Ask, Chat, Decision, PastSend, Profile, State, Token, admit};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use uuid::Uuid;

use crate::oracle::{Call, SECOND};

/// How long a dead worker's claim lives on.
const LEASE: i64 = 6 * SECOND;

/// A message that waits.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: Uuid,
    pub chat: String,
    pub is_group: bool,
    pub pace: Pace,
    pub class: Class,
    pub chars: u32,
    /// It comes at this true time.
    pub at: i64,
}

/// What may go wrong, in thousandths of the sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// The worker dies, before, in or after its call.
    pub deaths: u32,
    /// The lane's state is lost and rebuilt.
    pub losses: u32,
    /// The clock steps back by up to 30 s.
    pub steps: u32,
    /// The grant is taken back unused.
    pub withdrawals: u32,
}

struct Flight {
    job: Job,
    token: Token,
    /// When it leaves the lane: the answer, or the end of a dead worker's lease.
    end: i64,
    /// Lane times of call start and answer.
    lane: (Timestamp, Timestamp),
    attempt: usize,
    died: bool,
}

#[derive(Debug, Default)]
struct Holds {
    lane: Option<Timestamp>,
    classes: BTreeMap<Class, Timestamp>,
    chats: BTreeMap<String, Timestamp>,
    jobs: BTreeMap<Uuid, Timestamp>,
}

pub struct Lane {
    pub profile: Profile,
    pub width: u32,
    pub trouble: Trouble,
    /// Shortest and longest call.
    pub calls: (i64, i64),
    /// Every provider call so far.
    pub trace: Vec<Call>,
    /// Every wait so far.
    pub waits: Vec<Wait>,
    /// The largest state that was stored, in bytes.
    pub largest: usize,
    /// How many admits were asked for.
    pub asked: usize,
    pub now: i64,
    rng: StdRng,
    /// Lane time minus true time.
    offset: i64,
    state: Option<Vec<u8>>,
    ledger: Vec<PastSend>,
    waiting: Vec<Job>,
    flights: Vec<Flight>,
    holds: Holds,
}

impl Lane {
    pub fn new(profile: Profile, width: u32, seed: u64) -> Self {
        Self {
            profile,
            width,
            trouble: Trouble::default(),
            calls: (SECOND / 20, SECOND / 2),
            trace: Vec::new(),
            waits: Vec::new(),
            largest: 0,
            asked: 0,
            now: 0,
            rng: StdRng::seed_from_u64(seed),
            offset: 1_700_000_000 * SECOND,
            state: None,
            ledger: Vec::new(),
            waiting: Vec::new(),
            flights: Vec::new(),
            holds: Holds::default(),
        }
    }

    /// Works the jobs off, until none is left or the true time is `end`.
    pub fn run(&mut self, jobs: impl IntoIterator<Item = Job>, end: i64) {
        self.waiting.extend(jobs);
        self.waiting.sort_by_key(|job| (job.class, job.at));
        while self.now < end {
            self.end_flights();
            while self.flights.len() < self.width as usize && self.claim() {}
            let Some(next) = self.next() else { break };
            assert!(next > self.now, "time stands still at {next}: {:?}", self.waits.last());
            self.now = next;
        }
    }

    pub fn left(&self) -> usize {
        self.waiting.len() + self.flights.len()
    }

    fn lane_time(&self, at: i64) -> Timestamp {
        Timestamp::from_micros(at + self.offset)
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        self.rng.random_range(0..1_000) < thousandths
    }

    /// The state as the next holder of the lane finds it.
    fn load(&self) -> State {
        let rebuild = || {
            let horizon = self.lane_time(self.now) - self.profile.horizon();
            let history = self.ledger.iter().filter(|send| send.ended_at.is_none_or(|end| end >= horizon));
            State::rebuild(&self.profile, self.width, history.cloned(), self.lane_time(self.now))
        };
        self.state
            .as_ref()
            .map_or_else(rebuild, |bytes| State::from_bytes(&self.profile, bytes).expect("bytes of ours"))
    }

    fn store(&mut self, state: &State) {
        let bytes = state.to_bytes();
        assert_eq!(&State::from_bytes(&self.profile, &bytes).expect("bytes of ours"), state);
        self.largest = self.largest.max(bytes.len());
        self.state = Some(bytes);
    }

    fn end_flights(&mut self) {
        let (over, under_way): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.end <= self.now);
        self.flights = under_way;
        for flight in over {
            let mut state = self.load();
            let end = self.lane_time(flight.end);
            if flight.died {
                state.expire_grant(&self.profile, flight.token, end);
                self.ledger[flight.attempt].ended_at = Some(end.max(flight.lane.0));
                let at = self
                    .waiting
                    .partition_point(|job| (job.class, job.at) < (flight.job.class, flight.job.at));
                self.waiting.insert(at, flight.job);
            } else {
                assert!(state.settle(&self.profile, flight.token, flight.lane.0, flight.lane.1));
                self.ledger[flight.attempt].ended_at = Some(flight.lane.1);
            }
            self.store(&state);
        }
        // Recovery waits out the calls under way.
        if self.flights.is_empty() && self.chance(self.trouble.losses) {
            self.state = None;
        }
        if self.chance(self.trouble.steps) {
            self.offset -= self.rng.random_range(0..30 * SECOND);
        }
    }

    /// The place of the job that the lane would hand out.
    fn head(&self) -> Option<usize> {
        let now = self.lane_time(self.now);
        let over = |until: Option<&Timestamp>| until.is_none_or(|until| *until <= now);
        if !over(self.holds.lane.as_ref()) {
            return None;
        }
        let mut behind = BTreeSet::new();
        let mut blocked = BTreeSet::new();
        for (place, job) in self.waiting.iter().enumerate() {
            if job.at > self.now || blocked.contains(&job.class) {
                continue;
            }
            if !over(self.holds.classes.get(&job.class)) {
                blocked.insert(job.class);
                continue;
            }
            // Only the head of a key may go; the classes come in order.
            let first = behind.insert(&job.chat);
            let busy = self.flights.iter().any(|flight| flight.job.chat == job.chat);
            if first && !busy && over(self.holds.chats.get(&job.chat)) && over(self.holds.jobs.get(&job.id)) {
                return Some(place);
            }
        }
        None
    }

    /// Hands one job to a worker. False when there is none.
    fn claim(&mut self) -> bool {
        let Some(place) = self.head() else {
            return false;
        };
        let job = self.waiting[place].clone();
        let ask = Ask {
            id: job.id,
            chat: &job.chat,
            is_group: job.is_group,
            purpose: if job.class == Class::Interactive {
                Purpose::Conversation
            } else {
                Purpose::Transactional
            },
            origin: Origin::Api,
            class: job.class,
            chars: job.chars,
            text: None,
            width: self.width,
            contact: Chat {
                last_inbound_at: (job.pace == Pace::Reply).then_some(self.lane_time(self.now)),
                ..Chat::default()
            },
            response: None,
            probing: false,
        };
        let now = self.lane_time(self.now);
        let state = self.load();
        self.asked += 1;
        match admit(&self.profile, &state, &ask, now, &mut || self.rng.next_u64()) {
            Decision::Refuse { reason, .. } => panic!("refused: {reason}"),
            Decision::Wait(wait) => {
                let until = wait.until.expect("pacing knows when");
                if state.open_grants().is_empty() {
                    // Nothing can change, so the time is exact: not before, and no later.
                    let at =
                        |now| matches!(admit(&self.profile, &state, &ask, now, &mut || 0), Decision::Go(_));
                    assert!(at(until), "not free at its time: {wait:?}");
                    assert!(!at(until - Duration::from_micros(1)), "free before its time: {wait:?}");
                }
                self.hold(&job, wait, until);
            }
            Decision::Go(grant) => {
                assert!(grant.call_at >= now + grant.typing, "typing is shown in full");
                assert!(grant.call_at <= now + grant.typing, "nobody is held longer than typing takes");
                if self.chance(self.trouble.withdrawals) {
                    let mut state = grant.state;
                    assert!(state.withdraw(grant.token));
                    self.store(&state);
                    self.now += 1;
                    return true;
                }
                self.store(&grant.state);
                self.waiting.remove(place);
                self.call(job, grant.token, grant.call_at);
            }
        }
        true
    }

    fn hold(&mut self, job: &Job, wait: Wait, until: Timestamp) {
        assert!(until > self.lane_time(self.now), "a wait that is over: {wait:?}");
        assert!(wait.detail.is_some());
        let slot = match wait.scope {
            Scope::Lane => self.holds.lane.get_or_insert(until),
            Scope::Class | Scope::Pace => self.holds.classes.entry(job.class).or_insert(until),
            Scope::Recipient => self.holds.chats.entry(job.chat.clone()).or_insert(until),
            Scope::Job => self.holds.jobs.entry(job.id).or_insert(until),
        };
        *slot = (*slot).max(until);
        self.waits.push(wait);
    }

    fn call(&mut self, job: Job, token: Token, call_at: Timestamp) {
        // A call is a little late: timers are.
        let start = call_at.as_micros() - self.offset + self.rng.random_range(0..SECOND / 50);
        let answer = start + self.rng.random_range(self.calls.0..=self.calls.1);
        let died = self.chance(self.trouble.deaths);
        let death = if died { self.rng.random_range(self.now..=answer) } else { answer };
        if death >= start {
            self.trace.push(Call {
                start,
                answer: death,
                chat: job.chat.clone(),
                is_group: job.is_group,
                reply: job.pace == Pace::Reply,
            });
        }
        self.ledger.push(PastSend {
            chat: job.chat.clone(),
            is_group: job.is_group,
            started_at: self.lane_time(start),
            ended_at: None,
            purpose: Purpose::Transactional,
            text: None,
            is_new: false,
        });
        self.flights.push(Flight {
            token,
            end: if died { death + LEASE } else { answer },
            lane: (self.lane_time(start), self.lane_time(answer)),
            attempt: self.ledger.len() - 1,
            died,
            job,
        });
    }

    /// The next true time at which something can happen.
    fn next(&self) -> Option<i64> {
        let holds = self.holds.lane.iter().chain(self.holds.classes.values());
        let holds = holds.chain(self.holds.chats.values()).chain(self.holds.jobs.values());
        let holds = holds.map(|until| until.as_micros() - self.offset);
        let flights = self.flights.iter().map(|flight| flight.end);
        let arrivals = self.waiting.iter().map(|job| job.at);
        let all = holds.filter(|_| !self.waiting.is_empty()).chain(flights).chain(arrivals);
        all.filter(|at| *at > self.now).min()
    }
}

/// A job for a random chat, of a random kind.
pub fn random_job(rng: &mut StdRng, chats: u32, at: i64) -> Job {
    let chat = rng.random_range(0..chats);
    let (class, pace) = match rng.random_range(0..6) {
        0 | 1 => (Class::Interactive, Pace::Reply),
        2 => (Class::Interactive, Pace::Bulk),
        3 => (Class::Normal, Pace::Bulk),
        _ => (Class::Bulk, Pace::Bulk),
    };
    Job {
        id: Uuid::from_u128(rng.random()),
        chat: format!("chat-{chat}"),
        is_group: chat % 4 == 0,
        pace,
        class,
        chars: rng.random_range(0..400),
        at,
    }
}
