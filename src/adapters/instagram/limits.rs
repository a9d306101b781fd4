//! What Instagram's messaging allows, as data. What it limits otherwise cannot be counted as sends of an account: 10 a second
//! of audio and video (a limit here knows no kind) and private replies to comments. Those come back as errors.

use channel::{Limit, LimitScope};

/// How many sends of one account may be under way at once.
pub(crate) const WIDTH: u32 = 40;

/// Sends of one account.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "account_second",
    scope: LimitScope::Account,
    count: 300,
    seconds: 1.0,
    burst: None,
    source: "https://developers.facebook.com/docs/messenger-platform/overview/rate-limiting",
    read_on: "2026-11-20",
}];
