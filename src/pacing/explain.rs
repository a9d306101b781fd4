//! The rules and how much of each is used: what a person reads to understand an account's pace.

use std::collections::BTreeSet;

use model::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::rule::with_slack;
use crate::state::Track;
use crate::{Kind, Profile, Reach, Rule, State};

/// One rule as it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleView {
    /// The line of the profile: its name in an account's own numbers.
    pub rule: String,
    /// The rule's name in a wait.
    pub name: String,
    /// Its numbers, as an account's own are given; null where it is off.
    pub kind: Value,
    /// What it demands, for a person.
    pub limit: String,
    /// Whom it counts for.
    pub reach: Reach,
    /// For the account's caps, sends in the window that ends now; for its gaps and buckets, 1 while they hold, else 0. For
    /// rules of chats, how many chats they hold.
    pub used: u64,
    /// How many there may be, where that is a number.
    pub of: Option<u64>,
    /// When the rule next lets a send go: of the account, or of the chat that is free first. None while it holds nobody.
    pub next_free: Option<Timestamp>,
    /// Where the numbers come from.
    pub source: String,
}

/// Every rule of the profile, in its order.
pub fn explain(profile: &Profile, state: &State, now: Timestamp) -> Vec<RuleView> {
    profile.rules().iter().map(|rule| rule.view(state, now)).collect()
}

impl Rule {
    fn view(&self, state: &State, now: Timestamp) -> RuleView {
        let (used, next_free) = match self.reach {
            Reach::Account => self.of_account(state, now),
            Reach::Chat | Reach::Group => self.of_chats(state, now),
        };
        RuleView {
            rule: self.key.to_string(),
            name: self.name.to_string(),
            kind: Value::Null,
            limit: self.kind.to_string(),
            reach: self.reach,
            used: used as u64,
            of: None,
            next_free,
            source: self.source.to_string(),
        }
    }

    fn of_account(&self, state: &State, now: Timestamp) -> (usize, Option<Timestamp>) {
        let open: Vec<_> = state.open.iter().collect();
        let free = self.free_in(&state.account, &open, state.wide, now).at;
        let used = match self.kind {
            Kind::Cap { window, .. } => {
                let window = with_slack(window, state.wide);
                let settled = state.account.sends.iter().filter(|send| **send + window > now);
                settled.count() + open.len()
            }
            _ => usize::from(free > now),
        };
        (used, (free > now).then_some(free))
    }

    fn of_chats(&self, state: &State, now: Timestamp) -> (usize, Option<Timestamp>) {
        let none = Track::default();
        let open = state.open.iter().filter(|grant| self.reach.covers(grant.is_group));
        let chats: BTreeSet<_> = open.map(|grant| &grant.chat).chain(state.chats.keys()).collect();
        let held = chats.into_iter().filter_map(|chat| {
            let open: Vec<_> = state.open.iter().filter(|grant| grant.chat == *chat).collect();
            let track = state.chats.get(chat).unwrap_or(&none);
            let free = self.free_in(track, &open, state.wide, now).at;
            (free > now).then_some(free)
        });
        let held: Vec<_> = held.collect();
        (held.len(), held.into_iter().min())
    }
}
