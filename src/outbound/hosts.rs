//! What is known of each host: how many requests are under way to it, and whether it is well. One slow receiver must not
//! take everybody's connections, and one that is down nobody's time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::breaker::{Breaker, BreakerConfig, Leave, Position, Verdict};

/// Beyond so many hosts, those without a request under way are forgotten: users' links name any number of them.
const REMEMBERED: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Hosts {
    limit: usize,
    breaker: Option<BreakerConfig>,
    by_name: Mutex<HashMap<String, Arc<Host>>>,
}

/// One host and port.
#[derive(Debug)]
pub(crate) struct Host {
    name: String,
    places: Arc<Semaphore>,
    breaker: Option<Mutex<Breaker>>,
}

/// How a host stands, for who is about to call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Well,
    /// Nobody knows: one call is to find out.
    Doubtful,
    /// Calls fail at once for so long.
    Down(Duration),
}

impl Hosts {
    pub(crate) fn new(limit: usize, breaker: Option<BreakerConfig>) -> Self {
        Self { limit: limit.max(1), breaker, by_name: Mutex::new(HashMap::new()) }
    }

    /// What is known of a host, from now on.
    pub(crate) fn of(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.lock();
        if let Some(host) = hosts.get(name) {
            return Arc::clone(host);
        }
        if hosts.len() >= REMEMBERED {
            hosts.retain(|_, host| {
                Arc::strong_count(host) > 1
                    || host.places.available_permits() < self.limit
                    || !host.breaker().is_none_or(|breaker| breaker.is_blank())
            });
        }
        let host = Arc::new(Host {
            name: name.to_owned(),
            places: Arc::new(Semaphore::new(self.limit)),
            breaker: self.breaker.map(|config| Mutex::new(Breaker::new(config))),
        });
        hosts.insert(name.to_owned(), Arc::clone(&host));
        host
    }

    /// How long calls to a host would fail at once, or whether the next one finds out if it is well again.
    pub(crate) fn standing(&self, name: &str) -> Standing {
        let Some(host) = self.lock().get(name).map(Arc::clone) else { return Standing::Well };
        let Some(breaker) = host.breaker() else { return Standing::Well };
        match breaker.closed_for(Instant::now(), false) {
            Some(left) => Standing::Down(left),
            None if breaker.is_open() => Standing::Doubtful,
            None => Standing::Well,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Host>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Waits for a place among the requests to the host. Given back by dropping it.
    pub(crate) async fn enter(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Leave to call the host, or for how long calls to it fail at once. `waits`: the call only waits for news.
    pub(crate) fn watch(self: &Arc<Self>, waits: bool) -> Result<Watch, Duration> {
        let leave = self.breaker().map(|mut breaker| breaker.ask(Instant::now(), waits)).transpose()?;
        Ok(Watch { host: Arc::clone(self), leave, waits })
    }

    fn breaker(&self) -> Option<MutexGuard<'_, Breaker>> {
        self.breaker.as_ref().map(|breaker| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&self, leave: Leave, waits: bool, verdict: Option<Verdict>) {
        let now = Instant::now();
        let Some(mut breaker) = self.breaker() else { return };
        let before = breaker.position(now);
        breaker.end(leave, waits, verdict, now);
        let after = breaker.position(now);
        drop(breaker);
        if before != after {
            self.tell(after);
        }
    }

    fn tell(&self, position: Position) {
        let gauge = metrics::gauge!("rookery_provider_breaker_open", "host" => self.name.clone());
        match position {
            Position::Open { lasting } => {
                gauge.set(1.0);
                metrics::counter!("rookery_provider_breaker_opened_total", "host" => self.name.clone())
                    .increment(1);
                tracing::warn!(host = self.name, ?lasting, "a provider is down: its calls wait");
            }
            Position::Closed => {
                gauge.set(0.0);
                tracing::info!(host = self.name, "a provider is well again");
            }
            Position::HalfOpen => {}
        }
    }
}

/// A call under way, whose end says something about its host.
#[derive(Debug)]
pub(crate) struct Watch {
    host: Arc<Host>,
    leave: Option<Leave>,
    waits: bool,
}

impl Watch {
    /// Says how the call ended; only the first word counts.
    pub(crate) fn end(&mut self, verdict: Verdict) {
        if let Some(leave) = self.leave.take() {
            self.host.end(leave, self.waits, Some(verdict));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(leave) = self.leave.take() {
            self.host.end(leave, self.waits, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_without_requests_are_forgotten_and_others_keep_what_is_known() {
        let config = BreakerConfig { unreachable: 1, ..BreakerConfig::default() };
        let hosts = Hosts::new(1, Some(config));
        let busy = hosts.of("busy").enter().await;
        hosts.of("down").watch(false).unwrap().end(Verdict::Unreachable);
        for n in 0..REMEMBERED * 2 {
            drop(hosts.of(&n.to_string()).enter().await);
        }
        assert!(hosts.lock().len() <= REMEMBERED + 2);
        assert_eq!(hosts.of("busy").places.available_permits(), 0);
        assert!(matches!(hosts.standing("down"), Standing::Down(_)));
        drop(busy);
        drop(hosts.of("busy").enter().await);
    }
}
