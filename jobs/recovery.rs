//! Deriving the queue from rows: after a start with an empty queue, and bit by bit for pushes that were lost.

use std::time::Duration;

use model::{Class, Queue, Scope, Subject, Wait};
use queue::{EpochError, HoldTarget, Push, QueueError, RedisEngine, RedisState};
use store::StoreError;

use crate::App;

/// Rows in one go.
const PAGE: u32 = 1_000;

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
    let jobs = load_lanes(app).await?;
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

/// One round of the sweep over a class: pushes heads that were due `grace` ago and that the queue does not hold. Gives the
/// place to go on from, none at the end.
pub(crate) async fn sweep(
    app: &App,
    class: Class,
    grace: Duration,
    after: Option<Subject>,
) -> Result<Option<Subject>, RecoveryError> {
    let due = app.clock.now() - grace;
    let heads = app.store.due_heads(class, due, after, PAGE).await?;
    let next = heads.last().filter(|_| heads.len() == PAGE as usize).map(|head| head.subject);
    if !heads.is_empty() {
        let found = app.lanes.push_if_absent(heads.iter().map(|head| app.push_of(head)).collect()).await?;
        if found > 0 {
            metrics::counter!("rookery_swept_jobs_total").increment(found as u64);
            tracing::info!(found, %class, "messages or actions were due that the queue did not hold");
        }
    }
    Ok(next)
}

/// Pushes the drains and the scheduled messages whose time is near: what is not a queued message.
pub(crate) async fn push_outskirts(app: &App, grace: Duration) -> Result<usize, RecoveryError> {
    let now = app.clock.now();
    let mut pushes: Vec<Push> = Vec::new();
    for account in app.store.accounts_with_inbound(now - grace, PAGE).await? {
        pushes.push(Push::ingest_events(account));
    }
    for workspace in app.store.workspaces_with_events(now - grace, PAGE).await? {
        pushes.push(Push::relay_events(workspace));
    }
    for scheduled in app.store.scheduled_sends(now + LOOK_AHEAD, PAGE).await? {
        pushes.push(Push::release_message(scheduled.message_id, scheduled.account_id, scheduled.send_at));
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
        let pushes = page.iter().map(|file| Push::fetch_media(file.media_id, file.account_id)).collect();
        app.lanes.push_if_absent(pushes).await?;
    }
}

/// How far ahead scheduled messages are handed to the queue, which then knows their time to the microsecond.
const LOOK_AHEAD: Duration = Duration::from_mins(1);
