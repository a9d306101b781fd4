//! What plain Redis does on this machine, by its own benchmark.

use std::process::Command;

/// How many SETs that is.
pub const SETS: usize = 100_000;

/// SETs a second of 50 clients without pipelining; none when redis-benchmark is not there, and then it says so.
pub fn set_per_second(url: &str) -> Option<f64> {
    let port = url.rsplit(':').next()?.trim_end_matches('/');
    let told = Command::new("redis-benchmark")
        .args(["-p", port, "-t", "set", "-n", &SETS.to_string(), "-c", "50", "--csv"])
        .output()
        .ok();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("\"SET\""));
    let rate = line.and_then(|line| line.split(',').nth(1)?.trim_matches('"').parse().ok());
    if rate.is_none() {
        eprintln!("left out: redis-benchmark's SET, which did not answer");
    }
    rate
}
