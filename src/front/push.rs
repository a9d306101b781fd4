//! Telling the queue what was committed: at once if it answers, in the background if it does not.

use std::sync::Arc;
use std::time::Duration;

use model::{Message, Scope, Status, Subject, Timestamp, Wait, WorkspaceId};
use queue::{HoldTarget, Push};
use store::StoreError;

use crate::Front;

/// A caller waits for the queue no longer than this: what is committed is acknowledged.
const PATIENCE: Duration = Duration::from_millis(20);
/// Pauses between tries. What fails to the end is found by the sweep.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];
/// So many pushes and holds are tried again at once; while the queue is away the sweep finds what comes on top.
pub(crate) const MOST_LATE: usize = 10_000;
/// The scheduler finds what lies further ahead.
const NEAR: Duration = Duration::from_mins(10);

impl Front {
    /// Pushes jobs whose rows are committed. Goes on when the caller has gone.
    pub(crate) async fn push(&self, pushes: Vec<Push>) {
        let lanes = self.lanes.clone();
        self.patiently(async move {
            for pause in PAUSES {
                match lanes.push(pushes.clone()).await {
                    Ok(_) => return,
                    Err(error) => tracing::warn!(%error, "a push failed; trying again"),
                }
                tokio::time::sleep(pause).await;
            }
        })
        .await;
    }

    /// Holds a lane, a queue or a key until somebody resumes it, or lifts that. The rows say the same, so a queue that
    /// does not answer only learns of it later.
    pub(crate) async fn set_hold(&self, target: HoldTarget, held: Option<&'static str>) {
        let lanes = self.lanes.clone();
        self.patiently(async move {
            for pause in PAUSES {
                let done = match held {
                    Some(rule) => lanes.hold(target.clone(), Wait::new(rule, Scope::Lane, None)).await,
                    None => lanes.resume(target.clone()).await,
                };
                match done {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%error, "a hold did not reach the queue; trying again"),
                }
                tokio::time::sleep(pause).await;
            }
        })
        .await;
    }

    /// Pushes a message that was accepted or is to be tried again, and the events told with it.
    pub(crate) async fn push_message(&self, message: &Message, channel: &str, now: Timestamp) {
        let job = self.job_of(message, channel, now).await;
        self.push([Push::relay_events(message.workspace_id)].into_iter().chain(job).collect()).await;
    }

    /// The job of a message that was accepted; none when its time is far.
    pub(crate) async fn job_of(&self, message: &Message, channel: &str, now: Timestamp) -> Option<Push> {
        match (message.status, message.seq, message.send_at) {
            (Status::Queued, Some(seq), _) => {
                let push = Push::send(
                    message.id.into(),
                    message.account_id,
                    message.conversation_id,
                    message.class,
                    seq,
                    Timestamp::ZERO,
                    self.channels.width(channel),
                );
                Some(push.routed(self.route(message.account_id, Some(channel)).await))
            }
            (Status::Scheduled, _, Some(at)) if at < now + NEAR => {
                let push = Push::release_message(message.id, message.account_id, at);
                Some(push.routed(self.pin(message.account_id).await))
            }
            _ => None,
        }
    }

    /// The job of a message or an action; none when it does not wait any more.
    pub(crate) async fn pending(&self, subject: Subject) -> Result<Option<Push>, StoreError> {
        let pending = self.store.pending_send(subject).await?;
        Ok(pending.map(|send| {
            Push::send(
                subject,
                send.account_id,
                send.conversation_id,
                send.class,
                send.seq,
                send.ready_at,
                self.channels.width(&send.channel),
            )
            .routed(send.route)
        }))
    }

    /// Has the events that were just committed numbered.
    pub(crate) async fn relay(&self, workspace: WorkspaceId) {
        self.push(vec![Push::relay_events(workspace)]).await;
    }

    async fn patiently(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(room) = Arc::clone(&self.late_pushes).try_acquire_owned() else {
            metrics::counter!("rookery_pushes_left_to_the_sweep_total").increment(1);
            return;
        };
        let work = tokio::spawn(async move {
            work.await;
            drop(room);
        });
        // Too slow is fine: the task goes on by itself.
        drop(tokio::time::timeout(PATIENCE, work).await);
    }
}
