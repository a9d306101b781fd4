//! A release is rolled out under load: all workers and fronts are stopped and started, one after the other.

use std::time::{Duration, Instant};

use tests::harness::{Installation, until};
use tests::servers;

use crate::BINARY;
use crate::load::Shape;
use crate::record::Record;
use crate::verdict;

/// Within this time whoever is told to stop has ended.
const DRAIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_is_rolled_out_is_noticed_by_nobody() {
    if !servers::present("a release that is rolled out") {
        return;
    }
    let begun = Instant::now();
    let vars = [("ROOKERY_LOG", "warn".to_owned())];
    let Some(mut installation) = Installation::fleet_of(BINARY, 3, &vars).await else { return };
    let other = installation.add_front();
    let shape = Shape {
        shops: 24,
        sessions: 4,
        scale: 12,
        every: Duration::from_millis(600),
        chats: vec!["customer-{}".to_owned(), "slow-500-{}".to_owned(), "customer-{}".to_owned()],
    };
    let shops = shape.open(&installation).await;
    let load = shape.start(&installation, &[installation.api().clone(), other], &shops);
    let (mut record, sandbox) = (Record::default(), installation.sandbox());
    for role in ["worker", "web", "scheduler", "worker"] {
        let before = record.accepted();
        until("messages go out", async || {
            record.catch_up(&sandbox).await;
            (record.accepted() > before + 20).then_some(())
        })
        .await;
        let slowest = installation.roll(role).await;
        println!("rolling: the slowest {role} ended after {slowest:.1?}");
        assert!(slowest < DRAIN, "{slowest:?}");
    }
    let given = load.end().await;
    let took = verdict::drained(&installation, DRAIN).await;
    record.catch_up(&sandbox).await;
    let verdict = verdict::judge(&installation, &shops, &given, &record).await;
    let lost = verdict.attempts.iter().find(|attempt| attempt.outcome == "lost");
    assert!(lost.is_none(), "who was told to stop let calls end: {lost:?}");
    for attempt in verdict.attempts.iter().filter(|attempt| attempt.outcome != "accepted") {
        println!("rolling: a call ended as {}: {}", attempt.outcome, attempt.error);
    }
    println!("rolling: {verdict}");
    println!("rolling: drained after {took:.1?}; {:.0} s", begun.elapsed().as_secs_f64());
}
