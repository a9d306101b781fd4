//! What a provider's answer means for its message.

use std::time::Duration;

use channel::{Accepted, ChannelError, ErrorClass};
use model::{AttemptId, Redelivery, Status, Timestamp};
use pacing::Failures;
use queue::Settle;
use store::{Ended, OutcomeKind, SendView};

use crate::failing::{Standing, pause};
use crate::feedback::ProviderHold;

/// A message that failed so often in a way that another try may mend is given up.
pub(crate) const FAILURES: i64 = 8;
/// Whose call failed while the account was down lets others try first when it is tried again: so much of the first pause.
const STAND_BACK: u32 = 5;
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

/// How an account stands and how long its pauses are, and when that was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    /// When the call ended.
    pub(crate) at: Timestamp,
    pub(crate) standing: Standing,
    pub(crate) rule: Option<&'a Failures>,
    /// Within 0 and 1.
    pub(crate) jitter: f64,
}

impl Circumstances<'_> {
    /// When a message is tried again that failed `failures` times before.
    fn next_try(&self, failures: i64) -> Timestamp {
        match self.standing.down_until {
            Some(until) => until + pause(self.rule, 0, self.jitter) / STAND_BACK,
            None => self.at + pause(self.rule, u32::try_from(failures).unwrap_or(0), self.jitter),
        }
    }
}

/// Judges the answer to a call.
pub(crate) fn judge(
    view: &SendView,
    attempt: AttemptId,
    answer: Result<Option<Accepted>, ChannelError>,
    circumstances: &Circumstances<'_>,
) -> Verdict {
    let Circumstances { at, standing, rule, jitter } = *circumstances;
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
    let again = |ended: Ended, outcome| {
        let next = circumstances.next_try(view.failures);
        Verdict {
            ended: Ended { outcome, status: Status::Queued, next_attempt_at: Some(next), ..ended },
            settle: Settle::Retry(next),
            hold: None,
        }
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
    if let Some(chat) = error.moved_to {
        return held(ended, ProviderHold::Moved(chat));
    }
    // Nothing of the account goes: that is no fault of the message, and does not count as one.
    let is_down = standing.down_until.is_some();
    let is_last = !is_down && view.failures + 1 >= FAILURES;
    match error.class {
        ErrorClass::Permanent => fail(ended, OutcomeKind::Refused),
        ErrorClass::Retry if is_last => fail(ended, OutcomeKind::Retry),
        ErrorClass::Retry => again(ended, if is_down { OutcomeKind::Held } else { OutcomeKind::Retry }),
        ErrorClass::RetryAfter(lasting) => {
            let lasting = lasting.unwrap_or_else(|| pause(rule, standing.failures.saturating_sub(1), jitter));
            held(ended, ProviderHold::Account(at + lasting))
        }
        ErrorClass::BulkHeld(lasting) => held(ended, ProviderHold::Bulk(at + lasting)),
        ErrorClass::RecipientHeld(lasting) => held(ended, ProviderHold::Recipient(at + lasting)),
        ErrorClass::AccountStopped { reason, lasting } => {
            held(ended, ProviderHold::Stop { reason, until: lasting.map(|lasting| at + lasting) })
        }
        ErrorClass::Ambiguous => match redelivery(view) {
            Redelivery::AtMostOnce => unknown(ended),
            // However often it was tried, each of the calls may have been carried out.
            Redelivery::AtLeastOnce if is_last => unknown(ended),
            Redelivery::AtLeastOnce => again(ended, OutcomeKind::Ambiguous),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Purpose;

    use super::*;
    use crate::fixture::{NOW, view};

    const RULE: Failures =
        Failures { in_a_row: 5, first: Duration::from_secs(5), longest: Duration::from_hours(1) };

    fn judged(view: &SendView, class: ErrorClass, standing: Standing) -> Verdict {
        let circumstances = Circumstances { at: NOW, standing, rule: Some(&RULE), jitter: 0.5 };
        let id = "018f0000-0000-7000-8000-000000000009".parse().unwrap();
        judge(view, id, Err(ChannelError::new(class, "code", "words")), &circumstances)
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_failure_is_tried_again_later_each_time_and_given_up_in_the_end() {
        let mut view = view(Purpose::Transactional);
        for (failures, pause) in [(0, 5), (1, 10), (2, 20), (6, 320)] {
            view.failures = failures;
            let verdict = judged(&view, ErrorClass::Retry, Standing::default());
            assert_eq!(verdict.settle, Settle::Retry(NOW + secs(pause)), "{failures}");
            assert_eq!(verdict.ended.outcome, OutcomeKind::Retry);
            assert_eq!(verdict.ended.next_attempt_at, Some(NOW + secs(pause)));
        }
        view.failures = FAILURES - 1;
        let verdict = judged(&view, ErrorClass::Retry, Standing::default());
        assert_eq!((verdict.ended.status, verdict.settle), (Status::Failed, Settle::Done));
        let verdict = judged(&view, ErrorClass::Ambiguous, Standing::default());
        assert_eq!((verdict.ended.status, verdict.settle), (Status::Unknown, Settle::Done));
    }

    #[test]
    fn while_the_account_is_down_nothing_is_given_up_and_others_are_tried_first() {
        let mut view = view(Purpose::Transactional);
        view.failures = 100;
        let until = NOW + secs(80);
        let down = Standing { failures: 9, down_until: Some(until) };
        let verdict = judged(&view, ErrorClass::Retry, down);
        assert_eq!(verdict.ended.status, Status::Queued);
        assert_eq!(verdict.ended.outcome, OutcomeKind::Held, "it does not count as a failure of the message");
        assert_eq!(verdict.settle, Settle::Retry(until + secs(1)));
        let verdict = judged(&view, ErrorClass::Ambiguous, down);
        assert_eq!((verdict.ended.status, verdict.ended.outcome), (Status::Queued, OutcomeKind::Ambiguous));
        view.account.redelivery = Redelivery::AtMostOnce;
        let verdict = judged(&view, ErrorClass::Ambiguous, down);
        assert_eq!(verdict.ended.status, Status::Unknown, "it may have been taken, and must not be twice");
    }

    #[test]
    fn a_hold_is_as_wide_and_as_long_as_the_provider_says() {
        let view = view(Purpose::Transactional);
        let at = |lasting| NOW + secs(lasting);
        let stop = |lasting| ErrorClass::AccountStopped { reason: "banned", lasting };
        let cases = [
            (ErrorClass::RetryAfter(Some(secs(7))), ProviderHold::Account(at(7))),
            (ErrorClass::BulkHeld(secs(8)), ProviderHold::Bulk(at(8))),
            (ErrorClass::RecipientHeld(secs(9)), ProviderHold::Recipient(at(9))),
            (stop(Some(secs(10))), ProviderHold::Stop { reason: "banned", until: Some(at(10)) }),
            (stop(None), ProviderHold::Stop { reason: "banned", until: None }),
        ];
        for (class, hold) in cases {
            let verdict = judged(&view, class, Standing::default());
            assert_eq!(verdict.hold, Some(hold));
            assert_eq!((verdict.ended.status, verdict.settle), (Status::Queued, Settle::Release));
            assert_eq!(verdict.ended.outcome, OutcomeKind::Held);
        }
        for (failures, pause) in [(1, 5), (3, 20)] {
            let standing = Standing { failures, down_until: None };
            let verdict = judged(&view, ErrorClass::RetryAfter(None), standing);
            assert_eq!(verdict.hold, Some(ProviderHold::Account(at(pause))), "it did not say how long");
        }
        let verdict = judged(&view, ErrorClass::Permanent, Standing::default());
        assert_eq!((verdict.ended.status, verdict.hold), (Status::Failed, None));
    }
}
