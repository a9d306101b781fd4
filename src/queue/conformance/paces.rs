//! Promises 1.4 and 2.3, scope pace: jobs that wait for the same pace wait together, whatever their number, and nobody else
//! waits with them.

use model::Class::{Bulk, Interactive, Normal};
use model::{Queue, Scope, Wait};

use super::Subject;
use super::kit::{Kit, job, lane, names, of_key, of_lane};
use crate::{HoldTarget, JobPlace, LaneState, Outcome, Push, Settle};

/// LANES 2.3, scope pace.
pub async fn slow_jobs_wait_together_and_others_go_on(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let claims = kit.claim(1, 9).await;
    let (soon, until) = (kit.now().await + std::time::Duration::from_micros(1), kit.soon().await);
    kit.park(&claims[0], until, "gap", Scope::Pace).await;
    // The later of both counts for both; what a worker has is not asked again.
    let grant = Kit::granting(&claims[1].ticket, LaneState::default());
    assert_eq!(kit.one(grant).await, Outcome::Ok);
    kit.park(&claims[1], soon, "gap", Scope::Pace).await;
    let answer = kit.claim_of(Queue::Send, 1, 9).await;
    assert_eq!((answer.claims.len(), answer.next_due), (0, Some(until)));
    let held = Some(Wait::new("gap", Scope::Pace, until));
    for name in ["a", "b"] {
        assert_eq!(kit.place("a", name).await, JobPlace::Waiting { behind: 0, held: held.clone() });
    }
    assert_eq!(kit.peek("a").await.held, held.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(kit.inspect(Queue::Send).await.first[0].held.len(), 1);
    // Others of their class go, and so do lower classes.
    kit.push([job("c"), Push { class: Bulk, ..job("bulk") }]).await;
    assert_eq!(kit.place("a", "c").await, JobPlace::Waiting { behind: 0, held: None });
    assert_eq!(kit.drain(1).await, ["c", "bulk"]);
    // Another class has a pace of its own.
    kit.push([Push { class: Interactive, ..job("d") }]).await;
    let claim = kit.only(1, "d").await;
    kit.park(&claim, until, "gap", Scope::Pace).await;
    kit.resume(HoldTarget::Class(lane("a"), Interactive)).await;
    kit.only(1, "d").await;
    kit.reach(until).await;
    let claims = kit.claim(1, 9).await;
    assert_eq!(names(&claims), ["a", "b"]);
    // Each is told how long it waited, also for what others set.
    assert!(claims.iter().all(|claim| claim.waits == held.clone().into_iter().collect::<Vec<_>>()));
}

/// However many there are: when their wait ends, one is asked, and if it must wait, so do all.
pub async fn slow_jobs_are_asked_once_a_wait(subject: &Subject) {
    let kit = Kit(subject);
    let of_class = |name: &str| Push { class: Interactive, ..of_lane("a", name) };
    let mut until = kit.far().await;
    kit.push((0..200).map(|n| of_class(&format!("j{n:03}")))).await;
    for _ in 0..200 {
        // Nobody knows of a job that it is slow before it was asked.
        let claim = kit.claim(1, 1).await.remove(0);
        kit.park(&claim, until, "gap", Scope::Pace).await;
    }
    let mut gone = Vec::new();
    for _ in 0..4 {
        kit.none(1).await;
        kit.push([of_class("reply")]).await;
        let reply = kit.only(1, "reply").await;
        kit.settle(&reply, Settle::Done).await;
        kit.reach(until).await;
        gone.push(kit.drain_one(1).await);
        let claim = kit.claim(1, 1).await.remove(0);
        until = kit.far().await;
        kit.park(&claim, until, "gap", Scope::Pace).await;
    }
    assert_eq!(gone, ["j000", "j001", "j002", "j003"], "they take turns");
}

/// At the end of their wait slow jobs have no other turn than they had.
pub async fn slow_and_other_keys_take_turns(subject: &Subject) {
    let kit = Kit(subject);
    let (until, mut order) = (kit.soon().await, Vec::new());
    for n in 0..3 {
        kit.push([of_lane("a", &format!("slow{n}"))]).await;
        let claim = kit.claim(1, 1).await.remove(0);
        kit.push([of_lane("a", &format!("other{n}"))]).await;
        kit.hold(HoldTarget::Key(lane("a"), format!("other{n}")), until, "provider").await;
        kit.park(&claim, until, "gap", Scope::Pace).await;
        order.extend([format!("slow{n}"), format!("other{n}")]);
    }
    kit.reach(until).await;
    assert_eq!(kit.drain(1).await, order);
}

/// A slow job keeps its place in its key: what stands behind it waits with it, what comes before it does not.
pub async fn a_slow_job_holds_its_own_line_only(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2), of_key("low", Bulk, 1)]).await;
    let until = kit.soon().await;
    let claim = kit.only(1, "a").await;
    kit.park(&claim, until, "gap", Scope::Pace).await;
    let held = Some(Wait::new("gap", Scope::Pace, until));
    for (behind, name) in ["a", "b", "low"].into_iter().enumerate() {
        assert_eq!(kit.place("a", name).await, JobPlace::Waiting { behind, held: held.clone() });
    }
    // Twice over: it is the head, and it is not.
    kit.push([of_key("first", Normal, 0), of_key("reply", Interactive, 1)]).await;
    let reply = kit.only(1, "reply").await;
    assert_eq!(kit.place("a", "a").await, JobPlace::Waiting { behind: 2, held: held.clone() });
    kit.settle(&reply, Settle::Done).await;
    let first = kit.only(1, "first").await;
    kit.settle(&first, Settle::Release).await;
    let first = kit.only(1, "first").await;
    kit.settle(&first, Settle::Done).await;
    assert_eq!(kit.place("a", "a").await, JobPlace::Waiting { behind: 0, held });
    kit.none(1).await;
    kit.reach(until).await;
    assert_eq!(kit.drain(1).await, ["a", "b", "low"]);
}

/// Handed back untouched a job stays slow; whatever else ends its claim, its next look tells.
pub async fn a_job_is_slow_until_it_ends_otherwise(subject: &Subject) {
    let kit = Kit(subject);
    let slow_down = async || {
        let until = kit.far().await;
        kit.push([job("other")]).await;
        let claim = kit.only(1, "other").await;
        kit.park(&claim, until, "gap", Scope::Pace).await;
    };
    let class = HoldTarget::Class(lane("a"), Normal);
    for way in 0..7 {
        kit.push([job("a")]).await;
        let claim = kit.only(1, "a").await;
        kit.park(&claim, kit.now().await + std::time::Duration::from_micros(1), "gap", Scope::Pace).await;
        kit.reach(kit.soon().await).await;
        let claim = kit.only(1, "a").await;
        slow_down().await;
        match way {
            0 => kit.settle(&claim, Settle::Release).await,
            1 => {
                kit.outlive().await;
                kit.reap().await;
            }
            2 => kit.settle(&claim, Settle::Retry(claim.at)).await,
            3 => kit.settle(&claim, Settle::Later(claim.at)).await,
            4 => kit.park(&claim, claim.at, "same_recipient", Scope::Recipient).await,
            5 => {
                kit.push([job("a")]).await;
                kit.settle(&claim, Settle::Done).await;
            }
            _ => {
                kit.settle(&claim, Settle::Release).await;
                kit.push([Push { class: Interactive, ..job("a") }]).await;
            }
        }
        if way < 2 {
            kit.none(1).await;
            kit.resume(if way == 0 { class.clone() } else { HoldTarget::Lane(lane("a")) }).await;
        } else {
            let claim = kit.only(1, "a").await;
            kit.settle(&claim, Settle::Done).await;
            kit.resume(class.clone()).await;
        }
        let mut left = kit.drain(1).await;
        left.retain(|name| name != "other");
        assert_eq!(left.len(), usize::from(way < 2), "way {way}");
    }
}

/// A contact writes, and what waited for its pace is a reply now: resumed, it waits with the slow ones no more.
pub async fn a_resumed_job_is_not_slow(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let until = kit.far().await;
    for claim in kit.claim(1, 9).await {
        kit.park(&claim, until, "gap", Scope::Pace).await;
    }
    kit.none(1).await;
    kit.resume(HoldTarget::Job(lane("a"), crate::JobId("b".to_owned()))).await;
    assert_eq!(kit.place("a", "b").await, JobPlace::Waiting { behind: 0, held: None });
    kit.only(1, "b").await;
    kit.none(1).await;
}
