//! What rows say about waiting. They outlive the queue, so every look at a send begins with them.

use model::{Account, Class, Connection, HoldReach, Pace, Purpose, Scope, Sending, Timestamp, Wait};
use queue::{HoldTarget, Ticket};
use store::SendView;

use crate::outcome::LOOK_AGAIN;
use crate::{App, JobError, lane_pace};

/// What the rows say about waiting: they outlive the queue, so they are read at each look.
pub(crate) fn held_by_rows(view: &SendView, class: Class, now: Timestamp) -> Option<Wait> {
    if let Some(wait) = held_by_account(&view.account, view, class, now) {
        return Some(wait);
    }
    if let Some((until, rule)) = view.held.as_ref().filter(|(until, _)| *until > now) {
        return Some(Wait::new(rule.as_str(), Scope::Recipient, *until));
    }
    let next = view.next_attempt_at().filter(|next| *next > now)?;
    Some(Wait::new("retry", Scope::Job, next))
}

/// The account's own holds, whatever they are about.
fn held_by_account(account: &Account, view: &SendView, class: Class, now: Timestamp) -> Option<Wait> {
    all_held(account, now).or_else(|| part_held(account, view, class, now))
}

/// What holds everything of an account back.
pub(crate) fn all_held(account: &Account, now: Timestamp) -> Option<Wait> {
    let at_most =
        |until: Option<Timestamp>| until.map_or(now + LOOK_AGAIN, |until| until.min(now + LOOK_AGAIN));
    let wait = |rule: &str, until: Timestamp, detail: Option<&String>| {
        Some(Wait { detail: detail.cloned(), ..Wait::new(rule, Scope::Lane, until) })
    };
    if account.sending == Sending::Paused {
        return wait("paused", now + LOOK_AGAIN, account.sending_reason.as_ref());
    }
    // When its time is over, a send finds out whether it is: the row stays as it is until one went well.
    if account.sending == Sending::Stopped && account.sending_until.is_none_or(|until| until > now) {
        return wait("stopped", at_most(account.sending_until), account.sending_reason.as_ref());
    }
    if account.connection != Connection::Connected {
        return wait("disconnected", now + LOOK_AGAIN, account.connection_detail.as_ref());
    }
    let hold = account.held(HoldReach::Account, now)?;
    wait(&hold.rule, hold.until, hold.detail.as_ref())
}

/// What holds back messages like this one.
fn part_held(account: &Account, view: &SendView, class: Class, now: Timestamp) -> Option<Wait> {
    let bulk = account.held(HoldReach::Bulk, now).filter(|_| lane_pace::pace(view, now) == Pace::Bulk);
    let campaigns =
        account.held(HoldReach::Campaigns, now).filter(|_| lane_pace::purpose(view) == Purpose::Campaign);
    let hold = bulk.into_iter().chain(campaigns).max_by_key(|hold| hold.until)?;
    let (scope, until) = if class == Class::Interactive {
        // The contact may write at any moment: then it is a reply, and goes.
        (Scope::Job, hold.until.min(now + LOOK_AGAIN))
    } else {
        (Scope::Class, hold.until)
    };
    Some(Wait { detail: hold.detail.clone(), ..Wait::new(hold.rule.as_str(), scope, until) })
}

/// Whoever lifts a hold changes the row and then the lane. If we read the row before and parked the lane after that,
/// nobody else would lift the park: so the row is read once more.
pub(crate) async fn lift_if_crossed(
    app: &App,
    view: &SendView,
    class: Class,
    ticket: Ticket,
    now: Timestamp,
) -> Result<(), JobError> {
    let Some(before) = held_by_account(&view.account, view, class, now) else { return Ok(()) };
    let Some((account, _)) = app.store.login(view.account.id).await? else { return Ok(()) };
    if held_by_account(&account, view, class, now).is_some() {
        return Ok(());
    }
    let target = match before.scope {
        Scope::Class | Scope::Pace => HoldTarget::Class(ticket.lane, class),
        Scope::Job => HoldTarget::Job(ticket.lane, ticket.job),
        Scope::Recipient | Scope::Lane => HoldTarget::Lane(ticket.lane),
    };
    Ok(app.lanes.resume(target).await?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Hold;

    use super::*;
    use crate::fixture::{NOW, view};

    fn hold(reach: HoldReach) -> Hold {
        let until = NOW + Duration::from_hours(2);
        Hold { reach, rule: "provider".to_owned(), until, since: NOW, detail: Some("words".to_owned()) }
    }

    /// What holds a message of this purpose, and how much of the lane waits.
    fn held(purpose: Purpose, hold: &Hold, wrote: Option<Duration>) -> Option<(Scope, Duration)> {
        let mut view = view(purpose);
        view.last_inbound_at = wrote.map(|ago| NOW - ago);
        view.account.holds.push(hold.clone());
        held_by_rows(&view, purpose.class(), NOW).map(|wait| {
            assert_eq!((wait.rule.as_str(), wait.detail.as_deref()), ("provider", Some("words")));
            (wait.scope, wait.until.unwrap().since(NOW))
        })
    }

    #[test]
    fn a_hold_keeps_back_what_it_reaches() {
        let (long, short) = (Duration::from_hours(2), LOOK_AGAIN);
        let hour = Some(Duration::from_hours(1));
        for purpose in [Purpose::Conversation, Purpose::Transactional, Purpose::Campaign] {
            assert_eq!(held(purpose, &hold(HoldReach::Account), hour), Some((Scope::Lane, long)));
        }
        let bulk = hold(HoldReach::Bulk);
        assert_eq!(held(Purpose::Campaign, &bulk, hour), Some((Scope::Class, long)));
        assert_eq!(held(Purpose::Transactional, &bulk, hour), Some((Scope::Class, long)));
        assert_eq!(held(Purpose::Conversation, &bulk, hour), None, "a reply goes");
        let days = Some(Duration::from_hours(48));
        assert_eq!(
            held(Purpose::Conversation, &bulk, days),
            Some((Scope::Job, short)),
            "it may become a reply"
        );
        let campaigns = hold(HoldReach::Campaigns);
        assert_eq!(held(Purpose::Campaign, &campaigns, None), Some((Scope::Class, long)));
        assert_eq!(held(Purpose::Transactional, &campaigns, None), None);
        let ended = Hold { until: NOW, ..bulk };
        assert_eq!(held(Purpose::Campaign, &ended, None), None);
    }

    #[test]
    fn a_day_is_as_long_as_the_account_has_it() {
        let mut view = view(Purpose::Conversation);
        view.account.pace_scale = 24.0;
        view.account.holds.push(hold(HoldReach::Bulk));
        for (minutes, is_reply) in [(59, true), (61, false)] {
            view.last_inbound_at = Some(NOW - Duration::from_mins(minutes));
            assert_eq!(held_by_rows(&view, Class::Interactive, NOW).is_none(), is_reply, "{minutes}");
        }
    }

    #[test]
    fn a_stop_holds_until_its_end_and_is_probed_then() {
        let mut view = view(Purpose::Conversation);
        view.account.sending = Sending::Stopped;
        let rule = |view: &SendView| held_by_rows(view, Class::Interactive, NOW).map(|wait| wait.rule);
        assert_eq!(rule(&view).as_deref(), Some("stopped"), "without an end it lasts until somebody acts");
        view.account.sending_until = Some(NOW + Duration::from_secs(1));
        assert_eq!(rule(&view).as_deref(), Some("stopped"));
        view.account.sending_until = Some(NOW);
        assert_eq!(rule(&view), None);
        assert!(crate::failing::is_probe(&view.account, None), "what goes then is a probe");
    }
}
