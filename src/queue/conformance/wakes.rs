//! Promise 2.6: waiting is cheap, and nobody waits too long.

use std::time::Duration;

use model::Queue;

use super::Subject;
use super::kit::{Kit, job, of_lane, worker};
use crate::Push;

/// Far longer than a wake takes.
const LONG: Duration = Duration::from_mins(1);

/// Long enough that a wake that was sent has come.
const SHORT: Duration = Duration::from_millis(100);

/// Which of these workers wake: all of them wait at the same time. Ends when `enough` woke and no other did for a while.
async fn woken(subject: &Subject, workers: &[u128], enough: usize) -> Vec<u128> {
    let mut waiting = tokio::task::JoinSet::new();
    for n in workers.iter().copied() {
        let engine = std::sync::Arc::clone(&subject.engine);
        waiting.spawn(async move {
            engine.wake(Queue::Send, worker(n), LONG).await;
            n
        });
    }
    let mut woken = Vec::new();
    loop {
        let patience = if woken.len() < enough { LONG } else { SHORT };
        match tokio::time::timeout(patience, waiting.join_next()).await {
            Ok(Some(n)) => woken.push(n.expect("waiting does not panic")),
            _ => return woken,
        }
    }
}

/// LANES 2.6.
pub async fn a_claim_says_when_the_next_lane_is_due(subject: &Subject) {
    let kit = Kit(subject);
    assert_eq!(kit.claim_of(Queue::Send, 1, 9).await.next_due, None);
    let (soon, far) = (kit.soon().await, kit.far().await);
    kit.push([Push { ready_at: far, ..of_lane("a", "a") }]).await;
    assert_eq!(kit.claim_of(Queue::Send, 1, 9).await.next_due, Some(far));
    kit.push([Push { ready_at: soon, route: Some(worker(2)), ..of_lane("b", "b") }]).await;
    assert_eq!(kit.claim_of(Queue::Send, 1, 9).await.next_due, Some(far), "it is not for this one");
    assert_eq!(kit.claim_of(Queue::Send, 2, 9).await.next_due, Some(soon));
}

/// LANES 2.6: not every push wakes every worker.
pub async fn a_push_wakes_one_idle_worker(subject: &Subject) {
    let kit = Kit(subject);
    for by in 1..=3 {
        kit.none(by).await;
    }
    kit.push([of_lane("a", "a")]).await;
    kit.push([of_lane("b", "b")]).await;
    let first = woken(subject, &[1, 2, 3], 1).await;
    assert_eq!(first.len(), 1, "{first:?}");
    // A routed lane wakes its own worker.
    assert_eq!(kit.claim(first[0], 9).await.len(), 2);
    let other = if first[0] == 3 { 2 } else { 3 };
    kit.push([Push { route: Some(worker(other)), ..of_lane("c", "c") }]).await;
    assert_eq!(woken(subject, &[1, 2, 3], 1).await, [other]);
}

/// LANES 2.6: who serves its own lanes alone would only wake to sleep again.
pub async fn who_serves_its_own_lanes_alone_is_woken_for_no_others(subject: &Subject) {
    let kit = Kit(subject);
    assert!(kit.claim_own(1, 9).await.claims.is_empty());
    kit.none(2).await;
    kit.push([of_lane("a", "a")]).await;
    assert_eq!(woken(subject, &[1, 2], 1).await, [2]);
    kit.only(2, "a").await;
    kit.push([Push { route: Some(worker(1)), ..of_lane("b", "b") }]).await;
    assert_eq!(woken(subject, &[1, 2], 1).await, [1]);
}

/// LANES 2.6.
pub async fn a_full_claim_wakes_another(subject: &Subject) {
    let kit = Kit(subject);
    for by in 1..=3 {
        kit.none(by).await;
    }
    kit.push(["a", "b", "c"].map(|of| of_lane(of, of))).await;
    let first = woken(subject, &[1, 2, 3], 1).await;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(kit.claim(first[0], 1).await.len(), 1);
    let second = woken(subject, &[1, 2, 3], 1).await;
    assert_eq!(second.len(), 1, "{second:?}");
    assert_ne!(first, second);
}

/// LANES 2.6: when the due time moves earlier.
pub async fn an_earlier_due_time_wakes(subject: &Subject) {
    let kit = Kit(subject);
    let far = kit.far().await;
    kit.push([Push { ready_at: far, ..job("a") }]).await;
    assert_eq!(kit.claim_of(Queue::Send, 1, 9).await.next_due, Some(far));
    kit.push([Push { ready_at: far + LONG, ..job("b") }]).await;
    assert_eq!(woken(subject, &[1], 0).await, [0; 0], "nothing is due earlier");
    kit.push([Push { ready_at: far - LONG, ..job("c") }]).await;
    assert_eq!(woken(subject, &[1], 1).await, [1]);
    kit.resume(crate::HoldTarget::Queue(Queue::Send)).await;
}
