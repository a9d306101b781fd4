//! Promises 1.6 and 1.7: how many of a lane's jobs are out, and with whom.

use model::Queue;

use super::Subject;
use super::kit::{Kit, job, names, of_lane, worker};
use crate::{LaneId, Push, Settle};

/// LANES 1.6.
pub async fn width_limits_the_claims_of_a_lane(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b", "c", "d"].map(|name| Push { width: 2, ..job(name) })).await;
    let claims = kit.claim(1, 9).await;
    assert_eq!(names(&claims), ["a", "b"]);
    kit.none(1).await;
    kit.settle(&claims[0], Settle::Done).await;
    kit.only(1, "c").await;
}

/// LANES 1.7.
pub async fn a_lane_with_claims_belongs_to_one_worker(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b", "c"].map(job)).await;
    let first = kit.claim(1, 1).await;
    kit.none(2).await;
    let second = kit.claim(1, 1).await;
    assert_eq!(names(&second), ["b"]);
    kit.settle(&first[0], Settle::Done).await;
    kit.none(2).await;
    kit.settle(&second[0], Settle::Done).await;
    kit.only(2, "c").await;
}

/// LANES 1.7.
pub async fn a_routed_lane_is_for_its_worker_only(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([Push { route: Some(worker(2)), ..job("mine") }, of_lane("b", "free")]).await;
    kit.only(1, "free").await;
    kit.only(2, "mine").await;
}

/// Who serves its own lanes alone is given no other and is told of no other.
pub async fn who_serves_its_own_lanes_alone_gets_no_others(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_lane("b", "free")]).await;
    let nothing = kit.claim_own(2, 9).await;
    assert_eq!((names(&nothing.claims), nothing.next_due), (Vec::<&str>::new(), None));
    kit.push([Push { route: Some(worker(2)), ..job("mine") }]).await;
    let mine = kit.claim_own(2, 9).await.claims;
    assert_eq!(names(&mine), ["mine"]);
    kit.settle(&mine[0], Settle::Done).await;
    kit.only(1, "free").await;
}

/// LANES 2.1.
pub async fn a_push_takes_over_width_and_route(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_lane("a", "a"), of_lane("a", "b")]).await;
    let first = kit.only(1, "a").await;
    kit.push([Push { width: 3, ..of_lane("a", "c") }]).await;
    let more = kit.claim(1, 9).await;
    assert_eq!(names(&more), ["b", "c"]);
    for claim in more.iter().chain([&first]) {
        kit.settle(claim, Settle::Done).await;
    }
    kit.push([Push { route: Some(worker(2)), ..of_lane("a", "d") }]).await;
    kit.none(1).await;
    kit.only(2, "d").await;
}

/// LANES 1.7: one writer of the state, and the route's worker only: both hold while a lane changes hands.
pub async fn a_lane_routed_elsewhere_drains_first(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let first = kit.claim(1, 1).await;
    kit.push([Push { route: Some(worker(2)), ..job("c") }]).await;
    kit.none(1).await;
    kit.none(2).await;
    kit.settle(&first[0], Settle::Done).await;
    kit.none(1).await;
    assert_eq!(names(&kit.claim(2, 9).await), ["b", "c"]);
}

/// LANES 1.1: a lane is (queue, lane key).
pub async fn queues_do_not_mix(subject: &Subject) {
    let kit = Kit(subject);
    let other = LaneId { queue: Queue::Ingest, ..job("x").lane };
    kit.push([job("same"), Push { lane: other, ..job("same") }]).await;
    let ingest = kit.claim_of(Queue::Ingest, 1, 9).await.claims;
    assert_eq!(names(&ingest), ["same"]);
    assert_eq!(ingest[0].ticket.lane.queue, Queue::Ingest);
    kit.only(2, "same").await;
}
