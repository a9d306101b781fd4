//! What a provider's word means beyond the message it was said about: for a recipient, for a part of what an account sends,
//! for the account. First it is a row, because it must outlive the queue, then a hold of the lane.
//!
//! An operator sees it in these metrics, and as events `account.held`, `account.alert` and `account.status`:
//! - `rookery_account_holds_total{channel, reach, rule}`: how often part of an account's sending was held back;
//! - `rookery_account_alerts_total{channel, reason}`: how often something happened that a person should see to: a stop by
//!   the provider (`banned`, `timelocked`, `token_revoked`, …), `bulk_held`, `breaker`, `response_rate`,
//!   `unserved` (the worker that it is pinned to is gone);
//! - `rookery_accounts{channel, state}`: how many accounts are `active`, `paused`, `stopped`, without the worker that
//!   they are pinned to (`unserved`), not connected (`disconnected`), or only tried now and then because everything failed
//!   (`breaker`).

use std::time::Duration;

use model::{Account, Class, Hold, HoldReach, NoticeEffect, Scope, Timestamp, Wait};
use queue::{HoldTarget, LaneId, Ticket};
use serde_json::{Value, json};
use store::{SendView, StoreError};

use crate::App;
use crate::outcome::LOOK_AGAIN;
use crate::persist::insist;

/// The rule behind a hold that the provider asked for.
const PROVIDER: &str = "provider";

/// The provider's word is about more than the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProviderHold {
    /// The chat has another id now: nothing waits, but what follows goes there.
    Moved(String),
    /// Nothing for this recipient until then.
    Recipient(Timestamp),
    /// Nothing at all until then.
    Account(Timestamp),
    /// Nothing but replies until then.
    Bulk(Timestamp),
    /// Nothing until then, or until somebody acts.
    Stop { reason: &'static str, until: Option<Timestamp> },
}

/// Puts a provider's hold where it counts. `words` are the provider's.
pub(crate) async fn put(
    app: &App,
    view: &SendView,
    ticket: &Ticket,
    hold: &ProviderHold,
    words: Option<&str>,
    at: Timestamp,
) {
    let account = &view.account;
    let lane = LaneId::send(account.id);
    match hold {
        ProviderHold::Moved(chat) => {
            insist(app, || app.store.move_chat(account.id, &view.chat, chat)).await;
        }
        ProviderHold::Recipient(until) => {
            insist(app, || app.store.hold_recipient(view.message.conversation_id, *until, PROVIDER)).await;
            count_hold(account, "recipient", PROVIDER);
            let wait =
                Wait { detail: words.map(str::to_owned), ..Wait::new(PROVIDER, Scope::Recipient, *until) };
            hold_lane(app, HoldTarget::Key(lane, ticket.key.clone()), wait).await;
        }
        ProviderHold::Account(until) => {
            hold_account(app, account, HoldReach::Account, PROVIDER, *until, at, words).await;
        }
        ProviderHold::Bulk(until) => {
            if hold_account(app, account, HoldReach::Bulk, PROVIDER, *until, at, words).await {
                let detail = words.unwrap_or("the provider lets the account only answer");
                alert(app, account, "bulk_held", json!({"until": until, "detail": detail})).await;
            }
        }
        ProviderHold::Stop { reason, until } => {
            let lasting = until.map(|until| until.since(at));
            let until = insist(app, || stop_account(app, account, reason, at, lasting)).await.flatten();
            let until = until.unwrap_or(at + LOOK_AGAIN).min(at + LOOK_AGAIN);
            let wait = Wait::new("stopped", Scope::Lane, until).because(*reason);
            hold_lane(app, HoldTarget::Lane(lane), wait).await;
        }
    }
}

/// Holds part of an account's sending back; whether anything is held longer than before.
pub(crate) async fn hold_account(
    app: &App,
    account: &Account,
    reach: HoldReach,
    rule: &str,
    until: Timestamp,
    since: Timestamp,
    detail: Option<&str>,
) -> bool {
    let hold = Hold { reach, rule: rule.to_owned(), until, since, detail: detail.map(str::to_owned) };
    let is_new = insist(app, || app.store.hold_account(account.id, hold.clone())).await.unwrap_or(false);
    if is_new {
        count_hold(account, reach.as_str(), rule);
    }
    let lane = LaneId::send(account.id);
    // Of class interactive some are replies: which ones, only a look at each tells.
    let targets = match reach {
        HoldReach::Account => vec![HoldTarget::Lane(lane)],
        HoldReach::Bulk => {
            vec![HoldTarget::Class(lane.clone(), Class::Normal), HoldTarget::Class(lane, Class::Bulk)]
        }
        HoldReach::Campaigns => vec![HoldTarget::Class(lane, Class::Bulk)],
    };
    for target in targets {
        let wait = Wait { detail: hold.detail.clone(), ..Wait::new(rule, Scope::Lane, until) };
        hold_lane(app, target, wait).await;
    }
    is_new
}

async fn hold_lane(app: &App, target: HoldTarget, wait: Wait) {
    if let Err(error) = app.lanes.hold(target, wait).await {
        tracing::debug!(%error, "the lane was not held; the row holds it");
    }
}

/// The provider lets the account do nothing more: its row says so. Where a person paused it, that stays: it ends later, and
/// the next call hears of the stop again. Answers when it is found out whether the stop is over.
pub(crate) async fn stop_account(
    app: &App,
    account: &Account,
    reason: &'static str,
    at: Timestamp,
    lasting: Option<Duration>,
) -> Result<Option<Timestamp>, StoreError> {
    count_alert(account, reason);
    let stopped = app.store.stop_account(account, reason, at, lasting).await?;
    Ok(stopped.map_or(lasting.map(|lasting| at + lasting), |stopped| stopped.until))
}

/// The lane of an account that was stopped rests: until then, or until the next look finds the row changed.
pub(crate) async fn rest(app: &App, account: &Account, reason: &str, until: Option<Timestamp>) {
    let look = app.clock.now() + LOOK_AGAIN;
    let wait = Wait::new("stopped", Scope::Lane, until.map_or(look, |until| until.min(look)));
    hold_lane(app, HoldTarget::Lane(LaneId::send(account.id)), wait.because(reason)).await;
}

/// The provider said by itself that an account may not send, or may again, and its row says so: the lane learns of it. A stop
/// with an end is tried then, as any other.
pub(crate) async fn heard(app: &App, account: &Account, effect: &NoticeEffect) {
    let lane = HoldTarget::Lane(LaneId::send(account.id));
    match effect {
        NoticeEffect::None => {}
        NoticeEffect::Stopped { reason, until } => {
            count_alert(account, reason);
            rest(app, account, reason, *until).await;
        }
        NoticeEffect::Restored => {
            if let Err(error) = app.lanes.resume(lane).await {
                tracing::debug!(%error, "the lane was not let go; its next look finds the row");
            }
        }
    }
}

/// Tells a person to see to an account.
pub(crate) async fn alert(app: &App, account: &Account, reason: &'static str, mut data: Value) {
    data["reason"] = json!(reason);
    insist(app, || app.store.alert_account(account, &data)).await;
    count_alert(account, reason);
    tracing::warn!(account.id = %account.id, reason, %data, "an account needs attention");
}

pub(crate) fn count_alert(account: &Account, reason: &str) {
    let (channel, reason) = (account.channel.clone(), reason.to_owned());
    metrics::counter!("rookery_account_alerts_total", "channel" => channel, "reason" => reason).increment(1);
}

fn count_hold(account: &Account, reach: &'static str, rule: &str) {
    metrics::counter!(
        "rookery_account_holds_total",
        "channel" => account.channel.clone(), "reach" => reach, "rule" => rule.to_owned()
    )
    .increment(1);
}
