//! Deriving the queue from rows: after a start with an empty queue, and bit by bit for pushes that were lost.

use std::time::Duration;

use model::{Class, Queue, Scope, Wait};
use queue::{EpochError, HoldTarget, Push, QueueError, RedisEngine, RedisState};
use store::{PendingMedia, StoreError};
use tokio::time::Instant;

use crate::App;

/// Rows in one go.
pub(crate) const PAGE: u32 = 1_000;

/// Why rows could not be turned into jobs. Trying again is safe: pushes are idempotent.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue did not take the jobs.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The queue did not begin anew.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The number of the queue's epochs is used up.
    #[error(
        "the queue's epoch {0} is out of range: set the number in table queue_epoch back and flush Redis"
    )]
    OutOfRange(i64),
    /// A step took longer than it may.
    #[error("to {0} took too long")]
    Late(&'static str),
}

/// Pushes every job that rows tell of, urgent ones first, and says how many. What waits by its row is pushed as due: its
/// handler reads the row and waits in its own place, so that it keeps those behind it waiting too.
pub async fn load_lanes(app: &App) -> Result<usize, RecoveryError> {
    // First of all: nothing of a paused queue may slip through while the rest is loaded.
    align_pauses(app).await?;
    let mut loaded = 0;
    for class in Class::ALL {
        let mut after = None;
        loop {
            let page = app.store.unfinished_sends(*class, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.subject);
            loaded += page.len();
            app.lanes.push_if_absent(page.iter().map(|send| app.push_of(send)).collect()).await?;
            fault!("recovery_half");
        }
    }
    loaded += push_outskirts(app, Duration::ZERO).await?;
    loaded += push_media(app, Duration::ZERO).await?;
    Ok(loaded)
}

/// Sees that the shared queue holds what rows tell of: after a restart, a flush or a failover everything is pushed anew
/// under a new epoch. Workers claim nothing meanwhile; what they have under way ends by the rows alone.
pub(crate) async fn ensure_queue(app: &App, redis: &RedisEngine) -> Result<(), RecoveryError> {
    let reason = match redis.state().await? {
        RedisState::Ready { .. } => return Ok(()),
        // Only the leader loads, so whoever began this is gone.
        RedisState::Loading { epoch } => format!("epoch {epoch} was begun but not opened"),
        RedisState::Lost { reason } => reason,
    };
    let number = app.store.raise_epoch().await?;
    let epoch = u64::try_from(number).map_err(|_| RecoveryError::OutOfRange(number))?;
    tracing::warn!(reason, epoch, "the queue is lost and derived from rows");
    metrics::counter!("rookery_queue_recoveries_total").increment(1);
    redis.begin_epoch(epoch).await?;
    fault!("recovery_begun");
    let begun = Instant::now();
    let jobs = load_lanes(app).await?;
    // Who was confirmed just before the loss may still begin a call, which no state derived before it would count. There is
    // nobody before the first epoch.
    if epoch > 1 {
        tokio::time::sleep_until(begun + app.timing.confirmed).await;
    }
    fault!("recovery_loaded");
    redis.open().await?;
    tracing::info!(jobs, epoch, "the queue is whole again");
    Ok(())
}

/// Holds the queues that are paused by their rows, and lets go of those that are not any more.
pub(crate) async fn align_pauses(app: &App) -> Result<(), RecoveryError> {
    let paused = app.store.paused_queues().await?;
    for queue in Queue::ALL {
        let held = app.lanes.inspect(*queue, 0).await?.held.is_some_and(|wait| wait.rule == PAUSED);
        match (paused.contains(queue), held) {
            (true, false) => {
                app.lanes.hold(HoldTarget::Queue(*queue), Wait::new(PAUSED, Scope::Lane, None)).await?;
            }
            (false, true) => app.lanes.resume(HoldTarget::Queue(*queue)).await?,
            _ => {}
        }
    }
    Ok(())
}

/// The rule of an operator's pause.
const PAUSED: &str = "paused";

/// Pushes the drains and the scheduled messages whose time is near: what is not a queued message.
pub(crate) async fn push_outskirts(app: &App, grace: Duration) -> Result<usize, RecoveryError> {
    let now = app.clock.now();
    let mut pushes: Vec<Push> = Vec::new();
    for account in app.store.accounts_with_inbound(now - grace, PAGE).await? {
        pushes.push(Push::ingest_events(account.account_id).routed(account.pinned_to));
    }
    for workspace in app.store.workspaces_with_events(now - grace, PAGE).await? {
        pushes.push(Push::relay_events(workspace));
    }
    for scheduled in app.store.scheduled_sends(now + LOOK_AHEAD, PAGE).await? {
        let (message, account, at) = (scheduled.message_id, scheduled.account_id, scheduled.send_at);
        pushes.push(Push::release_message(message, account, at).routed(scheduled.pinned_to));
    }
    let count = pushes.len();
    if count > 0 {
        app.lanes.push_if_absent(pushes).await?;
    }
    Ok(count)
}

/// Pushes the received files that are to be fetched, as many as there are: those of a stopped account must not stand before
/// others.
pub(crate) async fn push_media(app: &App, grace: Duration) -> Result<usize, RecoveryError> {
    let due = app.clock.now() - grace;
    let (mut after, mut count) = (None, 0);
    loop {
        let page = app.store.pending_media(due, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some(last.media_id);
        count += page.len();
        let push = |file: &PendingMedia| Push::fetch_media(file.media_id, file.account_id).routed(file.route);
        let pushes = page.iter().map(push).collect();
        app.lanes.push_if_absent(pushes).await?;
    }
}

/// Pushes the renewals of credentials that are due.
pub(crate) async fn push_refreshes(app: &App) -> Result<usize, RecoveryError> {
    let due = app.store.due_refreshes(app.clock.now(), PAGE).await?;
    let count = due.len();
    if count > 0 {
        app.lanes.push_if_absent(due.into_iter().map(Push::refresh_account).collect()).await?;
    }
    Ok(count)
}

/// How far ahead scheduled messages are handed to the queue, which then knows their time to the microsecond.
const LOOK_AHEAD: Duration = Duration::from_mins(1);
