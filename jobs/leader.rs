//! The scheduler's leader: the sweep, what comes ahead of time, and housekeeping. One at a time in the fleet, by a lease in
//! the store; that two might lead for a moment does no harm, because every push is idempotent.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Class, Timestamp};
use store::StoreError;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::App;
use crate::recovery::{self, RecoveryError};

const LEASE: &str = "scheduler";
const LASTING: Duration = Duration::from_secs(6);
const BEAT: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(5);
/// How often accounts are counted.
const COUNT: Duration = Duration::from_secs(15);
const PURGE: Duration = Duration::from_mins(10);
/// A row is swept only when its push had this long to arrive.
const GRACE: Duration = Duration::from_secs(3);
/// Idempotency keys are kept for a day.
const KEYS: Duration = Duration::from_hours(24);
/// Provider events that were read are kept for a week, told events for a month.
const INBOUND: Duration = Duration::from_hours(24 * 7);
const EVENTS: Duration = Duration::from_hours(24 * 30);

/// The running loop of a process that may lead.
#[derive(Debug)]
pub struct Leader {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Leader {
    /// Starts to stand for leadership, and to lead while it has it.
    pub fn start(app: App) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(BEAT);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut duties = Duties::default();
            while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
                match app.store.take_lease(LEASE, app.worker, LASTING).await {
                    Ok(Some(_)) => {
                        if let Err(error) = duties.see_to(&app).await {
                            tracing::warn!(%error, "the scheduler could not do its round");
                        }
                    }
                    // Whoever leads counts.
                    Ok(None) => duties.count_none(),
                    Err(error) => tracing::warn!(%error, "the scheduler's lease could not be asked for"),
                }
            }
            if let Err(error) = app.store.release_lease(LEASE, app.worker).await {
                tracing::debug!(%error, "the scheduler's lease runs out by itself");
            }
        });
        Self { stop, running }
    }

    /// Ends the loop and gives leadership back.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the scheduler broke while it stopped");
        }
    }
}

#[derive(Default)]
struct Duties {
    swept: Option<Instant>,
    purged: Option<Instant>,
    counted: Option<Instant>,
    /// The states that were counted last: one that nobody is in any more is told as 0.
    states: BTreeSet<(String, String)>,
}

impl Duties {
    async fn see_to(&mut self, app: &App) -> Result<(), RecoveryError> {
        if let Some(redis) = &app.redis {
            recovery::ensure_queue(app, redis).await?;
        }
        recovery::push_outskirts(app, GRACE).await?;
        if due(&mut self.swept, SWEEP) {
            recovery::align_pauses(app).await?;
            recovery::push_media(app, GRACE).await?;
            for class in Class::ALL {
                let mut after = None;
                loop {
                    after = recovery::sweep(app, *class, GRACE, after).await?;
                    if after.is_none() {
                        break;
                    }
                }
            }
        }
        if due(&mut self.counted, COUNT) {
            self.count_accounts(app).await?;
        }
        if due(&mut self.purged, PURGE) {
            let now: Timestamp = app.clock.now();
            app.store.purge(now - KEYS, now - INBOUND, now - EVENTS, 5_000).await?;
        }
        Ok(())
    }

    fn count_none(&mut self) {
        for (channel, state) in std::mem::take(&mut self.states) {
            accounts(channel, state).set(0);
        }
    }

    async fn count_accounts(&mut self, app: &App) -> Result<(), StoreError> {
        let mut gone = std::mem::take(&mut self.states);
        for counted in app.store.accounts_by_state().await? {
            let (channel, state) = (counted.channel, counted.state);
            let number = u32::try_from(counted.accounts).unwrap_or(u32::MAX);
            accounts(channel.clone(), state.clone()).set(number);
            gone.remove(&(channel.clone(), state.clone()));
            self.states.insert((channel, state));
        }
        for (channel, state) in gone {
            accounts(channel, state).set(0);
        }
        Ok(())
    }
}

fn accounts(channel: String, state: String) -> metrics::Gauge {
    metrics::gauge!("rookery_accounts", "channel" => channel, "state" => state)
}

fn due(last: &mut Option<Instant>, every: Duration) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|last| now - last >= every);
    if due {
        *last = Some(now);
    }
    due
}
