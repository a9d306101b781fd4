//! What came of an account's campaigns: asked of the store once a minute at most, because the answer changes slowly and
//! every bulk send needs it; and the rest that campaigns get when hardly anybody writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Account, AccountId, HoldReach, Timestamp, Wait};
use pacing::{Profile, Response};
use serde_json::json;
use store::StoreError;

use crate::{App, feedback};

/// The rule's name in a wait.
pub(crate) const RESPONSE_RATE: &str = "response_rate";

/// An answer is good for so long, divided by the account's scale.
const FRESH: Duration = Duration::from_mins(1);
/// Accounts whose answers are remembered; then all are forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Timestamp,
    /// What the answer was asked for: a person who lets campaigns go on changes it.
    resumed_at: Option<Timestamp>,
    response: Response,
}

/// The answers that this process remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Responses(Arc<Mutex<HashMap<AccountId, Asked>>>);

impl Responses {
    fn known(&self, account: &Account, now: Timestamp) -> Option<Response> {
        let asked = *self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&account.id)?;
        let is_fresh = now.since(asked.at) < FRESH.div_f64(account.pace_scale.max(f64::MIN_POSITIVE));
        (is_fresh && asked.resumed_at == account.campaigns_resumed_at).then_some(asked.response)
    }

    fn remember(&self, account: &Account, at: Timestamp, response: Response) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(account.id, Asked { at, resumed_at: account.campaigns_resumed_at, response });
    }
}

/// How many of those who got a campaign wrote since; none where no rule asks.
pub(crate) async fn of(
    app: &App,
    account: &Account,
    profile: &Profile,
    now: Timestamp,
) -> Result<Option<Response>, StoreError> {
    let Some(window) = profile.response_rate(now) else { return Ok(None) };
    if let Some(response) = app.responses.known(account, now) {
        return Ok(Some(response));
    }
    let resumed_at = account.campaigns_resumed_at;
    let counted = app.store.response_rate(account.id, window.since, window.until, resumed_at).await?;
    let response = Response { recipients: counted.recipients, wrote: counted.wrote };
    app.responses.remember(account, now, response);
    Ok(Some(response))
}

/// Hardly anybody writes: campaigns rest, and a person is told.
pub(crate) async fn rest_campaigns(app: &App, account: &Account, wait: &Wait, now: Timestamp) {
    let Some(until) = wait.until else { return };
    let detail = wait.detail.as_deref();
    if feedback::hold_account(app, account, HoldReach::Campaigns, RESPONSE_RATE, until, now, detail).await {
        feedback::alert(app, account, RESPONSE_RATE, json!({"until": until, "detail": detail})).await;
    }
}

#[cfg(test)]
mod tests {
    use model::Purpose;

    use super::*;
    use crate::fixture::{NOW, view};

    #[test]
    fn an_answer_is_good_for_a_minute_of_the_accounts_time_and_until_somebody_lets_campaigns_go_on() {
        let mut account = view(Purpose::Campaign).account;
        account.pace_scale = 10.0;
        let (responses, response) = (Responses::default(), Response { recipients: 20, wrote: 3 });
        assert_eq!(responses.known(&account, NOW), None);
        responses.remember(&account, NOW, response);
        assert_eq!(responses.known(&account, NOW + Duration::from_millis(5_999)), Some(response));
        assert_eq!(responses.known(&account, NOW + Duration::from_secs(6)), None);
        account.campaigns_resumed_at = Some(NOW);
        assert_eq!(responses.known(&account, NOW), None);
    }
}
