//! Promises 1.1 to 1.5 and 3.2: what goes first, and what not yet.

use model::Class::{Bulk, Interactive, Normal};

use super::Subject;
use super::kit::{Kit, job, names, of_key, of_lane};
use crate::{Push, Settle};

/// LANES 1.2.
pub async fn within_key_and_class_the_order_number_decides(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("c", Normal, 3), of_key("a", Normal, -1), of_key("b", Normal, 2)]).await;
    kit.push([of_key("high", Interactive, 9), of_key("low", Bulk, -9)]).await;
    // Equal numbers go by job id.
    kit.push([of_key("bb", Normal, 2), of_key("ba", Normal, 2)]).await;
    assert_eq!(kit.drain(1).await, ["high", "a", "b", "ba", "bb", "c", "low"]);
}

/// LANES 1.3: a key is blocked for all classes while one of its jobs is claimed.
pub async fn a_key_gives_one_job_at_a_time(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2)]).await;
    let first = kit.only(1, "a").await;
    kit.push([of_key("reply", Interactive, 1)]).await;
    kit.none(1).await;
    kit.settle(&first, Settle::Done).await;
    kit.only(1, "reply").await;
}

/// LANES 1.5.
pub async fn a_future_job_joins_its_order_when_it_is_due(subject: &Subject) {
    let kit = Kit(subject);
    let due = kit.soon().await;
    kit.push([Push { ready_at: due, ..of_key("first", Normal, 1) }, of_key("second", Normal, 2)]).await;
    let claim = kit.only(1, "second").await;
    kit.reach(due).await;
    kit.none(1).await;
    kit.settle(&claim, Settle::Release).await;
    assert_eq!(kit.drain(1).await, ["first", "second"]);
}

/// LANES 3.2.
pub async fn nothing_starts_before_its_time(subject: &Subject) {
    let kit = Kit(subject);
    let due = kit.soon().await;
    kit.push((0..20).map(|n| Push { ready_at: due, ..job(&n.to_string()) })).await;
    loop {
        let answer = kit.claim_of(model::Queue::Send, 1, 100).await;
        assert!(answer.claims.is_empty() || answer.now >= due, "{} is before {due}", answer.now);
        if answer.now >= due {
            assert_eq!(answer.claims.len(), 10, "the lane's width");
            assert!(answer.claims.iter().all(|claim| claim.ready_at == due && claim.at >= due));
            return;
        }
        assert_eq!(answer.next_due, Some(due));
        kit.reach(due).await;
    }
}

/// LANES 1.3: and a higher class may go meanwhile.
pub async fn a_retry_blocks_its_class_and_the_lower_ones(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2), of_key("low", Bulk, 0)]).await;
    kit.push([job("other")]).await;
    let claims = kit.claim(1, 9).await;
    assert_eq!(names(&claims), ["a", "other"]);
    let again = kit.soon().await;
    kit.settle(&claims[0], Settle::Retry(again)).await;
    kit.none(1).await;
    kit.push([of_key("reply", Interactive, 1)]).await;
    let reply = kit.only(1, "reply").await;
    kit.settle(&reply, Settle::Done).await;
    // A job that is pushed before the one that waits becomes the head.
    kit.push([of_key("before", Normal, 0)]).await;
    let before = kit.only(1, "before").await;
    kit.settle(&before, Settle::Done).await;
    kit.reach(again).await;
    assert_eq!(kit.drain(1).await, ["a", "b", "low"]);
}

/// LANES 1.1.
pub async fn ready_keys_take_turns(subject: &Subject) {
    let kit = Kit(subject);
    for n in 0..3 {
        let one = |key: &str| Push { key: key.to_owned(), order: n, ..of_lane("a", &format!("{key}{n}")) };
        kit.push(["x", "y", "z"].map(one)).await;
    }
    assert_eq!(kit.drain(1).await, ["x0", "y0", "z0", "x1", "y1", "z1", "x2", "y2", "z2"]);
}

/// LANES 1.1: a lower class goes only when the higher ones are blocked.
pub async fn classes_are_strict_within_a_lane(subject: &Subject) {
    let kit = Kit(subject);
    let one = |name: &str, class| Push { class, ..of_lane("a", name) };
    kit.push([one("b1", Bulk), one("n1", Normal), one("i1", Interactive)]).await;
    kit.push([one("b2", Bulk), one("n2", Normal), one("i2", Interactive)]).await;
    assert_eq!(kit.drain(1).await, ["i1", "i2", "n1", "n2", "b1", "b2"]);
}
