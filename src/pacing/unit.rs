//! Times as an account's own numbers give them: a field's name ends with its unit, and the number may be a fraction.

use std::time::Duration;

use serde_json::{Number, Value};

/// Windows and pauses longer than this are mistakes.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 400);

macro_rules! unit {
    ($name:ident, $micros:expr) => {
        pub(crate) mod $name {
            use std::time::Duration;

            use serde::de::Error;
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            const MICROS: u64 = $micros;

            pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
                super::number(*time, MICROS).serialize(to)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
                super::time(f64::deserialize(from)?, MICROS).map_err(D::Error::custom)
            }
        }
    };
}

unit!(secs, 1_000_000);
unit!(hours, 3_600_000_000);
unit!(days, 86_400_000_000);
unit!(millis, 1_000);

/// A shortest and a longest time in milliseconds, as a list of two.
pub(crate) mod millis_pair {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const MICROS: u64 = 1_000;

    pub(crate) fn serialize<S: Serializer>(pair: &(Duration, Duration), to: S) -> Result<S::Ok, S::Error> {
        (super::number(pair.0, MICROS), super::number(pair.1, MICROS)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<(Duration, Duration), D::Error> {
        let (least, most) = <(f64, f64)>::deserialize(from)?;
        let time = |number| super::time(number, MICROS).map_err(D::Error::custom);
        Ok((time(least)?, time(most)?))
    }
}

/// A time as a number of units: a whole one where it is.
fn number(time: Duration, micros: u64) -> Value {
    let unit = Duration::from_micros(micros);
    if time.as_micros().is_multiple_of(unit.as_micros()) {
        return Value::from(u64::try_from(time.as_micros() / unit.as_micros()).unwrap_or(u64::MAX));
    }
    Number::from_f64(time.as_secs_f64() / unit.as_secs_f64()).map_or(Value::Null, Value::Number)
}

fn time(number: f64, micros: u64) -> Result<Duration, String> {
    let unit = Duration::from_micros(micros);
    let time = Duration::try_from_secs_f64(number * unit.as_secs_f64())
        .map_err(|_| format!("is {number}; it must be a number of 0 or more"))?;
    if time > LONGEST {
        return Err(format!("is {number}; that is longer than 400 days"));
    }
    // Whole microseconds are what `Timestamp` can add.
    Ok(Duration::from_micros(u64::try_from((time.as_nanos() + 500) / 1_000).unwrap_or(u64::MAX)))
}

/// A time for a sentence: `1.5 s`, `5 min`, `24 h`, `30 days`.
pub(crate) fn words(time: Duration) -> String {
    let units = [(86_400, "days"), (3_600, "h"), (60, "min")];
    let whole = |(secs, name)| {
        let even =
            time.subsec_nanos() == 0 && time.as_secs() >= 2 * secs && time.as_secs().is_multiple_of(secs);
        even.then(|| format!("{} {name}", time.as_secs() / secs))
    };
    units.into_iter().find_map(whole).unwrap_or_else(|| format!("{} s", time.as_secs_f64()))
}
