//! `fetch-media`: fetch a received file from its provider and store it. A provider's handle may end soon, so a file is
//! fetched as soon as its message is known, and what fails is tried again soon and not for long.

use std::time::Duration;

use channel::{ChannelError, ErrorClass, Login};
use futures::stream;
use media::{LARGEST, MediaError, PutError};
use model::{Connection, Hold, HoldReach, MediaId, Scope, Sending, Timestamp, Wait};
use queue::{Claimed, Push, Settle};
use store::{Fetch, FileFacts};

use crate::attachment::REST;
use crate::failing::{self, pause};
use crate::feedback::stop_account;
use crate::outcome::LOOK_AGAIN;
use crate::{App, JobError, Policy, entry};

pub(crate) const POLICY: Policy = Policy { timeout: Duration::from_mins(5), backoff: Duration::from_secs(2) };

/// Tries that were begun and brought nothing; then the file is given up.
const TRIES: i64 = 8;
/// How long one try may take.
const FETCH: Duration = Duration::from_mins(4);

pub(crate) async fn run(app: &App, claimed: Claimed, id: MediaId) -> Result<(), JobError> {
    let Some(fetch) = app.store.load_fetch(id).await? else {
        return Ok(claimed.settle(Settle::Done).await?);
    };
    let now = claimed.now();
    if let Some(next) = fetch.next_try_at.filter(|next| *next > now) {
        return Ok(claimed.settle(Settle::Later(next)).await?);
    }
    let Some((account, credentials)) = app.store.login(fetch.account_id).await? else {
        return give_up(app, claimed, &fetch, "account_deleted: the account it came to is gone").await;
    };
    let Some(channel) = app.channels.get(&account.channel).cloned() else {
        return Ok(claimed.park(Wait::new("channel_off", Scope::Lane, now + LOOK_AGAIN)).await?);
    };
    let Some(fetcher) = channel.media_fetcher() else {
        return give_up(app, claimed, &fetch, "unsupported: this channel hands out no files").await;
    };
    if account.connection != Connection::Connected {
        return Ok(claimed.park(Wait::new("disconnected", Scope::Lane, now + LOOK_AGAIN)).await?);
    }
    if !app.serves(&account) || !app.live.reaches(&account) {
        let width = Push::fetch_media(id, account.id).width;
        return app.pass_on(claimed, &account, width).await;
    }
    let probe = failing::probe_by_fetch(app, &account, now).await?;
    if account.sending == Sending::Stopped && probe.is_none() {
        let until = account.sending_until.unwrap_or(now + LOOK_AGAIN).min(now + LOOK_AGAIN).max(now + REST);
        return Ok(claimed.park(Wait::new("stopped", Scope::Lane, until)).await?);
    }
    if let Some(hold) = account.held(HoldReach::Account, now) {
        let (until, rule) = (hold.until, hold.rule.clone());
        return Ok(claimed.park(Wait::new(rule, Scope::Lane, until)).await?);
    }
    let _place = match entry::enter(&app.gates.media, channel.as_ref()).await {
        Ok(place) => place,
        Err(shut) => return entry::wait_outside(claimed, shut).await,
    };
    if fetch.tries >= TRIES {
        return give_up(app, claimed, &fetch, "worker_lost: its workers were lost while they fetched it")
            .await;
    }
    let _room = app.memory.room(fetch.media.size.unwrap_or(LARGEST / 8).min(LARGEST)).await;
    // A session that is about to close, or to be opened: the file is fetched when it is there.
    let Some(_pass) = app.live.enter(&account) else {
        return Ok(claimed.settle(Settle::Release).await?);
    };
    if !app.store.begin_fetch(id).await? {
        return Ok(claimed.settle(Settle::Done).await?);
    }
    let login = Login { account, credentials: credentials.into() };
    let brought = tokio::time::timeout(FETCH, fetcher.fetch(&login, &fetch.media, LARGEST)).await;
    let late = || ChannelError::retry("timeout", "the file did not come in time");
    match brought.unwrap_or_else(|_| Err(late())) {
        Ok(bytes) => {
            if probe.is_some() {
                app.store.end_stop(&login.account).await?;
                app.has_news(login.account.workspace_id).await;
            }
            store(app, claimed, &fetch, bytes).await
        }
        Err(error) => judge(app, claimed, &fetch, &login, error).await,
    }
}

async fn store(app: &App, claimed: Claimed, fetch: &Fetch, bytes: bytes::Bytes) -> Result<(), JobError> {
    let told = fetch.media.mime.as_deref();
    let source = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    match app.media.put(&fetch.file.key(), told, LARGEST, source).await {
        Ok(stored) => {
            let facts = FileFacts { mime: stored.mime, name: None, size: stored.size, sha256: stored.sha256 };
            app.store.finish_fetch(fetch, &facts).await?;
            count("stored");
            app.has_news(fetch.file.workspace_id).await;
            Ok(claimed.settle(Settle::Done).await?)
        }
        Err(PutError::Media(error @ MediaError::TooLarge { .. })) => {
            give_up(app, claimed, fetch, &format!("too_large: {error}")).await
        }
        Err(PutError::Media(error)) => {
            // It is not the file's fault: this counts for nothing.
            tracing::warn!(media.id = %fetch.file.id, %error, "a fetched file could not be stored");
            let next = claimed.now() + REST;
            postpone(app, claimed, fetch, next, false).await
        }
        Err(PutError::Source(never)) => match never {},
    }
}

async fn judge(
    app: &App,
    claimed: Claimed,
    fetch: &Fetch,
    login: &Login,
    error: ChannelError,
) -> Result<(), JobError> {
    let now = claimed.now();
    tracing::warn!(
        account.id = %login.account.id, media.id = %fetch.file.id, %error, "the provider did not hand out a file"
    );
    let (until, rule) = match error.class {
        ErrorClass::Permanent => return give_up(app, claimed, fetch, &error.to_string()).await,
        // Asking twice for a file does no harm.
        ErrorClass::Retry | ErrorClass::Ambiguous if login.account.sending == Sending::Stopped => {
            // Whether the stop is over is not known yet, and no fault of the file.
            let until = now + later(fetch);
            app.store.prolong_stop(&login.account, until).await?;
            (until, "stopped")
        }
        ErrorClass::Retry | ErrorClass::Ambiguous if fetch.tries + 1 >= TRIES => {
            return give_up(app, claimed, fetch, &error.to_string()).await;
        }
        ErrorClass::Retry | ErrorClass::Ambiguous => {
            let next = now + later(fetch);
            return postpone(app, claimed, fetch, next, true).await;
        }
        // What bulk must not do, asking for a file may, only not now.
        ErrorClass::BulkHeld(lasting) | ErrorClass::RecipientHeld(lasting) => {
            return postpone(app, claimed, fetch, now + lasting, false).await;
        }
        ErrorClass::RetryAfter(lasting) => {
            let lasting = lasting.unwrap_or_else(|| later(fetch));
            let (reach, rule) = (HoldReach::Account, "provider".to_owned());
            let hold = Hold { reach, rule, until: now + lasting, since: now, detail: None };
            app.store.hold_account(login.account.id, hold).await?;
            (now + lasting, "provider")
        }
        ErrorClass::AccountStopped { reason, lasting } => {
            let until = stop_account(app, &login.account, reason, now, lasting).await?;
            (until.unwrap_or(now + LOOK_AGAIN).min(now + LOOK_AGAIN), "stopped")
        }
    };
    app.store.postpone_fetch(fetch.file.id, now, false).await?;
    app.has_news(login.account.workspace_id).await;
    Ok(claimed.park(Wait::new(rule, Scope::Lane, until)).await?)
}

/// How long to wait after one more try that brought nothing.
fn later(fetch: &Fetch) -> Duration {
    pause(None, u32::try_from(fetch.tries).unwrap_or(0), 0.5)
}

async fn postpone(
    app: &App,
    claimed: Claimed,
    fetch: &Fetch,
    next: Timestamp,
    counts: bool,
) -> Result<(), JobError> {
    app.store.postpone_fetch(fetch.file.id, next, counts).await?;
    Ok(claimed.settle(Settle::Later(next)).await?)
}

async fn give_up(app: &App, claimed: Claimed, fetch: &Fetch, reason: &str) -> Result<(), JobError> {
    tracing::warn!(media.id = %fetch.file.id, reason, "a file is given up");
    app.store.fail_fetch(fetch, reason).await?;
    count("failed");
    app.has_news(fetch.file.workspace_id).await;
    Ok(claimed.settle(Settle::Done).await?)
}

fn count(outcome: &'static str) {
    metrics::counter!("rookery_media_fetched_total", "outcome" => outcome).increment(1);
}
