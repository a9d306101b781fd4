//! Counting breaks of limits, in every window that ends with a call: nothing is averaged and nothing is forgiven.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// A limit as the harness tells it. It knows the rules that are to be proved; the sandbox only counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What to call it in the report.
    #[serde(default)]
    pub name: Option<String>,
    /// What is counted together.
    pub scope: Scope,
    /// At most so many sends …
    #[serde(default)]
    pub count: Option<usize>,
    /// … in any window of so many ms.
    #[serde(default)]
    pub window_ms: Option<u64>,
    /// At least so many ms between two sends.
    #[serde(default)]
    pub min_gap_ms: Option<u64>,
    /// What a window or gap may fall short of without being counted, in µs: two clocks never agree wholly.
    #[serde(default)]
    pub tolerance_us: u64,
}

/// What a limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All sends of the account.
    Account,
    /// Its sends to one chat.
    Chat,
}

/// One limit and what it has seen, at one point of a call (its arrival, or its answer).
#[derive(Debug)]
pub(crate) struct Watch {
    limit: Limit,
    seen: HashMap<String, VecDeque<u64>>,
}

/// A break: by which rule, and by how much.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) rule: String,
    pub(crate) short_by_us: u64,
}

/// Beyond so many chats, those that no window reaches any more are forgotten.
const CHATS: usize = 10_000;

impl Watch {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { limit, seen: HashMap::new() }
    }

    pub(crate) const fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Takes note of a send to `chat` at `now` (µs, not falling) and says what it breaks.
    pub(crate) fn note(&mut self, chat: &str, now: u64) -> Vec<Break> {
        let Limit { count, window_ms, min_gap_ms, tolerance_us, .. } = self.limit;
        let window = window_ms.unwrap_or(0) * 1_000;
        let gap = min_gap_ms.unwrap_or(0) * 1_000;
        if self.seen.len() > CHATS {
            let reach = window.max(gap);
            self.seen.retain(|_, times| times.back().is_some_and(|last| last + reach > now));
        }
        let key = match self.limit.scope {
            Scope::Account => "",
            Scope::Chat => chat,
        };
        let keep = count.unwrap_or(1).max(1);
        let times = match self.seen.get_mut(key) {
            Some(times) => times,
            None => self.seen.entry(key.to_owned()).or_default(),
        };
        let mut breaks = Vec::new();
        let mut judge = |rule: &str, since: u64, least: u64| {
            let short = least.saturating_sub(now - since);
            if short > tolerance_us {
                let rule = self.limit.name.as_deref().unwrap_or(rule).to_owned();
                breaks.push(Break { rule, short_by_us: short });
            }
        };
        if let Some(&last) = times.back() {
            judge("min_gap", last, gap);
        }
        if count.is_some() && times.len() == keep {
            judge("window", times[0], window);
        }
        if times.len() == keep {
            times.pop_front();
        }
        times.push_back(now);
        breaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(count: usize, window_ms: u64, min_gap_ms: u64) -> Limit {
        Limit {
            name: None,
            scope: Scope::Chat,
            count: Some(count),
            window_ms: Some(window_ms),
            min_gap_ms: Some(min_gap_ms),
            tolerance_us: 0,
        }
    }

    #[test]
    fn every_window_counts_and_an_exact_fit_is_none() {
        let mut watch = Watch::new(limit(2, 10, 0));
        assert!(watch.note("a", 0).is_empty());
        assert!(watch.note("a", 9_000).is_empty());
        assert!(watch.note("b", 9_000).is_empty());
        assert!(watch.note("a", 10_000).is_empty(), "the first is just out of the window");
        assert_eq!(watch.note("a", 18_999), [Break { rule: "window".to_owned(), short_by_us: 1 }]);
    }

    #[test]
    fn a_gap_lies_between_neighbours() {
        let mut watch = Watch::new(limit(100, 0, 5));
        assert!(watch.note("a", 0).is_empty());
        assert!(watch.note("a", 5_000).is_empty());
        assert_eq!(watch.note("a", 9_000), [Break { rule: "min_gap".to_owned(), short_by_us: 1_000 }]);
    }

    #[test]
    fn it_agrees_with_counting_all_windows_by_hand() {
        let mut seed = 7_u64;
        for _ in 0..200 {
            let mut times = Vec::new();
            let mut now = 0;
            let mut watch = Watch::new(limit(3, 10, 0));
            let mut counted = 0;
            for _ in 0..30 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now += (seed >> 33) % 6_000;
                times.push(now);
                counted += watch.note("a", now).len();
            }
            let by_hand = (0..times.len())
                .filter(|&last| times[..=last].iter().filter(|&&t| t + 10_000 > times[last]).count() > 3)
                .count();
            assert_eq!(counted, by_hand);
        }
    }
}
