//! The workers of a process: an apalis worker a queue, one beat for all, the accounts it owns, a stop that loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Monitor, WorkerBuilder};
use model::{Job, Queue, Timestamp};
use queue::{Claim, Claimed, Heart, LaneBackend, LaneStates, Settings, Settle, Unsettled};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::owners::Owners;
use crate::{App, handle, policy};

/// A stopping worker finishes or hands back what it holds within this time.
const STOP: Duration = Duration::from_secs(25);

/// What a process works on.
#[derive(Debug, Clone)]
pub struct CrewConfig {
    /// The queues, each with how many of its jobs may run at once.
    pub queues: BTreeMap<Queue, usize>,
}

impl CrewConfig {
    /// All queues, with `concurrency` jobs of each at once.
    pub fn all(concurrency: usize) -> Self {
        Self { queues: Queue::ALL.iter().map(|queue| (*queue, concurrency)).collect() }
    }
}

/// The running workers of a process.
#[derive(Debug)]
pub struct Crew {
    stop: CancellationToken,
    heart_stop: CancellationToken,
    heart: Heart,
    running: JoinHandle<()>,
    /// Whoever sends owns accounts, too: calls of an account with a session are made by its owner.
    owners: Option<Owners>,
}

/// The queues that a worker serves, each with how many of its jobs may run at once, and whether only those of lanes that are
/// routed to it.
fn served(config: &CrewConfig, only_pinned: bool) -> BTreeMap<Queue, (usize, bool)> {
    let each = config.queues.iter();
    let mut served: BTreeMap<_, _> =
        each.map(|(queue, concurrency)| (*queue, (*concurrency, only_pinned))).collect();
    // Who owns sessions does with them whatever takes one.
    if let Some((concurrency, _)) = served.get(&Queue::Send).copied() {
        for queue in [Queue::Automate, Queue::Media] {
            served.entry(queue).or_insert((concurrency, true));
        }
    }
    // What belongs to no account is others' work.
    served.retain(|queue, _| !only_pinned || !matches!(queue, Queue::Notify | Queue::Upkeep));
    served
}

#[derive(Debug)]
struct Policies;

impl queue::Policy for Policies {
    fn timeout(&self, claim: &Claim) -> Duration {
        claim.ticket.job.0.parse::<Job>().map_or(Duration::from_secs(30), |job| policy(job).timeout)
    }

    fn unsettled(&self, claim: &Claim, why: &Unsettled, now: Timestamp) -> Settle {
        let Ok(job) = claim.ticket.job.0.parse::<Job>() else {
            return Settle::Fail;
        };
        let pause = policy(job).backoff;
        // A panic comes again with the same row: much more slowly than a store that was away for a moment.
        let pause = if matches!(why, Unsettled::Panicked(_)) { pause * 30 } else { pause };
        Settle::Retry(now + pause.saturating_mul(1 + claim.lost))
    }
}

impl Crew {
    /// Starts to work.
    pub fn start(app: &App, config: &CrewConfig) -> Self {
        let (stop, heart_stop) = (CancellationToken::new(), CancellationToken::new());
        let heart = Heart::start(app.lanes.clone(), app.worker, heart_stop.clone());
        let states = LaneStates::default();
        let mut monitor = Monitor::new().shutdown_timeout(STOP);
        for (queue, (concurrency, own)) in served(config, app.only_pinned()) {
            let settings = Settings { queue, concurrency, own, policy: Arc::new(Policies) };
            let (app, heart, states, stop) = (app.clone(), heart.clone(), states.clone(), stop.clone());
            monitor = monitor.register(move |boot| {
                let backend = LaneBackend::new(heart.clone(), states.clone(), settings.clone(), &stop);
                let app = app.clone();
                WorkerBuilder::new(format!("{}-{}-{boot}", settings.queue, app.worker))
                    .backend(backend)
                    .build(move |claimed: Claimed| {
                        let app = app.clone();
                        async move {
                            handle(&app, claimed)
                                .await
                                .map_err(|error| Box::new(error) as Box<dyn std::error::Error + Send + Sync>)
                        }
                    })
            });
        }
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let signal = async move {
                stopped.cancelled().await;
                Ok(())
            };
            if let Err(error) = monitor.run_with_signal(signal).await {
                tracing::error!(%error, "the workers ended with an error");
            }
        });
        let owners = config.queues.contains_key(&Queue::Send).then(|| Owners::start(app.clone()));
        Self { stop, heart_stop, heart, running, owners }
    }

    /// Tells, whenever it is asked, whether the queue confirmed this worker's lease lately.
    pub fn liveness(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let heart = self.heart.clone();
        move || heart.confirmed_within(queue::LEASE)
    }

    /// Claims nothing more, finishes or hands back what it holds within 25 s, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        // First of all: others go on with its accounts while it finishes what it holds.
        if let Some(owners) = self.owners {
            owners.stop().await;
        }
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the workers broke while they stopped");
        }
        self.heart_stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(queues: &[Queue], only_pinned: bool) -> Vec<(Queue, bool)> {
        let config = CrewConfig { queues: queues.iter().map(|queue| (*queue, 9)).collect() };
        served(&config, only_pinned).into_iter().map(|(queue, (_, own))| (queue, own)).collect()
    }

    #[test]
    fn who_sends_does_with_its_sessions_whatever_takes_one() {
        let (send, automate, media) = (Queue::Send, Queue::Automate, Queue::Media);
        assert_eq!(told(&[send], false), [(send, false), (automate, true), (media, true)]);
        assert_eq!(told(&[send, media], false), [(send, false), (automate, true), (media, false)]);
        assert_eq!(told(&[media], false), [(media, false)]);
    }

    #[test]
    fn who_works_for_some_accounts_alone_does_nothing_else() {
        let all = told(Queue::ALL, true);
        assert!(all.iter().all(|(_, own)| *own), "{all:?}");
        assert!(!all.iter().any(|(queue, _)| matches!(queue, Queue::Notify | Queue::Upkeep)), "{all:?}");
    }
}
