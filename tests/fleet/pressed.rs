//! How hard the rules were pressed: a limit that nobody comes near proves nothing by not being broken.

use std::collections::BTreeSet;
use std::fmt;

use crate::plan::{AccountPlan, Plan};
use crate::record::{Record, Send};
use crate::rules::DAY_MS;

/// The most that any account did of what is limited.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pressed {
    /// Calls in a minute of its quick time.
    minute: usize,
    /// Calls with less than five such minutes between neighbours.
    batch: usize,
    /// Strangers in a day's length; of neighbouring days, so it may be above what a day may have.
    day: usize,
}

impl fmt::Display for Pressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minute, batch, day } = self;
        write!(f, "fullest minute {minute}, batch {batch}, new contacts in a day's length {day}")
    }
}

impl Pressed {
    pub fn of(plan: &Plan, record: &Record) -> Self {
        let mut most = Self::default();
        for account in &plan.accounts {
            let sends = record.sends.get(&account.sandbox_id).map_or(&[][..], Vec::as_slice);
            let minute_us = 60_000_000 / account.scale;
            most.minute = most.minute.max(fullest(sends.iter().map(|send| send.arrived_us), minute_us));
            most.batch = most.batch.max(longest(sends, 5 * minute_us));
            let day = fullest(strangers(account, sends).into_iter(), DAY_MS * 1_000 / account.scale);
            most.day = most.day.max(day);
        }
        most
    }

    /// Whether every limit was reached by somebody.
    pub fn everywhere(self) -> bool {
        self.minute >= 15 && self.batch >= 50 && self.day >= 30
    }
}

/// The most times in any window of this length.
fn fullest(times: impl Iterator<Item = u64>, window: u64) -> usize {
    let times: Vec<_> = times.collect();
    let mut first = 0;
    let ending = times.iter().enumerate().map(|(last, &time)| {
        while times[first] + window <= time {
            first += 1;
        }
        last + 1 - first
    });
    ending.max().unwrap_or(0)
}

/// The most calls with less than `pause` between neighbours.
fn longest(sends: &[Send], pause: u64) -> usize {
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
