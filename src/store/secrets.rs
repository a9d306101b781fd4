//! Sealing: what must not be readable in a dump is encrypted with a key that the database never sees.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use model::Ids;
use sha2::Sha256;

const NONCE: usize = 24;

/// Seals and opens secrets with XChaCha20-Poly1305. Several keys may be at hand: the first seals, all open.
///
/// A sealed value is `key id (1 byte) ‖ nonce (24) ‖ ciphertext and tag`; the row it belongs to is authenticated
/// with it, so that a value copied to another row does not open there.
pub struct Sealer {
    current: u8,
    keys: BTreeMap<u8, XChaCha20Poly1305>,
    /// What other keys are made of: in the order given, the current one first.
    seeds: Vec<Seed>,
}

type Seed = Hmac<Sha256>;

/// Why a secret could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealerError {
    /// The key text is not usable.
    #[error(
        "an encryption key has the form `<id>:<base64 of 32 bytes>`, ids 0 to 255, several separated by commas"
    )]
    Key,
    /// The value was sealed with a key that is not at hand.
    #[error("it was sealed with key {0}, which is not configured")]
    MissingKey(u8),
    /// The value is damaged, or belongs to another row.
    #[error("it is damaged or belongs to another row")]
    Damaged,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("current", &self.current)
            .field("keys", &self.keys.keys())
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// From `id:base64[,id:base64…]`; the first key seals.
    pub fn parse(text: &str) -> Result<Self, SealerError> {
        let mut keys = BTreeMap::new();
        let mut seeds = Vec::new();
        let mut current = None;
        for part in text.trim().split(',') {
            let (id, key) = part.trim().split_once(':').ok_or(SealerError::Key)?;
            let id: u8 = id.parse().map_err(|_| SealerError::Key)?;
            let key = STANDARD.decode(key.trim()).map_err(|_| SealerError::Key)?;
            seeds.push(Seed::new_from_slice(&key).map_err(|_| SealerError::Key)?);
            let key = XChaCha20Poly1305::new_from_slice(&key).map_err(|_| SealerError::Key)?;
            if keys.insert(id, key).is_some() {
                return Err(SealerError::Key);
            }
            current.get_or_insert(id);
        }
        Ok(Self { current: current.ok_or(SealerError::Key)?, keys, seeds })
    }

    /// A new key in the form that [`Sealer::parse`] reads.
    pub fn generate(ids: &Ids) -> String {
        let mut key = [0; 32];
        ids.fill(&mut key);
        format!("1:{}", STANDARD.encode(key))
    }

    /// A key for `purpose` of each key at hand. One tells nothing of another, nor of what it was made of.
    pub(crate) fn derived_keys(&self, purpose: &str) -> Vec<[u8; 32]> {
        let derive = |seed: &Seed| {
            let mut mac = seed.clone();
            mac.update(b"rookery derived key: ");
            mac.update(purpose.as_bytes());
            mac.finalize().into_bytes().into()
        };
        self.seeds.iter().map(derive).collect()
    }

    pub(crate) fn seal(&self, ids: &Ids, row: uuid::Uuid, secret: &[u8]) -> Result<Vec<u8>, SealerError> {
        let mut nonce = [0; NONCE];
        ids.fill(&mut nonce);
        let key = self.keys.get(&self.current).ok_or(SealerError::MissingKey(self.current))?;
        let payload = Payload { msg: secret, aad: row.as_bytes() };
        let sealed = key.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealerError::Damaged)?;
        Ok([&[self.current], nonce.as_slice(), &sealed].concat())
    }

    pub(crate) fn open(&self, row: uuid::Uuid, sealed: &[u8]) -> Result<Vec<u8>, SealerError> {
        let (id, rest) = sealed.split_first().ok_or(SealerError::Damaged)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(SealerError::Damaged)?;
        let key = self.keys.get(id).ok_or(SealerError::MissingKey(*id))?;
        let payload = Payload { msg: sealed, aad: row.as_bytes() };
        key.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealerError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_in_its_row_and_with_its_key() {
        let ids = Ids::seeded(1);
        let (row, other) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
        let old = Sealer::generate(&ids);
        let sealed = Sealer::parse(&old).unwrap().seal(&ids, row, b"token").unwrap();
        assert!(!sealed.windows(5).any(|part| part == b"token"));

        let new = Sealer::generate(&ids).replacen("1:", "2:", 1);
        let rotated = Sealer::parse(&format!("{new},{old}")).unwrap();
        assert_eq!(rotated.open(row, &sealed).unwrap(), b"token");
        assert_eq!(rotated.open(other, &sealed), Err(SealerError::Damaged));
        assert_eq!(Sealer::parse(&new).unwrap().open(row, &sealed), Err(SealerError::MissingKey(1)));
        assert!(Sealer::parse("nonsense").is_err());

        let derived = |keys: &str, purpose| Sealer::parse(keys).unwrap().derived_keys(purpose);
        assert_eq!(derived(&format!("{new},{old}"), "a"), [derived(&new, "a"), derived(&old, "a")].concat());
        assert_ne!(derived(&old, "a"), derived(&old, "b"));
    }
}
