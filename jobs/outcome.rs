//! What a provider's answer means for a message, its recipient and its account.

use std::time::Duration;

use channel::{Accepted, ChannelError, ErrorClass};
use model::{Account, AttemptId, Redelivery, Sending, Status, Timestamp};
use queue::{HoldTarget, LaneId, Settle, Ticket};
use store::{Ended, OutcomeKind, SendView, StoreError};

use crate::App;

/// A message that failed so often in a way that another try may mend is given up.
pub(crate) const FAILURES: i64 = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// A stop without an end is looked at again after so long, in case somebody lifted it unheard.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// What is to be written about a call, and how its job ends.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) ended: Ended,
    pub(crate) settle: Settle,
    /// What else follows from the provider's word.
    pub(crate) hold: Option<ProviderHold>,
}

/// The provider's word is about more than the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProviderHold {
    /// The chat has another id now: nothing waits, but what follows goes there.
    Moved(String),
    Recipient(Timestamp),
    Account(Timestamp),
    Stop {
        reason: &'static str,
        until: Option<Timestamp>,
    },
}

/// The end of a call as a row, before it is known how it ended.
pub(crate) fn blank(view: &SendView, attempt: Option<AttemptId>, at: Timestamp) -> Ended {
    let message = &view.message;
    Ended {
        attempt_id: attempt,
        subject: view.subject(),
        workspace_id: message.workspace_id,
        account_id: message.account_id,
        conversation_id: message.conversation_id,
        chat: view.chat.clone(),
        client_id: message.client_id.clone(),
        at,
        outcome: OutcomeKind::Refused,
        error_code: None,
        error: None,
        provider_id: None,
        status: Status::Failed,
        reason: None,
        next_attempt_at: None,
    }
}

/// What becomes of a call whose outcome nobody knows. An action may be repeated in any case.
pub(crate) fn redelivery(view: &SendView) -> Redelivery {
    if view.action.is_some() { Redelivery::AtLeastOnce } else { view.account.redelivery }
}

/// Judges the answer to a call that ended at `at`. `jitter` lies within 0 and 1.
pub(crate) fn judge(
    view: &SendView,
    attempt: AttemptId,
    answer: Result<Option<Accepted>, ChannelError>,
    at: Timestamp,
    jitter: f64,
) -> Verdict {
    let ended = blank(view, Some(attempt), at);
    let error = match answer {
        Ok(accepted) => {
            let (provider_id, moved_to) =
                accepted.map_or((None, None), |accepted| (Some(accepted.provider_id), accepted.moved_to));
            let ended = Ended { outcome: OutcomeKind::Accepted, provider_id, status: Status::Sent, ..ended };
            return Verdict { ended, settle: Settle::Done, hold: moved_to.map(ProviderHold::Moved) };
        }
        Err(error) => error,
    };
    let reason = Some(error.to_string());
    let ended = Ended { error_code: Some(error.code), error: Some(error.message), reason, ..ended };
    let fail = |ended: Ended, outcome| Verdict {
        ended: Ended { outcome, status: Status::Failed, ..ended },
        settle: Settle::Done,
        hold: None,
    };
    let again = |ended: Ended, outcome, next: Timestamp| Verdict {
        ended: Ended { outcome, status: Status::Queued, next_attempt_at: Some(next), ..ended },
        settle: Settle::Retry(next),
        hold: None,
    };
    // The recipient or the account waits, and the message with it, in its place.
    let held = |ended: Ended, hold| Verdict {
        ended: Ended { outcome: OutcomeKind::Held, status: Status::Queued, ..ended },
        settle: Settle::Release,
        hold: Some(hold),
    };
    let unknown = |ended: Ended| Verdict {
        ended: Ended { outcome: OutcomeKind::Ambiguous, status: Status::Unknown, ..ended },
        settle: Settle::Done,
        hold: None,
    };
    let later = at + backoff(view.failures, jitter);
    if let Some(chat) = error.moved_to {
        return held(ended, ProviderHold::Moved(chat));
    }
    match error.class {
        ErrorClass::Permanent => fail(ended, OutcomeKind::Refused),
        ErrorClass::Retry if view.failures + 1 >= FAILURES => fail(ended, OutcomeKind::Retry),
        ErrorClass::Retry => again(ended, OutcomeKind::Retry, later),
        ErrorClass::RetryAfter(lasting) => {
            let lasting = lasting.unwrap_or_else(|| backoff(view.failures, jitter));
            held(ended, ProviderHold::Account(at + lasting))
        }
        ErrorClass::BulkHeld(lasting) => held(ended, ProviderHold::Account(at + lasting)),
        ErrorClass::RecipientHeld(lasting) => held(ended, ProviderHold::Recipient(at + lasting)),
        ErrorClass::AccountStopped { reason, lasting } => {
            held(ended, ProviderHold::Stop { reason, until: lasting.map(|lasting| at + lasting) })
        }
        ErrorClass::Ambiguous => match redelivery(view) {
            Redelivery::AtMostOnce => unknown(ended),
            // However often it was tried, each of the calls may have been carried out.
            Redelivery::AtLeastOnce if view.failures + 1 >= FAILURES => unknown(ended),
            Redelivery::AtLeastOnce => again(ended, OutcomeKind::Ambiguous, later),
        },
    }
}

/// 5 s, doubled with each failure up to an hour, and a fifth more or less so that a crowd does not come back at once.
pub(crate) fn backoff(failures: i64, jitter: f64) -> Duration {
    let doublings = u32::try_from(failures.clamp(0, 20)).unwrap_or(0);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE).mul_f64(0.8 + 0.4 * jitter)
}

/// Puts a provider's hold where it counts: first in a row, because it must outlive the queue, then in the lane.
pub(crate) async fn put_hold(
    app: &App,
    view: &SendView,
    ticket: &Ticket,
    hold: &ProviderHold,
    at: Timestamp,
) -> Result<(), StoreError> {
    let lane = LaneId::send(view.account.id);
    let (target, until, rule) = match hold {
        ProviderHold::Moved(chat) => {
            return app.store.move_chat(view.account.id, &view.chat, chat).await;
        }
        ProviderHold::Recipient(until) => {
            app.store.hold_recipient(view.message.conversation_id, *until, "provider").await?;
            (HoldTarget::Key(lane, ticket.key.clone()), *until, "provider")
        }
        ProviderHold::Account(until) => {
            app.store.hold_account(view.account.id, *until, "provider").await?;
            (HoldTarget::Lane(lane), *until, "provider")
        }
        ProviderHold::Stop { reason, until } => {
            stop_account(app, &view.account, reason, *until).await?;
            (HoldTarget::Lane(lane), until.unwrap_or(at + LOOK_AGAIN).min(at + LOOK_AGAIN), "stopped")
        }
    };
    if let Err(error) = app.lanes.hold(target, until, rule).await {
        tracing::debug!(%error, "the lane was not held; the row holds it");
    }
    Ok(())
}

/// The provider lets the account do nothing more: its row says so.
pub(crate) async fn stop_account(
    app: &App,
    account: &Account,
    reason: &'static str,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    app.store
        .set_sending(account.workspace_id, account.id, Sending::Stopped, Some(reason), until, "system")
        .await?;
    metrics::counter!("rookery_account_stops_total", "channel" => account.channel.clone(), "reason" => reason)
        .increment(1);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_an_hour() {
        assert_eq!(backoff(0, 0.5), FIRST_PAUSE);
        assert_eq!(backoff(1, 0.5), FIRST_PAUSE * 2);
        assert_eq!(backoff(60, 0.5), LONGEST_PAUSE);
        assert!(backoff(3, 0.0) < backoff(3, 1.0));
    }
}
