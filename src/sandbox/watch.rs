//! Counting breaks of limits, in every window that ends with a call: nothing is averaged and nothing is forgiven.

use std::collections::{HashMap, VecDeque};

use crate::clock::Clock;
use crate::limits::{Limit, NewContacts, Scope};
use crate::wire::Refusal;

/// Beyond so many chats, those that no limit reaches any more are forgotten.
const CHATS: usize = 10_000;

/// The limits of an account or an app, judged when a call arrives and when it is answered.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    at_call: Vec<Watch>,
    at_answer: Vec<Watch>,
}

/// One limit and what it has seen, at one point of a call (its arrival, or its answer).
#[derive(Debug)]
struct Watch {
    limit: Limit,
    /// What the calendar says at the sandbox's start, in µs since 1970.
    start_us: u64,
    seen: HashMap<String, Seen>,
    /// The day of the newest contact and how many it has.
    day: (u64, u64),
}

/// What was seen of sends that are counted together.
#[derive(Debug, Default)]
struct Seen {
    /// The last ones.
    times: VecDeque<u64>,
    /// How many in the batch.
    batch: u64,
    /// When the bucket would be full again.
    full_at: u64,
}

/// A break: by which rule, and by how much.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) rule: String,
    pub(crate) short_by_us: u64,
}

impl Watches {
    /// Watches `limits`, from nothing.
    pub(crate) fn new(limits: &[Limit], clock: Clock) -> Result<Self, Refusal> {
        limits.iter().try_for_each(Limit::check)?;
        let watches = || limits.iter().map(|limit| Watch::new(limit.clone(), clock.start_us)).collect();
        Ok(Self { at_call: watches(), at_answer: watches() })
    }

    /// Begins anew, with the same limits.
    pub(crate) fn forget(&mut self) {
        for watch in self.at_call.iter_mut().chain(&mut self.at_answer) {
            *watch = Watch::new(watch.limit.clone(), watch.start_us);
        }
    }

    /// A call to `chat`, new to its account or not, arrives `now` (µs, not falling): what it breaks.
    pub(crate) fn at_call(&mut self, chat: &str, is_new: bool, now: u64) -> Vec<Break> {
        self.at_call.iter_mut().flat_map(|watch| watch.note(chat, is_new, now)).collect()
    }

    /// The same, for its answer.
    pub(crate) fn at_answer(&mut self, chat: &str, is_new: bool, now: u64) -> Vec<Break> {
        self.at_answer.iter_mut().flat_map(|watch| watch.note(chat, is_new, now)).collect()
    }
}

impl Watch {
    fn new(limit: Limit, start_us: u64) -> Self {
        Self { limit, start_us, seen: HashMap::new(), day: (0, 0) }
    }

    fn note(&mut self, chat: &str, is_new: bool, now: u64) -> Vec<Break> {
        let Limit { count, window_ms, min_gap_ms, batch, bucket, tolerance_us, .. } = self.limit;
        let window = window_ms.unwrap_or(0) * 1_000;
        let gap = min_gap_ms.unwrap_or(0) * 1_000;
        let pause = batch.map_or(0, |batch| batch.pause_ms * 1_000);
        if self.seen.len() > CHATS {
            let reach = window.max(gap).max(pause);
            self.seen.retain(|_, seen| {
                seen.full_at > now || seen.times.back().is_some_and(|last| last + reach > now)
            });
        }
        let key = match self.limit.scope {
            Scope::Account => "",
            Scope::Chat => chat,
        };
        let keep = count.unwrap_or(1);
        if !self.seen.contains_key(key) {
            self.seen.insert(key.to_owned(), Seen::default());
        }
        let seen = self.seen.get_mut(key).expect("it is there or was just made");
        let mut breaks = Vec::new();
        let mut judge = |rule: &str, short_by_us: u64| {
            if short_by_us > tolerance_us {
                let rule = self.limit.name.as_deref().unwrap_or(rule).to_owned();
                breaks.push(Break { rule, short_by_us });
            }
        };
        let since_last = seen.times.back().map(|last| now - last);
        if let Some(since) = since_last {
            judge("min_gap", gap.saturating_sub(since));
        }
        if count.is_some() && seen.times.len() == keep {
            judge("window", window.saturating_sub(now - seen.times[0]));
        }
        if let Some(batch) = batch {
            let short = since_last.map_or(0, |since| pause.saturating_sub(since));
            seen.batch = if short > tolerance_us { seen.batch + 1 } else { 1 };
            if seen.batch > batch.size {
                judge("batch", short);
            }
        }
        if let Some(bucket) = bucket {
            let every = bucket.every_ms * 1_000;
            // Its capacity less one token is what may be missing before this one is taken.
            judge("bucket", seen.full_at.saturating_sub(now + every * (bucket.burst - 1)));
            seen.full_at = seen.full_at.max(now) + every;
        }
        if let (Some(new), true) = (&self.limit.new_contacts, is_new) {
            judge("new_contacts", count_new(new, &mut self.day, self.start_us + now, tolerance_us));
        }
        if seen.times.len() == keep {
            seen.times.pop_front();
        }
        seen.times.push_back(now);
        breaks
    }
}

/// Counts a new contact at `at` (µs since 1970) into its day and says how long it should have waited.
fn count_new(new: &NewContacts, day: &mut (u64, u64), at: u64, tolerance_us: u64) -> u64 {
    let length = new.day_ms * 1_000;
    // Days are numbered from one that lies before all others; only neighbours are ever compared.
    let since_first = at + length - new.day_starts_us % length;
    let today = since_first / length;
    let left = length - since_first % length;
    let limit = |at: u64| {
        let step = new.later.iter().rfind(|step| step.from_us <= at);
        step.map_or(new.count, |step| step.count)
    };
    if today > day.0 {
        *day = (today, 0);
    }
    day.1 += 1;
    if day.1 <= limit(at + tolerance_us) {
        return 0;
    }
    if left <= tolerance_us && today == day.0 {
        *day = (today + 1, 1);
        return 0;
    }
    let step = new.later.iter().find(|step| step.from_us > at && step.count >= day.1);
    left.min(step.map_or(u64::MAX, |step| step.from_us - at)).max(tolerance_us + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Batch, Bucket, Step};

    fn watch(limit: Limit) -> Watch {
        Watch::new(limit, 0)
    }

    fn limit(count: usize, window_ms: u64) -> Limit {
        Limit { scope: Scope::Chat, count: Some(count), window_ms: Some(window_ms), ..Limit::default() }
    }

    fn short(rule: &str, short_by_us: u64) -> Vec<Break> {
        vec![Break { rule: rule.to_owned(), short_by_us }]
    }

    /// Rising times, at most `most` µs from one to the next.
    fn times(seed: &mut u64, count: usize, most: u64) -> Vec<u64> {
        let mut now = 0;
        let step = |_| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now += (*seed >> 33) % most;
            now
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn every_window_counts_and_an_exact_fit_is_none() {
        let mut watch = watch(limit(2, 10));
        assert!(watch.note("a", false, 0).is_empty());
        assert!(watch.note("a", false, 9_000).is_empty());
        assert!(watch.note("b", false, 9_000).is_empty());
        assert!(watch.note("a", false, 10_000).is_empty(), "the first is just out of the window");
        assert_eq!(watch.note("a", false, 18_999), short("window", 1));
    }

    #[test]
    fn a_gap_lies_between_neighbours() {
        let mut watch = watch(Limit { min_gap_ms: Some(5), ..Limit::default() });
        assert!(watch.note("a", false, 0).is_empty());
        assert!(watch.note("b", false, 5_000).is_empty());
        assert_eq!(watch.note("a", false, 9_000), short("min_gap", 1_000));
    }

    #[test]
    fn it_agrees_with_counting_all_windows_by_hand() {
        let mut seed = 7_u64;
        for _ in 0..200 {
            let times = times(&mut seed, 30, 6_000);
            let mut watch = watch(limit(3, 10));
            let counted: usize = times.iter().map(|&now| watch.note("a", false, now).len()).sum();
            let by_hand = (0..times.len())
                .filter(|&last| times[..=last].iter().filter(|&&t| t + 10_000 > times[last]).count() > 3)
                .count();
            assert_eq!(counted, by_hand);
        }
    }

    #[test]
    fn a_batch_ends_with_a_pause_forced_or_natural() {
        let batch = Some(Batch { size: 3, pause_ms: 10 });
        let mut watch = watch(Limit { batch, tolerance_us: 1, ..Limit::default() });
        // Nine ms are no pause, ten are.
        for now in [0, 9_000, 19_000, 20_000, 29_000, 38_999] {
            assert!(watch.note("a", false, now).is_empty(), "{now}");
        }
        assert!(watch.note("a", false, 48_998).is_empty(), "one µs is tolerated");
        for now in [50_000, 51_000] {
            assert!(watch.note("b", false, now).is_empty(), "{now}");
        }
        assert_eq!(watch.note("a", false, 60_998), short("batch", 2));
        assert_eq!(watch.note("a", false, 70_000), short("batch", 998), "nor is a fifth forgiven");
        assert!(watch.note("a", false, 80_000).is_empty());
    }

    #[test]
    fn a_bucket_agrees_with_counting_tokens_by_hand() {
        let mut seed = 11_u64;
        for _ in 0..200 {
            let (every, burst) = (4_000, 3);
            let bucket = Some(Bucket { every_ms: every / 1_000, burst });
            let mut watch = watch(Limit { bucket, ..Limit::default() });
            // Tokens in µs of their making.
            let (mut tokens, mut last) = (burst * every, 0);
            for now in times(&mut seed, 40, 6_000) {
                tokens = (tokens + now - last).min(burst * every);
                last = now;
                let missing = every.saturating_sub(tokens);
                let broken = watch.note("a", false, now);
                assert_eq!(broken, if missing > 0 { short("bucket", missing) } else { Vec::new() });
                if missing > 0 {
                    break;
                }
                tokens -= every;
            }
        }
    }

    #[test]
    fn new_contacts_are_counted_by_the_calendars_day() {
        let new_contacts = Some(NewContacts {
            count: 2,
            day_ms: 10,
            day_starts_us: 7_003_000,
            later: vec![Step { from_us: 1_026_000, count: 3 }],
        });
        let limit = Limit { new_contacts, tolerance_us: 100, ..Limit::default() };
        // The sandbox started at 1 s; a day begins 3 ms later, and every 10 ms.
        let mut watch = Watch::new(limit, 1_000_000);
        for (is_new, now, short_by) in [
            (true, 0, 0),
            (true, 1_000, 0),
            (false, 1_500, 0),
            (true, 2_000, 1_000),
            (true, 3_000, 0),
            (true, 12_000, 0),
            (false, 12_000, 0),
            (true, 12_950, 0), // Just before midnight: it is the next day's,
            (true, 13_500, 0), // of which this is the second
            (true, 22_000, 1_000),
            (true, 23_000, 0),
            (true, 24_000, 0),
            (true, 25_000, 1_000), // From 26 ms on there may be three,
            (true, 26_000, 7_000), // but this is the fourth
            (true, 33_000, 0),
            (true, 34_000, 0),
            (true, 35_000, 0),
        ] {
            let expected = if short_by > 0 { short("new_contacts", short_by) } else { Vec::new() };
            assert_eq!(watch.note("a", is_new, now), expected, "{now}");
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let clock = Clock::start();
        for limit in [
            Limit { count: Some(1), ..Limit::default() },
            Limit { count: Some(0), window_ms: Some(5), ..Limit::default() },
            Limit { batch: Some(Batch { size: 0, pause_ms: 5 }), ..Limit::default() },
            Limit { bucket: Some(Bucket { every_ms: 5, burst: 0 }), ..Limit::default() },
        ] {
            assert_eq!(Watches::new(&[limit], clock).unwrap_err().code, "invalid_limit");
        }
    }
}
