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
    owners: Owners,
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
        for (queue, concurrency) in &config.queues {
            let settings = Settings { queue: *queue, concurrency: *concurrency, policy: Arc::new(Policies) };
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
        Self { stop, heart_stop, heart, running, owners: Owners::start(app.clone()) }
    }

    /// Whether the queue confirmed this worker's lease lately.
    pub fn is_live(&self) -> bool {
        self.heart.confirmed_within(queue::LEASE)
    }

    /// Claims nothing more, finishes or hands back what it holds within 25 s, and ends.
    pub async fn stop(self) {
        self.stop.cancel();
        // First of all: others go on with its accounts while it finishes what it holds.
        self.owners.stop().await;
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the workers broke while they stopped");
        }
        self.heart_stop.cancel();
    }
}
