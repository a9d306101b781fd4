//! The memory engine before the promises and the judge. Run it on with `LANES_STEPS=100000`.

use std::time::Duration;

use queue::conformance::{Chance, Subject, random};

fn fresh() -> std::future::Ready<Subject> {
    std::future::ready(Subject::memory())
}

queue::promises!(fresh);

#[tokio::test]
async fn random_operations_keep_the_promises() {
    let steps = std::env::var("LANES_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(4_000);
    for seed in 0..12 {
        let chance = Chance { seed, steps, unit: Duration::from_millis(50), leases: true };
        random(&Subject::memory(), chance).await;
    }
}
