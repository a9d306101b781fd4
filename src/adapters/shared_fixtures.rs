//! Providers' own example payloads, for tests. They are others', so they lie beside the project and not in it.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// A file or folder of `../shared/fixtures`. None where there is no such folder: a test then says what it left out.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(name);
    if at.exists() {
        return Some(at);
    }
    println!("left out: there is no {name} in ../shared/fixtures");
    None
}

/// The examples in a file, by their names.
pub(crate) fn examples(name: &str) -> Option<Map<String, Value>> {
    let bytes = std::fs::read(path(name)?).expect("an example can be read");
    Some(serde_json::from_slice(&bytes).expect("examples are JSON"))
}
