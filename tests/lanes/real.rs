//! One worker on a real lane: it claims, asks the rules, parks or sends, and does what the jobs do on the way: a text that
//! another one followed, and a chat that wrote, are held no longer by what they waited for.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::{Queue, Scope, Timestamp, WorkerId};
use pacing::{Ask, Chat, Decision, Planned, Profile, State, Token, admit};
use queue::{Claim, HoldTarget, JobId, LaneId, LaneState, Mark, Op, Outcome, Push, Settle, Shard, Ticket};
use uuid::Uuid;

use super::{Sent, Workload};

const WORKER: WorkerId = WorkerId(Uuid::from_u128(1));

struct Flight {
    ticket: Ticket,
    token: Token,
    start: Timestamp,
    end: Timestamp,
}

struct Worker<'a> {
    profile: &'a Profile,
    width: u32,
    call: Duration,
    shard: Shard,
    now: Timestamp,
    state: State,
    chats: HashMap<String, Chat>,
    messages: HashMap<String, &'a Planned>,
    /// Jobs that wait because their text rests.
    rests: HashMap<JobId, u64>,
    /// Chats that waited while they were new, and the jobs that did.
    new: HashMap<String, Vec<JobId>>,
    /// Jobs that wait for their pace, by chat.
    slow: HashMap<String, Vec<JobId>>,
    flights: Vec<Flight>,
    sent: Vec<Sent>,
}

/// The sends of a workload.
pub fn run(workload: &Workload, profile: &Profile, width: u32, call: Duration) -> Vec<Sent> {
    let mut coming = BTreeMap::new();
    let inbound = workload.inbound.iter().map(|(at, chat)| (*at, Err(chat)));
    let messages = workload.messages.iter().map(|planned| (planned.at, Ok(planned)));
    for (place, (at, what)) in inbound.chain(messages).enumerate() {
        coming.insert((at, place), what);
    }
    let mut worker = Worker {
        profile,
        width,
        call,
        shard: Shard::default(),
        now: super::at(0),
        state: State::new(profile),
        chats: HashMap::new(),
        messages: workload.messages.iter().map(|planned| (planned.id.to_string(), planned)).collect(),
        rests: HashMap::new(),
        new: HashMap::new(),
        slow: HashMap::new(),
        flights: Vec::new(),
        sent: Vec::new(),
    };
    let mut order = 0;
    loop {
        worker.land();
        while let Some(first) = coming.first_entry().filter(|first| first.key().0 <= worker.now) {
            order += 1;
            match first.remove() {
                Ok(planned) => worker.push(planned, order),
                Err(chat) => worker.wrote(chat),
            }
        }
        let due = worker.claim();
        if due.is_some_and(|due| due <= worker.now) {
            continue;
        }
        let ends = worker.flights.iter().map(|flight| flight.end);
        let comes = coming.first_key_value().map(|((at, _), _)| *at);
        let Some(next) = ends.chain(comes).chain(due).min() else { return worker.sent };
        worker.now = next;
    }
}

fn lane() -> LaneId {
    LaneId { queue: Queue::Send, name: "account".to_owned() }
}

impl Worker<'_> {
    fn apply(&mut self, op: Op) -> Outcome {
        self.shard.apply(self.now, op).0
    }

    fn push(&mut self, planned: &Planned, order: i64) {
        let chat = self.chats.entry(planned.chat.clone()).or_insert(Chat { is_new: true, ..Chat::default() });
        chat.is_new &= planned.contact.is_new;
        if !chat.is_new {
            self.known(&planned.chat);
        }
        let push = Push {
            job: JobId(planned.id.to_string()),
            lane: lane(),
            key: planned.chat.clone(),
            class: planned.class,
            order,
            ready_at: self.now,
            width: self.width,
            route: None,
        };
        self.apply(Op::Push { pushes: vec![push], mark: Mark::Again });
    }

    fn wrote(&mut self, name: &str) {
        let chat = self.chats.entry(name.to_owned()).or_default();
        chat.is_new = false;
        chat.last_inbound_at = Some(self.now);
        self.known(name);
        // What waited for its pace may be a reply now.
        for job in self.slow.remove(name).unwrap_or_default() {
            self.apply(Op::Resume { target: HoldTarget::Job(lane(), job) });
        }
    }

    /// A chat that is new no more does not wait for another day.
    fn known(&mut self, name: &str) {
        let Some(jobs) = self.new.remove(name) else { return };
        self.apply(Op::Resume { target: HoldTarget::Key(lane(), name.to_owned()) });
        for job in jobs {
            self.apply(Op::Resume { target: HoldTarget::Job(lane(), job) });
        }
    }

    /// Ends the calls that are over.
    fn land(&mut self) {
        let (over, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.flights).into_iter().partition(|flight| flight.end <= self.now);
        self.flights = left;
        for flight in over {
            assert!(self.state.settle(self.profile, flight.token, flight.start, flight.end));
            let went = self.messages[&flight.ticket.job.0].text;
            let settled = Op::Settle { ticket: flight.ticket, how: Settle::Done, state: None };
            assert_eq!(self.apply(settled), Outcome::Ok);
            if let Some(went) = went {
                self.lift_others(went);
            }
        }
    }

    /// Jobs whose text rests may go when another one went.
    fn lift_others(&mut self, went: u64) {
        let over: Vec<_> =
            self.rests.iter().filter(|(_, text)| **text != went).map(|(job, _)| job.clone()).collect();
        for job in over {
            self.rests.remove(&job);
            self.apply(Op::Resume { target: HoldTarget::Job(lane(), job) });
        }
    }

    /// Claims one job and treats it. When the lane is due next.
    fn claim(&mut self) -> Option<Timestamp> {
        let Outcome::Claimed(mut claims) =
            self.apply(Op::Claim { queue: Queue::Send, worker: WORKER, max: 1, own: false })
        else {
            panic!("a claim is answered with claims");
        };
        match claims.claims.pop() {
            Some(claim) => {
                self.treat(claim);
                Some(self.now)
            }
            None => claims.next_due,
        }
    }

    fn treat(&mut self, claim: Claim) {
        let planned = self.messages[&claim.ticket.job.0];
        let ask = Ask {
            id: planned.id,
            chat: &planned.chat,
            is_group: false,
            purpose: planned.purpose,
            origin: planned.origin,
            class: planned.class,
            chars: planned.chars,
            text: planned.text,
            width: self.width,
            contact: self.chats[&planned.chat].clone(),
            response: self
                .profile
                .response_rate(self.now)
                .map(|_| pacing::Response { recipients: 0, wrote: 0 }),
            probing: false,
        };
        match admit(self.profile, &self.state, &ask, self.now, &mut || 0) {
            Decision::Refuse { rule, reason } => panic!("{rule}: {reason}"),
            Decision::Wait(wait) => {
                let worn = self.state.worn_texts(self.profile, self.now);
                if let Some(text) = planned.text.filter(|text| worn.contains(text)) {
                    self.rests.insert(claim.ticket.job.clone(), text);
                }
                let slow = self.slow.entry(planned.chat.clone()).or_default();
                slow.retain(|job| *job != claim.ticket.job);
                if wait.scope == Scope::Pace {
                    slow.push(claim.ticket.job.clone());
                } else if self.chats[&planned.chat].is_new {
                    self.new.entry(planned.chat.clone()).or_default().push(claim.ticket.job.clone());
                }
                assert_eq!(self.apply(Op::Park { ticket: claim.ticket, wait }), Outcome::Ok);
            }
            Decision::Go(grant) => {
                if let Some(slow) = self.slow.get_mut(&planned.chat) {
                    slow.retain(|job| *job != claim.ticket.job);
                }
                let version = claim.state.version;
                let state = LaneState { bytes: Some(Vec::new()), version };
                let binds_until = self.now;
                let granted = Op::Grant { ticket: claim.ticket.clone(), state, binds_until };
                assert_eq!(self.apply(granted), Outcome::Ok);
                self.state = grant.state;
                self.send(planned, claim.ticket, grant.token, grant.call_at);
            }
        }
    }

    fn send(&mut self, planned: &Planned, ticket: Ticket, token: Token, start: Timestamp) {
        assert_eq!(start, self.now, "nobody types");
        self.sent.push((start, planned.id));
        if let Some(chat) = self.chats.get_mut(&planned.chat) {
            chat.is_new = false;
            chat.first_sent_at.get_or_insert(start);
        }
        self.flights.push(Flight { ticket, token, start, end: start + self.call });
    }
}
