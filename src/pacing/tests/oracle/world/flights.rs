//! Calls under way: they end with an answer, or with the lease of the worker that died.

use model::{Origin, Pace, Purpose, Timestamp};
use pacing::{Ask, Grant, PastSend, Token};
use rand::RngExt;

use super::holds::Holds;
use super::{Clocks, Fault, World};
use crate::calendar::SECOND;
use crate::trace::Call;

/// How long a dead worker's claim lives on.
const LEASE: i64 = 6 * SECOND;

pub(super) struct Flight {
    job: usize,
    token: Token,
    start: i64,
    pub(super) answer: i64,
    clocks: Clocks,
    pub(super) call: Call,
    is_new: bool,
}

impl World<'_> {
    /// Ends what is over, and lets happen what may go wrong in between.
    pub(super) fn end_flights(&mut self) {
        let reaped = self.doom.is_some_and(|death| death + LEASE <= self.now);
        let death = self.doom.unwrap_or(i64::MAX);
        let over = |flight: &Flight| reaped || flight.answer <= self.now && flight.answer <= death;
        let (over, under_way) = std::mem::take(&mut self.flights).into_iter().partition::<Vec<_>, _>(over);
        self.flights = under_way;
        for flight in over {
            let died = (flight.answer > death).then_some(death);
            self.end(flight, died);
        }
        // With one worker alone its memory is the lane.
        let gone = reaped && self.plan.workers == 1;
        if reaped {
            self.doom = None;
        }
        if gone || self.chance(self.plan.trouble.losses) {
            self.state = None;
            self.lost = true;
            self.holds = Holds::default();
        }
        // Recovery waits out the calls under way.
        self.lost &= !self.flights.is_empty();
        // Steps are as long as they are for an account whose time is not scaled.
        let most = 30 * SECOND / self.plan.scale;
        if self.chance(self.plan.trouble.back) {
            self.clocks.lane -= self.rng.random_range(0..most);
        }
        if self.chance(self.plan.trouble.ahead) {
            let step = self.rng.random_range(0..most);
            self.clocks = Clocks { lane: self.clocks.lane + step, ahead: self.clocks.ahead + step };
        }
    }

    /// Ends a call: answered, or dated at the end of the lease of the worker that died.
    fn end(&mut self, flight: Flight, died: Option<i64>) {
        let Flight { job, token, clocks, mut call, .. } = flight;
        let lane = |at: i64| Timestamp::from_micros(at + clocks.lane);
        let mut state = (!self.lost).then(|| self.load());
        let ended;
        if let Some(death) = died {
            // What was written goes out, also without its writer.
            let last = if self.rng.random() { death } else { flight.answer.min(death + LEASE) };
            call.made = flight.start <= death;
            call.answer = self.at(last.max(flight.start), clocks);
            ended = self.lane_time();
            call.ended = self.at(self.now, self.clocks).lane;
            if let Some(state) = &mut state {
                if self.fault == Fault::GivesBack {
                    state.withdraw(token);
                } else if !state.expire_grant(&self.profile, token, ended) {
                    self.broken.push(format!("an open grant is unknown: {call:?}"));
                }
            }
            let class = self.plan.jobs[job].purpose.class().rank();
            self.waiting[class].back(call.chat, job, &self.arrivals);
        } else {
            ended = lane(flight.answer);
            let dated = if self.fault == Fault::DatedAtStart { lane(flight.start) } else { ended };
            if let Some(state) = &mut state
                && !state.settle(&self.profile, token, lane(flight.start), dated)
            {
                self.broken.push(format!("an open grant is unknown: {call:?}"));
            }
        }
        // Who dies before the call may have committed its attempt, or not.
        if call.made || self.rng.random() {
            let job = &self.plan.jobs[job];
            let attempt = PastSend {
                chat: self.ledger.contacts[job.chat].name.clone(),
                is_group: call.is_group,
                started_at: lane(flight.start),
                ended_at: Some(ended),
                purpose: job.purpose,
                text: self.text(job.text, job.purpose, job.id),
                is_new: flight.is_new,
                was_accepted: died.is_none(),
            };
            self.ledger.record(job.chat, attempt, call.made);
            self.trace.calls.push(call);
        }
        if let Some(state) = state {
            self.state = Some(state);
        }
    }

    /// Begins a call.
    pub(super) fn fly(&mut self, number: usize, ask: &Ask<'_>, grant: &Grant) {
        let clocks = self.clocks;
        let job = &self.plan.jobs[number];
        let due = grant.call_at.as_micros() - clocks.lane;
        // A call is a little late: timers are.
        let start = due + self.rng.random_range(0..SECOND / 50);
        let answer = start + self.rng.random_range(self.plan.calls.0..=self.plan.calls.1);
        if self.chance(self.plan.trouble.deaths) {
            let death = self.rng.random_range(self.now..=answer);
            self.doom = Some(self.doom.map_or(death, |doom| doom.min(death)));
        }
        let typed = i64::try_from(grant.typing.as_micros()).unwrap_or(i64::MAX);
        let call = Call {
            granted: self.at(self.now, clocks),
            due: self.at(due, clocks),
            start: self.at(start, clocks),
            answer: self.at(answer, clocks),
            ended: self.at(answer, clocks).lane,
            made: true,
            chat: job.chat,
            is_group: ask.is_group,
            conversation: job.purpose == Purpose::Conversation,
            campaign: job.purpose == Purpose::Campaign,
            person: job.origin == Origin::Agent,
            reply: grant.pace == Pace::Reply,
            chars: i64::from(job.chars),
            typed: typed * self.plan.scale,
            text: job.text,
            probing: self.probing,
        };
        self.flights.push(Flight {
            job: number,
            token: grant.token,
            start,
            answer,
            clocks,
            call,
            is_new: grant.is_new,
        });
    }

    /// The next true time at which a call ends.
    pub(super) fn next_end(&self) -> Option<i64> {
        let death = self.doom.unwrap_or(i64::MAX);
        let answers = self.flights.iter().map(|flight| flight.answer).filter(|answer| *answer <= death);
        answers.chain(self.doom.map(|death| death + LEASE)).filter(|at| *at > self.now).min()
    }
}
