//! What the codes of pages and Instagram accounts mean for the queue. Those of all of Meta (tokens, permissions, limits,
//! bad moments) are the Graph module's.

use std::time::Duration;

use channel::{ChannelError, ErrorClass};

use crate::graph::{Refusal, stopped};

/// For how long a person is left alone who is in an automated flow of Meta's: it says no time.
const FLOW_HELD: Duration = Duration::from_mins(1);
/// The word for a message that came too late: the same wherever it is found out.
const WINDOW_CLOSED: &str = "window_closed";

/// What these codes mean; none for those of all of Meta. Where a code has a subcode, that one decides.
pub(super) fn classify(refusal: &Refusal) -> Option<ErrorClass> {
    Some(match (refusal.code, refusal.subcode.unwrap_or_default()) {
        // By code: the person is not there or blocks the page (551), another app has the conversation (2018300), the message
        // that it is about is gone.
        (551 | 2_018_300 | 9_000_001 | 36_103, _)
        // By subcode: too late (2018278, 2534022); the person (1545041, which Meta calls "window closed" in one place and
        // "person unavailable" in another: this message cannot go either way); who has the conversation (2018300, 2534037);
        // the link, the file, the request.
        | (
            _,
            2_018_278 | 2_534_022 | 1_545_041 | 2_018_001 | 2_018_108 | 2_534_014 | 2_534_015 | 2_534_029
            | 2_018_300 | 2_534_037 | 2_018_008 | 2_018_047 | 2_018_109 | 2_018_294 | 2_018_074 | 2_534_025
            | 2_534_077,
        ) => ErrorClass::Permanent,
        (2_018_321, _) | (_, 2_018_321) => ErrorClass::RecipientHeld(refusal.wait.unwrap_or(FLOW_HELD)),
        // The page is restricted, lacks a permission, or the account has switched off access to its messages.
        (_, 1_893_063 | 2_018_065 | 2_534_041) => stopped("restricted"),
        // "Temporary send message failure".
        (1200, _) => ErrorClass::Retry,
        _ => return None,
    })
}

/// Gives what was refused for being too late the word that everybody knows.
pub(crate) fn named(error: ChannelError) -> ChannelError {
    if error.code.ends_with("/2018278") || error.code.ends_with("/2534022") {
        let message = format!(
            "the contact wrote more than 24 hours ago (7 days, for a person) ({}: {})",
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

    #[test]
    fn every_code_of_the_documentation_has_its_class() {
        let class = |code: i64, subcode: i64| {
            Refusal::read(&json!({ "code": code, "error_subcode": subcode })).class(classify)
        };
        let permanent = ErrorClass::Permanent;
        let held = ErrorClass::RecipientHeld(FLOW_HELD);
        let limited = ErrorClass::RetryAfter(None);
        for (codes, expected) in [
            (
                &[(190, 0), (190, 458), (190, 459), (190, 460), (190, 463), (190, 464), (190, 467), (102, 0)]
                    [..],
                stopped("token_revoked"),
            ),
            (&[(10, 2_018_278), (10, 2_534_022)], permanent.clone()),
            (
                &[(100, 2_018_001), (10, 2_018_108), (551, 0), (551, 1_545_041), (200, 1_545_041)],
                permanent.clone(),
            ),
            (
                &[(10, 1_893_063), (10, 2_018_065), (10, 0), (200, 0), (230, 0), (368, 0), (200, 2_534_041)],
                stopped("restricted"),
            ),
            (
                &[
                    (100, 2_018_008),
                    (100, 2_018_047),
                    (100, 2_018_109),
                    (100, 2_018_294),
                    (100, 2_018_074),
                    (9_000_001, 0),
                    (100, 0),
                ],
                permanent.clone(),
            ),
            (&[(2_018_300, 0), (10, 2_018_300), (100, 2_534_037)], permanent.clone()),
            (&[(2_018_321, 0), (10, 2_018_321)], held),
            (
                &[
                    (4, 0),
                    (17, 0),
                    (32, 0),
                    (341, 0),
                    (613, 0),
                    (613, 2_018_338),
                    (613, 2_534_040),
                    (80_006, 0),
                ],
                limited,
            ),
            (&[(1, 0), (2, 0), (1200, 0)], ErrorClass::Retry),
            (
                &[
                    (100, 2_534_014),
                    (100, 2_534_015),
                    (100, 2_534_029),
                    (100, 2_534_025),
                    (10, 2_534_077),
                    (36_103, 0),
                ],
                permanent,
            ),
        ] {
            for (code, subcode) in codes {
                assert_eq!(class(*code, *subcode), expected, "{code}/{subcode}");
            }
        }
    }

    #[test]
    fn too_late_has_one_name() {
        for code in ["10/2018278", "10/2534022"] {
            let error = named(ChannelError::permanent(code, "outside of allowed window"));
            assert_eq!((error.code.as_str(), error.class), (WINDOW_CLOSED, ErrorClass::Permanent));
            assert!(error.message.contains(code), "{}", error.message);
        }
        assert_eq!(named(ChannelError::permanent("551", "x")).code, "551");
    }
}
