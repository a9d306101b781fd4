//! What Discord allows, as data. The limits of single channels are in the headers of each answer and nowhere else: Discord asks
//! not to write them down.

use channel::{Limit, LimitScope};

/// How many sends of one bot may be under way at once.
pub(crate) const WIDTH: u32 = 50;

/// Calls of one bot.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "account_second",
    scope: LimitScope::Account,
    count: 50,
    seconds: 1.0,
    burst: None,
    source: "https://discord.com/developers/docs/topics/rate-limits#global-rate-limit",
    read_on: "2026-11-20",
}];
