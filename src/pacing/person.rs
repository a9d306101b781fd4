//! The rules of an account that must look like a person at a phone: the table. A rule is a line.

use std::borrow::Cow::Borrowed;
use std::time::Duration;

use model::Pace;

use crate::{Kind, Reach, Rule};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn line(key: &'static str, name: &'static str, reach: Reach, kind: Kind, source: &'static str) -> Rule {
    Rule { key: Borrowed(key), name: Borrowed(name), kind, reach, source: Borrowed(source) }
}

const HOUSE: &str = "our own rule for WhatsApp Web";

#[rustfmt::skip]
pub(crate) const RULES: &[Rule] = &[
    line("gap_reply", "gap", Reach::Account, Kind::Gap { pace: Pace::Reply, min: ms(300), max: ms(1_500) }, HOUSE),
    line("gap_bulk", "gap", Reach::Account, Kind::Gap { pace: Pace::Bulk, min: ms(2_000), max: ms(5_000) }, HOUSE),
    line("same_recipient", "same_recipient", Reach::Chat, Kind::Bucket { every: ms(6_000), burst: 1 }, HOUSE),
    line("per_minute", "per_minute", Reach::Account, Kind::Cap { count: 15, window: ms(60_000) }, HOUSE),
    line("typing", "typing", Reach::Chat, Kind::Typing { per_char: (ms(40), ms(80)), extra: ms(500), within: (ms(500), ms(2_000)) }, HOUSE),
];
