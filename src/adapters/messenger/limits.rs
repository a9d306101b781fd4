//! What Messenger allows, as data. What it limits otherwise cannot be counted as sends of an account: 10 a second of audio
//! and video (a limit here knows no kind), 750 private replies an hour, and calls a day by the number of people who wrote.
//! Those come back as errors.

use channel::{Limit, LimitScope};

const RATE_LIMITS: &str = "https://developers.facebook.com/docs/messenger-platform/overview/rate-limiting";
const READ_ON: &str = "2026-11-20";

/// How many sends of one page may be under way at once.
pub(crate) const WIDTH: u32 = 40;

/// Sends of one page.
pub(crate) const LIMITS: &[Limit] = &[
    // Above it a page's inbox may stand still; it binds before what the API itself takes.
    limit("page_second", 40),
    limit("account_second", 300),
];

const fn limit(name: &'static str, count: u32) -> Limit {
    Limit {
        name,
        scope: LimitScope::Account,
        count,
        seconds: 1.0,
        burst: None,
        source: RATE_LIMITS,
        read_on: READ_ON,
    }
}
