//! How long typing is shown before a message: drawn from its id, so that every look at it agrees.

use std::time::Duration;

use uuid::Uuid;

use crate::{Ask, Kind, Profile};

/// The typing time of a message under a profile; zero where none is shown.
pub(crate) fn typing(profile: &Profile, ask: &Ask<'_>) -> Duration {
    let mut seed = Seed::of(ask.id);
    let mut total = Duration::ZERO;
    for rule in profile.rules() {
        if let Kind::Typing { per_char, extra, within } = rule.kind
            && rule.reach.covers(ask.is_group)
        {
            let one = uniform(per_char.0, per_char.1, seed.next());
            let more = uniform(Duration::ZERO, extra, seed.next());
            total = one.saturating_mul(ask.chars).saturating_add(more).clamp(within.0, within.1);
        }
    }
    total
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
    fn of(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self(high.rotate_left(32) ^ low)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
