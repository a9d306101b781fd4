//! What the fleet does: one file a job, with its policy, its handler and its tests; and the loops around them.
//!
//! A job is a pointer to a row. Its handler reads the row again, does what is still to be done, and ends the claim as
//! done, to be tried again, or given up; it may run any number of times. Adding a job: a variant in `model::Job`, a file
//! here, a line in [`handle`].

/// Marks a place between two commits, at which tests may end the process.
#[cfg(feature = "faults")]
macro_rules! fault {
    ($name:literal) => {
        $crate::faults::reached($name)
    };
}
#[cfg(not(feature = "faults"))]
macro_rules! fault {
    ($name:literal) => {};
}

mod app;
mod attachment;
mod calling;
mod crew;
mod entry;
mod failing;
#[cfg(feature = "faults")]
mod faults;
mod feedback;
mod fetch_media;
#[cfg(test)]
mod fixture;
mod granting;
mod holds;
mod ingest_events;
mod lane_pace;
mod leader;
mod live;
mod outcome;
mod outgoing;
mod owners;
mod perform_action;
mod persist;
mod pins;
mod poll;
mod profiles;
mod recovery;
mod refresh_account;
mod relay_events;
mod release_message;
mod responses;
mod send_message;
mod sessions;
mod signs;
mod stop_words;
mod sweep;

use model::Job;
use queue::{Claimed, Lost, Settle};

pub use app::{App, Gates, Timing};
pub use crew::{Crew, CrewConfig};
pub use leader::Leader;
pub use recovery::{RecoveryError, load_lanes};

/// What a job may do before others step in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// How long a handler may take.
    pub(crate) timeout: std::time::Duration,
    /// The first pause after a failure; it doubles with each loss of the job.
    pub(crate) backoff: std::time::Duration,
}

/// Why a handler ended without ending its claim.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The store did not do it: the job is tried again.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// Somebody else has the job by now.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The queue did not take what the job pushed: the sweep will.
    #[error(transparent)]
    Queue(#[from] queue::QueueError),
}

pub(crate) const fn policy(job: Job) -> Policy {
    match job {
        Job::SendMessage(_) | Job::PerformAction(_) => outgoing::POLICY,
        Job::MarkRead(_) | Job::ShowTyping(_) | Job::HideTyping(_) => signs::POLICY,
        Job::ReleaseMessage(_) => release_message::POLICY,
        Job::IngestEvents(_) => ingest_events::POLICY,
        Job::FetchMedia(_) => fetch_media::POLICY,
        Job::RefreshAccount(_) => refresh_account::POLICY,
        Job::RelayEvents(_) => relay_events::POLICY,
    }
}

/// Runs one claimed job.
pub(crate) async fn handle(app: &App, claimed: Claimed) -> Result<(), JobError> {
    let id = claimed.claim().ticket.job.clone();
    let Ok(job) = id.0.parse::<Job>() else {
        app.bury(&claimed, "this release does not know such a job").await?;
        return Ok(claimed.settle(Settle::Fail).await?);
    };
    // A drain takes whatever rows there are: it is never given up, and the sweep would push it again. So it would a renewal,
    // whose row says when it is tried again.
    let is_drain = matches!(job, Job::IngestEvents(_) | Job::RelayEvents(_) | Job::RefreshAccount(_));
    if is_drain || claimed.claim().lost == 0 {
        return run(app, claimed, job).await;
    }
    if !app.survives(&claimed).await? {
        return match job {
            Job::SendMessage(message) => outgoing::give_up_on(app, claimed, message.into()).await,
            Job::PerformAction(action) => outgoing::give_up_on(app, claimed, action.into()).await,
            _ => Ok(claimed.settle(Settle::Fail).await?),
        };
    }
    run(app, claimed, job).await?;
    // It ended, one way or another: what took workers down before was not this job.
    Ok(app.store.forget_losses(&id.0).await?)
}

async fn run(app: &App, claimed: Claimed, job: Job) -> Result<(), JobError> {
    match job {
        Job::SendMessage(message) => outgoing::run(app, claimed, message.into()).await,
        Job::PerformAction(action) => outgoing::run(app, claimed, action.into()).await,
        Job::MarkRead(id) | Job::ShowTyping(id) | Job::HideTyping(id) => {
            signs::run(app, claimed, job, id).await
        }
        Job::ReleaseMessage(message) => release_message::run(app, claimed, message).await,
        Job::IngestEvents(account) => ingest_events::run(app, claimed, account).await,
        Job::FetchMedia(media) => fetch_media::run(app, claimed, media).await,
        Job::RefreshAccount(account) => refresh_account::run(app, claimed, account).await,
        Job::RelayEvents(workspace) => relay_events::run(app, claimed, workspace).await,
    }
}
