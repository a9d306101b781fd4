//! `release-message`: queue a scheduled message whose time has come.

use std::time::Duration;

use model::MessageId;
use queue::{Claimed, Settle};

use crate::{App, JobError, Policy};

pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_secs(30), backoff: Duration::from_secs(1) };

pub(crate) async fn run(app: &App, claimed: Claimed, id: MessageId) -> Result<(), JobError> {
    app.store.release_message(id).await?;
    if let Some(send) = app.store.pending_send(id.into()).await? {
        app.lanes.push(vec![app.push_of(&send)]).await?;
    }
    Ok(claimed.settle(Settle::Done).await?)
}
