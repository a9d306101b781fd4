//! Identifiers, and the one place where they and all other randomness come from.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self { Self(id) }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> { Uuid::parse_str(s).map(Self) }
        }
    )+ };
}

id! {
    /// A tenant: whatever belongs to one workspace is never shown to another.
    WorkspaceId,
    /// A key of the REST API.
    ApiKeyId,
    /// A login on a channel.
    AccountId,
    /// A person or a business that an account talks to.
    ContactId,
    /// One chat of one account.
    ConversationId,
    /// One message, in or out.
    MessageId,
    /// One thing done to a message: an edit, a deletion, a reaction.
    ActionId,
    /// One call to a provider for a message or an action.
    AttemptId,
    /// Something that happened, as told to clients.
    EventId,
    /// One event of a provider's webhook, as it was received.
    InboundEventId,
    /// A stored file.
    MediaId,
    /// A text that messages are made of.
    TemplateId,
    /// What a developer registered at a provider, and what many accounts share.
    ChannelAppId,
    /// One visit to a page of a provider, to connect accounts.
    OauthLoginId,
    /// One boot of one worker process. A restart is another worker.
    WorkerId,
}

/// Makes ids and random numbers. One for a process: from the operating system, or from a seed in tests.
///
/// Ids are `UUIDv7`, so rows made later sort later; within one source they are strictly increasing for equal or
/// rising times, which keeps index pages warm and listings stable.
#[derive(Debug)]
pub struct Ids(Mutex<Source>);

#[derive(Debug)]
struct Source {
    rng: StdRng,
    last: u128,
}

impl Ids {
    /// A source seeded by the operating system.
    ///
    /// # Panics
    /// When the operating system gives no randomness: nothing safe can be done without it.
    pub fn from_os() -> Self {
        let mut seed = [0; 32];
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut seed)
            .expect("the operating system gives randomness");
        Self(Mutex::new(Source { rng: StdRng::from_seed(seed), last: 0 }))
    }

    /// A source that repeats itself for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(Source { rng: StdRng::seed_from_u64(seed), last: 0 }))
    }

    /// A new `UUIDv7` dated `now`.
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        let mut source = self.lock();
        let millis = u128::try_from(now.as_micros().max(0) / 1_000).unwrap_or(0) & 0xFFFF_FFFF_FFFF;
        let mut random = [0; 10];
        source.rng.fill_bytes(&mut random);
        let fresh = Uuid::from_u128((millis << 80) | u128::from_be_bytes(pad(random)));
        let fresh = versioned(fresh).as_u128();
        // Two ids of one millisecond: step from the last one, so that order of making is order of sorting.
        let id = if fresh <= source.last && (source.last >> 80) == (fresh >> 80) {
            versioned(Uuid::from_u128(source.last + 1 + u128::from(random[9]))).as_u128()
        } else {
            fresh
        };
        source.last = id.max(source.last);
        Uuid::from_u128(id)
    }

    /// A new id of any kind, dated `now`.
    pub fn id<I: From<Uuid>>(&self, now: Timestamp) -> I {
        self.uuid(now).into()
    }

    /// Fills `bytes` with randomness that is fit for secrets (when seeded by the operating system).
    pub fn fill(&self, bytes: &mut [u8]) {
        self.lock().rng.fill_bytes(bytes);
    }

    /// A random number, for jitter and drawn gaps.
    pub fn number(&self) -> u64 {
        self.lock().rng.next_u64()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Source> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn pad(random: [u8; 10]) -> [u8; 16] {
    let mut out = [0; 16];
    out[6..].copy_from_slice(&random);
    out
}

fn versioned(id: Uuid) -> Uuid {
    let mut bytes = *id.as_bytes();
    bytes[6] = (bytes[6] & 0x0F) | 0x70;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_source_rise_and_are_version_seven() {
        let ids = Ids::seeded(7);
        let mut last = Uuid::nil();
        for step in 0..10_000 {
            let id = ids.uuid(Timestamp::from_micros(1_700_000_000_000_000 + step * 100));
            assert_eq!(id.get_version_num(), 7);
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }
}
