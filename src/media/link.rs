//! Links to files that anybody may follow until they end: whoever holds one needs no key, and cannot make another.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use model::{MediaId, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Makes and checks links. The first key signs, all are believed, so that a key can be replaced without breaking the
/// links that are out.
#[derive(Clone)]
pub struct Links {
    keys: Vec<[u8; 32]>,
}

/// What a link carries beside the file's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedLink {
    /// When it ends, in seconds of Unix time.
    pub expires: u64,
    /// The proof that we made it, in hex.
    pub signature: String,
}

impl SignedLink {
    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.expires).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    }
}

impl Links {
    /// Links signed with the first of `keys`. Without keys none can be checked, so none is valid.
    pub fn new(keys: Vec<[u8; 32]>) -> Self {
        Self { keys }
    }

    /// A link to a file that ends `lasting` after `now`.
    pub fn sign(&self, id: MediaId, now: Timestamp, lasting: Duration) -> SignedLink {
        let expires = (now + lasting).as_micros() / 1_000_000;
        let expires = u64::try_from(expires).unwrap_or(0);
        let signature = self.keys.first().map(|key| hex::encode(mac(key, id, expires))).unwrap_or_default();
        SignedLink { expires, signature }
    }

    /// Whether we made this link and it has not ended. Takes the same time for every wrong signature.
    pub fn is_valid(&self, id: MediaId, link: &SignedLink, now: Timestamp) -> bool {
        let Ok(given) = hex::decode(&link.signature) else { return false };
        let made_here = self
            .keys
            .iter()
            .fold(0, |found, key| found | mac(key, id, link.expires).ct_eq(&given).unwrap_u8());
        made_here == 1 && now < link.expires_at()
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("keys", &self.keys.len()).finish()
    }
}

fn mac(key: &[u8; 32], id: MediaId, expires: u64) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(id.0.as_bytes());
    mac.update(&expires.to_be_bytes());
    mac.finalize().into_bytes().into()
}

/// Refuses a link that a provider cannot follow: it must be http or https and must not name a private address.
pub fn check_public(link: &str) -> Result<(), outbound::Error> {
    outbound::check_public(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn id(n: u128) -> MediaId {
        format!("{n:032x}").parse().unwrap()
    }

    #[test]
    fn a_link_is_valid_for_its_file_until_it_ends() {
        let links = Links::new(vec![[7; 32]]);
        let link = links.sign(id(1), NOW, HOUR);
        assert!(links.is_valid(id(1), &link, NOW));
        assert!(links.is_valid(id(1), &link, NOW + HOUR - Duration::from_secs(1)));
        assert!(!links.is_valid(id(1), &link, NOW + HOUR));
        assert!(!links.is_valid(id(2), &link, NOW));
    }

    #[test]
    fn nobody_changes_a_link() {
        let links = Links::new(vec![[7; 32]]);
        let link = links.sign(id(1), NOW, HOUR);
        let longer = SignedLink { expires: link.expires + 1, ..link.clone() };
        assert!(!links.is_valid(id(1), &longer, NOW));
        for signature in ["", "00", "zz", &link.signature[2..], &link.signature.replace('a', "b")] {
            let changed = SignedLink { signature: signature.to_owned(), ..link.clone() };
            assert_eq!(links.is_valid(id(1), &changed, NOW), changed == link, "{signature}");
        }
        assert!(!Links::new(Vec::new()).is_valid(id(1), &Links::new(Vec::new()).sign(id(1), NOW, HOUR), NOW));
        assert!(!format!("{links:?}").contains("[7"));
    }

    #[test]
    fn a_replaced_key_is_believed_until_it_is_gone() {
        let old = Links::new(vec![[7; 32]]).sign(id(1), NOW, HOUR);
        assert!(Links::new(vec![[8; 32], [7; 32]]).is_valid(id(1), &old, NOW));
        assert!(!Links::new(vec![[8; 32]]).is_valid(id(1), &old, NOW));
    }

    #[test]
    fn links_for_providers_lead_into_the_open() {
        assert!(check_public("https://example.com/a.png").is_ok());
        for link in [
            "ftp://example.com/a",
            "a.png",
            "http://127.0.0.1/a",
            "http://localhost:8080/a",
            "http://10.0.0.1",
        ] {
            assert!(check_public(link).is_err(), "{link}");
        }
    }
}
