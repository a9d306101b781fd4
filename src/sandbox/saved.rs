//! Accounts outlive the process, as they would at any provider: whoever connected before a restart need not again.
//!
//! A journal with a line a change: connecting ten thousand accounts writes each of them once.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::account::Settings;

/// A change: what holds for an account from then on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) token: String,
    pub(crate) name: String,
    pub(crate) settings: Settings,
}

/// The accounts of the journal, each as it was last; none if there is no journal yet. Leaves a journal without what
/// has become of no interest.
pub(crate) fn load(path: &Path) -> io::Result<Vec<Saved>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut known = BTreeMap::new();
    for line in io::BufReader::new(file).split(b'\n') {
        // A line that a crash cut off was never promised to anybody.
        if let Ok(saved) = serde_json::from_slice::<Saved>(&line?) {
            known.insert(saved.token.clone(), saved);
        }
    }
    let known: Vec<Saved> = known.into_values().collect();
    let next = path.with_extension("next");
    let _ = fs::remove_file(&next);
    append(&next, &known)?;
    fs::rename(next, path)?;
    Ok(known)
}

/// Adds changes to the journal. Tokens are in it: it is for its owner only.
pub(crate) fn append(path: &Path, changes: &[Saved]) -> io::Result<()> {
    let mut lines = Vec::new();
    for change in changes {
        serde_json::to_writer(&mut lines, change)?;
        lines.push(b'\n');
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(&lines)
}
