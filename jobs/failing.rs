//! Failures in a row, and the circuit breaker that they open.
//!
//! A call that failed by the account's or the provider's fault is counted on the account's row; one that went well clears
//! the count. From so many in a row on, the account is held, longer each time, and at the end of each hold one call finds
//! out whether it goes again: a probe. Whoever waits meanwhile has not failed, however long the provider is away. A stop
//! that ends by itself is probed in the same way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channel::{Accepted, ChannelError, ErrorClass};
use model::{Account, AccountId, Actor, HoldReach, Sending, Timestamp};
use pacing::Failures;
use serde_json::json;
use store::{SendView, StoreError};

use crate::calling::NO_LEASE;
use crate::persist::insist;
use crate::{App, feedback};

/// The rule behind the breaker's hold.
pub(crate) const BREAKER: &str = "breaker";

/// Whether the next call only finds out if the account works again.
pub(crate) fn is_probe(account: &Account, rule: Option<&Failures>) -> bool {
    account.sending == Sending::Stopped || is_open(account, rule)
}

/// A fetch that finds out whether a stop is over; while it lives there is no other one.
#[derive(Debug)]
pub(crate) struct Probe {
    probed: Arc<Mutex<HashSet<AccountId>>>,
    account: AccountId,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.probed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.account);
    }
}

/// Leave to find out by a fetch whether a stop is over: only when its time is, no send waits that would find out, and no
/// other fetch does it already. All fetches of an account run in one process.
pub(crate) async fn probe_by_fetch(
    app: &App,
    account: &Account,
    now: Timestamp,
) -> Result<Option<Probe>, StoreError> {
    let is_over = account.sending_until.is_some_and(|until| until <= now);
    if account.sending != Sending::Stopped || !is_over || app.store.lane_ahead(account.id, 1).await?.total > 0
    {
        return Ok(None);
    }
    let probed = Arc::clone(&app.probed);
    let is_only = probed.lock().unwrap_or_else(PoisonError::into_inner).insert(account.id);
    Ok(is_only.then_some(Probe { probed, account: account.id }))
}

/// What an answer says about the account and its provider, whatever it says about the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Well,
    Failing,
    /// Nothing: it was about the message, or the provider asked to wait.
    Neither,
}

impl Sign {
    pub(crate) fn of(answer: &Result<Option<Accepted>, ChannelError>) -> Self {
        let error = match answer {
            Ok(_) => return Self::Well,
            Err(error) if error.code == NO_LEASE => return Self::Neither,
            Err(error) => error,
        };
        match error.class {
            ErrorClass::Retry | ErrorClass::Ambiguous | ErrorClass::RetryAfter(None)
                if error.moved_to.is_none() =>
            {
                Self::Failing
            }
            _ => Self::Neither,
        }
    }
}

/// How an account stands after a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How many calls failed in a row by now.
    pub(crate) failures: u32,
    /// Everything of the account waits until then: what failed meanwhile is no fault of its message.
    pub(crate) down_until: Option<Timestamp>,
}

/// Counts what a call of a message says about its account.
pub(crate) async fn note(
    app: &App,
    view: &SendView,
    rule: Option<&Failures>,
    sign: Sign,
    at: Timestamp,
    jitter: f64,
) -> Standing {
    let account = &view.account;
    let probing = is_probe(account, rule);
    match sign {
        Sign::Neither => Standing { failures: account.failures_in_a_row, down_until: None },
        Sign::Well => {
            recover(app, account, rule).await;
            Standing::default()
        }
        Sign::Failing => fail(app, account, rule, probing, at, jitter).await,
    }
}

async fn recover(app: &App, account: &Account, rule: Option<&Failures>) {
    if account.sending == Sending::Stopped {
        let ended = insist(app, || app.store.end_stop(account)).await;
        if ended == Some(true) {
            tracing::info!(account.id = %account.id, "the provider takes messages of the account again");
        }
    }
    let failures = app.failures_of(account);
    if failures == 0 {
        return;
    }
    insist(app, || app.store.clear_failures(account.id)).await;
    app.remember_failures(account.id, 0);
    if rule.is_some_and(|rule| rule.is_open(failures)) {
        let (workspace, id, system) = (account.workspace_id, account.id, Actor::system());
        insist(app, || app.store.lift_holds(workspace, id, |hold| hold.rule == BREAKER, &system)).await;
        tracing::info!(account.id = %account.id, "the breaker is closed: calls go well again");
    }
}

fn is_open(account: &Account, rule: Option<&Failures>) -> bool {
    rule.is_some_and(|rule| rule.is_open(account.failures_in_a_row))
}

async fn fail(
    app: &App,
    account: &Account,
    rule: Option<&Failures>,
    probing: bool,
    at: Timestamp,
    jitter: f64,
) -> Standing {
    // One after the other, so that the calls which were under way when the breaker opened do not open it wider.
    let _turn = app.failures.lock().await;
    let Some(Some((now, _))) = insist(app, || app.store.login(account.id)).await else {
        return Standing::default();
    };
    let stopped_until = now.sending_until.filter(|until| now.sending == Sending::Stopped && *until > at);
    if stopped_until.is_some() || is_open(&now, rule) && !probing {
        // It was under way when the account was stopped or the breaker opened: that it fails, too, says nothing new.
        let held_until = now.held(HoldReach::Account, at).map(|hold| hold.until);
        let down_until = stopped_until.max(held_until).or(Some(at));
        return Standing { failures: now.failures_in_a_row, down_until };
    }
    let failures = insist(app, || app.store.count_failure(account.id, at)).await.unwrap_or(0);
    app.remember_failures(account.id, failures);
    let in_a_row = rule.map_or(u32::MAX, |rule| rule.in_a_row);
    // The first hold is as long as a first pause, whatever the breaker's threshold.
    let until = at + pause(rule, failures.saturating_sub(in_a_row), jitter);
    if now.sending == Sending::Stopped {
        // It could not be found out whether the stop is over: it goes on until the next try.
        insist(app, || app.store.prolong_stop(&now, until)).await;
        return Standing { failures, down_until: Some(until) };
    }
    if failures < in_a_row {
        return Standing { failures, down_until: None };
    }
    let detail =
        format!("{failures} calls failed in a row; at the end one call finds out whether it goes again");
    feedback::hold_account(app, &now, HoldReach::Account, BREAKER, until, at, Some(&detail)).await;
    if failures == in_a_row {
        feedback::alert(app, &now, BREAKER, json!({"failures": failures, "until": until, "detail": detail}))
            .await;
    }
    Standing { failures, down_until: Some(until) }
}

/// The first pause, doubled `times` times up to the longest, and a fifth more or less so that a crowd does not come back
/// at once. `jitter` lies within 0 and 1.
pub(crate) fn pause(rule: Option<&Failures>, times: u32, jitter: f64) -> Duration {
    rule.unwrap_or(&USUAL).pause(times.saturating_add(1)).mul_f64(0.8 + 0.4 * jitter)
}

/// Where the rule is switched off.
const USUAL: Failures =
    Failures { in_a_row: u32::MAX, first: Duration::from_secs(5), longest: Duration::from_hours(1) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_messages_and_waits_say_nothing_about_the_account() {
        let said = |class| Sign::of(&Err(ChannelError::new(class, "code", "words")));
        for class in [ErrorClass::Retry, ErrorClass::Ambiguous, ErrorClass::RetryAfter(None)] {
            assert_eq!(said(class.clone()), Sign::Failing, "{class:?}");
        }
        let second = Duration::from_secs(1);
        for class in [
            ErrorClass::Permanent,
            ErrorClass::RetryAfter(Some(second)),
            ErrorClass::BulkHeld(second),
            ErrorClass::RecipientHeld(second),
            ErrorClass::AccountStopped { reason: "banned", lasting: None },
        ] {
            assert_eq!(said(class.clone()), Sign::Neither, "{class:?}");
        }
        assert_eq!(Sign::of(&Ok(None)), Sign::Well);
        assert_eq!(Sign::of(&Err(ChannelError::retry(NO_LEASE, "not made"))), Sign::Neither);
        let moved = ChannelError::retry("chat migrated", "words").with_moved_to("2");
        assert_eq!(Sign::of(&Err(moved)), Sign::Neither);
    }

    #[test]
    fn pauses_double_to_the_longest() {
        let rule = Failures { in_a_row: 5, first: Duration::from_secs(1), longest: Duration::from_mins(1) };
        let seconds = |times| pause(Some(&rule), times, 0.5).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 1_000].map(seconds), [1, 2, 4, 32, 60, 60]);
        assert_eq!(pause(None, 0, 0.5), Duration::from_secs(5));
        assert!(pause(None, 3, 0.0) < pause(None, 3, 1.0));
    }
}
