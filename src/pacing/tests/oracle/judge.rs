//! The judge. It shares nothing with pacing: it knows the table's numbers and counts them over a trace of calls.

use std::collections::HashSet;

use crate::table::{Answers, Table};
use crate::trace::{At, Call, News, Trace};
use crate::{campaigns, contacts, spacing};

/// A broken rule.
#[derive(Debug, Clone)]
pub struct Violation {
    pub rule: &'static str,
    pub text: String,
}

pub fn violation<T>(rule: &'static str, text: String) -> Result<T, Violation> {
    Err(Violation { rule, text })
}

/// Every break of the table in a trace.
pub fn violations(table: &Table, trace: &Trace) -> Vec<Violation> {
    let mut trace = trace.clone();
    trace.calls.sort_by_key(|call| call.start.steady);
    let past = Past::of(&trace);
    let mut found = Vec::new();
    found.extend(spacing::broken(table, &past));
    found.extend(contacts::broken(table, &past));
    found.extend(campaigns::broken(table, &past));
    found
}

/// The trace, ready to be asked what was true when.
pub struct Past<'a> {
    pub trace: &'a Trace,
    /// By contact.
    inbound: Vec<Vec<At>>,
    opted_out: Vec<Option<At>>,
    resumed: Vec<At>,
    /// The first attempt to each contact.
    first: Vec<Option<usize>>,
    /// Made for campaigns, in the order of the calls.
    campaigns: Vec<usize>,
}

impl<'a> Past<'a> {
    fn of(trace: &'a Trace) -> Self {
        let contacts = trace.account.contacts.len();
        let mut past = Self {
            trace,
            inbound: vec![Vec::new(); contacts],
            opted_out: vec![None; contacts],
            resumed: Vec::new(),
            first: vec![None; contacts],
            campaigns: Vec::new(),
        };
        for &(at, news) in &trace.news {
            match news {
                News::Inbound(chat) => {
                    // The latest by its date is what a store knows, also when the clock went back.
                    let lane = past.inbound[chat].last().map_or(at.lane, |last| last.lane.max(at.lane));
                    past.inbound[chat].push(At { lane, ..at });
                }
                News::OptOut(chat) => past.opted_out[chat] = past.opted_out[chat].or(Some(at)),
                News::Resumed => past.resumed.push(at),
                News::Probing(_) => {}
            }
        }
        for (place, call) in trace.calls.iter().enumerate() {
            past.first[call.chat].get_or_insert(place);
            if call.made && call.campaign {
                past.campaigns.push(place);
            }
        }
        past
    }

    /// The calls that were made, in order.
    pub fn made(&self) -> impl Iterator<Item = &'a Call> {
        self.trace.calls.iter().filter(|call| call.made)
    }

    pub fn campaigns(&self) -> impl DoubleEndedIterator<Item = &'a Call> {
        let calls = &self.trace.calls;
        self.campaigns.iter().map(|place| &calls[*place])
    }

    /// The lane time at which the contact last wrote, as known at an instant.
    pub fn last_inbound(&self, chat: usize, at: At) -> Option<i64> {
        self.inbound(chat, at).or(self.trace.account.contacts[chat].last_inbound)
    }

    fn inbound(&self, chat: usize, at: At) -> Option<i64> {
        let known = self.inbound[chat].partition_point(|inbound| inbound.steady <= at.steady);
        self.inbound[chat][..known].last().map(|inbound| inbound.lane)
    }

    /// The lane time at which the contact was first sent to, as known at an instant.
    pub fn first_sent(&self, chat: usize, at: At) -> Option<i64> {
        let first = self.first[chat].map(|place| self.trace.calls[place].start);
        let here = first.filter(|start| start.steady <= at.steady).map(|start| start.lane);
        self.trace.account.contacts[chat].first_sent.or(here)
    }

    /// Whether the call was the first to somebody who never wrote.
    pub fn is_new(&self, call: &Call) -> bool {
        let known = &self.trace.account.contacts[call.chat];
        let first = self.first[call.chat].map(|place| self.trace.calls[place].start);
        known.first_sent.is_none()
            && first == Some(call.start)
            && self.last_inbound(call.chat, call.granted).is_none()
    }

    pub fn opted_out(&self, chat: usize, at: At) -> bool {
        self.opted_out[chat].is_some_and(|out| out.steady <= at.steady)
    }

    /// Whether the message answers somebody who wrote within a day.
    pub fn is_reply(&self, call: &Call) -> bool {
        let wrote = self.last_inbound(call.chat, call.granted);
        call.conversation && wrote.is_some_and(|wrote| call.granted.lane - wrote <= crate::calendar::DAY)
    }

    /// How many recipients of campaigns count at an instant, and how many of them wrote since.
    pub fn answers(&self, rule: &Answers, at: At) -> (usize, usize) {
        let since = self.resumed.iter().rfind(|resumed| resumed.steady <= at.steady);
        let (mut recipients, mut wrote) = (HashSet::new(), 0);
        // The latest send of each counts.
        for call in self.campaigns().rev() {
            let age = at.lane - call.ended;
            let counts = age >= rule.after
                && age < rule.within
                && call.answer.steady <= at.steady
                && since.is_none_or(|since| call.ended > since.lane);
            if counts && recipients.insert(call.chat) {
                wrote += usize::from(self.inbound(call.chat, at) > Some(call.ended));
            }
        }
        (recipients.len(), wrote)
    }

    /// Whether the share of those who wrote is below a limit of so many thousandths.
    pub fn below(&self, rule: &Answers, thousandths: usize, at: At) -> bool {
        let (recipients, wrote) = self.answers(rule, at);
        recipients >= rule.recipients && wrote * 1_000 < recipients * thousandths
    }
}
