//! A queue as apalis sees it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use futures::future::BoxFuture;
use model::Queue;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ack::{AckLayer, Policy};
use super::claimed::{Bench, Claimed};
use super::claiming::Claiming;
use super::heart::Heart;
use super::states::LaneStates;

/// How a worker serves one queue.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The queue.
    pub queue: Queue,
    /// How many of its jobs may run at once here; at least 1.
    pub concurrency: usize,
    /// Whether it serves nothing but the lanes that are routed to this worker.
    pub own: bool,
    /// What becomes of jobs whose handlers do not settle them.
    pub policy: Arc<dyn Policy>,
}

/// One queue, served by one worker: give it to an apalis `WorkerBuilder` with a handler that takes a [`Claimed`].
///
/// It claims no more than it has free slots, from the moment that its apalis worker runs. Stopping (by the token, or by the
/// apalis worker's own stop) claims nothing more, hands back what was not started, lets what runs finish, and ends the
/// worker; whoever waits for no longer than that drops the worker, and what still ran is handed back, too.
#[derive(Debug)]
pub struct LaneBackend {
    settings: Settings,
    bench: Bench,
    stop: CancellationToken,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing is claimed before apalis asks for the first time.
    Idle,
    Running(mpsc::UnboundedReceiver<Claimed>),
    Closing(Closing),
}

struct Closing(BoxFuture<'static, ()>);

impl std::fmt::Debug for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Closing")
    }
}

impl LaneBackend {
    /// A queue served for a worker that beats. `states` is one for the process.
    pub fn new(heart: Heart, states: LaneStates, settings: Settings, stop: &CancellationToken) -> Self {
        Self {
            settings,
            bench: Bench { heart, states, tracker: TaskTracker::new() },
            stop: stop.child_token(),
            state: State::Idle,
        }
    }

    fn start(&self, context: &WorkerContext) -> mpsc::UnboundedReceiver<Claimed> {
        let (jobs, received) = mpsc::unbounded_channel();
        let claiming = Claiming {
            bench: self.bench.clone(),
            queue: self.settings.queue,
            own: self.settings.own,
            slots: Arc::new(Semaphore::new(self.settings.concurrency.max(1))),
            jobs,
            stop: self.stop.clone(),
        };
        self.bench.tracker.spawn(claiming.run(context.clone()));
        received
    }
}

impl Backend for LaneBackend {
    type Task = Task<Claimed>;
    // An engine that does not answer is waited for, so nothing here ever ends a worker.
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        context: &WorkerContext,
    ) -> Poll<Option<Result<Task<Claimed>, Infallible>>> {
        if matches!(self.state, State::Idle) {
            self.state = State::Running(self.start(context));
        }
        let State::Running(jobs) = &mut self.state else {
            return Poll::Ready(None);
        };
        match jobs.poll_recv(cx) {
            // Dropping it hands it back.
            Poll::Ready(Some(claimed)) if self.stop.is_cancelled() => {
                drop(claimed);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(claimed)) => {
                let id = TaskId::from_string(claimed.claim().ticket.job.to_string());
                Poll::Ready(Some(Ok(TaskBuilder::new(claimed).task_id(id).build())))
            }
            Poll::Ready(None) => {
                // To apalis a stream that ended does not end its worker. It has started, so it can be stopped.
                let _ = context.stop();
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        if !matches!(self.state, State::Closing(_)) {
            self.stop.cancel();
            self.bench.tracker.close();
            let tracker = self.bench.tracker.clone();
            // Dropping the channel hands back what nobody took out of it.
            self.state = State::Closing(Closing(Box::pin(async move { tracker.wait().await })));
        }
        match &mut self.state {
            State::Closing(Closing(closing)) => Pin::new(closing).poll(cx).map(Ok),
            State::Idle | State::Running(_) => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for LaneBackend {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl BackendConfig for LaneBackend {
    type Args = Claimed;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Settings;
    type Layer = AckLayer;

    fn config(&self) -> &Settings {
        &self.settings
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> AckLayer {
        AckLayer(Arc::clone(&self.settings.policy))
    }
}
