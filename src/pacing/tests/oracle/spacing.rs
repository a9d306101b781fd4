//! What lies between calls: gaps, typing, caps, token buckets, batches, and one call at a time on probation.

use std::collections::BTreeMap;

use crate::calendar::SECOND;
use crate::judge::{Past, Violation, violation};
use crate::table::{Bucket, Cap, Table, Typing, Whom};
use crate::trace::Call;

/// Rounding of scaled times to whole microseconds.
const ROUNDING: i64 = 2 * SECOND / 1_000;

pub fn broken(table: &Table, past: &Past<'_>) -> Vec<Violation> {
    let calls: Vec<&Call> = past.made().collect();
    let mut found = Vec::new();
    for pair in calls.windows(2) {
        found.extend(gap(table, past, pair[0], pair[1]).err());
    }
    if let Some(typing) = &table.typing {
        found.extend(calls.iter().filter_map(|call| typed(typing, call).err()));
    }
    for cap in &table.caps {
        found.extend(
            streams(cap.whom, &calls).iter().filter_map(|calls| capped(cap, table.wide, calls).err()),
        );
    }
    for rule in &table.buckets {
        found.extend(
            streams(rule.whom, &calls).iter().filter_map(|calls| bucket(rule, table.wide, calls).err()),
        );
    }
    if let Some((size, pause)) = table.batch {
        found.extend(batch(size, pause, &calls).err());
    }
    found.extend(probes(&calls).err());
    found
}

fn gap(table: &Table, past: &Past<'_>, before: &Call, call: &Call) -> Result<(), Violation> {
    let reply = past.is_reply(call);
    if reply != call.reply {
        return violation("pace", format!("an answer: {reply}, and taken for the opposite: {call:?}"));
    }
    let gap = if reply { table.gap_reply } else { table.gap_bulk };
    let (Some((least, _)), false) = (gap, table.wide) else {
        return Ok(());
    };
    let slow = |rule| !reply && past.below(rule, rule.slow_below, call.granted);
    let least = if table.answers.as_ref().is_some_and(slow) { 2 * least } else { least };
    let found = call.start.steady - before.answer.steady;
    if found < least {
        return violation("gap", format!("{found} where {least} is due, before {call:?}"));
    }
    // Typing lies inside the gap.
    if table.typing.is_some() && found < call.typed - ROUNDING {
        return violation("typing", format!("began before the call before it ended: {found} for {call:?}"));
    }
    Ok(())
}

fn typed(typing: &Typing, call: &Call) -> Result<(), Violation> {
    let within = |time: i64| time.clamp(typing.within.0, typing.within.1);
    let least = within(typing.per_char.0 * call.chars) - ROUNDING;
    let most = within(typing.per_char.1 * call.chars + typing.extra) + ROUNDING;
    let shown = call.start.steady - call.granted.steady;
    if (least..=most).contains(&call.typed) && shown >= call.typed - ROUNDING {
        return Ok(());
    }
    violation("typing", format!("{least} to {most} is due, and shown for {shown}: {call:?}"))
}

/// The calls that a rule counts together.
fn streams<'a>(whom: Whom, calls: &[&'a Call]) -> Vec<Vec<&'a Call>> {
    let mut streams: BTreeMap<usize, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        match whom {
            Whom::Account => streams.entry(0).or_default().push(call),
            Whom::Group if !call.is_group => {}
            Whom::Chat | Whom::Group => streams.entry(call.chat).or_default().push(call),
        }
    }
    streams.into_values().collect()
}

/// At most `count` in every window: from the first of `count + 1` to the last of them it is longer, wherever between
/// start and answer each of them is counted.
fn capped(cap: &Cap, wide: bool, calls: &[&Call]) -> Result<(), Violation> {
    for calls in calls.windows(cap.count + 1) {
        let first = if wide { calls[0].start } else { calls[0].answer };
        let length = calls[cap.count].start.steady - first.steady;
        if length < cap.window {
            let Cap { whom, count, .. } = cap;
            return violation(
                cap.rule,
                format!("{count} + 1 for {whom:?} in {length}, up to {:?}", calls[cap.count]),
            );
        }
    }
    Ok(())
}

/// A window that holds n calls is at least as long as it takes for n less the burst to come.
fn bucket(rule: &Bucket, wide: bool, calls: &[&Call]) -> Result<(), Violation> {
    let Bucket { every, burst, .. } = *rule;
    // For i < j: j - i + 1 - burst <= (s[j] - s[i]) / every; so s[j] - j * every never falls far below what it was.
    let mut highest = i64::MIN;
    for (place, call) in (0_i64..).zip(calls) {
        let level = call.start.steady - place * every;
        if highest != i64::MIN && level < highest - (burst - 1) * every {
            return violation(rule.rule, format!("more than {burst} and one each {every}, up to {call:?}"));
        }
        let counted = if wide { call.start } else { call.answer };
        highest = highest.max(counted.steady - place * every);
    }
    Ok(())
}

fn batch(size: usize, pause: i64, calls: &[&Call]) -> Result<(), Violation> {
    let mut batch = 0;
    for (place, call) in calls.iter().enumerate() {
        let natural = place == 0 || call.start.steady - calls[place - 1].answer.steady >= pause;
        batch = if natural { 1 } else { batch + 1 };
        if batch > size {
            return violation("batch", format!("{batch} without a pause of {pause}, up to {call:?}"));
        }
    }
    Ok(())
}

fn probes(calls: &[&Call]) -> Result<(), Violation> {
    for (place, call) in calls.iter().enumerate().filter(|(_, call)| call.probing) {
        let meets = |other: &&&Call| {
            other.granted.steady < call.granted.steady && other.answer.steady > call.granted.steady
        };
        if let Some(other) = calls[..place].iter().find(meets) {
            return violation("probe", format!("{call:?} while {other:?}"));
        }
    }
    Ok(())
}
