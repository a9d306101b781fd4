//! Calls without an answer: what they mean for the queue is the same for every provider.

use channel::{ChannelError, ErrorClass};
use outbound::{Error, Outcome};

/// The error of a call that was not answered, for calls that must not be made twice lightly.
pub(crate) fn unanswered(error: Error) -> ChannelError {
    let class = match (error, error.outcome()) {
        // The provider's word, in a way: nothing goes to it until then, whosever message it is.
        (Error::HostDown { retry_in }, _) => ErrorClass::RetryAfter(Some(retry_in)),
        (_, Outcome::NotSent) => ErrorClass::Retry,
        (_, Outcome::Unknown | Outcome::Answered) => ErrorClass::Ambiguous,
    };
    ChannelError::new(class, error.code(), error.to_string())
}

/// The same for calls that may be repeated without harm: nothing about them is ever in doubt.
pub(crate) fn unanswered_repeatable(error: Error) -> ChannelError {
    let error = unanswered(error);
    match error.class {
        ErrorClass::Ambiguous => ChannelError { class: ErrorClass::Retry, ..error },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use outbound::Failure;

    use super::*;

    #[test]
    fn only_what_may_have_arrived_is_in_doubt() {
        let retry_in = Duration::from_secs(2);
        let class = |error| unanswered(error).class;
        assert_eq!(class(Error::HostDown { retry_in }), ErrorClass::RetryAfter(Some(retry_in)));
        assert_eq!(class(Error::Connect(Failure::Refused)), ErrorClass::Retry);
        assert_eq!(class(Error::NoAnswer(Failure::Timeout)), ErrorClass::Ambiguous);
        assert_eq!(unanswered_repeatable(Error::NoAnswer(Failure::Timeout)).class, ErrorClass::Retry);
    }
}
