//! How many requests are under way to each host: one slow receiver must not take everybody's connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Beyond so many hosts, those without a request under way are forgotten: users' links name any number of them.
const REMEMBERED: usize = 1_024;

#[derive(Debug)]
pub(crate) struct Hosts {
    limit: usize,
    hosts: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Hosts {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), hosts: Mutex::new(HashMap::new()) }
    }

    /// Waits for a place among the requests to `host`. Given back by dropping it.
    pub(crate) async fn enter(&self, host: &str) -> OwnedSemaphorePermit {
        self.semaphore(host).acquire_owned().await.expect("the semaphore is never closed")
    }

    fn semaphore(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = hosts.get(host) {
            return Arc::clone(semaphore);
        }
        if hosts.len() >= REMEMBERED {
            hosts.retain(|_, semaphore| {
                Arc::strong_count(semaphore) > 1 || semaphore.available_permits() < self.limit
            });
        }
        let semaphore = Arc::new(Semaphore::new(self.limit));
        hosts.insert(host.to_owned(), Arc::clone(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hosts_without_requests_are_forgotten_and_others_keep_their_limit() {
        let hosts = Hosts::new(1);
        let busy = hosts.enter("busy").await;
        for n in 0..REMEMBERED * 2 {
            drop(hosts.enter(&n.to_string()).await);
        }
        assert!(hosts.hosts.lock().unwrap().len() <= REMEMBERED + 1);
        assert_eq!(hosts.semaphore("busy").available_permits(), 0);
        drop(busy);
        drop(hosts.enter("busy").await);
    }
}
