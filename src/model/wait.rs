//! Why something is not out yet, and until when: every wait has both.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, words};

words! {
    /// How much a wait holds.
    Scope: "scope" {
        /// This job and those behind it in its key and class, and lower classes of the key.
        Job = "job",
        /// Everything to this recipient: the key, all classes.
        Recipient = "recipient",
        /// The jobs of this class in the lane that go at the same pace: those that were parked with this scope last. Others
        /// of the class go on.
        Pace = "pace",
        /// Every job of this class in the lane.
        Class = "class",
        /// The whole lane.
        Lane = "lane",
    }
}

/// A reason to wait and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The rule's name, stable: `gap`, `same_recipient`, `per_minute`, `provider`, `retry`, `paused`, …
    pub rule: String,
    /// What it holds.
    pub scope: Scope,
    /// When it ends; none while nobody can say (paused until a person resumes).
    pub until: Option<Timestamp>,
    /// For a person: what happened and what ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Wait {
    /// A wait for a rule, with an end or none.
    pub fn new(rule: impl Into<String>, scope: Scope, until: impl Into<Option<Timestamp>>) -> Self {
        Self { rule: rule.into(), scope, until: until.into(), detail: None }
    }

    /// The same, and what happened.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}
