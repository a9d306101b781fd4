//! How long typing is shown before a message: drawn from its id, so that every look at it agrees.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::numbers::{Numbers, Problem, time};
use crate::unit;
use crate::{Ask, Kind, Profile};

/// So much a character and some more, kept within bounds. It holds nobody back: it lies inside the gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// The shortest and longest time for a character.
    #[serde(rename = "per_char_ms", with = "unit::millis_pair")]
    pub per_char: (Duration, Duration),
    /// The longest extra time.
    #[serde(rename = "extra_ms", with = "unit::millis")]
    pub extra: Duration,
    /// The shortest time in all.
    #[serde(rename = "min_s", with = "unit::secs")]
    pub min: Duration,
    /// The longest time in all.
    #[serde(rename = "max_s", with = "unit::secs")]
    pub max: Duration,
}

/// The typing time of a message under a profile; zero where none is shown.
pub(crate) fn typing(profile: &Profile, ask: &Ask<'_>) -> Duration {
    let mut seed = Seed::of(ask.id);
    let mut total = Duration::ZERO;
    for rule in profile.rules() {
        if let Kind::Typing(Typing { per_char, extra, min, max }) = rule.kind
            && rule.reach.covers(ask.is_group)
        {
            let one = uniform(per_char.0, per_char.1, seed.next());
            let more = uniform(Duration::ZERO, extra, seed.next());
            total = one.saturating_mul(ask.chars).saturating_add(more).clamp(min, max);
        }
    }
    total
}

impl Numbers for Typing {
    fn check(&self) -> Result<(), Problem> {
        time("per_char_ms", self.per_char.1, Duration::ZERO)?;
        time("extra_ms", self.extra, Duration::ZERO)?;
        time("max_s", self.max, Duration::ZERO)?;
        if self.per_char.0 > self.per_char.1 {
            return Err(("per_char_ms", "is given with its shorter time second".to_owned()));
        }
        if self.min > self.max {
            return Err(("min_s", "is above max_s".to_owned()));
        }
        Ok(())
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        let times = |of: &Self| [of.per_char.0, of.per_char.1, of.extra, of.min, of.max];
        times(self).into_iter().zip(times(base)).any(|(ours, theirs)| ours < theirs)
    }
}

impl fmt::Display for Typing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} s of typing", self.min.as_secs_f64(), self.max.as_secs_f64())
    }
}

/// A time in `min..=max`, in whole microseconds, picked by a random number.
pub(crate) fn uniform(min: Duration, max: Duration, random: u64) -> Duration {
    let span = u64::try_from(max.saturating_sub(min).as_micros()).unwrap_or(u64::MAX);
    min + Duration::from_micros(random % span.saturating_add(1))
}

/// `SplitMix64` over an id: a draw that is the same in every release, which a library's generator does not promise.
#[derive(Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn of(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self(high.rotate_left(32) ^ low)
    }

    /// That of the gaps after the message: it tells nothing of its typing.
    pub(crate) fn of_gaps(id: Uuid) -> Self {
        Self(Self::of(id).next() ^ 0x6761_7073)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
