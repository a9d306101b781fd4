//! What the rules of one account depend on, beside its profile: where it lives and how old it is.

use model::{Account, Timestamp, Zone};

use crate::ProfileError;

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Days and hours are judged in it.
    pub zone: Zone,
    /// When its row was made. A `pace_scale` makes time run faster from then on.
    pub created_at: Timestamp,
    /// Its age counts from then; an account that was never connected has age 0.
    pub first_connected_at: Option<Timestamp>,
    /// Its warm-up counts from then; without it there is none.
    pub registered_at: Option<Timestamp>,
}

impl Facts {
    /// Those of an account's row.
    pub fn of(account: &Account) -> Result<Self, ProfileError> {
        let zone = account.timezone.parse().map_err(|error: model::UnknownZone| ProfileError {
            field: "timezone".to_owned(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            zone,
            created_at: account.created_at,
            first_connected_at: account.first_connected_at,
            registered_at: account.registered_at,
        })
    }

    /// Of nobody in particular: what a profile without an account is judged by.
    pub const UNKNOWN: Self =
        Self { zone: Zone::UTC, created_at: Timestamp::ZERO, first_connected_at: None, registered_at: None };
}
