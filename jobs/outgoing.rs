//! What messages and actions have in common on their way out.
//!
//! ```text
//! load rows → admit → grant → typing → commit the attempt → provider call → commit the outcome → settle
//! ```
//! Who waits holds nothing: it parks. A call starts only if its attempt is committed and the worker's lease was confirmed
//! just now; its outcome is tried until it is committed. So a call without a committed end means that the worker died,
//! and what then becomes of a message is the account's choice (`redelivery`). An action is idempotent at its provider: it
//! is simply tried again.

use std::sync::Arc;
use std::time::Duration;

use channel::{Accepted, Channel, ChannelError, Login};
use model::{Redelivery, Scope, Sending, Status, Subject, Timestamp};
use pacing::{Grant, Profile, State};
use queue::{Claimed, Settle};
use store::{Ended, NewAttempt, OutcomeKind, SendView, StoreError};

use crate::attachment::{Attachment, AttachmentError};
use crate::granting::{self, Admitted, give_back};
use crate::holds::{held_by_rows, lift_if_crossed};
use crate::outcome::{self, LOOK_AGAIN, Verdict};
use crate::{App, JobError, Policy, attachment, lane_pace, perform_action, send_message};

/// No timeout: each step has its own, and an outcome must be committed however long the store is away.
pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_hours(24 * 365), backoff: Duration::from_secs(1) };

/// How long a lane rests when the store did not answer.
const STORE_REST: Duration = Duration::from_secs(1);
/// What took so many workers down with it is given up.
const LOST: i64 = 3;
/// How long showing "typing" may take; the message does not wait for it.
const TYPING: Duration = Duration::from_secs(5);

pub(crate) async fn run(app: &App, claimed: Claimed, subject: Subject) -> Result<(), JobError> {
    let loaded = app.store.load_send(subject).await;
    let view = match loaded {
        Ok(Some(view)) if view.is_unfinished() => view,
        Ok(_) => return Ok(claimed.settle(Settle::Done).await?),
        Err(error) => return rest(claimed, &error).await,
    };
    let Some(channel) = app.channels.get(&view.account.channel).cloned() else {
        let until = claimed.now() + LOOK_AGAIN;
        return Ok(claimed.park(until, "channel_off", Scope::Lane).await?);
    };
    if let Some((until, rule, scope)) = held_by_rows(&view, claimed.now()) {
        let (lane, now) = (claimed.claim().ticket.lane.clone(), claimed.now());
        claimed.park(until, &rule, scope).await?;
        return lift_if_crossed(app, &view.account, lane, now).await;
    }
    if let Some(open) = view.open {
        let over = app.call_is_over(open.worker, open.started_at, call_time(app, &view));
        if over > claimed.now() {
            return Ok(claimed.park(over, "open_attempt", Scope::Job).await?);
        }
        return close_lost(app, claimed, &view, open.id).await;
    }
    if let Some(earlier) = view.earlier {
        return let_pass(app, claimed, &view, earlier).await;
    }
    if let Some(reason) = hopeless(&view) {
        return give_up(app, claimed, &view, Status::Failed, reason).await;
    }
    if view.account.sending == Sending::Stopped {
        // Its time is over: the row says so before anything leaves.
        let account = &view.account;
        app.store
            .set_sending(account.workspace_id, account.id, Sending::Active, None, None, "system")
            .await?;
        app.has_news(account.workspace_id).await;
    }
    send(app, claimed, view, channel).await
}

/// Why the provider need not be asked at all.
fn hopeless(view: &SendView) -> Option<String> {
    match &view.action {
        Some(action) => perform_action::hopeless(&view.message, action),
        None => view.is_blocked.then(|| "blocked: the contact blocked the account".to_owned()),
    }
}

/// Ends what took too many workers down with it.
pub(crate) async fn give_up_on(app: &App, claimed: Claimed, subject: Subject) -> Result<(), JobError> {
    match app.store.load_send(subject).await? {
        Some(view) if view.is_unfinished() => {
            let reason = "worker_lost: the workers that had it were lost, again and again".to_owned();
            // A call without an end may have reached the provider.
            let status = if view.open.is_some() || view.lost > 0 { Status::Unknown } else { Status::Failed };
            give_up(app, claimed, &view, status, reason).await
        }
        _ => Ok(claimed.settle(Settle::Done).await?),
    }
}

/// Ends it without a call.
async fn give_up(
    app: &App,
    claimed: Claimed,
    view: &SendView,
    status: Status,
    reason: String,
) -> Result<(), JobError> {
    let ended = outcome::blank(view, None, claimed.now());
    commit(app, Ended { status, reason: Some(reason), ..ended }).await;
    app.has_news(view.message.workspace_id).await;
    Ok(claimed.settle(Settle::Done).await?)
}

/// The call before this one has no end, and nobody is left who could write it.
async fn close_lost(
    app: &App,
    claimed: Claimed,
    view: &SendView,
    attempt: model::AttemptId,
) -> Result<(), JobError> {
    let blank = outcome::blank(view, Some(attempt), claimed.now());
    let lost = Ended { outcome: OutcomeKind::Lost, error_code: Some("worker_lost".to_owned()), ..blank };
    let (ended, settle) = match outcome::redelivery(view) {
        Redelivery::AtMostOnce => {
            let reason = Some("worker_lost: the call's outcome is not known".to_owned());
            (Ended { status: Status::Unknown, reason, ..lost }, Settle::Done)
        }
        Redelivery::AtLeastOnce if view.lost + 1 >= LOST => {
            app.bury(&claimed, "its calls took their workers down").await?;
            let reason = Some(format!(
                "worker_lost: {} workers were lost while sending it; whether the provider took it is not known",
                view.lost + 1
            ));
            (Ended { status: Status::Unknown, reason, ..lost }, Settle::Fail)
        }
        Redelivery::AtLeastOnce => (Ended { status: Status::Queued, ..lost }, Settle::Release),
    };
    match app.store.end_attempt(ended).await {
        Ok(()) => {
            app.has_news(view.message.workspace_id).await;
            Ok(claimed.settle(settle).await?)
        }
        Err(error) => rest(claimed, &error).await,
    }
}

/// Something earlier of the same conversation and class is unfinished, so its push was lost: it goes first.
async fn let_pass(app: &App, claimed: Claimed, view: &SendView, earlier: Subject) -> Result<(), JobError> {
    if let Some(first) = app.store.pending_send(earlier).await? {
        app.lanes.push_if_absent(vec![app.push_of(&first)]).await?;
        tracing::info!(message.id = %view.message.id, earlier = %earlier, "what is earlier goes first");
    }
    let until = claimed.now() + Duration::from_millis(100);
    Ok(claimed.park(until, "order", Scope::Job).await?)
}

async fn send(
    app: &App,
    claimed: Claimed,
    view: SendView,
    channel: Arc<dyn Channel>,
) -> Result<(), JobError> {
    let width = channel.capabilities().width;
    let profile = match lane_pace::profile(channel.capabilities(), &view.account) {
        Ok(profile) => profile,
        Err(error) => {
            tracing::error!(account.id = %view.account.id, %error, "an account's pacing cannot be used");
            let until = claimed.now() + LOOK_AGAIN;
            return Ok(claimed.park(until, "pacing_settings", Scope::Lane).await?);
        }
    };
    let grant = match granting::admit(app, &claimed, &view, &profile, width).await? {
        Admitted::Go(grant) => grant,
        Admitted::Park { until, rule, scope } => {
            metrics::counter!("rookery_pacing_waits_total", "rule" => rule.clone()).increment(1);
            return Ok(claimed.park(until, &rule, scope).await?);
        }
        Admitted::Refused(reason) => {
            return give_up(app, claimed, &view, Status::Skipped, format!("refused: {reason}")).await;
        }
    };
    let login = Login { account: view.account.clone(), credentials: view.credentials.clone().into() };
    show_typing(&channel, &login, &view, &grant);
    let file = match attachment(app, channel.as_ref(), &view).await {
        Ok(file) => file,
        Err(AttachmentError::Never(reason)) => {
            let ended = outcome::blank(&view, None, claimed.now());
            commit(app, Ended { reason: Some(reason), ..ended }).await;
            app.has_news(view.message.workspace_id).await;
            return give_back(app, claimed, &profile, &grant, Settle::Done).await;
        }
        Err(AttachmentError::Later(error)) => {
            tracing::warn!(message.id = %view.message.id, error, "the file of a message is not at hand yet");
            let later = claimed.now() + attachment::REST;
            return give_back(app, claimed, &profile, &grant, Settle::Retry(later)).await;
        }
    };
    app.sleep_until(&claimed, grant.call_at).await;

    if !claimed.confirmed_within(app.timing.confirmed) {
        return give_back(app, claimed, &profile, &grant, Settle::Release).await;
    }
    let started_at = claimed.now();
    let attempt = attempt(app, &claimed, &view, &grant, started_at);
    let attempt_id = attempt.id;
    match app.store.open_attempt(attempt).await {
        Ok(true) => {}
        // It was canceled or edited in the meantime: the next look sees it as it is now.
        Ok(false) => return give_back(app, claimed, &profile, &grant, Settle::Release).await,
        Err(error) => {
            tracing::warn!(%error, "an attempt could not be committed, so no call is made");
            let later = claimed.now() + STORE_REST;
            return give_back(app, claimed, &profile, &grant, Settle::Retry(later)).await;
        }
    }
    let answer = if claimed.confirmed_within(app.timing.confirmed) {
        call(app, channel.as_ref(), &login, &view, file).await
    } else {
        Err(ChannelError::retry("lease", "the worker's lease was not confirmed in time, so no call was made"))
    };
    let ended_at = claimed.latest();
    observe(&view, &answer, started_at, ended_at, claimed.claim().ready_at);
    let verdict = outcome::judge(&view, attempt_id, answer, ended_at, jitter(app));
    conclude(app, claimed, &view, &profile, &grant, started_at, verdict).await
}

/// The file that a message carries. It is loaded while the time of the call has not come yet.
async fn attachment(
    app: &App,
    channel: &dyn Channel,
    view: &SendView,
) -> Result<Option<Attachment>, AttachmentError> {
    if view.action.is_some() {
        return Ok(None);
    }
    app.attachment(channel, view.message.workspace_id, &view.message.content).await
}

/// Typing is shown beside the way of the message: that it cannot be shown stops nothing.
fn show_typing(channel: &Arc<dyn Channel>, login: &Login, view: &SendView, grant: &Grant) {
    if view.action.is_some() || grant.typing.is_zero() || channel.typist().is_none() {
        return;
    }
    let (channel, login, chat) = (Arc::clone(channel), login.clone(), view.chat.clone());
    let kind = view.message.content.kind();
    tokio::spawn(async move {
        if let Some(typist) = channel.typist() {
            let shown = tokio::time::timeout(TYPING, typist.preparing(&login, &chat, kind)).await;
            if let Ok(Err(error)) = shown {
                tracing::debug!(%error, "typing was not shown");
            }
        }
    });
}

fn attempt(
    app: &App,
    claimed: &Claimed,
    view: &SendView,
    grant: &Grant,
    started_at: Timestamp,
) -> NewAttempt {
    let message = &view.message;
    NewAttempt {
        id: app.ids.id(started_at),
        subject: view.subject(),
        revision: if view.action.is_none() { view.revision } else { 0 },
        n: view.attempts + 1,
        workspace_id: message.workspace_id,
        account_id: message.account_id,
        conversation_id: message.conversation_id,
        worker: app.worker,
        pace: message.purpose.pace(view.last_inbound_at, started_at),
        text_hash: None,
        granted_at: grant.call_at - grant.typing,
        started_at,
        waits: claimed.claim().waits.clone(),
    }
}

/// How long a call may take: a file takes its time on the way, on a slow line a second for each megabyte.
fn call_time(app: &App, view: &SendView) -> Duration {
    let file = view.message.content.media().filter(|media| view.action.is_none() && media.media_id.is_some());
    let size = file.and_then(|media| media.size).unwrap_or(0).min(media::LARGEST);
    app.timing.call + Duration::from_secs(size / 1_000_000)
}

/// Asks the provider; a message gets the provider's id of it.
async fn call(
    app: &App,
    channel: &dyn Channel,
    login: &Login,
    view: &SendView,
    file: Option<Attachment>,
) -> Result<Option<Accepted>, ChannelError> {
    let asked = async {
        match &view.action {
            None => send_message::call(channel, login, view, file).await.map(Some),
            Some(action) => perform_action::call(channel, login, view, action).await.map(|()| None),
        }
    };
    tokio::time::timeout(call_time(app, view), asked)
        .await
        .unwrap_or_else(|_| Err(ChannelError::ambiguous("timeout", "the provider did not answer in time")))
}

/// Writes what became of the call, dates it in the lane's pacing, and ends the claim.
async fn conclude(
    app: &App,
    claimed: Claimed,
    view: &SendView,
    profile: &Profile,
    grant: &Grant,
    started_at: Timestamp,
    verdict: Verdict,
) -> Result<(), JobError> {
    let ended_at = verdict.ended.at;
    if let Some(hold) = &verdict.hold {
        let ticket = claimed.claim().ticket.clone();
        let mut patience = Patience::default();
        while let Err(error) = outcome::put_hold(app, view, &ticket, hold, ended_at).await {
            patience.wait(&error).await;
        }
    }
    commit(app, verdict.ended).await;
    app.has_news(view.message.workspace_id).await;
    // A call may have started as late as this: it is the later reading that windows are counted from.
    let started_at = started_at + claimed.uncertainty();
    let date = |state: &mut State| state.settle(profile, grant.token, started_at, ended_at);
    granting::end_grant(app, claimed, profile, grant, verdict.settle, date).await
}

/// Commits an outcome, however long that takes: the provider's answer is not to be had twice.
async fn commit(app: &App, ended: Ended) {
    let mut patience = Patience::default();
    while let Err(error) = app.store.end_attempt(ended.clone()).await {
        patience.wait(&error).await;
    }
}

/// Growing pauses, a second at most, between tries of what must be written.
struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Patience {
    async fn wait(&mut self, error: &StoreError) {
        tracing::warn!(%error, "an outcome could not be committed yet");
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(1));
    }
}

/// The store did not answer: the whole lane rests for a moment, since nothing of it can go.
async fn rest(claimed: Claimed, error: &StoreError) -> Result<(), JobError> {
    tracing::warn!(job.name = %claimed.claim().ticket.job, %error, "what is to be sent could not be loaded");
    let until = claimed.now() + STORE_REST;
    Ok(claimed.park(until, "store", Scope::Lane).await?)
}

fn observe(
    view: &SendView,
    answer: &Result<Option<Accepted>, ChannelError>,
    started_at: Timestamp,
    ended_at: Timestamp,
    ready_at: Timestamp,
) {
    let channel = view.account.channel.clone();
    let taken = ended_at.since(started_at).as_secs_f64();
    metrics::histogram!("rookery_provider_call_seconds", "channel" => channel.clone()).record(taken);
    let waited = started_at.since(ready_at);
    match answer {
        Ok(_) => {
            let counted = match view.action {
                None => "rookery_messages_sent_total",
                Some(_) => "rookery_actions_done_total",
            };
            metrics::counter!(counted, "channel" => channel).increment(1);
            tracing::info!(
                account.id = %view.account.id, message.id = %view.message.id, subject = %view.subject(),
                wait_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX), "the provider took it"
            );
        }
        Err(error) => {
            let class = error.class.as_str();
            metrics::counter!("rookery_provider_errors_total", "channel" => channel, "class" => class)
                .increment(1);
            tracing::warn!(
                account.id = %view.account.id, message.id = %view.message.id, subject = %view.subject(), %error, class,
                "the provider did not take it"
            );
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "jitter needs no more than 32 bits")]
fn jitter(app: &App) -> f64 {
    (app.ids.number() >> 32) as f64 / f64::from(u32::MAX)
}
