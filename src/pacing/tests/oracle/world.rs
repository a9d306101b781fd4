//! A lane with workers, holds, crashes and a clock that steps, small enough to run days in milliseconds.

mod flights;
mod holds;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Class, Purpose, Timestamp, Wait};
use pacing::{Ask, Decision, Profile, State, admit};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use uuid::Uuid;

use self::flights::Flight;
use self::holds::{Holds, Place};
use crate::calendar::DAY;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::trace::{At, News, Refused, Trace};

/// A lane that is built wrong, to see that the judge finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// What is rebuilt knows of no attempt.
    Forgets,
    /// Sends are dated at their start though nobody knows when they arrive.
    DatedAtStart,
    /// A dead worker's grant is taken back.
    GivesBack,
    /// Nobody knows what the contact asked for, when it wrote, where it lives, or that it is new.
    NoOptOut,
    NoSilence,
    NoZone,
    NobodyNew,
    /// Nobody counts who answered.
    NoAnswers,
    /// Every message has a text of its own.
    NoTexts,
    /// Nobody is on probation.
    NoProbation,
}

/// What a run's clocks showed when its lane was claimed. The worker goes on from there by itself.
#[derive(Debug, Clone, Copy)]
struct Clocks {
    /// Lane time minus true time.
    lane: i64,
    /// All that the lane's clock ever stepped ahead.
    ahead: i64,
}

pub struct World<'a> {
    plan: &'a Plan,
    pub profile: Profile,
    fault: Fault,
    pub trace: Trace,
    /// The largest state that was stored, in bytes.
    pub largest: usize,
    /// How often each rule held a message.
    pub waits: BTreeMap<String, usize>,
    /// Promises that pacing did not keep.
    pub broken: Vec<String>,
    /// Whether each wait is held against what happens then.
    pub strict: bool,
    now: i64,
    rng: StdRng,
    clocks: Clocks,
    state: Option<State>,
    /// The state is gone; it is made again when no call is under way.
    lost: bool,
    /// Who holds the lane, or held it last.
    owner: u32,
    /// The worker that holds the lane dies then.
    doom: Option<i64>,
    ledger: Ledger,
    probing: bool,
    /// Real times of arrival, by job.
    arrivals: Vec<i64>,
    waiting: [Queue; 3],
    flights: Vec<Flight>,
    holds: Holds,
    told: usize,
}

impl<'a> World<'a> {
    pub fn new(plan: &'a Plan, profile: Profile, fault: Fault) -> Self {
        let arrivals: Vec<i64> = plan.jobs.iter().map(|job| plan.real(job.at)).collect();
        let mut waiting = [const { Queue::new() }; 3];
        let mut order: Vec<usize> = (0..arrivals.len()).collect();
        order.sort_by_key(|job| arrivals[*job]);
        for job in order {
            waiting[plan.jobs[job].purpose.class().rank()].push(plan.jobs[job].chat, job, &arrivals);
        }
        let trace =
            Trace { account: plan.account.clone(), calls: Vec::new(), news: Vec::new(), refused: Vec::new() };
        Self {
            plan,
            profile,
            fault,
            trace,
            largest: 0,
            waits: BTreeMap::new(),
            broken: Vec::new(),
            strict: false,
            now: plan.real(plan.begin),
            rng: StdRng::seed_from_u64(plan.seed ^ 0x5eed),
            clocks: Clocks { lane: 0, ahead: 0 },
            state: None,
            lost: false,
            owner: 0,
            doom: None,
            ledger: Ledger::of(plan),
            probing: false,
            arrivals,
            waiting,
            flights: Vec::new(),
            holds: Holds::default(),
            told: 0,
        }
    }

    /// Works the jobs off, until none is left or the virtual time is `end`.
    pub fn run(&mut self, end: i64) {
        let end = self.plan.real(end);
        while self.now < end {
            self.hear();
            self.end_flights();
            while self.flights.len() < self.plan.width as usize && self.claim() {}
            let Some(next) = self.next() else { break };
            assert!(next > self.now, "time stands still at {next}");
            self.now = next;
        }
    }

    pub fn left(&self) -> usize {
        self.waiting.iter().map(Queue::len).sum::<usize>() + self.flights.len()
    }

    fn lane_time(&self) -> Timestamp {
        Timestamp::from_micros(self.now + self.clocks.lane)
    }

    fn at(&self, at: i64, clocks: Clocks) -> At {
        At { steady: self.plan.virtually(at + clocks.ahead), lane: self.plan.virtually(at + clocks.lane) }
    }

    fn chance(&mut self, thousandths: u32) -> bool {
        thousandths > 0 && self.rng.random_range(0..1_000) < thousandths
    }

    fn hear(&mut self) {
        while let Some(&(at, news)) = self.plan.news.get(self.told)
            && self.plan.real(at) <= self.now
        {
            self.told += 1;
            let at = self.at(self.now, self.clocks);
            self.trace.news.push((at, news));
            match news {
                News::Inbound(chat) => self.ledger.inbound(chat, self.lane_time()),
                News::OptOut(chat) => self.ledger.contacts[chat].opted_out = true,
                News::Resumed => {
                    self.ledger.resumed = self.lane_time();
                    // It lifts what holds campaigns.
                    self.holds.lift(Class::Bulk.rank());
                }
                News::Probing(on) => self.probing = on,
            }
        }
    }

    /// The state as the next holder of the lane finds it.
    fn load(&mut self) -> State {
        if let Some(state) = self.state.take() {
            return state;
        }
        let now = self.lane_time();
        let horizon = now - self.profile.horizon();
        let recent =
            self.ledger.attempts.iter().filter(|send| send.ended_at.is_none_or(|end| end >= horizon));
        let recent = recent.filter(|_| self.fault != Fault::Forgets);
        State::rebuild(&self.profile, self.plan.width, recent.cloned(), now)
    }

    /// A free lane goes to whoever claims it first; the state reaches another worker as bytes.
    fn hand_over(&mut self) {
        if !self.flights.is_empty() {
            return;
        }
        let now = self.lane_time();
        if let Some(state) = &mut self.state
            && self.rng.random_ratio(1, 8)
        {
            state.prune(&self.profile, now);
            // What binds nobody any more may be thrown away, where no clock steps back to it.
            if self.plan.trouble.back == 0 && state.binds_until(&self.profile) <= now {
                self.state = Some(State::new(&self.profile));
            }
        }
        let owner = self.rng.random_range(0..self.plan.workers);
        if owner != self.owner
            && let Some(state) = self.state.take()
        {
            let bytes = state.to_bytes();
            self.largest = self.largest.max(bytes.len());
            let again = State::from_bytes(&self.profile, &bytes);
            if again.as_ref().ok() != Some(&state) {
                self.broken.push(format!("bytes of {state:?} are {again:?}"));
            }
            self.state = Some(state);
        }
        self.owner = owner;
    }

    fn text(&self, text: u64, purpose: Purpose, id: u128) -> Option<u64> {
        let own = u64::try_from(id & u128::from(u64::MAX)).unwrap_or(0);
        let text = if self.fault == Fault::NoTexts { own } else { text };
        (purpose == Purpose::Campaign).then_some(text)
    }

    /// The job that the lane would hand out.
    fn head(&self) -> Option<usize> {
        let now = self.lane_time();
        if self.holds.lane_is_held(now) || self.lost || self.doom.is_some_and(|death| death <= self.now) {
            return None;
        }
        let busy = |chat| self.flights.iter().any(|flight| flight.call.chat == chat);
        for (class, queue) in self.waiting.iter().enumerate() {
            if self.holds.class_is_held(class, now) {
                continue;
            }
            for (chat, job) in queue.heads(self.now) {
                // The classes of a key come in order, too.
                let above =
                    self.waiting[..class].iter().any(|queue| queue.has(chat, self.now, &self.arrivals));
                if !above && !self.holds.is_held(Place { job, chat, class }, now) && !busy(chat) {
                    return Some(job);
                }
            }
        }
        None
    }

    /// Hands one job to a worker. False when there is none.
    fn claim(&mut self) -> bool {
        let Some(number) = self.head() else {
            return false;
        };
        let plan = self.plan;
        let job = &plan.jobs[number];
        let class = job.purpose.class().rank();
        let now = self.lane_time();
        self.hand_over();
        let state = self.load();
        let mut contact = self.ledger.chat(job.chat);
        let fault = self.fault;
        contact.opted_out &= fault != Fault::NoOptOut;
        contact.is_new &= fault != Fault::NobodyNew;
        contact.zone = contact.zone.filter(|_| fault != Fault::NoZone);
        if fault == Fault::NoSilence {
            (contact.last_inbound_at, contact.first_sent_at) = (None, None);
        }
        let asked = self.profile.response_rate(now).filter(|_| fault != Fault::NoAnswers);
        let name = self.ledger.contacts[job.chat].name.clone();
        let ask = Ask {
            id: Uuid::from_u128(job.id),
            chat: &name,
            is_group: plan.account.contacts[job.chat].is_group,
            purpose: job.purpose,
            origin: job.origin,
            class: job.purpose.class(),
            chars: job.chars,
            text: self.text(job.text, job.purpose, job.id),
            width: plan.width,
            contact,
            response: asked.map(|asked| self.ledger.response(asked)),
            probing: self.probing && fault != Fault::NoProbation,
        };
        match admit(&self.profile, &state, &ask, now, &mut || self.rng.next_u64()) {
            Decision::Refuse { rule, .. } => {
                let at = self.at(self.now, self.clocks);
                self.trace.refused.push(Refused { at, chat: job.chat, rule: rule.to_owned() });
                self.waiting[class].remove(job.chat, &self.arrivals);
                self.state = Some(state);
            }
            Decision::Wait(wait) => {
                if self.strict {
                    self.check(&state, &ask, &wait, now);
                }
                self.holds.park(Place { job: number, chat: job.chat, class }, &wait, now);
                *self.waits.entry(wait.rule).or_insert(0) += 1;
                self.state = Some(state);
            }
            Decision::Go(grant) => {
                if self.chance(plan.trouble.withdrawals) {
                    let mut state = grant.state;
                    if !state.withdraw(grant.token) {
                        self.broken.push("a grant cannot be taken back".to_owned());
                    }
                    self.state = Some(state);
                    self.now += 1;
                    return true;
                }
                self.waiting[class].remove(job.chat, &self.arrivals);
                self.fly(number, &ask, &grant);
                self.state = Some(grant.state);
            }
        }
        true
    }

    /// With nothing under way nothing can change, so the time is exact: not before, and no later.
    fn check(&mut self, state: &State, ask: &Ask<'_>, wait: &Wait, now: Timestamp) {
        let until = wait.until.expect("pacing knows when");
        if wait.detail.is_none() {
            self.broken.push(format!("{wait:?} says nothing"));
        }
        let decide = |ask: &Ask<'_>, now| admit(&self.profile, state, ask, now, &mut || 0);
        // What nobody answers is asked for anew after its pause.
        let answered = decide(&Ask { response: None, ..ask.clone() }, now);
        if !state.open_grants().is_empty() || answered != Decision::Wait(wait.clone()) {
            return;
        }
        let then = |now| decide(ask, now);
        // Who wrote a day ago gets no answer any more: another gap lies before it.
        let age = |at: Timestamp| {
            let virtually = |at: Timestamp| self.plan.virtually(at.as_micros());
            ask.contact.last_inbound_at.map(|wrote| virtually(at) - virtually(wrote))
        };
        let ages = (age(now) <= Some(DAY)) != (age(until) <= Some(DAY));
        // It may have become something to refuse meanwhile.
        if let Decision::Wait(next) = then(until)
            && !(ages && next.rule == "gap")
        {
            self.broken.push(format!("not free at its time: {wait:?} at {now}, then {next:?}; {ask:?}"));
        }
        if let Decision::Go(_) = then(until - Duration::from_micros(1)) {
            self.broken.push(format!("free before its time: {wait:?} at {now}; {ask:?}"));
        }
    }

    /// The next true time at which something can happen.
    fn next(&self) -> Option<i64> {
        let left = self.waiting.iter().any(|queue| queue.len() > 0);
        let holds = self.holds.next(self.lane_time()).filter(|_| left);
        let holds = holds.map(|until| until.as_micros() - self.clocks.lane);
        let arrivals = self.waiting.iter().filter_map(|queue| queue.next(self.now));
        let news = self.plan.news.get(self.told).map(|(at, _)| self.plan.real(*at)).filter(|_| left);
        let all = holds.into_iter().chain(self.next_end()).chain(arrivals).chain(news);
        all.filter(|at| *at > self.now).min()
    }
}
