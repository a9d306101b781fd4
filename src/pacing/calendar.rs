//! What an account may do on each of the days to come.

use model::Timestamp;
use serde::Serialize;

use crate::Profile;

/// A day, or a part of one in which the same holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CalendarDay {
    /// The day in the account's zone, as `2026-03-02`.
    pub date: String,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who may send.
    pub may_send: MaySend,
    /// How many new contacts the whole day may have by then; none: any number.
    pub new_contacts: Option<u32>,
}

/// Who may send in a stage of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaySend {
    /// Nobody.
    None,
    /// A person in a conversation: purpose conversation, origin agent.
    Persons,
    /// Everybody.
    All,
}

/// The next `days` days of an account, today first, by its age and its warm-up.
pub fn calendar(profile: &Profile, now: Timestamp, days: u32) -> Vec<CalendarDay> {
    let _ = (profile, now, days);
    Vec::new()
}
