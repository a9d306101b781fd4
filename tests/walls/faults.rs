//! What is shipped cannot be told to die: fault points are in the tests' builds alone.

use std::process::Command;

use crate::cargo::root;

#[test]
fn a_build_without_tests_has_no_fault_points() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = Command::new(cargo)
        .current_dir(root())
        .args("tree --offline --locked -p rookery -e no-dev --prefix none -f".split(' '))
        .arg("{p} [{f}]")
        .output()
        .expect("cargo runs");
    let told = String::from_utf8_lossy(&told.stdout);
    let jobs = told.lines().find(|line| line.starts_with("jobs ")).expect("the binary has jobs");
    assert!(jobs.ends_with("[]"), "{jobs}");
}
