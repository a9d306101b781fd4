//! Accounts outlive the process, as they would at any provider: whoever connected before a restart need not again.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::account::{Account, Settings};

/// What is kept of an account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) name: String,
    pub(crate) settings: Settings,
}

/// Accounts by token; none if there is no file yet.
pub(crate) fn load(path: &Path) -> io::Result<BTreeMap<String, Saved>> {
    match File::open(path) {
        Ok(file) => Ok(serde_json::from_reader(io::BufReader::new(file))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file as a whole, so that a crash leaves the old one or the new one. Tokens are in it: it is for its
/// owner only.
pub(crate) fn save(path: &Path, accounts: &HashMap<String, Account>) -> io::Result<()> {
    let known: BTreeMap<&str, Saved> = accounts
        .iter()
        .map(|(token, account)| {
            let saved = Saved { name: account.name.clone(), settings: account.settings.clone() };
            (token.as_str(), saved)
        })
        .collect();
    let next = path.with_extension("next");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&next)?.write_all(&serde_json::to_vec(&known)?)?;
    fs::rename(next, path)
}
