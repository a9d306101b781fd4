//! `release-message`: queue a scheduled message whose time has come.

use std::time::Duration;

use model::{MessageId, Timestamp};
use queue::{Claimed, Push, Settle};

use crate::{App, JobError, Policy};

pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_secs(30), backoff: Duration::from_secs(1) };

pub(crate) async fn run(app: &App, claimed: Claimed, id: MessageId) -> Result<(), JobError> {
    app.store.release_message(id).await?;
    if let Some(send) = app.store.pending_send(id).await? {
        let width = app.channels.width(&send.channel);
        let push = Push::send_message(
            send.message_id,
            send.account_id,
            send.conversation_id,
            send.class,
            send.seq,
            Timestamp::ZERO,
            width,
        );
        app.lanes.push(vec![push]).await?;
    }
    Ok(claimed.settle(Settle::Done).await?)
}
