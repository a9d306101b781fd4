//! An account's sends played forward in simulated time: when would these messages be out, and what would hold them?
//!
//! [`Play`] is one lane of one account over [`admit`]. It keeps the promises of the real lanes: classes
//! are strict among what may go; the chats of one class take turns; within (chat, class) messages go in the order in
//! which they joined; a held chat is held for all classes; a held message holds those behind it and the lower classes of
//! its chat; so many at once as the lane is wide. What the rules must know of contacts (who was ever sent to, who wrote
//! when, how many answered campaigns) it keeps from what it plays. The same seed plays the same.

mod group;
mod hold;
mod lane;
mod preview;
mod reasons;
mod responses;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::{Pace, Purpose, Scope, Timestamp, Wait};

use hold::Hold;
use lane::Lane;
pub use preview::{More, Preview, RuleWait, Segment};
pub use reasons::Reasons;
use responses::Responses;
pub use words::{Held, HoldOn, Overhead, Planned, Step};

use crate::admit::held_by;
use crate::typing::Seed;
use crate::{Ask, Decision, Profile, Response, State, Token, admit};

/// One account's lane in simulated time.
#[derive(Debug)]
pub struct Play {
    profile: Profile,
    state: State,
    width: usize,
    call: Duration,
    overhead: Overhead,
    random: Seed,
    now: Timestamp,
    lane: Lane,
    /// What comes, in the order in which it comes.
    coming: BTreeMap<(Timestamp, u64), Coming>,
    added: u64,
    flights: Vec<Flight>,
    /// Calls that were open when the play began and have not ended.
    open: usize,
    rate: Rate,
    steps: VecDeque<Step>,
    asks: u64,
    /// When the newest grant was given.
    granted: Timestamp,
}

/// Something that comes from outside.
#[derive(Debug)]
enum Coming {
    Message(usize),
    Inbound(usize),
    /// A call that was open when the play began is settled.
    Answer(Open),
}

/// A call that was open when the play began.
#[derive(Debug)]
struct Open {
    token: Token,
    key: usize,
    started: Timestamp,
    answered: Timestamp,
}

/// A message on its way.
#[derive(Debug)]
struct Flight {
    job: usize,
    key: usize,
    token: Token,
    call_at: Timestamp,
    typed: Duration,
    pace: Pace,
    is_new: bool,
    held: Held,
    begun: bool,
}

/// How the response rate is known.
#[derive(Debug)]
enum Rate {
    /// No rule asks for it.
    Unasked,
    /// It follows from what is played.
    Played(Responses),
}

impl Play {
    /// A lane that holds nothing yet. `width` is how many of its messages may be under way at once (at least 1), `call`
    /// how long a call to the provider takes; `state` is the account's at `now`.
    pub fn new(
        profile: Profile,
        state: State,
        width: u32,
        call: Duration,
        seed: u64,
        now: Timestamp,
    ) -> Self {
        let asked = profile.response_rate(now).is_some();
        let mut play = Self {
            rate: if asked { Rate::Played(Responses::default()) } else { Rate::Unasked },
            profile,
            state,
            width: usize::try_from(width.max(1)).unwrap_or(usize::MAX),
            call,
            overhead: Overhead::default(),
            random: Seed(seed),
            now,
            lane: Lane::default(),
            coming: BTreeMap::new(),
            added: 0,
            flights: Vec::new(),
            open: 0,
            steps: VecDeque::new(),
            asks: 0,
            granted: Timestamp::ZERO,
        };
        let open: Vec<_> = play.state.open_grants().to_vec();
        for grant in open {
            let started = grant.call_at(&play.profile);
            // One that is late by some time may well be so by twice that.
            let usual = started + call;
            let answered = usual.max(now + now.since(usual));
            let key = play.lane.key(&grant.chat);
            play.lane.begin(key, now);
            play.lane.keys[key].contact.is_new = false;
            play.open += 1;
            play.come(answered, Coming::Answer(Open { token: grant.token, key, started, answered }));
        }
        play
    }

    /// Lets every send take some time besides its pace and its call: none otherwise.
    pub fn take(&mut self, overhead: Overhead) {
        self.overhead = overhead;
    }

    /// Adds a message. One whose time has passed joins at once.
    pub fn add(&mut self, planned: Planned) {
        let at = planned.at;
        let job = self.lane.keep(planned);
        self.come(at, Coming::Message(job));
    }

    /// The chat writes to the account.
    pub fn inbound(&mut self, at: Timestamp, chat: &str) {
        let key = self.lane.key(chat);
        self.come(at, Coming::Inbound(key));
    }

    /// A hold that something else than pacing set: a pause, a provider's word.
    pub fn hold(&mut self, on: &HoldOn, until: Timestamp, rule: &str) {
        let scope = match on {
            HoldOn::Lane => Scope::Lane,
            HoldOn::Class(_) | HoldOn::Campaigns => Scope::Class,
            HoldOn::Chat(_) => Scope::Recipient,
        };
        self.lane.hold(on, &Hold::of(Wait::new(rule, scope, until)), self.now);
    }

    /// A campaign reached the chat before the play began; when the chat wrote last, if it ever did. The earlier ones first.
    pub fn reached(&mut self, chat: &str, at: Timestamp, wrote: Option<Timestamp>) {
        let key = self.lane.key(chat);
        let contact = &mut self.lane.keys[key].contact;
        contact.is_new = false;
        contact.last_inbound_at = contact.last_inbound_at.max(wrote);
        if let Rate::Played(responses) = &mut self.rate {
            responses.sent(key, at);
        }
    }

    /// Lets this share of those whom a campaign reaches in the play answer it in time: nobody otherwise.
    pub fn expect_answers(&mut self, share: f64) {
        if let Rate::Played(responses) = &mut self.rate {
            responses.expect(share);
        }
    }

    /// Simulated time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How often the rules were asked so far: what a play costs.
    pub const fn asks(&self) -> u64 {
        self.asks
    }

    /// How many messages are still to be sent: those that wait, are under way or come later.
    pub fn left(&self) -> usize {
        let coming = self.coming.values().filter(|coming| matches!(coming, Coming::Message(_)));
        self.lane.waiting() + self.flights.len() + coming.count()
    }

    fn come(&mut self, at: Timestamp, what: Coming) {
        self.added += 1;
        self.coming.insert((at.max(self.now), self.added), what);
    }

    /// The next thing that happens. None when nothing more will: every message is sent or refused, or waits for
    /// something that has no end.
    #[expect(
        clippy::should_implement_trait,
        reason = "a play may be added to between two steps; an iterator is over"
    )]
    pub fn next(&mut self) -> Option<Step> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Some(step);
            }
            if !self.turn() {
                return None;
            }
        }
    }

    /// Lets something happen. False when nothing will.
    fn turn(&mut self) -> bool {
        self.happen();
        if !self.steps.is_empty() {
            return true;
        }
        let is_free = self.flights.len() + self.open < self.width;
        if is_free && let Some(key) = self.lane.choose(self.now) {
            self.ask(key);
            return true;
        }
        // Whoever wakes for it takes what may go by then.
        let due = if is_free { self.lane.due().map(|due| due + self.overhead.wake) } else { None };
        let flights = self.flights.iter().map(|flight| self.next_of(flight));
        let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = flights.chain(coming).chain(due).min() else {
            return false;
        };
        self.now = self.now.max(next);
        true
    }

    fn next_of(&self, flight: &Flight) -> Timestamp {
        if flight.begun { flight.call_at + self.call + self.overhead.settle } else { flight.call_at }
    }

    /// What happens by now without anybody asking: calls begin and end, messages join, contacts write.
    fn happen(&mut self) {
        while let Some(place) = self.earliest_flight() {
            if self.flights[place].begun {
                self.end(place);
            } else {
                self.begin(place);
            }
        }
        while let Some(first) = self.coming.first_entry().filter(|first| first.key().0 <= self.now) {
            match first.remove() {
                Coming::Message(job) => self.join(job),
                Coming::Inbound(key) => self.wrote(key),
                Coming::Answer(Open { token, key, started, answered }) => {
                    self.open -= 1;
                    self.state.settle(&self.profile, token, started, answered);
                    self.lane.settle(key, self.now);
                }
            }
        }
    }

    fn earliest_flight(&self) -> Option<usize> {
        let all = self.flights.iter().map(|flight| self.next_of(flight)).enumerate();
        all.filter(|(_, at)| *at <= self.now).min_by_key(|(_, at)| *at).map(|(place, _)| place)
    }

    fn begin(&mut self, place: usize) {
        let flight = &mut self.flights[place];
        flight.begun = true;
        let contact = &mut self.lane.keys[flight.key].contact;
        contact.is_new = false;
        contact.first_sent_at.get_or_insert(flight.call_at);
        let planned = &self.lane.jobs[flight.job].planned;
        self.steps.push_back(Step::Sent {
            id: planned.id,
            at: flight.call_at,
            chat: planned.chat.clone(),
            purpose: planned.purpose,
            pace: flight.pace,
            is_new: flight.is_new,
            typed: flight.typed,
            held: std::mem::take(&mut flight.held),
        });
        if planned.purpose == Purpose::Campaign
            && let Rate::Played(responses) = &mut self.rate
        {
            responses.reach(flight.key, flight.call_at);
        }
    }

    fn end(&mut self, place: usize) {
        let flight = self.flights.remove(place);
        let answered = flight.call_at + self.call;
        self.state.settle(&self.profile, flight.token, flight.call_at, answered);
        self.lane.settle(flight.key, self.now);
        let planned = &self.lane.jobs[flight.job].planned;
        if let Some(text) = planned.text.filter(|_| planned.purpose == Purpose::Campaign) {
            self.lane.other_text(text);
        }
    }

    fn join(&mut self, job: usize) {
        let (key, given) = (self.lane.jobs[job].key, self.lane.jobs[job].planned.contact.clone());
        let known = &mut self.lane.keys[key].contact;
        known.is_new &= given.is_new;
        known.last_inbound_at = known.last_inbound_at.max(given.last_inbound_at);
        known.first_sent_at = known.first_sent_at.or(given.first_sent_at);
        known.opted_out |= given.opted_out;
        known.zone = known.zone.or(given.zone);
        // What is now known of the contact may move those that wait already.
        self.lane.known(key, self.now);
        self.lane.join(job, self.now);
    }

    fn wrote(&mut self, key: usize) {
        let contact = &mut self.lane.keys[key].contact;
        contact.is_new = false;
        contact.last_inbound_at = contact.last_inbound_at.max(Some(self.now));
        if let Rate::Played(responses) = &mut self.rate {
            responses.inbound(key, self.now);
        }
        self.lane.hurry(key, self.now);
        self.lane.known(key, self.now);
    }

    fn response(&mut self) -> Option<Response> {
        match &mut self.rate {
            Rate::Unasked => None,
            Rate::Played(responses) => {
                let days = self.profile.response_rate(self.now)?;
                Some(responses.over(days, |key| self.lane.keys[key].contact.last_inbound_at))
            }
        }
    }

    /// Asks the rules about the head of a key.
    fn ask(&mut self, key: usize) {
        let Some(job) = self.lane.head(key) else { return };
        let response = self.response();
        let contact = self.lane.keys[key].contact.clone();
        let is_new = contact.is_new;
        let planned = &self.lane.jobs[job].planned;
        let id = planned.id;
        let ask = Ask {
            id,
            chat: &planned.chat,
            is_group: planned.is_group,
            purpose: planned.purpose,
            origin: planned.origin,
            class: planned.class,
            chars: planned.chars,
            text: planned.text,
            width: u32::try_from(self.width).unwrap_or(u32::MAX),
            contact,
            response,
            probing: false,
        };
        self.asks += 1;
        let random = &mut self.random;
        match admit(&self.profile, &self.state, &ask, self.now, &mut || random.next()) {
            Decision::Go(grant) => {
                let held = self.lane.held(key, self.granted);
                self.granted = self.now;
                self.state = grant.state;
                self.lane.claim(key, self.now);
                self.flights.push(Flight {
                    job,
                    key,
                    token: grant.token,
                    call_at: grant.call_at,
                    typed: grant.typing,
                    pace: grant.pace,
                    is_new,
                    held,
                    begun: false,
                });
            }
            Decision::Wait(mut wait) => {
                // Time must pass, whatever a rule says.
                wait.until = wait.until.map(|until| until.max(self.now + Duration::from_micros(1)));
                let shared = match wait.scope {
                    Scope::Lane | Scope::Class => Vec::new(),
                    Scope::Job | Scope::Recipient | Scope::Pace => {
                        held_by(&self.profile, &self.state, &ask, self.now)
                    }
                };
                if self.lane.wait(key, &wait, &shared, self.now) {
                    self.steps.push_back(Step::Waits { id, at: self.now, wait });
                }
            }
            Decision::Refuse { rule, reason } => {
                self.lane.skip(key, self.now);
                self.steps.push_back(Step::Refused { id, at: self.now, rule, reason });
            }
        }
    }
}
