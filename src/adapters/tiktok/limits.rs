//! What TikTok Shop allows, as data: no figure is published, limits move with the app and the shop. This is the lower end of
//! what integrators call safe (3 to 10 a second); the answers say the rest.

use channel::{Limit, LimitScope};

/// How many sends of one shop may be under way at once.
pub(crate) const WIDTH: u32 = 3;

/// Calls for one shop.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "account_second",
    scope: LimitScope::Account,
    count: 3,
    seconds: 1.0,
    burst: None,
    source: "integrators of TikTok Shop's open API: the provider publishes no figure",
    read_on: "2026-11-20",
}];
