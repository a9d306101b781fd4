//! The state as bytes: what the lane stores.

use serde::{Deserialize, Serialize};

use crate::spacing::LATEST;
use crate::state::Track;
use crate::{Profile, State};

/// Rises when older readers would misunderstand newer bytes.
const VERSION: u8 = 2;

/// Bytes that cannot be used. The answer is always the same: [`State::rebuild`].
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not bytes of ours, or damaged.
    #[error("the pacing state cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A number in it lies outside what can be reckoned with.
    #[error("the pacing state holds an impossible time")]
    Impossible,
    /// Written by another release.
    #[error("the pacing state has version {0}, this release reads {VERSION}")]
    Version(u8),
    /// The account's rules changed since: what was kept may not suffice for the new ones.
    #[error("the pacing state was made under other rules")]
    OtherRules,
}

#[derive(Serialize)]
struct Written<'a> {
    v: u8,
    #[serde(flatten)]
    state: &'a State,
}

#[derive(Deserialize)]
struct Version {
    v: u8,
}

impl State {
    /// Compact and versioned. A state that cannot be written becomes no bytes at all, which nobody can read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let written = Written { v: VERSION, state: self };
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads what [`State::to_bytes`] wrote under the same rules.
    pub fn from_bytes(profile: &Profile, bytes: &[u8]) -> Result<Self, StateError> {
        let Version { v } = serde_json::from_slice(bytes)?;
        if v != VERSION {
            return Err(StateError::Version(v));
        }
        let state: Self = serde_json::from_slice(bytes)?;
        if state.rules != profile.fingerprint() {
            return Err(StateError::OtherRules);
        }
        let possible = |track: &Track| track.arrivals.values().all(|arrival| *arrival <= LATEST);
        if !state.chats.values().chain([&state.account]).all(possible) {
            return Err(StateError::Impossible);
        }
        Ok(state)
    }
}

/// An instant as a number.
pub(crate) mod micros {
    use model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.as_micros())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }
}

/// A rising list of instants as the steps between them: half the digits.
pub(crate) mod log {
    use model::Timestamp;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(sends: &[Timestamp], to: S) -> Result<S::Ok, S::Error> {
        let mut last = 0;
        to.collect_seq(sends.iter().map(|at| {
            let step = at.as_micros().saturating_sub(last);
            last = at.as_micros();
            step
        }))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Timestamp>, D::Error> {
        let steps = Vec::<i64>::deserialize(from)?;
        let mut last = 0_i64;
        let mut sends = Vec::with_capacity(steps.len());
        for (i, step) in steps.into_iter().enumerate() {
            last = last.checked_add(step).ok_or_else(|| D::Error::custom("a step is out of range"))?;
            if i > 0 && step < 0 {
                return Err(D::Error::custom("the sends do not rise"));
            }
            sends.push(Timestamp::from_micros(last));
        }
        Ok(sends)
    }
}
