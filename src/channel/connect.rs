//! Connecting an account: steps as data, credentials as a bag that cannot be printed.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a person does next to connect an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum ConnectStep {
    /// Fill in fields.
    Fields {
        /// The form.
        fields: Vec<ConnectField>,
    },
    /// Open a page and come back (OAuth).
    OpenPage {
        /// What to tell the person.
        label: &'static str,
    },
    /// Scan a code that is shown; it changes until it is scanned.
    ScanQr {
        /// What to tell the person.
        label: &'static str,
    },
    /// Type a code that is shown into the phone.
    EnterCode {
        /// What to tell the person.
        label: &'static str,
    },
}

/// A field of a connect form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectField {
    /// Its key in `credentials` (or in `settings`, if it is no secret).
    pub name: &'static str,
    /// What to call it on a form.
    pub label: &'static str,
    /// Where to find it.
    pub help: &'static str,
    /// Whether it goes into `credentials` and is never shown again.
    pub secret: bool,
    /// Whether it must be given.
    pub required: bool,
}

/// Secrets of an account, by name. `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credentials(BTreeMap<String, String>);

impl Credentials {
    /// The secret called `name`, or an empty string: providers answer that with "unauthorized" as they should.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether there is a secret called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Adds or replaces a secret.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The secrets themselves, to be sealed in the store.
    pub fn into_secrets(self) -> BTreeMap<String, String> {
        self.0
    }

    /// The names of the secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl From<BTreeMap<String, String>> for Credentials {
    fn from(secrets: BTreeMap<String, String>) -> Self {
        Self(secrets)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Who the credentials turned out to belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    /// The provider's id of the account. Two accounts of one workspace may not share it.
    pub external_id: String,
    /// What the provider calls it.
    pub name: Option<String>,
    /// The credentials to keep: those given, plus what connecting produced (a webhook secret, a long-lived token).
    pub credentials: Credentials,
    /// Settings to keep, without secrets.
    pub settings: Value,
}
