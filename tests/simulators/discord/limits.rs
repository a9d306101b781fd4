//! The limits: fifty calls a second for the bot, and a bucket for each kind of call in each channel, told by headers.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Refusal;
use super::state::State;

/// Calls of one kind in one channel.
pub(crate) const BUCKET: usize = 5;
/// In so many seconds.
pub(crate) const SECONDS: f64 = 5.0;
/// Calls of the bot in a second.
const GLOBAL: usize = 50;

/// What the headers of an answer say.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    pub bucket: String,
    pub remaining: usize,
    pub reset_after: f64,
}

/// Admits a call now, or refuses it. `scale` divides the windows.
pub(crate) fn admit(state: &mut State, bucket: &str, now: Instant, scale: f64) -> Result<Headers, Refusal> {
    let second = Duration::from_secs_f64(1.0 / scale);
    if let Some(wait) = full(state.windows.entry("global".to_owned()).or_default(), now, GLOBAL, second) {
        return Err(Refusal::too_many("global", wait.as_secs_f64()));
    }
    let window = Duration::from_secs_f64(SECONDS / scale);
    let calls = state.windows.entry(bucket.to_owned()).or_default();
    if let Some(wait) = full(calls, now, BUCKET, window) {
        return Err(Refusal::too_many("user", wait.as_secs_f64()));
    }
    calls.push_back(now);
    let headers = Headers {
        bucket: bucket.to_owned(),
        remaining: BUCKET - calls.len(),
        reset_after: calls.front().map_or(0.0, |first| (*first + window - now).as_secs_f64()),
    };
    state.windows.entry("global".to_owned()).or_default().push_back(now);
    Ok(headers)
}

/// How long until one more fits, if it does not fit now.
fn full(calls: &mut VecDeque<Instant>, now: Instant, count: usize, window: Duration) -> Option<Duration> {
    while calls.front().is_some_and(|at| *at + window <= now) {
        calls.pop_front();
    }
    let first = calls.front().filter(|_| calls.len() >= count)?;
    Some(*first + window - now)
}
