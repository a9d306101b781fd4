//! What rows say about waiting. They outlive the queue, so every look at a send begins with them.

use model::{Account, Connection, Scope, Sending, Timestamp};
use queue::{HoldTarget, LaneId};
use store::SendView;

use crate::outcome::LOOK_AGAIN;
use crate::{App, JobError};

/// What the rows say about waiting: they outlive the queue, so they are read at each look.
pub(crate) fn held_by_rows(view: &SendView, now: Timestamp) -> Option<(Timestamp, String, Scope)> {
    if let Some((until, rule)) = account_holds(&view.account, now) {
        return Some((until, rule, Scope::Lane));
    }
    if let Some((until, rule)) = view.held.as_ref().filter(|(until, _)| *until > now) {
        return Some((*until, rule.clone(), Scope::Recipient));
    }
    let next = view.next_attempt_at().filter(|next| *next > now)?;
    Some((next, "retry".to_owned(), Scope::Job))
}

fn account_holds(account: &Account, now: Timestamp) -> Option<(Timestamp, String)> {
    let at_most =
        |until: Option<Timestamp>| until.map_or(now + LOOK_AGAIN, |until| until.min(now + LOOK_AGAIN));
    if account.sending == Sending::Paused {
        return Some((now + LOOK_AGAIN, "paused".to_owned()));
    }
    if account.sending == Sending::Stopped && account.sending_until.is_none_or(|until| until > now) {
        return Some((at_most(account.sending_until), "stopped".to_owned()));
    }
    if account.connection != Connection::Connected {
        return Some((now + LOOK_AGAIN, "disconnected".to_owned()));
    }
    let until = account.held_until.filter(|until| *until > now)?;
    Some((until, account.held_rule.clone().unwrap_or_else(|| "provider".to_owned())))
}

/// Whoever lifts a hold changes the row and then the lane. If we read the row before and parked the lane after that,
/// nobody else would lift the park: so the row is read once more.
pub(crate) async fn lift_if_crossed(
    app: &App,
    before: &Account,
    lane: LaneId,
    now: Timestamp,
) -> Result<(), JobError> {
    if account_holds(before, now).is_some()
        && let Some((account, _)) = app.store.login(before.id).await?
        && account_holds(&account, now).is_none()
    {
        app.lanes.resume(HoldTarget::Lane(lane)).await?;
    }
    Ok(())
}
