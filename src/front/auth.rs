//! Who calls: an API key, what it may do and which accounts it sees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use model::{AccountId, Actor, ApiKeyId, Timestamp, WorkspaceId};
use sha2::{Digest, Sha256};
use store::{ApiKey, StoreError};

use crate::Front;
use crate::problem::{Kind, Problem};

/// How long a key is believed without asking the store: a revoked one works on for at most that long elsewhere.
const BELIEVED: Duration = Duration::from_secs(3);
/// Most keys that are remembered.
const REMEMBERED: usize = 10_000;

model::words_of! {
    /// What a key may be allowed to do.
    Scope: "scope" {
        /// See messages, conversations, templates, events.
        MessagesRead = "messages:read",
        /// Send, cancel, retry, resolve; work on conversations and templates.
        MessagesWrite = "messages:write",
        /// See contacts.
        ContactsRead = "contacts:read",
        /// Change contacts.
        ContactsWrite = "contacts:write",
        /// See accounts.
        AccountsRead = "accounts:read",
        /// Connect, change, pause and delete accounts.
        AccountsWrite = "accounts:write",
        /// Make and revoke keys.
        KeysWrite = "keys:write",
        /// The whole instance: queues, dead jobs, metrics.
        Operator = "operator",
    }
}

/// Keys by a hash of their secret, each with the time of its look-up.
type Known = HashMap<[u8; 32], (Arc<ApiKey>, Timestamp)>;

/// Keys that were looked up a moment ago, by a hash of their secret.
#[derive(Debug, Default)]
pub(crate) struct KeyCache(Mutex<Known>);

impl KeyCache {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, hash: &[u8; 32], now: Timestamp) -> Option<Arc<ApiKey>> {
        let keys = self.lock();
        let (key, since) = keys.get(hash)?;
        (now.since(*since) < BELIEVED).then(|| Arc::clone(key))
    }

    fn put(&self, hash: [u8; 32], key: Arc<ApiKey>, now: Timestamp) {
        let mut keys = self.lock();
        if keys.len() >= REMEMBERED {
            keys.retain(|_, (_, since)| now.since(*since) < BELIEVED);
        }
        if keys.len() < REMEMBERED {
            keys.insert(hash, (key, now));
        }
    }

    /// A revoked key is void here at once.
    pub(crate) fn forget(&self, id: ApiKeyId) {
        self.lock().retain(|_, (key, _)| key.id != id);
    }
}

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The key, without its secret.
    pub(crate) key: Arc<ApiKey>,
    /// The tenant it acts for.
    pub(crate) workspace: WorkspaceId,
}

impl Caller {
    /// Refuses a key without this scope.
    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            Ok(())
        } else {
            Err(Problem::new(Kind::Forbidden).because(format!("it needs the scope `{scope}`")))
        }
    }

    /// Whether the key has this scope.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.key.scopes.iter().any(|word| word == scope.as_str())
    }

    /// Whether the key may see this account.
    pub(crate) fn sees(&self, account: AccountId) -> bool {
        self.key.accounts.as_ref().is_none_or(|accounts| accounts.contains(&account))
    }

    /// Answers as if `what` did not exist when it belongs to an account that the key does not see.
    pub(crate) fn must_see(&self, account: AccountId, what: &str) -> Result<(), Problem> {
        if self.sees(account) { Ok(()) } else { Err(Problem::not_found(what)) }
    }

    /// The account to list: the one asked for, else the only one that the key sees.
    pub(crate) fn account(&self, asked: Option<AccountId>) -> Option<AccountId> {
        asked.or(match self.key.accounts.as_deref() {
            Some([only]) => Some(*only),
            _ => None,
        })
    }

    /// How rows remember who it was.
    pub(crate) fn actor(&self) -> Actor {
        Actor(format!("api_key:{}", self.key.id))
    }
}

impl Front {
    /// The key with this secret, if it is valid.
    pub(crate) async fn authenticate(&self, secret: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let now = self.clock.now();
        if let Some(key) = self.keys.get(&hash, now) {
            return Ok(Some(key));
        }
        let key = self.store.authenticate(secret).await?.map(Arc::new);
        if let Some(key) = &key {
            self.keys.put(hash, Arc::clone(key), now);
        }
        Ok(key)
    }
}

/// The secret that a request shows, if it shows one in the form that we give out.
pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim()).filter(|secret| secret.starts_with("rk_"))
}

impl FromRequestParts<Front> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Problem> {
        let secret = bearer(parts).ok_or_else(|| {
            Problem::new(Kind::Unauthorized).because("send the header `Authorization: Bearer rk_…`")
        })?;
        let key = front
            .authenticate(secret)
            .await?
            .ok_or_else(|| Problem::new(Kind::Unauthorized).because("this key is unknown or was revoked"))?;
        Ok(Self { workspace: key.workspace_id, key })
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn scopes_are_those_of_the_store() {
        let words: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        assert_eq!(words, store::SCOPES);
    }
}
