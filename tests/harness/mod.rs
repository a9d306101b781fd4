//! Real installations of Rookery for end-to-end tests: real processes, a sandbox provider that outlives them, and a client
//! that speaks to them as anybody would.

mod client;
mod installation;
mod process;

use std::time::Duration;

pub use client::{Answer, Api};
pub use installation::Installation;
pub use process::Process;
use tokio::time::Instant;

/// Longer than this nothing takes that a test waits for, on the slowest machine that runs it.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks until there is an answer, and gives it. The condition is what is waited for; the pause only spares the machine.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
