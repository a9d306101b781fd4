//! An account's own time. A `pace_scale` divides every time of its rules, days and hours of the day among them; so its
//! clock runs that many times as fast from the account's beginning on, and the rules know no other time.

use std::time::Duration;

use model::Timestamp;

use crate::ProfileError;

/// Millionths of a scale of 1.
const ONE: i128 = 1_000_000;

/// How lane time becomes the account's own time. Only the edges of this part convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tempo {
    anchor: i64,
    millionths: i64,
}

impl Tempo {
    /// Lane time itself.
    pub(crate) const REAL: Self = Self { anchor: 0, millionths: 1_000_000 };

    pub(crate) fn new(anchor: Timestamp, pace_scale: f64) -> Result<Self, ProfileError> {
        if !(pace_scale.is_finite() && (0.001..=100_000.0).contains(&pace_scale)) {
            return Err(ProfileError {
                field: "pace_scale".to_owned(),
                problem: format!("is {pace_scale}; it must lie within 0.001 and 100000"),
            });
        }
        #[expect(clippy::cast_possible_truncation, reason = "it was compared above")]
        let millionths = (pace_scale * 1e6).round() as i64;
        Ok(Self { anchor: anchor.as_micros(), millionths })
    }

    /// The account's time at an instant of lane time, rounded down.
    pub(crate) fn inside(self, at: Timestamp) -> Timestamp {
        self.convert(at, |micros| (micros * i128::from(self.millionths)).div_euclid(ONE))
    }

    /// As [`Tempo::inside`], rounded up: a date that must not look older than it is.
    pub(crate) fn inside_up(self, at: Timestamp) -> Timestamp {
        self.convert(at, |micros| div_ceil(micros * i128::from(self.millionths), ONE))
    }

    /// The first instant of lane time at which the account's time has come to `at`.
    pub(crate) fn outside(self, at: Timestamp) -> Timestamp {
        self.convert(at, |micros| div_ceil(micros * ONE, i128::from(self.millionths)))
    }

    /// How long a time of the rules lasts, rounded up.
    pub(crate) fn lasting(self, time: Duration) -> Duration {
        let micros = i128::try_from(time.as_micros()).unwrap_or(i128::MAX / ONE);
        let lasting = div_ceil(micros.saturating_mul(ONE), i128::from(self.millionths));
        Duration::from_micros(u64::try_from(lasting).unwrap_or(u64::MAX))
    }

    fn convert(self, at: Timestamp, by: impl Fn(i128) -> i128) -> Timestamp {
        if i128::from(self.millionths) == ONE {
            return at;
        }
        let anchor = i128::from(self.anchor);
        let micros = anchor + by(i128::from(at.as_micros()) - anchor);
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
    }
}

fn div_ceil(number: i128, by: i128) -> i128 {
    -(-number).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_went_in_comes_out_not_before() {
        let anchor = Timestamp::from_micros(1_700_000_000_000_000);
        for scale in [0.001, 0.5, 1.0, 3.0, 60.0, 777.777, 100_000.0] {
            let tempo = Tempo::new(anchor, scale).unwrap();
            for micros in [-86_400_000_000, -1, 0, 1, 7, 999_983, 86_400_000_000_i64] {
                let inner = Timestamp::from_micros(anchor.as_micros() + micros);
                let outer = tempo.outside(inner);
                assert!(tempo.inside(outer) >= inner, "{scale} {micros}");
                assert!(tempo.inside(outer - Duration::from_micros(1)) < inner, "{scale} {micros}");
            }
        }
    }
}
