//! What the Cloud API's own codes mean for the queue. Those of all of Meta (tokens, permissions, the app's limits) are the
//! Graph module's.

use std::time::Duration;

use channel::{ChannelError, ErrorClass};

use crate::graph::{Refusal, stopped};

/// For how long a person is left alone once Meta said that there were too many messages to them (131056). One goes each
/// 6 s, and what was borrowed before has to be given back first: Meta advises 4 s to the power of the attempt.
const PAIR_HELD: Duration = Duration::from_secs(16);
/// For how long nobody is written to first once the quality is too low (131048, 131064): Meta says no time, and judges by
/// the days before.
const QUALITY_HELD: Duration = Duration::from_hours(1);
/// A number that is made faster takes nothing for up to so long (131057).
const UPGRADE: Duration = Duration::from_mins(1);
/// The word for a message that came too late: the same wherever it is found out.
const WINDOW_CLOSED: &str = "window_closed";

/// What the Cloud API's own codes mean; none for those of all of Meta.
pub(super) fn classify(refusal: &Refusal) -> Option<ErrorClass> {
    Some(match refusal.code {
        // Throughput of the number.
        130_429 | 133_016 => ErrorClass::RetryAfter(refusal.wait),
        131_057 => ErrorClass::RetryAfter(Some(refusal.wait.unwrap_or(UPGRADE))),
        131_056 => ErrorClass::RecipientHeld(refusal.wait.unwrap_or(PAIR_HELD)),
        131_048 | 131_064 => ErrorClass::BulkHeld(refusal.wait.unwrap_or(QUALITY_HELD)),
        // A bad moment; 132069 is one flow's.
        131_000 | 131_016 | 133_004 | 132_069 => ErrorClass::Retry,
        131_031 => stopped("banned"),
        // Not paid.
        131_042 => stopped("restricted"),
        // The number is not registered (any more).
        131_045 | 133_010 => stopped("logged_out"),
        // The window (131047, 470 of old), the person (130403, 130472, 130497, 131021, 131026, 131030, 131050, 131062,
        // 131063, 137000), Meta's cap on marketing to one person (131049), and the message itself.
        33
        | 100
        | 470
        | 130_403
        | 130_472
        | 130_497
        | 131_005..=131_063
        | 132_000..=132_068
        | 135_000
        | 137_000 => ErrorClass::Permanent,
        _ => return None,
    })
}

/// Gives what was refused for being too late the word that everybody knows.
pub(super) fn named(error: ChannelError) -> ChannelError {
    if matches!(error.code.as_str(), "131047" | "470") {
        let message = format!(
            "the contact wrote more than 24 hours ago, so only a template may be sent ({}: {})",
            error.code, error.message
        );
        return ChannelError { code: WINDOW_CLOSED.to_owned(), message, ..error };
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(code: i64) -> ErrorClass {
        Refusal::read(&json!({ "code": code })).class(classify)
    }

    #[test]
    fn every_code_of_the_documentation_has_its_class() {
        let token = stopped("token_revoked");
        let restricted = stopped("restricted");
        let some = ErrorClass::RetryAfter(None);
        for (codes, expected) in [
            (&[0, 190][..], token),
            (&[3, 10, 200, 250, 299, 368, 131_042], restricted),
            (&[131_031], stopped("banned")),
            (&[131_045, 133_010], stopped("logged_out")),
            (&[4, 80_007, 130_429, 133_016], some),
            (&[131_057], ErrorClass::RetryAfter(Some(UPGRADE))),
            (&[131_056], ErrorClass::RecipientHeld(PAIR_HELD)),
            (&[131_048, 131_064], ErrorClass::BulkHeld(QUALITY_HELD)),
            (&[1, 2, 131_000, 131_016, 133_004, 132_069], ErrorClass::Retry),
            (&[131_047, 470, 131_049], ErrorClass::Permanent),
            (
                &[131_026, 131_030, 131_021, 130_403, 130_497, 131_050, 131_062, 131_063, 130_472, 137_000],
                ErrorClass::Permanent,
            ),
            (
                &[
                    33, 100, 131_005, 131_008, 131_009, 131_037, 131_051, 131_052, 131_053, 132_000, 132_001,
                    132_005, 132_007, 132_008, 132_012, 132_015, 132_016, 132_068, 135_000, 131_060,
                ],
                ErrorClass::Permanent,
            ),
        ] {
            for code in codes {
                assert_eq!(class(*code), expected, "{code}");
            }
        }
    }

    #[test]
    fn what_meta_says_of_the_time_to_wait_is_obeyed() {
        let wait = Some(Duration::from_mins(5));
        let class = |code| Refusal { code, wait, ..Refusal::default() }.class(classify);
        assert_eq!(class(130_429), ErrorClass::RetryAfter(wait));
        assert_eq!(class(131_056), ErrorClass::RecipientHeld(Duration::from_mins(5)));
    }

    #[test]
    fn too_late_has_one_name() {
        let error = named(ChannelError::permanent("131047", "Re-engagement message"));
        assert_eq!((error.code.as_str(), error.class), (WINDOW_CLOSED, ErrorClass::Permanent));
        assert!(error.message.contains("131047"), "{}", error.message);
        assert_eq!(named(ChannelError::permanent("131026", "x")).code, "131026");
    }
}
