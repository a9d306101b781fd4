//! `mark-read`, `show-typing`, `hide-typing`: signs for the other side of a conversation.
//!
//! They have no rows, because nobody misses one that is lost, and a late one would be a lie: what waited for more than
//! five seconds is dropped, and so is what the provider does not take. Their payload is the conversation; what is to be
//! marked as read is looked up when it is done.

use std::time::Duration;

use channel::{ChannelError, Login};
use model::{ConversationId, Job, Sending};
use queue::{Claimed, Settle};

use crate::{App, JobError, Policy, entry, holds};

pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_secs(10), backoff: Duration::from_secs(1) };

/// After so long in the queue a sign says nothing true any more.
const LASTING: Duration = Duration::from_secs(5);

pub(crate) async fn run(app: &App, claimed: Claimed, sign: Job, id: ConversationId) -> Result<(), JobError> {
    if claimed.now().since(claimed.claim().ready_at) <= LASTING {
        let shown = tokio::time::timeout(LASTING, show(app, sign, id)).await;
        if let Ok(Err(error)) = shown {
            tracing::debug!(conversation.id = %id, %error, sign = sign.name(), "a sign was not shown");
        }
    }
    Ok(claimed.settle(Settle::Done).await?)
}

#[derive(Debug, thiserror::Error)]
enum SignError {
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

async fn show(app: &App, sign: Job, id: ConversationId) -> Result<(), SignError> {
    let Some(view) = app.store.load_sign(id).await? else { return Ok(()) };
    let account = &view.account;
    if !app.serves(account)
        || account.sending != Sending::Active
        || holds::all_held(account, app.clock.now()).is_some()
    {
        return Ok(());
    }
    let Some(channel) = app.channels.get(&account.channel) else { return Ok(()) };
    let Ok(_place) = entry::enter(&app.gates.send, channel.as_ref()).await else { return Ok(()) };
    // Nobody misses a sign for which the session is not at hand.
    let Some(_pass) = app.live.enter(account) else { return Ok(()) };
    let login = Login { account: view.account.clone(), credentials: view.credentials.into() };
    match sign {
        Job::MarkRead(_) => {
            if let (Some(reader), Some(last)) = (channel.reader(), view.last_inbound) {
                reader.mark_read(&login, &view.chat, &last).await?;
            }
        }
        _ => {
            if let Some(typist) = channel.typist() {
                typist.typing(&login, &view.chat, matches!(sign, Job::ShowTyping(_))).await?;
            }
        }
    }
    Ok(())
}
