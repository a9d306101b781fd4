//! The scheduler's leader: the sweep, what comes ahead of time, and housekeeping. One at a time in the fleet, by a lease in
//! the store; that two might lead for a moment does no harm, because every push is idempotent.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::{AccountId, Timestamp};
use serde_json::json;
use store::StoreError;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::recovery::{self, RecoveryError};
use crate::sweep::Sweep;
use crate::{App, feedback};

const LEASE: &str = "scheduler";
const LASTING: Duration = Duration::from_secs(6);
const BEAT: Duration = Duration::from_secs(1);
/// How long a step of a round may take, and how long a recovery. Who takes longer gives leadership up.
const STEP: Duration = Duration::from_secs(30);
const RECOVERY: Duration = Duration::from_mins(10);
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
                        // A round that is given up in the middle does no harm: the next one begins anew.
                        let led = Box::pin(lead(&app, &mut duties));
                        if stopped.run_until_cancelled(led).await == Some(Standing::Stuck) {
                            give_way(&app, &stopped).await;
                            duties.rest();
                        }
                    }
                    // Whoever leads counts.
                    Ok(None) => duties.rest(),
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

/// How a leader stands after a round.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It goes on.
    Well,
    /// A step of it did not end: another process may fare better.
    Stuck,
}

/// One round. The lease is renewed meanwhile, since a recovery takes longer than it lasts; when it went elsewhere the round is
/// given up.
async fn lead(app: &App, duties: &mut Duties) -> Standing {
    let kept = async {
        loop {
            tokio::time::sleep(BEAT).await;
            match app.store.take_lease(LEASE, app.worker, LASTING).await {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => tracing::debug!(%error, "the scheduler's lease was not renewed"),
            }
        }
    };
    let done = tokio::select! {
        done = duties.see_to(app) => done,
        () = kept => {
            tracing::warn!("another process leads now; the round is given up");
            return Standing::Well;
        }
    };
    let Err(error) = done else { return Standing::Well };
    tracing::warn!(%error, "the scheduler could not do its round");
    if matches!(error, RecoveryError::Late(_)) { Standing::Stuck } else { Standing::Well }
}

/// Gives leadership back, for long enough that somebody else takes it.
async fn give_way(app: &App, stopped: &CancellationToken) {
    if let Err(error) = app.store.release_lease(LEASE, app.worker).await {
        tracing::debug!(%error, "the scheduler's lease runs out by itself");
    }
    stopped.run_until_cancelled(tokio::time::sleep(LASTING)).await;
}

/// A step that may take so long and no longer.
async fn within<T, E: Into<RecoveryError>>(
    limit: Duration,
    what: &'static str,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, RecoveryError> {
    match tokio::time::timeout(limit, step).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(RecoveryError::Late(what)),
    }
}

#[derive(Default)]
struct Duties {
    sweep: Sweep,
    swept: Option<Instant>,
    purged: Option<Instant>,
    counted: Option<Instant>,
    /// The states that were counted last: one that nobody is in any more is told as 0.
    states: BTreeSet<(String, String)>,
    /// The accounts that nobody worked for at the last count, and whether that was told.
    unserved: HashMap<AccountId, bool>,
}

impl Duties {
    async fn see_to(&mut self, app: &App) -> Result<(), RecoveryError> {
        if let Some(redis) = &app.redis {
            within(RECOVERY, "derive the queue", Box::pin(recovery::ensure_queue(app, redis))).await?;
        }
        within(STEP, "look at what came in", recovery::push_outskirts(app, GRACE)).await?;
        if due(&mut self.swept, SWEEP) {
            within(STEP, "look at paused queues", recovery::align_pauses(app)).await?;
            within(STEP, "look for files", recovery::push_media(app, GRACE)).await?;
            within(STEP, "look for credentials to renew", recovery::push_refreshes(app)).await?;
            within(STEP, "sweep", Box::pin(self.sweep.round(app, GRACE))).await?;
        }
        if due(&mut self.counted, COUNT) {
            within(STEP, "count accounts", self.count_accounts(app)).await?;
            within(STEP, "look for accounts that nobody serves", self.tell_unserved(app)).await?;
        }
        if due(&mut self.purged, PURGE) {
            let now: Timestamp = app.clock.now();
            let purge = app.store.purge(now - KEYS, now - INBOUND, now - EVENTS, 5_000);
            within(STEP, "purge", purge).await?;
        }
        Ok(())
    }

    /// Somebody else leads: what was counted and seen is theirs to know.
    fn rest(&mut self) {
        self.sweep = Sweep::default();
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

    /// Tells a person of accounts whose worker is gone for longer than a restart takes: at the second look.
    async fn tell_unserved(&mut self, app: &App) -> Result<(), StoreError> {
        let mut before = std::mem::take(&mut self.unserved);
        for account in app.store.unserved_accounts().await? {
            let told = before.remove(&account.id);
            if told == Some(false) {
                feedback::alert(app, &account, "unserved", json!({"detail": UNSERVED})).await;
            }
            self.unserved.insert(account.id, told.is_some());
        }
        Ok(())
    }
}

/// What a person is told about an account that nobody works for.
const UNSERVED: &str = "no worker serves this account: the one that it is pinned to is gone";

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
