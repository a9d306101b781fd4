//! How much the rules jointly allow: the calls of somebody with endless work, who always sends at the first instant at
//! which no rule forbids it.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::calendar::{MINUTE, Zone};
use crate::contacts;
use crate::table::{Table, Who, Whom};

/// What there is to send.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Work {
    pub zone: Zone,
    pub first_connected: Option<i64>,
    pub registered: Option<i64>,
    pub reply: bool,
    pub campaign: bool,
    /// Conversations by persons.
    pub person: bool,
    /// Everybody is a new contact.
    pub new: bool,
    /// So many chats take turns.
    pub chats: i64,
    /// Shortest and longest call.
    pub calls: (i64, i64),
}

/// The most calls in a time. What each chat may get is added up, what the account may send is counted.
pub fn most(table: &Table, work: &Work, begin: i64, end: i64, rng: &mut StdRng) -> i64 {
    let caps = table.caps.iter().filter(|cap| cap.whom == Whom::Chat);
    let by_cap =
        caps.map(|cap| i64::try_from(cap.count).unwrap_or(i64::MAX) * ((end - begin) / cap.window + 1));
    let buckets = table.buckets.iter().filter(|bucket| bucket.whom == Whom::Chat);
    let by_bucket = buckets.map(|bucket| bucket.burst + (end - begin) / bucket.every);
    let chat = by_cap.chain(by_bucket).min().unwrap_or(i64::MAX / work.chats);
    let unbound = table.wide && !table.caps.iter().any(|cap| cap.whom == Whom::Account);
    let account = if unbound { i64::MAX } else { account(table, work, begin, end, rng) };
    account.min(chat * work.chats)
}

fn account(table: &Table, work: &Work, begin: i64, end: i64, rng: &mut StdRng) -> i64 {
    let gap = if work.reply { table.gap_reply } else { table.gap_bulk };
    let (least, longest) = gap.filter(|_| !table.wide).unwrap_or((0, 0));
    let mut counted: Vec<i64> = Vec::new();
    let mut days: BTreeMap<i64, i64> = BTreeMap::new();
    let (mut free, mut batch) = (begin, 0);
    loop {
        let mut start = free;
        for cap in table.caps.iter().filter(|cap| cap.whom == Whom::Account) {
            if counted.len() >= cap.count {
                start = start.max(counted[counted.len() - cap.count] + cap.window);
            }
        }
        if let (Some((size, pause)), Some(last)) = (table.batch, counted.last()) {
            start = if batch >= size { start.max(last + pause) } else { start };
            batch = if start - last >= pause { 0 } else { batch };
        }
        while start <= end && !allowed(table, work, &days, start) {
            // No day, hour or stage begins within a minute.
            start = (start.div_euclid(MINUTE) + 1) * MINUTE;
        }
        if start > end {
            return i64::try_from(counted.len()).unwrap_or(i64::MAX);
        }
        *days.entry(work.zone.day(start)).or_insert(0) += 1;
        batch += 1;
        let answer = if table.wide { start } else { start + rng.random_range(work.calls.0..=work.calls.1) };
        counted.push(answer);
        free = answer + rng.random_range(least..=longest);
    }
}

fn allowed(table: &Table, work: &Work, days: &BTreeMap<i64, i64>, at: i64) -> bool {
    let today = days.get(&work.zone.day(at)).copied().unwrap_or(0);
    let cap = contacts::daily(table, work.first_connected, work.registered, at);
    let hour = work.zone.hour(at);
    let open = table.hours.is_none_or(|(from, until)| (from..until).contains(&hour));
    let who = work.registered.and_then(|registered| {
        table.warm_up.iter().find(|stage| (stage.from..stage.until).contains(&(at - registered)))
    });
    (!work.new || cap.is_none_or(|cap| today < cap))
        && (!work.campaign || open)
        && who.is_none_or(|stage| match stage.who {
            Who::Nobody => false,
            Who::Persons => work.person,
            Who::All => true,
        })
}
