//! What binds campaigns alone: silent contacts, opt-outs, hours, texts, and the share of those who answer.

use crate::judge::{Past, Violation, violation};
use crate::table::Table;
use crate::trace::{At, Call, Refused};

pub fn broken(table: &Table, past: &Past<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for call in past.campaigns() {
        found.extend(contact(table, past, call).err());
        found.extend(hours(table, past, call).err());
        found.extend(answers(table, past, call).err());
    }
    if let Some((most, rest)) = table.identical {
        found.extend(texts(most, rest, past).err());
    }
    found.extend(past.trace.refused.iter().filter_map(|refused| justified(table, past, refused).err()));
    found
}

/// Silent since the contact last wrote, or since the first message if it never did.
fn is_stale(table: &Table, past: &Past<'_>, chat: usize, at: At) -> bool {
    let heard = past.last_inbound(chat, at).or_else(|| past.first_sent(chat, at));
    table.stale.is_some_and(|silence| heard.is_some_and(|heard| at.lane - heard >= silence))
}

fn contact(table: &Table, past: &Past<'_>, call: &Call) -> Result<(), Violation> {
    if is_stale(table, past, call.chat, call.granted) {
        return violation("stale_contact", format!("a campaign to a silent contact: {call:?}"));
    }
    if table.opt_out && past.opted_out(call.chat, call.granted) {
        return violation("opted_out", format!("a campaign to somebody who said stop: {call:?}"));
    }
    Ok(())
}

fn hours(table: &Table, past: &Past<'_>, call: &Call) -> Result<(), Violation> {
    let Some((from, until)) = table.hours else {
        return Ok(());
    };
    let account = &past.trace.account;
    let hour = account.contacts[call.chat].zone.unwrap_or(account.zone).hour(call.due.lane);
    let allowed = if from < until { from <= hour && hour < until } else { from <= hour || hour < until };
    if allowed { Ok(()) } else { violation("quiet_hours", format!("{hour} after midnight: {call:?}")) }
}

fn answers(table: &Table, past: &Past<'_>, call: &Call) -> Result<(), Violation> {
    match &table.answers {
        Some(rule) if past.below(rule, rule.pause_below, call.granted) => {
            let (recipients, wrote) = past.answers(rule, call.granted);
            violation("response_rate", format!("{wrote} of {recipients} wrote: {call:?}"))
        }
        _ => Ok(()),
    }
}

fn texts(most: usize, rest: i64, past: &Past<'_>) -> Result<(), Violation> {
    let mut row = 0;
    let mut last: Option<&Call> = None;
    for call in past.campaigns() {
        let goes_on = last.is_some_and(|last| {
            last.text == call.text
                && call.start.steady - last.answer.steady < rest
                && !interrupted(past, last, call)
        });
        row = if goes_on { row + 1 } else { 1 };
        last = Some(call);
        if row > most {
            return violation("identical_text", format!("{row} in a row: {call:?}"));
        }
    }
    Ok(())
}

/// A clock that stepped back leaves two orders behind, and whoever has only the rows cannot know which one it was: what
/// lies between two sends by their dates interrupts them, too.
fn interrupted(past: &Past<'_>, before: &Call, call: &Call) -> bool {
    let between = before.start.lane..call.start.lane;
    past.campaigns().any(|other| other.text != call.text && between.contains(&other.start.lane))
}

/// Who refuses must have a reason.
fn justified(table: &Table, past: &Past<'_>, refused: &Refused) -> Result<(), Violation> {
    let right = match refused.rule.as_str() {
        "opted_out" => table.opt_out && past.opted_out(refused.chat, refused.at),
        "stale_contact" => is_stale(table, past, refused.chat, refused.at),
        _ => false,
    };
    if right { Ok(()) } else { violation("refused", format!("without a reason: {refused:?}")) }
}
