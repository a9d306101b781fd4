//! The rules of accounts that send just now: made of what their rows say, and kept until that is something else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use channel::Capabilities;
use model::{Account, AccountId, Timestamp};
use pacing::{Profile, ProfileError};
use serde_json::Value;

use crate::lane_pace;

/// Kept for at most so many accounts; others are made anew.
const KEPT: usize = 512;

/// What a profile is made of, besides the channel's own limits.
#[derive(Debug, PartialEq)]
struct Source {
    pacing: Value,
    pace_scale: f64,
    timezone: String,
    created_at: Timestamp,
    first_connected_at: Option<Timestamp>,
    registered_at: Option<Timestamp>,
}

impl Source {
    fn of(account: &Account) -> Self {
        Self {
            pacing: account.pacing.clone(),
            pace_scale: account.pace_scale,
            timezone: account.timezone.clone(),
            created_at: account.created_at,
            first_connected_at: account.first_connected_at,
            registered_at: account.registered_at,
        }
    }
}

/// What was made, and of what.
type Made = (Source, Arc<Profile>);

/// The profiles that were made last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profiles(Arc<Mutex<HashMap<AccountId, Made>>>);

impl Profiles {
    /// The rules of an account.
    pub(crate) fn of(
        &self,
        capabilities: &Capabilities,
        account: &Account,
    ) -> Result<Arc<Profile>, ProfileError> {
        self.kept(account, || lane_pace::profile(capabilities, account))
    }

    fn kept(
        &self,
        account: &Account,
        make: impl FnOnce() -> Result<Profile, ProfileError>,
    ) -> Result<Arc<Profile>, ProfileError> {
        let source = Source::of(account);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, profile)) = kept.get(&account.id).filter(|(of, _)| *of == source) {
            return Ok(Arc::clone(profile));
        }
        let profile = Arc::new(make()?);
        if kept.len() >= KEPT && !kept.contains_key(&account.id) {
            kept.clear();
        }
        kept.insert(account.id, (source, Arc::clone(&profile)));
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use model::Purpose;
    use serde_json::json;

    use super::*;
    use crate::fixture::view;

    #[test]
    fn an_account_keeps_its_rules_until_its_row_says_otherwise() {
        let profiles = Profiles::default();
        let of =
            |account: &Account| profiles.kept(account, || Profile::of_account(account, true, &[])).unwrap();
        let mut account = view(Purpose::Campaign).account;
        let first = of(&account);
        account.failures_in_a_row = 3;
        assert!(Arc::ptr_eq(&first, &of(&account)));
        account.pacing = json!({"per_minute": "off"});
        let second = of(&account);
        assert_ne!(first, second);
        account.pacing = json!({});
        assert_eq!(first, of(&account));
        account.pace_scale = 2.0;
        assert_ne!(first, of(&account));
    }
}
