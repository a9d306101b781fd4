//! The rules and how much of each is used: what a person reads to understand an account's pace.

use std::collections::BTreeSet;

use model::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::rule::with_slack;
use crate::run::Run;
use crate::state::{Track, batch_pause, text_rest};
use crate::{Kind, Profile, Reach, Rule, State};

/// One rule as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleView {
    /// The line of the profile: its name in an account's own numbers.
    pub rule: String,
    /// The rule's name in a wait.
    pub name: String,
    /// Its numbers, as an account's own are given; `"off"` where it is. A `pace_scale` divides its times.
    pub kind: Value,
    /// What it demands, for a person.
    pub limit: String,
    /// Whom it counts for.
    pub reach: Reach,
    /// For caps, batches, rows of one text and new contacts, how many of them count now; for gaps, buckets, quiet hours
    /// and stages of the warm-up that admit not everybody, 1 while they hold, else 0. For rules of chats, how many chats
    /// they hold.
    pub used: u64,
    /// How many there may be, where that is a number.
    pub of: Option<u64>,
    /// When the rule next lets a send go: of the account, or of the chat that is free first. None while it holds nobody.
    pub next_free: Option<Timestamp>,
    /// Where the numbers come from.
    pub source: String,
}

/// How much of a rule is used.
#[derive(Default)]
struct Use {
    used: u64,
    of: Option<u64>,
    free: Option<Timestamp>,
}

/// Every rule of the profile, in its order.
pub fn explain(profile: &Profile, state: &State, now: Timestamp) -> Vec<RuleView> {
    let tempo = profile.tempo();
    let views = profile.rules().iter().map(|rule| {
        let Use { used, of, free } = rule.used(profile, state, tempo.inside(now));
        RuleView {
            rule: rule.key.to_string(),
            name: rule.name.to_string(),
            kind: rule.kind.numbers(),
            limit: rule.kind.to_string(),
            reach: rule.reach,
            used,
            of,
            next_free: free.map(|free| tempo.outside(free)),
            source: rule.source.to_string(),
        }
    });
    views.collect()
}

impl Rule {
    fn used(&self, profile: &Profile, state: &State, now: Timestamp) -> Use {
        let open: Vec<_> = state.open.iter().collect();
        let later = |free: Timestamp| (free > now).then_some(free);
        let held = |free: Timestamp| Use { used: u64::from(free > now), of: None, free: later(free) };
        let days = state.days_of(profile);
        let today = || u64::from(days.of(days.zone.day(now)));
        match &self.kind {
            Kind::Gap(_, gap) => held(gap.free(&self.key, 1, state.last.as_ref(), &open, state.wide, now).at),
            Kind::Bucket(_) | Kind::Cap(_) if self.reach != Reach::Account => self.of_chats(state, now),
            Kind::Bucket(_) => held(self.free_in(&state.account, &open, state.wide, now).at),
            Kind::Cap(cap) => {
                let window = with_slack(cap.window, state.wide);
                let settled = state.account.sends.iter().filter(|send| **send + window > now).count();
                let free = self.free_in(&state.account, &open, state.wide, now).at;
                count(settled + open.len(), cap.count, later(free))
            }
            Kind::Batch(batch) => {
                let settled = Run::count_at(state.batch.as_ref(), now, batch_pause(profile, state.wide));
                let free = batch.free(state.batch.as_ref(), &open, state.wide, now).at;
                count(settled as usize + open.len(), batch.size, later(free))
            }
            Kind::IdenticalText(text) => {
                let Some(row) = state.rows.iter().max_by_key(|row| row.run.count) else {
                    return count(0, text.in_a_row, None);
                };
                let used = Run::count_at(Some(&row.run), now, text_rest(profile, state.wide));
                let free = text.free(row.text, &state.rows, &[], state.wide, now).at;
                count(used as usize, text.in_a_row, later(free))
            }
            Kind::NewContacts(steps) => {
                let cap = |at| steps.cap(profile.facts().first_connected_at, at);
                Use { used: today(), of: Some(cap(now).value.into()), free: later(days.free(now, cap).at) }
            }
            Kind::WarmUp(stages) => {
                let Some(registered) = profile.facts().registered_at else { return Use::default() };
                let warmth = stages.at(registered, now);
                let of = (warmth.cap < u32::MAX).then_some(warmth.cap.into());
                let closed = warmth.may_send < crate::MaySend::All;
                let used = if of.is_some() { today() } else { u64::from(closed) };
                Use { used, of, free: closed.then(|| stages.opens(registered)) }
            }
            Kind::QuietHours(hours) => held(hours.free(profile.facts().zone, now)),
            _ => Use::default(),
        }
    }

    fn of_chats(&self, state: &State, now: Timestamp) -> Use {
        let none = Track::default();
        let open = state.open.iter().filter(|grant| self.reach.covers(grant.is_group));
        let settled = state.chats.iter().filter(|(_, track)| self.reach.covers(track.is_group));
        let chats: BTreeSet<_> = open.map(|grant| &grant.chat).chain(settled.map(|(chat, _)| chat)).collect();
        let held = chats.into_iter().filter_map(|chat| {
            let open: Vec<_> = state.open.iter().filter(|grant| grant.chat == *chat).collect();
            let track = state.chats.get(chat).unwrap_or(&none);
            let free = self.free_in(track, &open, state.wide, now).at;
            (free > now).then_some(free)
        });
        let held: Vec<_> = held.collect();
        Use { used: held.len() as u64, of: None, free: held.into_iter().min() }
    }
}

fn count(used: usize, of: u32, free: Option<Timestamp>) -> Use {
    Use { used: used as u64, of: Some(of.into()), free }
}
