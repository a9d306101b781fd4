//! New contacts a day, by the age of the account and by its warm-up.

use std::collections::BTreeMap;

use crate::calendar::DAY;
use crate::judge::{Past, Violation, violation};
use crate::table::{Stage, Table, Who};
use crate::trace::{At, Call};

pub fn broken(table: &Table, past: &Past<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut days = BTreeMap::new();
    for call in past.made() {
        found.extend(warm_up(table, past, call).err());
        if past.is_new(call) {
            found.extend(new(table, past, call, &mut days).err());
        }
    }
    found
}

/// The day is one of those that the call touched: whoever counts may count it at its start or at its answer.
fn new(table: &Table, past: &Past<'_>, call: &Call, days: &mut BTreeMap<i64, i64>) -> Result<(), Violation> {
    // The number is that of the hour at which the message was let go.
    let Some(cap) = cap(table, past, call.granted).max(cap(table, past, call.start)) else {
        return Ok(());
    };
    let zone = past.trace.account.zone;
    for day in zone.day(call.start.lane)..=zone.day(call.answer.lane) {
        let count = days.entry(day).or_insert(0);
        *count += 1;
        if *count > cap {
            return violation("new_contacts", format!("{count} on day {day} where {cap} may be: {call:?}"));
        }
    }
    Ok(())
}

/// New contacts a day, for an account of the age that it has at an instant; none without a rule.
pub fn cap(table: &Table, past: &Past<'_>, at: At) -> Option<i64> {
    daily(table, past.trace.account.first_connected, past.trace.account.registered, at.lane)
}

/// The same, from the account's dates.
pub fn daily(table: &Table, first_connected: Option<i64>, registered: Option<i64>, at: i64) -> Option<i64> {
    let age = first_connected.map_or(0, |first| at - first);
    let steps = table.new_contacts.iter().filter(|(from, _)| *from <= age);
    let by_age = steps.map(|(_, count)| *count).next_back();
    let warm = stage(table, registered, at).map(|(stage, since)| {
        let days = ((stage.until - stage.from) / DAY).max(1);
        let day = (since - stage.from) / DAY;
        stage.new.0 + (stage.new.1 - stage.new.0) * day / days
    });
    by_age.into_iter().chain(warm).min()
}

/// The stage of the warm-up, and the time since the number was registered.
fn stage(table: &Table, registered: Option<i64>, at: i64) -> Option<(&Stage, i64)> {
    let since = at - registered?;
    table.warm_up.iter().find(|stage| (stage.from..stage.until).contains(&since)).map(|stage| (stage, since))
}

fn warm_up(table: &Table, past: &Past<'_>, call: &Call) -> Result<(), Violation> {
    match stage(table, past.trace.account.registered, call.start.lane) {
        Some((stage, since)) if stage.who == Who::Nobody => {
            violation("warm_up", format!("{since} after the number was registered: {call:?}"))
        }
        Some((stage, since)) if stage.who == Who::Persons && !(call.conversation && call.person) => {
            violation(
                "warm_up",
                format!("not by a person, {since} after the number was registered: {call:?}"),
            )
        }
        _ => Ok(()),
    }
}
