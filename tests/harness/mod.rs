//! Real installations of Rookery for end-to-end tests: real processes, a sandbox provider that outlives them, and a client
//! that speaks to them as anybody would.

mod client;
mod fleet;
mod installation;
mod process;

use std::time::Duration;

pub use client::{Answer, Api};
pub use installation::Installation;
pub use process::Process;
use serde_json::{Value, json};
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

/// A text on its way out.
pub fn text(account: &str, to: &str, text: &str, purpose: &str) -> Value {
    json!({
        "account_id": account, "to": {"address": to}, "content": {"type": "text", "text": text}, "purpose": purpose,
    })
}

/// Nothing was broken by the sandbox's own count.
///
/// # Panics
/// When something was.
pub async fn unbroken(installation: &Installation) {
    let report = installation.report().await;
    for count in ["limit_violations", "order_inversions"] {
        assert_eq!(report[count], 0, "{report:#}");
    }
}

/// Runs many calls at once, so many at a time.
///
/// # Panics
/// When one of them does.
pub async fn at_once<T: Send + 'static>(
    width: usize,
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(width));
    let running: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let _place = gate.acquire_owned().await.expect("the gate stays open");
                call.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for call in running {
        answers.push(call.await.expect("no call panics"));
    }
    answers
}
