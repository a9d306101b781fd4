//! The call: with leave from pacing, after its attempt was committed, and until its outcome is.

use std::sync::Arc;
use std::time::Duration;

use channel::{Accepted, Channel, ChannelError, Login};
use model::{AttemptId, Scope, Status, Timestamp, Wait};
use outbound::Place;
use pacing::{Grant, Profile, Started, State};
use queue::{Claimed, Settle};
use store::{Ended, NewAttempt, SendView};

use crate::attachment::{Attachment, AttachmentError};
use crate::failing::Sign;
use crate::granting::{self, Admitted, give_back};
use crate::outcome::{self, Circumstances, LOOK_AGAIN};
use crate::outgoing::{STORE_REST, give_up};
use crate::persist::commit;
use crate::responses::RESPONSE_RATE;
use crate::{
    App, JobError, attachment, entry, failing, feedback, lane_pace, perform_action, responses, send_message,
};

/// The code of a call that was not made: it says nothing about the account.
pub(crate) const NO_LEASE: &str = "lease";
/// How long showing "typing" may take; the message does not wait for it.
const TYPING: Duration = Duration::from_secs(5);

/// Sends what is loaded, as soon as pacing lets it. `place`: the one at its provider, if it has one already.
pub(crate) async fn send(
    app: &App,
    claimed: Claimed,
    view: SendView,
    channel: Arc<dyn Channel>,
    place: Option<Place>,
) -> Result<(), JobError> {
    let width = channel.capabilities().width;
    let profile = match app.profiles.of(channel.capabilities(), &view.account) {
        Ok(profile) => profile,
        Err(error) => {
            tracing::error!(account.id = %view.account.id, %error, "an account's pacing cannot be used");
            let wait = Wait::new("pacing_settings", Scope::Lane, claimed.now() + LOOK_AGAIN);
            return Ok(claimed.park(wait.because(error.to_string())).await?);
        }
    };
    // Before leave is asked for: who cannot call anyway takes none and burns no attempt.
    let entered = match place {
        Some(place) => Ok(Some(place)),
        None => entry::enter(&app.gates.send, channel.as_ref()).await,
    };
    let place = match entered {
        Ok(place) => place,
        Err(shut) => return entry::wait_outside(claimed, shut).await,
    };
    let grant = match granting::admit(app, &claimed, &view, &profile, width).await? {
        Admitted::Go(grant) => grant,
        Admitted::Park(wait) => {
            metrics::counter!("rookery_pacing_waits_total", "rule" => wait.rule.clone()).increment(1);
            if wait.rule == RESPONSE_RATE {
                responses::rest_campaigns(app, &view.account, &wait, claimed.now()).await;
                app.has_news(view.message.workspace_id).await;
            }
            return Ok(claimed.park(wait).await?);
        }
        Admitted::Refused(reason) => return give_up(app, claimed, &view, Status::Skipped, reason).await,
    };
    fault!("send_granted");
    let login = Login { account: view.account.clone(), credentials: view.credentials.clone().into() };
    show_typing(&channel, &login, &view, &grant);
    let file = match attachment(app, channel.as_ref(), &view).await {
        Ok(file) => file,
        Err(AttachmentError::Never(reason)) => {
            let ended = outcome::blank(&view, None, claimed.now());
            commit(app, Ended { reason: Some(reason), ..ended }).await;
            app.has_news(view.message.workspace_id).await;
            return give_back(app, claimed, &profile, view.account.id, &grant, Settle::Done).await;
        }
        Err(AttachmentError::Later(error)) => {
            tracing::warn!(message.id = %view.message.id, error, "the file of a message is not at hand yet");
            let later = claimed.now() + attachment::REST;
            return give_back(app, claimed, &profile, view.account.id, &grant, Settle::Retry(later)).await;
        }
    };
    app.sleep_until(&claimed, grant.call_at).await;

    // A session that is about to close, or to be opened: the message goes when it is there.
    let Some(pass) = app.live.enter(&view.account) else {
        return give_back(app, claimed, &profile, view.account.id, &grant, Settle::Release).await;
    };
    let is_shut = place.as_ref().is_some_and(|place| place.shut().is_some());
    if is_shut || !claimed.confirmed_within(app.timing.confirmed) {
        return give_back(app, claimed, &profile, view.account.id, &grant, Settle::Release).await;
    }
    let started_at = claimed.now();
    let attempt = attempt(app, &claimed, &view, &grant, started_at);
    let attempt_id = attempt.id;
    match app.store.open_attempt(attempt).await {
        Ok(true) => {}
        // It was canceled or edited in the meantime: the next look sees it as it is now.
        Ok(false) => {
            return give_back(app, claimed, &profile, view.account.id, &grant, Settle::Release).await;
        }
        Err(error) => {
            tracing::warn!(%error, "an attempt could not be committed, so no call is made");
            let later = claimed.now() + STORE_REST;
            return give_back(app, claimed, &profile, view.account.id, &grant, Settle::Retry(later)).await;
        }
    }
    fault!("send_attempted");
    let answer = if claimed.confirmed_within(app.timing.confirmed) {
        call(app, channel.as_ref(), &login, &view, file).await
    } else {
        Err(ChannelError::retry(
            NO_LEASE,
            "the worker's lease was not confirmed in time, so no call was made",
        ))
    };
    fault!("send_answered");
    drop(pass);
    let made = Made { attempt_id, started_at, ended_at: claimed.latest() };
    observe(&view, &answer, &made, claimed.claim().ready_at);
    // On the heap: what follows a call is rare beside the waiting for it.
    Box::pin(conclude(app, claimed, &view, &profile, &grant, made, answer)).await
}

/// A call that ended.
#[derive(Debug, Clone, Copy)]
struct Made {
    attempt_id: AttemptId,
    started_at: Timestamp,
    ended_at: Timestamp,
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
        pace: grant.pace,
        purpose: lane_pace::purpose(view),
        is_new: grant.is_new,
        text_hash: lane_pace::text(view),
        granted_at: grant.call_at - grant.typing,
        started_at,
        waits: claimed.claim().waits.clone(),
    }
}

/// How long a call may take: a file takes its time on the way, on a slow line a second for each megabyte.
pub(crate) fn call_time(app: &App, view: &SendView) -> Duration {
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
    made: Made,
    answer: Result<Option<Accepted>, ChannelError>,
) -> Result<(), JobError> {
    let Made { attempt_id, started_at, ended_at: at } = made;
    let sign = Sign::of(&answer);
    let (rule, jitter) = (profile.failures(), jitter(app));
    let rule = rule.as_ref();
    let standing = failing::note(app, view, rule, sign, at, jitter).await;
    let circumstances = Circumstances { at, standing, rule, jitter };
    let verdict = outcome::judge(view, attempt_id, answer, &circumstances);
    if let Some(hold) = &verdict.hold {
        let ticket = claimed.claim().ticket.clone();
        feedback::put(app, view, &ticket, hold, verdict.ended.reason.as_deref(), at).await;
    }
    commit(app, verdict.ended).await;
    fault!("send_recorded");
    app.has_news(view.message.workspace_id).await;
    fault!("send_told");
    let started = Started { earliest: started_at, latest: started_at + claimed.uncertainty() };
    let date = |state: &mut State| state.settle(profile, grant.token, started, at);
    granting::end_grant(app, claimed, profile, view.account.id, grant, verdict.settle, date).await
}

fn observe(
    view: &SendView,
    answer: &Result<Option<Accepted>, ChannelError>,
    made: &Made,
    ready_at: Timestamp,
) {
    let channel = view.account.channel.clone();
    let Made { started_at, ended_at, .. } = *made;
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
