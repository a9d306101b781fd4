//! What Discord's headers say about the next call on a route. Discord asks not to write its limits down but to read them
//! from each answer; a call that is known to be refused is not made, because refusals are counted too.
//!
//! A cache, no truth: a worker that knows nothing learns by the first answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use channel::{ChannelError, ErrorClass};
use outbound::Answer;
use serde_json::Value;
use tokio::time::Instant;

/// With so many entries, those that are over are dropped.
const MANY: usize = 10_000;
/// Longer than any bucket lasts; a header that says more is not believed.
const LONGEST: Duration = Duration::from_hours(1);

/// What Discord counts together: one kind of call, in one channel where it is about a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Route {
    /// The kind of call.
    pub name: &'static str,
    /// The channel's id.
    pub chat: Option<String>,
}

/// Until when which route is used up, for each bot.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<(u64, Option<Route>), Instant>>);

impl Buckets {
    /// The refusal that a call would meet now.
    pub fn held(&self, token: &str, route: &Route) -> Option<ChannelError> {
        let used_up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let left = |route: Option<&Route>| {
            let until = used_up.get(&(bot(token), route.cloned()))?;
            Some(until.duration_since(now)).filter(|left| !left.is_zero())
        };
        if let Some(left) = left(None) {
            let message = "the bot used up what Discord takes of it in a second";
            return Some(ChannelError::new(ErrorClass::RetryAfter(Some(left)), "429", message));
        }
        let left = left(Some(route))?;
        let class = match route.chat {
            Some(_) => ErrorClass::RecipientHeld(left),
            None => ErrorClass::RetryAfter(Some(left)),
        };
        Some(ChannelError::new(class, "429", "Discord takes no more calls of this kind at the moment"))
    }

    /// Remembers what an answer says of the next call.
    pub fn note(&self, token: &str, route: &Route, answer: &Answer) {
        let header = |name: &str| answer.header(name).and_then(|value| value.trim().parse::<f64>().ok());
        let is_refused = answer.status == 429;
        let is_used_up = header("x-ratelimit-remaining").is_some_and(|left| left < 1.0);
        if !is_refused && !is_used_up {
            return;
        }
        let body = if is_refused { answer.json::<Value>() } else { None };
        // The body is the most exact; `retry-after` has whole seconds.
        let told = body.as_ref().and_then(|body| body["retry_after"].as_f64());
        let seconds = told.or_else(|| header("x-ratelimit-reset-after"));
        let seconds = seconds.or_else(|| header("retry-after").filter(|_| is_refused));
        let Some(wait) = seconds.and_then(wait) else { return };
        // A page of the edge before the API knows no routes.
        let is_global = is_refused
            && (answer.header("x-ratelimit-global").is_some()
                || answer.header("x-ratelimit-scope") == Some("global")
                || body.is_none_or(|body| body["global"] == true));
        let route = if is_global { None } else { Some(route.clone()) };
        let now = Instant::now();
        let mut used_up = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used_up.len() >= MANY {
            used_up.retain(|_, until| *until > now);
        }
        used_up.insert((bot(token), route), now + wait);
    }
}

/// A time to wait from a number of seconds, as headers and bodies give it.
pub(super) fn wait(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero()).map(|wait| wait.min(LONGEST))
}

/// A bot by its token, without keeping the token.
fn bot(token: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_give_a_time_or_nothing() {
        assert_eq!(wait(1.337), Some(Duration::from_millis(1_337)));
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(wait(odd), None);
        }
        assert_eq!(wait(1e12), Some(LONGEST));
    }
}
