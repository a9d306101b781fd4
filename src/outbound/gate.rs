//! Shares: how many of a process's slots the calls to one host may hold, so that a provider that is slow or down leaves
//! room for all others.
//!
//! A host may hold at most three quarters of what the others leave. Alone it has three quarters of the slots; beside a slow
//! one, which then has 150 of 200, another still has 38. Where places become free quickly, some wait in line for one, in
//! slots that are left: that is cheaper than to come again, and nobody else waits long for theirs. Who finds no place in
//! line either is told when to come again: at the pace at which places of that host become free, so that thousands who wait
//! do not ask all the time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use url::Url;

use crate::breaker::LOOK_AGAIN;
use crate::hosts::{Hosts, Standing};
use crate::request::host_of;

/// Nobody comes again sooner, or is told to come later.
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(10);
/// Nobody waits in line for longer, or goes there who would.
const PATIENCE: Duration = Duration::from_millis(250);

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
    /// Calls and those in line.
    total: usize,
    /// Those in line.
    in_line: usize,
    hosts: HashMap<String, Share>,
}

#[derive(Debug)]
struct Share {
    calls: usize,
    /// How long a place is held, on average: recent ones count more.
    mean: Duration,
    /// When a place became free last.
    freed: Instant,
    /// When the last one who got no place comes again.
    next: Instant,
    /// Whether somebody is on the way to find out if the host is well again.
    probing: bool,
    /// Those who are given the next places. Some may have gone.
    line: VecDeque<oneshot::Sender<Place>>,
    in_line: usize,
}

/// A place among a host's calls. Given back by dropping it.
#[derive(Debug)]
pub struct Place {
    of: Option<(Arc<Slots>, String)>,
    since: Instant,
    is_probe: bool,
}

/// What who asks for a place gets.
enum Turn {
    Now(Place),
    InLine(oneshot::Receiver<Place>),
}

/// Somebody in line, until dropped.
struct InLine<'a>(&'a Slots, &'a str);

impl Gate {
    pub(crate) fn new(hosts: Arc<Hosts>, slots: usize) -> Self {
        Self(Some(Arc::new(Slots { hosts, count: slots.max(1), held: Mutex::default() })))
    }

    /// A place for a call to the provider at `url`, or why and for how long there is none. Waits for a quarter of a second at
    /// most. An address that cannot be read gets a place: the call itself says what is wrong.
    pub async fn enter(&self, url: &str) -> Result<Place, Shut> {
        let (Some(slots), Ok(url)) = (&self.0, Url::parse(url)) else {
            return Ok(Place { of: None, since: Instant::now(), is_probe: false });
        };
        let host = host_of(&url);
        let given = match slots.ask(&host)? {
            Turn::Now(place) => return Ok(place),
            Turn::InLine(given) => given,
        };
        let waiting = InLine(slots, &host);
        let given = tokio::time::timeout(PATIENCE, given).await;
        drop(waiting);
        let Ok(Ok(place)) = given else { return Err(slots.later(&host)) };
        // It may have gone down since.
        place.shut().map_or(Ok(place), Err)
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

impl Held {
    /// How many calls a host may have under way.
    fn most(&self, count: usize, share: &Share) -> usize {
        let left = count.saturating_sub(self.total - share.calls - share.in_line);
        (left * 3).div_ceil(4).max(1)
    }
}

impl Share {
    fn new(now: Instant) -> Self {
        Self {
            calls: 0,
            mean: Duration::ZERO,
            freed: now,
            next: now,
            probing: false,
            line: VecDeque::new(),
            in_line: 0,
        }
    }

    /// How soon one place after the other becomes free, of so many.
    fn pace(&self, most: usize) -> Duration {
        self.mean / u32::try_from(most).unwrap_or(u32::MAX)
    }

    /// Whether one more in line would get a place soon, as far as one can tell: where none became free for long, none may
    /// for longer.
    fn moves(&self, most: usize, now: Instant) -> bool {
        let ahead = u32::try_from(self.in_line + 1).unwrap_or(u32::MAX);
        self.pace(most).saturating_mul(ahead) <= PATIENCE && now - self.freed <= PATIENCE
    }
}

impl Slots {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, host: &str) -> Result<Turn, Shut> {
        let is_probe = match self.hosts.standing(host) {
            Standing::Well => false,
            Standing::Doubtful => true,
            Standing::Down(wait) => return Err(Shut::Down(wait)),
        };
        let now = Instant::now();
        let mut held = self.lock();
        if !held.hosts.contains_key(host) {
            held.hosts.insert(host.to_owned(), Share::new(now));
        }
        let Some(share) = held.hosts.get(host) else { return Err(Shut::Busy(SOONEST)) };
        if is_probe && share.probing {
            return Err(Shut::Down(LOOK_AGAIN));
        }
        let (most, is_first) = (held.most(self.count, share), share.in_line == 0);
        // Some slots stay free in any case: for whoever calls another host.
        let room = self
            .count
            .saturating_sub(held.total - share.in_line)
            .saturating_sub(most - share.calls.min(most));
        let may_wait = !is_probe && share.in_line < room * 3 / 4 && share.moves(most, now);
        let Held { total, in_line, hosts } = &mut *held;
        let Some(share) = hosts.get_mut(host) else { return Err(Shut::Busy(SOONEST)) };
        if share.calls < most && is_first {
            share.calls += 1;
            share.probing |= is_probe;
            *total += 1;
            let of = Some((Arc::clone(self), host.to_owned()));
            return Ok(Turn::Now(Place { of, since: now, is_probe }));
        }
        if may_wait {
            let (give, given) = oneshot::channel();
            share.line.push_back(give);
            share.in_line += 1;
            *in_line += 1;
            *total += 1;
            return Ok(Turn::InLine(given));
        }
        drop(held);
        Err(self.later(host))
    }

    /// When to come again for who found no place.
    fn later(&self, host: &str) -> Shut {
        let now = Instant::now();
        let mut held = self.lock();
        let Some(share) = held.hosts.get(host) else { return Shut::Busy(SOONEST) };
        let pace = share.pace(held.most(self.count, share));
        let Some(share) = held.hosts.get_mut(host) else { return Shut::Busy(SOONEST) };
        share.next = (share.next + pace).clamp(now + SOONEST, now + LATEST);
        Shut::Busy(share.next - now)
    }

    fn leave(self: &Arc<Self>, host: &str, took: Duration, was_probe: bool) {
        let now = Instant::now();
        let mut held = self.lock();
        held.total = held.total.saturating_sub(1);
        if let Some(share) = held.hosts.get_mut(host) {
            share.calls = share.calls.saturating_sub(1);
            share.probing &= !was_probe;
            share.mean = (share.mean * 7 + took) / 8;
            share.freed = now;
        }
        if held.in_line > 0 {
            self.hand_on(&mut held, now);
        }
    }

    /// Gives free places to those in line: to the hosts' own, since one that calls less leaves more to others.
    fn hand_on(self: &Arc<Self>, held: &mut Held, now: Instant) {
        let waited_for = held.hosts.iter().filter(|(_, share)| !share.line.is_empty());
        let names: Vec<String> = waited_for.map(|(name, _)| name.clone()).collect();
        for name in names {
            while let Some(share) = held.hosts.get(&name) {
                let most = held.most(self.count, share);
                let Held { total, hosts, .. } = &mut *held;
                let Some(share) = hosts.get_mut(&name) else { break };
                if share.calls >= most {
                    break;
                }
                let Some(give) = share.line.pop_front() else { break };
                let of = Some((Arc::clone(self), name.clone()));
                match give.send(Place { of, since: now, is_probe: false }) {
                    Ok(()) => {
                        share.calls += 1;
                        *total += 1;
                    }
                    // Who waited for it is gone; it was nobody's place.
                    Err(mut place) => place.of = None,
                }
            }
        }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut held = self.0.lock();
        held.total = held.total.saturating_sub(1);
        held.in_line = held.in_line.saturating_sub(1);
        if let Some(share) = held.hosts.get_mut(self.1) {
            share.in_line = share.in_line.saturating_sub(1);
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

    /// Takes all places that a host gets without waiting.
    async fn fill(gate: &Gate, url: &str) -> Vec<Place> {
        let mut places = Vec::new();
        loop {
            tokio::select! {
                biased;
                Ok(place) = gate.enter(url) => places.push(place),
                () = tokio::task::yield_now() => return places,
            }
        }
    }

    fn held(gate: &Gate) -> (usize, usize) {
        let held = gate.0.as_ref().unwrap().lock();
        (held.total, held.in_line)
    }

    #[tokio::test]
    async fn a_host_gets_three_quarters_of_what_the_others_leave() {
        let gate = gate(200);
        let slow = fill(&gate, "https://slow.example/bot1/send").await;
        assert_eq!(slow.len(), 150);
        let other = fill(&gate, "https://other.example").await;
        assert_eq!(other.len(), 38);
        assert!(!fill(&gate, "https://third.example").await.is_empty());
        drop(slow);
        assert_eq!(fill(&gate, "https://other.example").await.len(), 150 - 38);
        drop(other);
        assert_eq!(held(&gate), (0, 0));
    }

    #[tokio::test]
    async fn the_smallest_worker_still_serves_everybody() {
        let gate = gate(1);
        let one = fill(&gate, "https://one.example").await;
        assert_eq!(one.len(), 1);
        assert_eq!(fill(&gate, "https://two.example").await.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_no_place_comes_when_one_is_free() {
        let gate = gate(4);
        for _ in 0..60 {
            let places = fill(&gate, "https://slow.example").await;
            assert_eq!(places.len(), 3);
            tokio::time::advance(Duration::from_secs(3)).await;
        }
        let _places = fill(&gate, "https://slow.example").await;
        let began = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..20 {
            waits.push(gate.enter("https://slow.example").await.unwrap_err().retry_in());
        }
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody stands in a line that does not move");
        let step = waits[3].checked_sub(waits[2]).unwrap();
        assert!((900..=1_000).contains(&step.as_millis()), "three places, three seconds each: {step:?}");
        assert!(waits.iter().all(|wait| *wait <= LATEST));
    }

    #[tokio::test(start_paused = true)]
    async fn where_places_become_free_quickly_some_wait_in_line_and_leave_room_to_others() {
        let gate = gate(200);
        let url = "https://quick.example";
        let mut places = fill(&gate, url).await;
        let ask = || {
            let gate = gate.clone();
            tokio::spawn(async move { gate.enter(url).await.map(|place| (place, Instant::now())) })
        };
        let line: Vec<_> = (0..60).map(|_| ask()).collect();
        let began = Instant::now();
        while held(&gate) != (150 + 37, 37) {
            tokio::task::yield_now().await;
        }
        assert_eq!(fill(&gate, "https://other.example").await.len(), 10);
        let free = async {
            while places.len() > 110 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                places.pop();
            }
        };
        let (answers, ()) = tokio::join!(futures_of(line), free);
        let given: Vec<_> = answers.iter().flatten().map(|(_, at)| *at - began).collect();
        assert_eq!(given.len(), 37);
        assert!(given.is_sorted(), "in the order of coming: {given:?}");
        assert!(answers.iter().filter(|answer| answer.is_err()).count() == 23);
        drop((answers, places));
        assert_eq!(held(&gate), (0, 0));
    }

    async fn futures_of<T>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
        let mut done = Vec::new();
        for task in tasks {
            done.push(task.await.unwrap());
        }
        done
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_goes_and_who_is_given_up_takes_nothing() {
        let gate = gate(8);
        let url = "https://stuck.example";
        let places = fill(&gate, url).await;
        let began = Instant::now();
        assert!(matches!(gate.enter(url).await, Err(Shut::Busy(_))));
        assert_eq!(began.elapsed(), PATIENCE);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(matches!(gate.enter(url).await, Err(Shut::Busy(_))));
        assert_eq!(began.elapsed(), PATIENCE + Duration::from_millis(1), "no place became free for long");
        drop(places);
        let mut places = fill(&gate, url).await;
        let waits = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(url).await }
        });
        while held(&gate).1 == 0 {
            tokio::task::yield_now().await;
        }
        // Given a place and given up at the same moment.
        places.pop();
        waits.abort();
        assert!(waits.await.is_err());
        drop(places);
        assert_eq!(held(&gate), (0, 0));
        assert_eq!(fill(&gate, url).await.len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn where_a_host_was_down_one_goes_first() {
        let second = Duration::from_secs(1);
        let config = BreakerConfig { unreachable: 1, first: second, ..BreakerConfig::default() };
        let hosts = Arc::new(Hosts::new(1_000, Some(config)));
        let gate = Gate::new(Arc::clone(&hosts), 100);
        let (url, name) = ("https://slow.example/x", "slow.example:443");
        let early = gate.enter(url).await.unwrap();
        hosts.of(name).watch(false).unwrap().end(Verdict::Unreachable);
        assert_eq!(early.shut(), Some(Shut::Down(second)));
        assert_eq!(gate.enter(url).await.err(), Some(Shut::Down(second)));
        tokio::time::advance(second).await;
        let probe = gate.enter(url).await.unwrap();
        assert_eq!(probe.shut(), None);
        assert!(early.shut().is_some(), "who came before it went down waits for the one who finds out");
        assert_eq!(gate.enter(url).await.err(), Some(Shut::Down(LOOK_AGAIN)));
        hosts.of(name).watch(false).unwrap().end(Verdict::Well);
        assert!(gate.enter(url).await.is_ok() && early.shut().is_none());
        drop(probe);
    }

    #[tokio::test]
    async fn the_default_lets_everything_through() {
        let gate = Gate::default();
        let mut places = Vec::new();
        for _ in 0..9 {
            places.push(gate.enter("https://x.example").await.unwrap());
        }
    }
}
