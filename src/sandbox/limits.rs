//! Limits as the harness tells them: it knows the rules that are to be proved, the sandbox only counts (`watch.rs`).

use serde::{Deserialize, Serialize};

use crate::wire::Refusal;

/// A limit. What it says of several kinds is judged one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What to call it in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is counted together.
    pub scope: Scope,
    /// At most so many sends …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// … in any window of so many ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// At least so many ms between two sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_gap_ms: Option<u64>,
    /// A pause after so many sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// So many chats a day that were not known before; for all chats together only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_contacts: Option<NewContacts>,
    /// A bucket of tokens, one a send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Bucket>,
    /// What a window, gap or pause may fall short of without being counted, in µs: two clocks never agree wholly.
    #[serde(default)]
    pub tolerance_us: u64,
}

/// What a limit counts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All sends of the account; in an app's limits, of all its accounts.
    #[default]
    Account,
    /// The sends to one chat.
    Chat,
}

/// Sends with less than `pause_ms` between neighbours are a batch. After `size` of them none comes before the pause is
/// over; a pause that nobody asked for ends a batch too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Sends of a batch, at least 1.
    pub size: u64,
    /// The pause after it, ms.
    pub pause_ms: u64,
}

/// How many chats a day may be written to that the account never sent to (whatever became of it) and that never wrote
/// to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewContacts {
    /// So many a day.
    pub count: u64,
    /// The length of a day, ms, at least 1.
    pub day_ms: u64,
    /// When some day begins, in µs since 1970; the others follow from it.
    pub day_starts_us: u64,
    /// Other numbers from later times on, in rising order: they hold for the day that has begun, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Step>,
}

/// From a time on, so many new contacts a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// In µs since 1970.
    pub from_us: u64,
    /// So many a day.
    pub count: u64,
}

/// A token every `every_ms`, of which `burst` can be saved up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// How long a token takes to come back, ms.
    pub every_ms: u64,
    /// Most tokens, at least 1.
    pub burst: u64,
}

impl Limit {
    /// Refuses what cannot be counted.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let problem = if self.count.is_some() != self.window_ms.is_some() {
            "count and window_ms go together"
        } else if self.count == Some(0) {
            "count must be at least 1"
        } else if self.batch.is_some_and(|batch| batch.size == 0) {
            "batch.size must be at least 1"
        } else if self.bucket.is_some_and(|bucket| bucket.burst == 0) {
            "bucket.burst must be at least 1"
        } else if self.new_contacts.as_ref().is_some_and(|new| new.day_ms == 0) {
            "new_contacts.day_ms must be at least 1"
        } else if self.new_contacts.is_some() && self.scope == Scope::Chat {
            "new_contacts are counted for all chats together"
        } else if self
            .new_contacts
            .as_ref()
            .is_some_and(|new| !new.later.is_sorted_by_key(|step| step.from_us))
        {
            "new_contacts.later must be in the order of its times"
        } else {
            return Ok(());
        };
        Err(Refusal::new(400, "invalid_limit", problem))
    }
}
