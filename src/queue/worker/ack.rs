//! Around every handler: runs it on a task of its own, and settles whatever it does not.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use futures::future::BoxFuture;
use model::Timestamp;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tower::{Layer, Service};

use super::claimed::{Claimed, Hold};
use crate::{Claim, Settle};

/// How a handler ended that did not end its claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    /// It returned without a word about its job.
    Forgotten,
    /// It returned this error.
    Failed(String),
    /// It panicked with this message.
    Panicked(String),
    /// It took longer than [`Policy::timeout`] and was stopped.
    TimedOut,
}

impl Unsettled {
    /// The word for metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Forgotten => "forgotten",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::TimedOut => "timed_out",
        }
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forgotten => f.write_str("the handler returned without settling its job"),
            Self::Failed(error) => write!(f, "the handler failed: {error}"),
            Self::Panicked(message) => write!(f, "the handler panicked: {message}"),
            Self::TimedOut => f.write_str("the handler took too long"),
        }
    }
}

/// What becomes of jobs whose handlers do not say: whoever knows the jobs decides.
pub trait Policy: Send + Sync + fmt::Debug + 'static {
    /// How long a handler may take.
    fn timeout(&self, claim: &Claim) -> Duration;

    /// How to end a claim whose handler did not. `now` is lane time.
    fn unsettled(&self, claim: &Claim, why: &Unsettled, now: Timestamp) -> Settle;
}

/// The layer that a [`super::LaneBackend`] puts around handlers, inside nothing and outside everything else: it sees what
/// timeouts, panics and other layers made of a job.
#[derive(Debug, Clone)]
pub struct AckLayer(pub(super) Arc<dyn Policy>);

impl<S> Layer<S> for AckLayer {
    type Service = AckService<S>;

    fn layer(&self, inner: S) -> AckService<S> {
        AckService { inner, policy: Arc::clone(&self.0) }
    }
}

/// See [`AckLayer`].
#[derive(Debug, Clone)]
pub struct AckService<S> {
    inner: S,
    policy: Arc<dyn Policy>,
}

impl<S> Service<Task<Claimed>> for AckService<S>
where
    S: Service<Task<Claimed>>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Claimed>) -> Self::Future {
        let hold = Arc::clone(&task.args.0);
        let policy = Arc::clone(&self.policy);
        let timeout = policy.timeout(&hold.claim);
        let handler = match catch_unwind(AssertUnwindSafe(|| self.inner.call(task))) {
            Ok(handler) => handler,
            Err(panic) => {
                let why = Unsettled::Panicked(message(&*panic));
                return Box::pin(async move { finish(&hold, &*policy, Err(why), Instant::now()).await });
            }
        };
        // A task of its own: a panic stays in it, and handlers use all cores. It stops with its worker.
        let running = AbortOnDropHandle::new(tokio::spawn(async move {
            match tokio::time::timeout(timeout, handler).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(Unsettled::Failed(error.into().to_string())),
                Err(_) => Err(Unsettled::TimedOut),
            }
        }));
        let started = Instant::now();
        Box::pin(async move {
            let ended = running.await.unwrap_or_else(|error| Err(broken(error)));
            finish(&hold, &*policy, ended, started).await
        })
    }
}

fn broken(error: JoinError) -> Unsettled {
    match error.try_into_panic() {
        Ok(panic) => Unsettled::Panicked(message(&*panic)),
        Err(error) => Unsettled::Failed(error.to_string()),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Settles the claim if the handler did not.
async fn finish(
    hold: &Hold,
    policy: &dyn Policy,
    ended: Result<(), Unsettled>,
    started: Instant,
) -> Result<(), BoxDynError> {
    let queue = hold.claim.ticket.lane.queue.as_str();
    metrics::histogram!("rookery_job_seconds", "queue" => queue).record(started.elapsed().as_secs_f64());
    let why = match ended {
        Ok(()) if hold.has_ended() => return Ok(()),
        Ok(()) => Unsettled::Forgotten,
        Err(why) => why,
    };
    let ticket = &hold.claim.ticket;
    metrics::counter!("rookery_jobs_unsettled_total", "queue" => queue, "why" => why.as_str()).increment(1);
    tracing::warn!(job.name = %ticket.job, lane = %ticket.lane.name, %why, "a handler left its job to the policy");
    if !hold.has_ended() {
        let how = policy.unsettled(&hold.claim, &why, hold.now());
        // When the job is another worker's by now, nothing is left to do here.
        let _ = hold.settle(how, None).await;
    }
    Ok(())
}
