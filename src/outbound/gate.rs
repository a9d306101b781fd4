//! Shares: how many of a process's slots the calls to one host may hold, so that a provider that is slow or down leaves
//! room for all others.
//!
//! A host may hold at most three quarters of what the others leave. Alone it has three quarters of the slots; beside a slow
//! one, which then has 150 of 200, another still has 38. Who gets no place is told when to come again: at the pace at
//! which places of that host become free, so that thousands who wait do not ask all the time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use crate::breaker::LOOK_AGAIN;
use crate::hosts::{Hosts, Standing};
use crate::request::host_of;

/// Nobody comes again sooner, or is told to come later.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(10);

/// Lets calls of one kind of work through, a share a host. Cheap to clone; clones share the slots. The default one lets
/// everything through.
#[derive(Debug, Clone, Default)]
pub struct Gate(Option<Arc<Slots>>);

/// Why a call may not be made now, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// The host is down: calls would fail at once.
    Down(Duration),
    /// The host has its share of calls under way.
    Busy(Duration),
}

impl Shut {
    /// For how long.
    pub const fn retry_in(self) -> Duration {
        match self {
            Self::Down(wait) | Self::Busy(wait) => wait,
        }
    }

    /// The word for why: `provider_down` or `provider_busy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down(_) => "provider_down",
            Self::Busy(_) => "provider_busy",
        }
    }
}

#[derive(Debug)]
struct Slots {
    hosts: Arc<Hosts>,
    count: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    hosts: HashMap<String, Share>,
}

#[derive(Debug)]
struct Share {
    held: usize,
    /// How long a place is held, on average: recent ones count more.
    mean: Duration,
    /// When the last one who got no place comes again.
    next: Instant,
    /// Whether somebody is on the way to find out if the host is well again.
    probing: bool,
}

/// A place among a host's calls. Given back by dropping it.
#[derive(Debug)]
pub struct Place {
    of: Option<(Arc<Slots>, String)>,
    since: Instant,
    is_probe: bool,
}

impl Gate {
    pub(crate) fn new(hosts: Arc<Hosts>, slots: usize) -> Self {
        Self(Some(Arc::new(Slots { hosts, count: slots.max(1), held: Mutex::default() })))
    }

    /// A place for a call to the provider at `url`, or why and for how long there is none. Waits for nothing. An address
    /// that cannot be read gets a place: the call itself says what is wrong.
    pub fn enter(&self, url: &str) -> Result<Place, Shut> {
        let since = Instant::now();
        let (Some(slots), Ok(url)) = (&self.0, Url::parse(url)) else {
            return Ok(Place { of: None, since, is_probe: false });
        };
        let host = host_of(&url);
        let is_probe = match slots.hosts.standing(&host) {
            Standing::Well => false,
            Standing::Doubtful => true,
            Standing::Down(wait) => return Err(Shut::Down(wait)),
        };
        slots.enter(&host, since, is_probe)?;
        Ok(Place { of: Some((Arc::clone(slots), host)), since, is_probe })
    }
}

impl Place {
    /// Whether the host went down since: then the call would fail at once, and need not be made.
    pub fn shut(&self) -> Option<Shut> {
        let (slots, host) = self.of.as_ref()?;
        match slots.hosts.standing(host) {
            Standing::Well => None,
            Standing::Doubtful => (!self.is_probe).then_some(Shut::Down(LOOK_AGAIN)),
            Standing::Down(wait) => Some(Shut::Down(wait)),
        }
    }
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, host: &str, now: Instant, is_probe: bool) -> Result<(), Shut> {
        let mut held = self.lock();
        let Held { total, hosts } = &mut *held;
        if !hosts.contains_key(host) {
            hosts.insert(host.to_owned(), Share { held: 0, mean: Duration::ZERO, next: now, probing: false });
        }
        let Some(share) = hosts.get_mut(host) else { return Ok(()) };
        if is_probe && share.probing {
            return Err(Shut::Down(LOOK_AGAIN));
        }
        let left = self.count.saturating_sub(*total - share.held);
        let most = (left * 3).div_ceil(4).max(1);
        if share.held < most {
            share.held += 1;
            share.probing |= is_probe;
            *total += 1;
            return Ok(());
        }
        let each = share.mean / u32::try_from(most).unwrap_or(u32::MAX);
        share.next = (share.next + each).clamp(now + SOONEST, now + LATEST);
        Err(Shut::Busy(share.next - now))
    }

    fn leave(&self, host: &str, took: Duration, was_probe: bool) {
        let mut held = self.lock();
        held.total = held.total.saturating_sub(1);
        if let Some(share) = held.hosts.get_mut(host) {
            share.held = share.held.saturating_sub(1);
            share.probing &= !was_probe;
            share.mean = (share.mean * 7 + took) / 8;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((slots, host)) = self.of.take() {
            slots.leave(&host, self.since.elapsed(), self.is_probe);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::BreakerConfig;
    use crate::breaker::Verdict;

    use super::*;

    fn gate(slots: usize) -> Gate {
        Gate::new(Arc::new(Hosts::new(1_000, None)), slots)
    }

    /// Takes all places that a host gets.
    fn fill(gate: &Gate, url: &str) -> Vec<Place> {
        std::iter::from_fn(|| gate.enter(url).ok()).collect()
    }

    #[test]
    fn a_host_gets_three_quarters_of_what_the_others_leave() {
        let gate = gate(200);
        let slow = fill(&gate, "https://slow.example/bot1/send");
        assert_eq!(slow.len(), 150);
        let other = fill(&gate, "https://other.example");
        assert_eq!(other.len(), 38);
        assert!(!fill(&gate, "https://third.example").is_empty());
        drop(slow);
        assert_eq!(fill(&gate, "https://other.example").len(), 150 - 38);
    }

    #[test]
    fn the_smallest_worker_still_serves_everybody() {
        let gate = gate(1);
        let one = fill(&gate, "https://one.example");
        assert_eq!(one.len(), 1);
        assert_eq!(fill(&gate, "https://two.example").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_place_comes_when_one_is_free() {
        let gate = gate(4);
        for _ in 0..60 {
            let places = fill(&gate, "https://slow.example");
            assert_eq!(places.len(), 3);
            tokio::time::advance(Duration::from_secs(3)).await;
        }
        let _places = fill(&gate, "https://slow.example");
        let waits: Vec<Duration> =
            (0..20).map(|_| gate.enter("https://slow.example").unwrap_err().retry_in()).collect();
        let step = waits[3].checked_sub(waits[2]).unwrap();
        assert!((900..=1_000).contains(&step.as_millis()), "three places, three seconds each: {step:?}");
        assert!(waits.iter().all(|wait| *wait <= LATEST));
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_host_was_down_one_goes_first() {
        let second = Duration::from_secs(1);
        let config = BreakerConfig { unreachable: 1, first: second, ..BreakerConfig::default() };
        let hosts = Arc::new(Hosts::new(1_000, Some(config)));
        let gate = Gate::new(Arc::clone(&hosts), 100);
        let (url, name) = ("https://slow.example/x", "slow.example:443");
        let early = gate.enter(url).unwrap();
        hosts.of(name).watch(false).unwrap().end(Verdict::Unreachable);
        assert_eq!(early.shut(), Some(Shut::Down(second)));
        assert_eq!(gate.enter(url).err(), Some(Shut::Down(second)));
        tokio::time::advance(second).await;
        let probe = gate.enter(url).unwrap();
        assert_eq!(probe.shut(), None);
        assert!(early.shut().is_some(), "who came before it went down waits for the one who finds out");
        assert_eq!(gate.enter(url).err(), Some(Shut::Down(LOOK_AGAIN)));
        hosts.of(name).watch(false).unwrap().end(Verdict::Well);
        assert!(gate.enter(url).is_ok() && early.shut().is_none());
        drop(probe);
    }

    #[test]
    fn the_default_lets_everything_through() {
        assert_eq!(
            std::iter::repeat_with(|| Gate::default().enter("https://x.example")).take(9).flatten().count(),
            9
        );
    }
}
