//! What messages and actions have in common on their way out.
//!
//! ```text
//! load rows → admit → grant → typing → commit the attempt → provider call → commit the outcome → settle
//! ```
//! Who waits holds nothing: it parks. A call starts only if its attempt is committed and the worker's lease was confirmed
//! just now; its outcome is tried until it is committed. So a call without a committed end means that the worker died,
//! and what then becomes of a message is the account's choice (`redelivery`). An action is idempotent at its provider: it
//! is simply tried again.

use std::time::Duration;

use channel::{Capabilities, Window};
use model::{Origin, Redelivery, Scope, Status, Subject, Timestamp, Wait};
use queue::{Claimed, Settle};
use store::{Ended, OutcomeKind, SendView, StoreError};

use crate::calling::{self, call_time};
use crate::holds::{held_by_rows, lift_if_crossed};
use crate::outcome::{self, LOOK_AGAIN};
use crate::persist::commit;
use crate::{App, JobError, Policy, entry, perform_action};

/// No timeout: each step has its own, and an outcome must be committed however long the store is away.
pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_hours(24 * 365), backoff: Duration::from_secs(1) };

/// How long a lane rests when the store did not answer.
pub(crate) const STORE_REST: Duration = Duration::from_secs(1);
/// What took so many workers down with it is given up.
const LOST: i64 = 3;

pub(crate) async fn run(app: &App, claimed: Claimed, subject: Subject) -> Result<(), JobError> {
    fault!("send_claimed");
    let place = match entry::enter_early(app, &claimed).await {
        Ok(place) => place,
        Err(shut) => return entry::wait_outside(claimed, shut).await,
    };
    let loaded = app.store.load_send(subject).await;
    fault!("send_loaded");
    let view = match loaded {
        Ok(Some(view)) if view.is_unfinished() => view,
        Ok(_) => return Ok(claimed.settle(Settle::Done).await?),
        Err(error) => return rest(claimed, &error).await,
    };
    app.known_channels.note(&view.account);
    let Some(channel) = app.channels.get(&view.account.channel).cloned() else {
        let until = claimed.now() + LOOK_AGAIN;
        return Ok(claimed.park(Wait::new("channel_off", Scope::Lane, until)).await?);
    };
    if !app.serves(&view.account) {
        return app.pass_on(claimed, &view.account, channel.capabilities().width).await;
    }
    let (class, now) = (claimed.claim().class, claimed.now());
    if let Some(wait) = held_by_rows(&view, class, now) {
        let ticket = claimed.claim().ticket.clone();
        claimed.park(wait).await?;
        return lift_if_crossed(app, &view, class, ticket, now).await;
    }
    if !app.live.reaches(&view.account) {
        return app.pass_on(claimed, &view.account, channel.capabilities().width).await;
    }
    if let Some(open) = view.open {
        let over = app.call_is_over(open.worker, open.started_at, call_time(app, &view));
        if over > claimed.now() {
            return Ok(claimed.park(Wait::new("open_attempt", Scope::Job, over)).await?);
        }
        return close_lost(app, claimed, &view, open.id).await;
    }
    if let Some(earlier) = view.earlier {
        return let_pass(app, claimed, &view, earlier).await;
    }
    if let Some(reason) = hopeless(&view, channel.capabilities(), claimed.now()) {
        return give_up(app, claimed, &view, Status::Failed, reason).await;
    }
    calling::send(app, claimed, view, channel, place).await
}

/// Why the provider need not be asked at all.
fn hopeless(view: &SendView, channel: &Capabilities, now: Timestamp) -> Option<String> {
    match &view.action {
        Some(action) => perform_action::hopeless(&view.message, action),
        None if view.is_blocked => Some("blocked: the contact blocked the account".to_owned()),
        None => window_closed(view, channel.window.as_ref()?, now),
    }
}

/// The provider takes nothing but its templates so long after the other side wrote. Where nobody knows when that was, only
/// the provider can say.
fn window_closed(view: &SendView, window: &Window, now: Timestamp) -> Option<String> {
    if window.admits_after(&view.message.content) {
        return None;
    }
    let closed = window.closes(view.last_inbound_at?, view.message.origin == Origin::Agent);
    let way_out = if window.templates_after { "send a provider template" } else { "wait until they write" };
    (closed <= now).then(|| format!("window_closed: the provider's window closed at {closed}: {way_out}"))
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
pub(crate) async fn give_up(
    app: &App,
    claimed: Claimed,
    view: &SendView,
    status: Status,
    reason: String,
) -> Result<(), JobError> {
    let open = view.open.as_ref().map(|open| open.id);
    let ended = outcome::blank(view, open, claimed.now());
    let ended = match open {
        // Nobody else would ever end it.
        Some(_) => Ended { outcome: OutcomeKind::Lost, error_code: Some("worker_lost".to_owned()), ..ended },
        None => ended,
    };
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
    Ok(claimed.park(Wait::new("order", Scope::Job, until)).await?)
}

/// The store did not answer: the whole lane rests for a moment, since nothing of it can go.
async fn rest(claimed: Claimed, error: &StoreError) -> Result<(), JobError> {
    tracing::warn!(job.name = %claimed.claim().ticket.job, %error, "what is to be sent could not be loaded");
    let until = claimed.now() + STORE_REST;
    Ok(claimed.park(Wait::new("store", Scope::Lane, until)).await?)
}

#[cfg(test)]
mod tests {
    use model::{Content, Purpose};

    use super::*;
    use crate::fixture::{NOW, view};

    const WINDOW: Window = Window {
        seconds: 86_400,
        person_seconds: Some(7 * 86_400),
        templates_after: true,
        source: "https://provider.example/window",
        read_on: "2025-11-20",
    };
    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn what_waited_until_the_window_closed_is_not_called_for() {
        let mut view = view(Purpose::Conversation);
        let closed = |view: &SendView| window_closed(view, &WINDOW, NOW);
        assert_eq!(closed(&view), None, "nobody knows when they wrote: the provider does");
        view.last_inbound_at = Some(NOW - HOUR * 23);
        assert_eq!(closed(&view), None);
        view.last_inbound_at = Some(NOW - HOUR * 24);
        assert!(closed(&view).is_some_and(|reason| reason.starts_with("window_closed: ")));
        view.message.origin = Origin::Agent;
        assert_eq!(closed(&view), None, "a person may for longer");
        view.last_inbound_at = Some(NOW - HOUR * 24 * 7);
        assert!(closed(&view).is_some());
        view.message.content = Content::ProviderTemplate {
            name: "hello".to_owned(),
            language: "en_US".to_owned(),
            components: Vec::new(),
        };
        assert_eq!(closed(&view), None);
        let strict = Window { templates_after: false, ..WINDOW };
        assert!(window_closed(&view, &strict, NOW).is_some());
    }
}
