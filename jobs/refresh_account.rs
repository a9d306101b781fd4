//! `refresh-account`: renew an account's credentials before they end.
//!
//! Some providers take the old credentials back as they give new ones. So one renewal at a time is made of an account: its row
//! says who is at it, and nothing is replaced but what the renewal was made from. Any worker may do it, of a pinned account
//! too: it is no call that says where the account lives.

use std::collections::BTreeMap;
use std::time::Duration;

use channel::{APP_PREFIX, ChannelError, Credentials, ErrorClass, Login, Refresher};
use model::{AccountId, Timestamp};
use queue::{Claimed, Settle};
use serde_json::json;
use store::Refreshing;

use crate::persist::insist;
use crate::{App, JobError, Policy, feedback};

/// No timeout: the call has its own, and what it brings must be committed however long the store is away.
pub(crate) const POLICY: Policy =
    Policy { timeout: Duration::from_hours(24 * 365), backoff: Duration::from_secs(5) };

/// Should the worker die, another one tries after so long: a call is over by then.
const OVER: Duration = Duration::from_mins(2);
/// The first pause after a failure; it doubles with each one in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The stop of an account whose credentials cannot be renewed.
const REVOKED: &str = "token_revoked";

pub(crate) async fn run(app: &App, claimed: Claimed, id: AccountId) -> Result<(), JobError> {
    refresh(app, id).await?;
    Ok(claimed.settle(Settle::Done).await?)
}

async fn refresh(app: &App, id: AccountId) -> Result<(), JobError> {
    let now = app.clock.now();
    let Some(refreshing) = app.store.claim_refresh(id, now, now + OVER).await? else { return Ok(()) };
    let Some(channel) = app.channels.get(&refreshing.account.channel).cloned() else {
        // Switched off: it comes up again.
        return Ok(());
    };
    let Some(refresher) = channel.refresher() else {
        app.store.end_refreshes(&refreshing).await?;
        return Ok(());
    };
    let login = Login {
        account: refreshing.account.clone(),
        credentials: refreshing.credentials.clone().into(),
    };
    let answer = tokio::time::timeout(app.timing.call, refresher.refresh(&login)).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(ChannelError::ambiguous("timeout", "the provider did not answer in time"))
    });
    let outcome = if answer.is_ok() { "renewed" } else { "failed" };
    let channel = refreshing.account.channel.clone();
    metrics::counter!("rookery_credential_refreshes_total", "channel" => channel, "outcome" => outcome)
        .increment(1);
    match answer {
        Ok(credentials) => keep(app, refresher, &refreshing, credentials).await,
        Err(error) => fail(app, &refreshing, &error).await,
    }
}

async fn keep(
    app: &App,
    refresher: &dyn Refresher,
    refreshing: &Refreshing,
    credentials: Credentials,
) -> Result<(), JobError> {
    let soonest = app.clock.now() + FIRST_PAUSE;
    let next = refresher.refresh_at(&credentials).map(|at| at.max(soonest));
    let is_own = |name: &str| !name.starts_with(APP_PREFIX) || refreshing.own.iter().any(|own| own == name);
    let own: BTreeMap<String, String> =
        credentials.into_secrets().into_iter().filter(|(name, _)| is_own(name)).collect();
    let id = refreshing.account.id;
    // What is lost here is lost for good.
    let kept = insist(app, || app.store.keep_refreshed(refreshing, &own, next)).await;
    if kept == Some(true) {
        // Its owner goes on with what is valid now.
        app.hints.control().restart(id);
    } else {
        tracing::info!(account.id = %id, "an account got other credentials while its old ones were renewed");
    }
    Ok(())
}

async fn fail(app: &App, refreshing: &Refreshing, error: &ChannelError) -> Result<(), JobError> {
    let (account, now) = (&refreshing.account, app.clock.now());
    tracing::warn!(account.id = %account.id, %error, failures = refreshing.failures, "credentials were not renewed");
    let least = match error.class {
        ErrorClass::Permanent | ErrorClass::AccountStopped { .. } => {
            return revoke(app, refreshing, error, now).await;
        }
        ErrorClass::RetryAfter(Some(wait)) => wait,
        _ => Duration::ZERO,
    };
    let until = now + pause(refreshing.failures, app.ids.number()).max(least);
    app.store.postpone_refresh(refreshing, until).await?;
    Ok(())
}

/// The provider wants these credentials no more: the account stops, and a person has to connect it anew.
async fn revoke(
    app: &App,
    refreshing: &Refreshing,
    error: &ChannelError,
    now: Timestamp,
) -> Result<(), JobError> {
    if !app.store.end_refreshes(refreshing).await? {
        // Somebody did already.
        return Ok(());
    }
    let account = &refreshing.account;
    let until = feedback::stop_account(app, account, REVOKED, now, None).await?;
    feedback::rest(app, account, REVOKED, until).await;
    let detail = json!({"detail": format!("its credentials could not be renewed: {error}"), "reason": REVOKED});
    app.store.alert_account(account, &detail).await?;
    app.has_news(account.workspace_id).await;
    Ok(())
}

/// Doubles with each failure in a row, a fifth more or less so that a crowd does not come back at once.
fn pause(failures: u32, random: u64) -> Duration {
    let jitter = f64::from(u16::try_from(random % 1_000).unwrap_or(0)) / 1_000.0;
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_an_hour() {
        let seconds = |failures| pause(failures, 500).as_secs();
        assert_eq!([0, 1, 2, 6, 7, 1_000].map(seconds), [30, 60, 120, 1_920, 3_600, 3_600]);
        assert!(pause(0, 0) < pause(0, 999));
    }
}
