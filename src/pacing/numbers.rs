//! What every kind of rule can say of its numbers: whether they make sense, whether they are looser than others, and how
//! long one send matters to them. Their JSON is the one in which an account gives its own.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::unit::{LONGEST, words};

/// More than this is a mistake: a cap keeps a log of that many sends.
const MOST: u32 = 100_000;

/// A field, and what is wrong with it.
pub(crate) type Problem = (&'static str, String);

/// The numbers of one kind of rule. `Display` says for a person what they demand.
pub(crate) trait Numbers: Serialize + DeserializeOwned + Display {
    /// Whether they make sense.
    fn check(&self) -> Result<(), Problem>;

    /// Whether they let anything go that `base` would not.
    fn is_looser_than(&self, base: &Self) -> bool;

    /// The longest time for which one send matters, for lanes of any width.
    fn memory(&self) -> Duration {
        Duration::ZERO
    }
}

/// Admits a time within `least` and the longest that makes sense.
pub(crate) fn time(field: &'static str, time: Duration, least: Duration) -> Result<(), Problem> {
    let refused = |bound: String| Err((field, format!("is {}; it must be {bound}", words(time))));
    if time > LONGEST {
        return refused(format!("at most {}", words(LONGEST)));
    }
    if time < least {
        // Nobody means a window of a microsecond: what is wrong is that there is none.
        let is_any = least < Duration::from_millis(1);
        return refused(if is_any { "more than 0".to_owned() } else { format!("at least {}", words(least)) });
    }
    Ok(())
}

/// Admits 1 to the largest number that makes sense.
pub(crate) fn count(field: &'static str, count: u32) -> Result<(), Problem> {
    if count == 0 || count > MOST {
        return Err((field, format!("is {count}; it must lie within 1 and {MOST}")));
    }
    Ok(())
}
