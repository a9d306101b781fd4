//! `relay-events`: number a workspace's new events and announce them. Nothing else numbers events.

use std::time::Duration;

use model::WorkspaceId;
use queue::{Claimed, Settle};

use crate::{App, JobError, Policy};

pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_secs(30), backoff: Duration::from_millis(200) };

/// Events in one transaction.
const BATCH: u32 = 500;
/// Batches in one go; then others get their turn.
const BATCHES: u32 = 20;

pub(crate) async fn run(app: &App, claimed: Claimed, id: WorkspaceId) -> Result<(), JobError> {
    for _ in 0..BATCHES {
        let relayed = app.store.number_events(id, BATCH).await?;
        fault!("relay_numbered");
        if relayed.count > 0 {
            app.hints.announce(id, relayed.last);
        }
        fault!("relay_announced");
        if relayed.count < BATCH as usize {
            return Ok(claimed.settle(Settle::Done).await?);
        }
    }
    let now = claimed.now();
    Ok(claimed.settle(Settle::Later(now)).await?)
}
