//! An account's own numbers: the same ones for the judge, and as a person writes them for pacing.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::table::{Answers, Cap, Stage, Table, Typing, Who, Whom};

/// Changes some rules of the table, and says which.
pub fn vary(rng: &mut StdRng, table: &mut Table) -> Value {
    let mut own = Map::new();
    for (rule, change) in RULES {
        if rng.random_ratio(1, 4) {
            own.insert((*rule).to_owned(), change(rng, table));
        }
    }
    Value::Object(own)
}

type Change = fn(&mut StdRng, &mut Table) -> Value;

const RULES: &[(&str, Change)] = &[
    ("gap_reply", |rng, table| {
        let (min, max) = span(rng, 3 * SECOND);
        table.gap_reply = Some((min, max));
        json!({ "min_s": seconds(min), "max_s": seconds(max) })
    }),
    ("gap_bulk", |rng, table| {
        let (min, max) = span(rng, 20 * SECOND);
        table.gap_bulk = Some((min, max));
        json!({ "min_s": seconds(min), "max_s": seconds(max) })
    }),
    ("same_recipient", |rng, table| {
        let every = millis(rng, SECOND, MINUTE);
        recap(table, Cap { rule: "same_recipient", whom: Whom::Chat, count: 1, window: every });
        json!({ "every_s": seconds(every) })
    }),
    ("per_minute", |rng, table| {
        let (count, window) = (rng.random_range(1..40), millis(rng, 10 * SECOND, 10 * MINUTE));
        recap(table, Cap { rule: "per_minute", whom: Whom::Account, count, window });
        json!({ "count": count, "window_s": seconds(window) })
    }),
    ("batch", |rng, table| {
        let (size, pause) = (rng.random_range(1..60), millis(rng, 10 * SECOND, 20 * MINUTE));
        table.batch = Some((size, pause));
        json!({ "size": size, "pause_s": seconds(pause) })
    }),
    ("new_contacts", |rng, table| {
        let (days, first, then) = (rng.random_range(1..10), rng.random_range(1..10), rng.random_range(1..60));
        table.new_contacts = vec![(0, first), (days * DAY, then)];
        json!({ "steps": [{ "from_days": 0, "count": first }, { "from_days": days, "count": then }] })
    }),
    ("typing", |rng, table| {
        if rng.random_ratio(1, 2) {
            table.typing = None;
            return json!("off");
        }
        let (per_char, extra, within) =
            (span(rng, SECOND / 10), millis(rng, 0, 2 * SECOND), span(rng, 4 * SECOND));
        table.typing = Some(Typing { per_char, extra, within });
        json!({
            "per_char_ms": [per_char.0 / 1_000, per_char.1 / 1_000], "extra_ms": extra / 1_000,
            "min_s": seconds(within.0), "max_s": seconds(within.1),
        })
    }),
    ("warm_up", |rng, table| {
        if rng.random_ratio(1, 2) {
            table.warm_up.clear();
            return json!("off");
        }
        let ends = [rng.random_range(1..30), rng.random_range(30..100), 100 + 24 * rng.random_range(1..9)];
        let (flat, first, more) = (rng.random_range(1..20), rng.random_range(1..20), rng.random_range(0..60));
        let stage =
            |from: i64, until: i64, who, new| Stage { from: from * HOUR, until: until * HOUR, who, new };
        table.warm_up = vec![
            stage(0, ends[0], Who::Nobody, (0, 0)),
            stage(ends[0], ends[1], Who::Persons, (flat, flat)),
            stage(ends[1], ends[2], Who::All, (first, first + more)),
        ];
        json!({ "stages": [
            { "until_h": ends[0], "may_send": "none" },
            { "until_h": ends[1], "may_send": "persons", "new_contacts": flat },
            { "until_h": ends[2], "may_send": "all", "new_contacts": [first, first + more] },
        ] })
    }),
    ("stale_contact", |rng, table| {
        let days = rng.random_range(1..40);
        table.stale = Some(days * DAY);
        json!({ "after_days": days })
    }),
    ("identical_text", |rng, table| {
        let (most, hours) = (rng.random_range(1..15), rng.random_range(1..40));
        table.identical = Some((most, hours * HOUR));
        json!({ "in_a_row": most, "rest_h": hours })
    }),
    ("response_rate", |rng, table| {
        if rng.random_ratio(1, 3) {
            table.answers = None;
            return json!("off");
        }
        let (recipients, slow, pause) =
            (rng.random_range(5..30), rng.random_range(300..900), rng.random_range(50..300));
        let (days, hours) = (rng.random_range(2..12), rng.random_range(1..40));
        table.answers = Some(Answers {
            recipients,
            within: days * DAY,
            after: hours * HOUR,
            slow_below: slow,
            pause_below: pause,
        });
        json!({
            "recipients": recipients, "within_days": days, "after_h": hours,
            "slow_below": thousandths(slow), "pause_below": thousandths(pause), "pause_h": 24,
        })
    }),
    ("quiet_hours", |rng, table| {
        let (from, until) = (rng.random_range(0..24 * 60), rng.random_range(0..24 * 60));
        // A window of some minutes would make a campaign last for years.
        let until = if (until - from + 1_440) % 1_440 < 60 { (from + 300) % 1_440 } else { until };
        table.hours = Some((from * MINUTE, until * MINUTE));
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        json!({ "campaigns_from": clock(from), "campaigns_until": clock(until) })
    }),
];

/// A cap of the same name gives way.
fn recap(table: &mut Table, cap: Cap) {
    table.caps.retain(|other| other.rule != cap.rule);
    table.caps.push(cap);
}

/// Whole milliseconds within bounds.
fn millis(rng: &mut StdRng, least: i64, most: i64) -> i64 {
    rng.random_range(least / 1_000..=most / 1_000) * 1_000
}

fn span(rng: &mut StdRng, most: i64) -> (i64, i64) {
    let (one, other) = (millis(rng, 0, most), millis(rng, 0, most));
    (one.min(other), one.max(other))
}

#[expect(clippy::cast_precision_loss, reason = "a few minutes in milliseconds")]
fn seconds(time: i64) -> f64 {
    time as f64 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "a number below a thousand")]
fn thousandths(share: usize) -> f64 {
    share as f64 / 1e3
}
