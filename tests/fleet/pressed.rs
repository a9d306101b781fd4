//! How hard the rules were pressed: a limit that nobody comes near proves nothing by not being broken.

use std::collections::BTreeSet;
use std::fmt;

use crate::plan::{AccountPlan, Plan};
use crate::record::{Record, Send};
use crate::rules::DAY_MS;

/// How many accounts did all that they may of what is limited.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pressed {
    /// In a minute of its quick time.
    minutes: usize,
    /// With less than five such minutes between neighbours.
    batches: usize,
    /// Strangers, in the length of a day.
    days: usize,
}

impl fmt::Display for Pressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minutes, batches, days } = self;
        write!(f, "accounts that used up a minute {minutes}, a batch {batches}, a day {days}")
    }
}

impl Pressed {
    pub fn of(plan: &Plan, record: &Record) -> Self {
        let mut pressed = Self::default();
        for account in &plan.accounts {
            let sends = record.sends.get(&account.sandbox_id).map_or(&[][..], Vec::as_slice);
            let (numbers, scale) = (account.numbers, account.scale);
            let minute_us = 60_000_000 / scale;
            let in_a_minute = fullest(sends.iter().map(|send| send.arrived_us), minute_us);
            let in_a_day = fullest(strangers(account, sends).into_iter(), DAY_MS * 1_000 / scale);
            pressed.minutes += usize::from(in_a_minute >= numbers.per_minute);
            pressed.batches += usize::from(longest(sends, 5 * minute_us) >= numbers.batch);
            pressed.days += usize::from(in_a_day >= numbers.new_contacts[0].1);
        }
        pressed
    }

    /// Whether every limit was reached by somebody.
    pub const fn everywhere(self) -> bool {
        self.minutes > 0 && self.batches > 0 && self.days > 0
    }
}

/// The most times in any window of this length.
fn fullest(times: impl Iterator<Item = u64>, window: u64) -> u64 {
    let times: Vec<_> = times.collect();
    let mut first = 0;
    let ending = times.iter().enumerate().map(|(last, &time)| {
        while times[first] + window <= time {
            first += 1;
        }
        last + 1 - first
    });
    ending.max().unwrap_or(0) as u64
}

/// The most calls with less than `pause` between neighbours.
fn longest(sends: &[Send], pause: u64) -> u64 {
    let (mut longest, mut run, mut before) = (0, 0, None);
    for send in sends {
        run = if before.is_some_and(|before| send.arrived_us - before < pause) { run + 1 } else { 1 };
        before = Some(send.arrived_us);
        longest = longest.max(run);
    }
    longest
}

/// When each stranger was written to for the first time.
fn strangers(account: &AccountPlan, sends: &[Send]) -> Vec<u64> {
    let mut known: BTreeSet<&str> = account.wrote.iter().map(String::as_str).collect();
    let first = sends.iter().filter(|send| known.insert(&send.chat));
    first.map(|send| send.arrived_us).collect()
}
