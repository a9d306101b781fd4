//! The judge. It shares nothing with pacing: it knows the table's numbers and counts them over a trace of calls.

use std::collections::BTreeMap;

/// One call to the provider, in true microseconds.
#[derive(Debug, Clone)]
pub struct Call {
    pub start: i64,
    pub answer: i64,
    pub chat: String,
    pub is_group: bool,
    pub reply: bool,
}

/// Whom a number counts for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Whom {
    Account,
    Chat,
    Group,
}

/// The table, in microseconds.
#[derive(Debug, Clone)]
pub struct Table {
    /// Shortest and longest gap before a reply, and before the rest.
    pub gap_reply: (i64, i64),
    pub gap_bulk: (i64, i64),
    /// At most so many in so long.
    pub caps: Vec<(Whom, usize, i64)>,
    /// Whether calls overlap: then only their starts can be counted, else any instant between start and answer may be
    /// the one at which the provider counts.
    pub wide: bool,
}

pub const SECOND: i64 = 1_000_000;

pub fn person() -> Table {
    Table {
        gap_reply: (SECOND * 3 / 10, SECOND * 3 / 2),
        gap_bulk: (SECOND * 2, SECOND * 5),
        caps: vec![(Whom::Chat, 1, SECOND * 6), (Whom::Account, 15, SECOND * 60)],
        wide: false,
    }
}

pub fn telegram() -> Table {
    Table {
        gap_reply: (0, 0),
        gap_bulk: (0, 0),
        caps: vec![(Whom::Account, 30, SECOND), (Whom::Chat, 1, SECOND), (Whom::Group, 20, SECOND * 60)],
        wide: true,
    }
}

impl Table {
    /// Every break of the table in a trace.
    pub fn violations(&self, trace: &[Call]) -> Vec<String> {
        let mut calls: Vec<&Call> = trace.iter().collect();
        calls.sort_by_key(|call| call.start);
        let mut found = Vec::new();
        for pair in calls.windows(2) {
            let least = if pair[1].reply { self.gap_reply.0 } else { self.gap_bulk.0 };
            let gap = pair[1].start - pair[0].answer;
            if !self.wide && gap < least {
                found.push(format!("a gap of {gap} where {least} is due, before {:?}", pair[1]));
            }
        }
        for &(whom, count, window) in &self.caps {
            let mut streams: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
            for call in &calls {
                match whom {
                    Whom::Account => streams.entry("").or_default().push(call),
                    Whom::Group if !call.is_group => {}
                    Whom::Chat | Whom::Group => streams.entry(&call.chat).or_default().push(call),
                }
            }
            for stream in streams.values() {
                for calls in stream.windows(count + 1) {
                    let first = if self.wide { calls[0].start } else { calls[0].answer };
                    let length = calls[count].start - first;
                    if length < window {
                        found.push(format!(
                            "{count} + 1 for {whom:?} in {length}, ending with {:?}",
                            calls[count]
                        ));
                    }
                }
            }
        }
        found
    }

    /// How many calls the rules jointly allow until `end` to somebody with endless work for endless chats, whose calls
    /// take `duration()` and who draws the gaps with `random` in `0.0..1.0`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a gap is a few million microseconds"
    )]
    pub fn most(
        &self,
        end: i64,
        reply: bool,
        mut duration: impl FnMut() -> i64,
        mut random: impl FnMut() -> f64,
    ) -> usize {
        let (least, longest) = if reply { self.gap_reply } else { self.gap_bulk };
        let mut counted: Vec<i64> = Vec::new();
        let mut free = 0;
        loop {
            let mut start = free;
            for &(whom, count, window) in &self.caps {
                if whom == Whom::Account && counted.len() >= count {
                    start = start.max(counted[counted.len() - count] + window);
                }
            }
            if start > end {
                return counted.len();
            }
            if self.wide {
                counted.push(start);
                free = start;
            } else {
                let answer = start + duration();
                counted.push(answer);
                free = answer + least + ((longest - least) as f64 * random()) as i64;
            }
        }
    }
}
