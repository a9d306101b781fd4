//! Whoever is idle hears of work at once; one does, not all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use model::Queue;
use queue::{Engine, Push};

use crate::basics::{claims, one, push, pushes, worker};
use crate::server::Server;

const LONG: Duration = Duration::from_mins(1);

/// Claims until there is something.
async fn take(engine: &queue::RedisEngine, n: u128) -> usize {
    loop {
        let got = claims(engine, worker(n), 5).await.claims.len();
        if got > 0 {
            return got;
        }
        engine.wake(Queue::Send, worker(n), LONG).await;
    }
}

#[tokio::test]
async fn an_idle_worker_is_woken_by_a_push_of_another_process() {
    let Some(server) = Server::start().await else { return };
    let engine = Arc::new(server.engine("wakes"));
    let front = server.engine("wakes");
    front.begin_epoch(1).await.unwrap();
    front.open().await.unwrap();
    for round in 0..20 {
        let idle = Arc::clone(&engine);
        let taken = tokio::spawn(async move { take(&idle, 1).await });
        one(&front, pushes(vec![push(&format!("a{round}"), "k", &format!("j{round}"), 1)])).await;
        let taken = tokio::time::timeout(Duration::from_secs(5), taken).await;
        assert_eq!(taken.expect("woken").unwrap(), 1);
    }
}

#[tokio::test]
async fn one_of_many_is_woken_and_the_right_one_for_a_route() {
    let Some(server) = Server::start().await else { return };
    let engine = Arc::new(server.ready().await);
    let woken = Arc::new(AtomicUsize::new(0));
    for n in 1..=4 {
        let worker = worker(n);
        claims(&engine, worker, 5).await;
        let (engine, woken) = (Arc::clone(&engine), Arc::clone(&woken));
        tokio::spawn(async move {
            engine.wake(Queue::Send, worker, LONG).await;
            woken.fetch_add(1, Ordering::SeqCst);
        });
    }
    one(&engine, pushes(vec![push("a", "k", "j", 1)])).await;
    while woken.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let routed = Push { route: Some(worker(3)), ..push("b", "k", "routed", 1) };
    one(&engine, pushes(vec![routed])).await;
    // Whoever was woken first takes what is for anybody; what is routed waits for the third alone.
    let taken = claims(&engine, worker(3), 5).await.claims;
    assert!(taken.iter().any(|claim| claim.ticket.job.0 == "routed"));
    assert!(woken.load(Ordering::SeqCst) <= 2, "not every push wakes every worker");
}

#[tokio::test]
async fn wakes_survive_a_killed_connection() {
    let Some(server) = Server::start().await else { return };
    let engine = Arc::new(server.ready().await);
    claims(&engine, worker(1), 5).await;
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let idle = Arc::clone(&engine);
    let taken = tokio::spawn(async move { take(&idle, 1).await });
    one(&engine, pushes(vec![push("a", "k", "j", 1)])).await;
    let taken = tokio::time::timeout(Duration::from_secs(5), taken).await;
    assert_eq!(taken.expect("woken").unwrap(), 1);
}
