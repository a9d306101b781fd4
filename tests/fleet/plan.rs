//! What is asked of the fleet, drawn from a seed: a hundred accounts, each made so that some rule binds it within seconds.

use model::Ids;
use serde_json::{Value, json};

use crate::rules::{Numbers, STRICT, TABLE, ZONES, Zone};

/// All of it.
#[derive(Debug)]
pub struct Plan {
    pub accounts: Vec<AccountPlan>,
}

/// One account.
#[derive(Debug)]
pub struct AccountPlan {
    /// Given when it is connected.
    pub id: String,
    /// What the sandbox calls it, likewise.
    pub sandbox_id: String,
    pub name: String,
    pub scale: u64,
    pub zone: Zone,
    pub redelivery: &'static str,
    pub numbers: Numbers,
    /// Whether its number was registered just when it was connected.
    pub warms_up: bool,
    /// Whether its contacts answer whatever they get.
    pub answers: bool,
    /// Whether all its sends have the gap of bulk.
    pub slowest: bool,
    /// Who wrote before anything is sent.
    pub wrote: Vec<String>,
    pub messages: Vec<Planned>,
}

/// One message.
#[derive(Debug)]
pub struct Planned {
    pub to: String,
    pub purpose: &'static str,
    pub text: String,
}

/// What makes an account's life hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Gaps, and so many a minute.
    Minutes,
    /// The pause after a batch.
    Batches,
    /// Days of new contacts.
    Days,
    /// A provider with moods.
    Moods,
}

/// Accounts and messages each, 5,000 in all; and how quick time may pass, so that days have whole milliseconds.
const KINDS: [(Kind, usize, usize, &[u64]); 4] = [
    (Kind::Minutes, 40, 35, &[3, 4, 5]),
    (Kind::Batches, 30, 70, &[20, 30, 40]),
    (Kind::Days, 20, 65, &[1_440, 2_160, 2_880, 8_640]),
    (Kind::Moods, 10, 20, &[60, 100]),
];

/// Recipients that misbehave, each with its own way.
const MOODS: [&str; 10] = [
    "rate-limited-900",
    "account-limited-1200",
    "tier-limited-1500",
    "timelocked-1500",
    "server-error-2",
    "fail-once",
    "fail-permanent",
    "campaign-capped",
    "ambiguous",
    "ambiguous-lost",
];
/// Those that never take a message.
pub const REFUSING: [&str; 2] = ["fail-permanent", "campaign-capped"];

impl Plan {
    pub fn draw(ids: &Ids, factor: usize) -> Self {
        let mut accounts = Vec::new();
        for (kind, count, messages, scales) in KINDS {
            // Of ten times as many messages the pauses after batches alone would take twenty minutes at these scales.
            let hurry = if kind == Kind::Minutes && factor > 1 { 4 } else { 1 };
            let scale = |n: usize| scales[n % scales.len()] * hurry;
            accounts.extend((0..count).map(|n| account(ids, kind, n, messages * factor, scale(n))));
        }
        Self { accounts }
    }

    pub fn count(&self) -> usize {
        self.accounts.iter().map(|account| account.messages.len()).sum()
    }

    /// The requests, with the accounts mixed and each account's messages in their order.
    pub fn bodies(&self, ids: &Ids) -> Vec<Value> {
        let mut left: Vec<_> =
            self.accounts.iter().map(|account| (account, account.messages.iter())).collect();
        let mut bodies = Vec::new();
        while !left.is_empty() {
            let place = pick(ids, left.len());
            let (account, messages) = &mut left[place];
            match messages.next() {
                None => drop(left.swap_remove(place)),
                Some(message) => bodies.push(json!({
                    "account_id": account.id,
                    "to": {"address": message.to},
                    "content": {"type": "text", "text": message.text},
                    "purpose": message.purpose,
                })),
            }
        }
        bodies
    }
}

impl AccountPlan {
    pub fn scale_f64(&self) -> f64 {
        f64::from(u32::try_from(self.scale).unwrap())
    }
}

fn account(ids: &Ids, kind: Kind, n: usize, messages: usize, scale: u64) -> AccountPlan {
    let mut account = AccountPlan {
        id: String::new(),
        sandbox_id: String::new(),
        name: format!("{kind:?}-{n}").to_lowercase(),
        scale,
        zone: ZONES[pick(ids, ZONES.len())],
        redelivery: if n % 5 == 4 { "at_most_once" } else { "at_least_once" },
        numbers: if n % 8 == 7 && kind != Kind::Moods { STRICT } else { TABLE },
        warms_up: kind == Kind::Days && n % 8 == 3,
        answers: kind == Kind::Days,
        slowest: n.is_multiple_of(2) && kind != Kind::Days,
        wrote: Vec::new(),
        messages: Vec::new(),
    };
    // Nobody known may be written to during the first days of a warm-up, either: the sandbox counts the strangers alone.
    if !account.slowest && !account.warms_up {
        account.wrote = (0..5).map(|n| format!("old-{n}")).collect();
    }
    let mut moods = if kind == Kind::Moods { MOODS.to_vec() } else { Vec::new() };
    for n in 0..messages {
        let (to, purpose) = if moods.is_empty() || pick(ids, 2) == 0 {
            recipient(ids, kind, &account, n)
        } else {
            (moods.swap_remove(pick(ids, moods.len())).to_owned(), any_purpose(ids))
        };
        // Its number in its stream; no two texts are equal, so the rule about equal ones never binds.
        let text = format!("Good to hear from you, {to}. #{purpose}:{n}");
        account.messages.push(Planned { to, purpose, text });
    }
    account
}

fn recipient(ids: &Ids, kind: Kind, account: &AccountPlan, n: usize) -> (String, &'static str) {
    if !account.wrote.is_empty() && pick(ids, 4) == 0 {
        return (account.wrote[pick(ids, account.wrote.len())].clone(), "conversation");
    }
    let to = match kind {
        // Always somebody new.
        Kind::Days => format!("new-{n}"),
        // Far below the first day's cap, which would last for hours here: leave that died with its worker counts, too.
        Kind::Minutes | Kind::Batches | Kind::Moods => format!("customer-{}", pick(ids, 6)),
    };
    (to, any_purpose(ids))
}

fn any_purpose(ids: &Ids) -> &'static str {
    ["conversation", "transactional", "campaign"][pick(ids, 3)]
}

/// A number below `count`.
pub fn pick(ids: &Ids, count: usize) -> usize {
    usize::try_from(ids.number() % count as u64).unwrap()
}
