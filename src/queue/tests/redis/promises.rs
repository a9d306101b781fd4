//! The promises and the judge that every engine stands before. Run the judge on with `LANES_STEPS=100000`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Ids;
use queue::RedisEngine;
use queue::conformance::{Advance, Chance, Subject, random};

use crate::server::Server;

/// The server lives as long as its subject.
#[derive(Debug)]
struct Shifted(Arc<RedisEngine>, #[expect(dead_code, reason = "kept alive")] Server);

#[async_trait]
impl Advance for Shifted {
    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    fn tick(&self) -> Duration {
        // Redis's own clock runs on below ours.
        Duration::from_secs(1)
    }
}

async fn fresh() -> Subject {
    // Without a server the memory engine stands in, so that the line above says what was left out and nothing else fails.
    let Some(server) = Server::shared().await else { return Subject::memory() };
    let engine = Arc::new(server.ready().await);
    Subject { engine: Arc::clone(&engine) as _, time: Arc::new(Shifted(engine, server)), ids: Ids::seeded(7) }
}

queue::promises!(fresh);

#[tokio::test]
async fn random_operations_keep_the_promises() {
    let steps = std::env::var("LANES_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(2_500);
    for seed in 0..6 {
        let chance = Chance { seed, steps, unit: Duration::from_millis(50), leases: true };
        random(&fresh().await, chance).await;
    }
}
