//! What Slack allows, as data. A workspace's whole rate has no figure: Slack answers 429 with a time.

use channel::{Limit, LimitScope};

/// How many sends of one app in one workspace may be under way at once.
pub(crate) const WIDTH: u32 = 20;

/// Sends of one app in one workspace. A chat is a channel, whoever is in it.
pub(crate) const LIMITS: &[Limit] = &[Limit {
    name: "channel_second",
    scope: LimitScope::Chat,
    count: 1,
    seconds: 1.0,
    burst: None,
    source: "https://docs.slack.dev/apis/web-api/rate-limits",
    read_on: "2026-11-20",
}];
