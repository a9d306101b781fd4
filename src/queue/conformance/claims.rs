//! Promises 2.1, 2.2 and 2.5: pushes by the state of their job, fair claims, and the ends of a claim.

use model::Class::{Bulk, Interactive, Normal};

use super::Subject;
use super::kit::{Kit, job, lane, names, of_key, of_lane};
use crate::{JobPlace, Mark, Op, Outcome, Push, Settle};

/// LANES 2.2: a lane that was served goes behind the lanes that are due.
pub async fn lanes_are_served_in_turn(subject: &Subject) {
    let kit = Kit(subject);
    for n in 0..3 {
        kit.push(["x", "y", "z"].map(|of| Push { order: n, ..of_lane(of, &format!("{of}{n}")) })).await;
    }
    let order = kit.drain(1).await;
    for round in order.chunks(3) {
        let mut lanes: Vec<&str> = round.iter().map(|name| &name[..1]).collect();
        lanes.sort_unstable();
        assert_eq!(lanes, ["x", "y", "z"], "in {order:?}");
    }
    // The same within one claim of wide lanes.
    for n in 0..3 {
        let wide = |of: &str| Push { width: 9, ..of_lane(of, &format!("{of}{n}")) };
        kit.push(["x", "y", "z"].map(wide)).await;
    }
    let claims = kit.claim(1, 6).await;
    for of in ["x", "y", "z"] {
        assert_eq!(names(&claims).iter().filter(|name| name.starts_with(of)).count(), 2, "{claims:?}");
    }
}

/// LANES 2.2.
pub async fn a_push_moves_no_lane_ahead_of_its_turn(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_lane("x", "x1"), of_lane("x", "x2"), of_lane("y", "y1"), of_lane("z", "z1")]).await;
    let first = kit.claim(1, 1).await;
    assert_eq!(names(&first), ["x1"]);
    kit.settle(&first[0], Settle::Done).await;
    kit.push([Push { class: Interactive, ..of_lane("x", "x3") }]).await;
    kit.push([of_lane("new", "new")]).await;
    let order = kit.drain(1).await;
    assert_eq!(order[..2], ["y1", "z1"]);
    assert_eq!(order.iter().position(|name| name == "x3"), Some(2), "{order:?}");
}

/// LANES 2.1.
pub async fn a_waiting_job_keeps_the_earlier_time_and_the_higher_class(subject: &Subject) {
    let kit = Kit(subject);
    let (soon, far) = (kit.soon().await, kit.far().await);
    assert_eq!(kit.push([Push { ready_at: far, ..job("a") }]).await, 1);
    assert_eq!(kit.push([Push { ready_at: soon, ..job("a") }]).await, 0);
    assert_eq!(kit.push([Push { ready_at: far, ..job("a") }]).await, 0);
    assert_eq!(kit.place("a", "a").await, JobPlace::Future { ready_at: soon });
    kit.push([Push { class: Bulk, ..job("b") }]).await;
    kit.push([Push { class: Interactive, ..job("b") }]).await;
    kit.push([Push { class: Bulk, ..job("b") }]).await;
    let claim = kit.only(1, "b").await;
    assert_eq!(claim.class, Interactive);
    // An earlier time does not break a retry's wait, a higher class does.
    kit.push([Push { class: Bulk, ..job("c") }]).await;
    let claim = kit.only(1, "c").await;
    kit.settle(&claim, Settle::Retry(far)).await;
    kit.push([Push { class: Bulk, ..job("c") }]).await;
    kit.none(1).await;
    kit.push([Push { class: Normal, ..job("c") }]).await;
    kit.only(1, "c").await;
}

/// LANES 2.1: a drain job never loses a wake-up.
pub async fn a_push_while_claimed_runs_once_more(subject: &Subject) {
    let kit = Kit(subject);
    for end in [Settle::Done, Settle::Fail] {
        kit.push([Push { class: Bulk, ..job("a") }]).await;
        let claim = kit.only(1, "a").await;
        assert_eq!(kit.push([Push { class: Interactive, order: 5, ..job("a") }]).await, 0);
        assert_eq!(kit.push([Push { class: Normal, order: 4, ..job("a") }]).await, 0);
        kit.none(1).await;
        kit.settle(&claim, end).await;
        let again = kit.only(1, "a").await;
        assert_eq!((again.class, again.order, again.lost), (Interactive, 4, 0));
        kit.settle(&again, Settle::Done).await;
        kit.none(1).await;
    }
}

/// LANES 2.1.
pub async fn the_sweep_never_marks(subject: &Subject) {
    let kit = Kit(subject);
    assert_eq!(kit.push_marked([job("a")], Mark::IfAbsent).await, 1);
    let claim = kit.only(1, "a").await;
    assert_eq!(kit.push_marked([job("a")], Mark::IfAbsent).await, 0);
    kit.settle(&claim, Settle::Done).await;
    kit.none(1).await;
}

/// LANES 2.1.
pub async fn a_retry_a_park_and_a_recovery_absorb_the_mark(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    for round in 0..4 {
        let claim = kit.only(1, "a").await;
        kit.push([job("a")]).await;
        let now = claim.at;
        match round {
            0 => kit.settle(&claim, Settle::Retry(now)).await,
            1 => kit.park(&claim, now, "gap", model::Scope::Job).await,
            2 => kit.settle(&claim, Settle::Release).await,
            _ => {
                kit.outlive().await;
                assert_eq!(kit.reap().await.1, 1);
            }
        }
        if round == 3 {
            let claim = kit.only(1, "a").await;
            kit.settle(&claim, Settle::Done).await;
            kit.none(1).await;
        }
    }
}

/// LANES 2.5.
pub async fn later_moves_a_job_out_of_its_order(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2)]).await;
    let claim = kit.only(1, "a").await;
    let due = kit.soon().await;
    kit.settle(&claim, Settle::Later(due)).await;
    assert_eq!(kit.place("a", "a").await, JobPlace::Future { ready_at: due });
    let next = kit.only(1, "b").await;
    kit.settle(&next, Settle::Done).await;
    kit.reach(due).await;
    let claim = kit.only(1, "a").await;
    assert_eq!(claim.ready_at, due);
    // A push that came meanwhile may know of an earlier time.
    let (soon, far) = (kit.soon().await, kit.far().await);
    kit.push([Push { ready_at: soon, ..of_key("a", Normal, 1) }]).await;
    kit.settle(&claim, Settle::Later(far)).await;
    assert_eq!(kit.place("a", "a").await, JobPlace::Future { ready_at: soon });
}

/// LANES 2.3: own place and turn.
pub async fn release_returns_a_job_untouched(subject: &Subject) {
    let kit = Kit(subject);
    let narrow = |name: &str, order| Push { order, ..of_lane("a", name) };
    kit.push([narrow("a", 1), narrow("b", 1)]).await;
    let claim = kit.only(1, "a").await;
    kit.settle(&claim, Settle::Release).await;
    let claim = kit.only(2, "a").await;
    assert_eq!((claim.lost, claim.waits.len()), (0, 0));
}

/// DESIGN 4: memory does not grow with jobs done.
pub async fn a_settled_job_leaves_nothing(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a"), of_key("b", Normal, 1), of_key("c", Normal, 2)]).await;
    assert_eq!(kit.drain(1).await.len(), 3);
    assert_eq!(kit.place("a", "a").await, JobPlace::Absent);
    assert_eq!(kit.one(Op::Jobs { lane: lane("a"), limit: 9 }).await, Outcome::Jobs(Vec::new()));
    let Outcome::Queue(queue) = kit.one(Op::Inspect { queue: model::Queue::Send, limit: 9 }).await else {
        panic!("no summary");
    };
    assert_eq!((queue.lanes, queue.waiting, queue.claimed, queue.first.len()), (0, 0, 0, 0));
    assert_eq!(kit.push([job("a")]).await, 1, "it is new again");
}
