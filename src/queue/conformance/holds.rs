//! Promises 1.3, 1.4, 2.3 and 2.7: who waits holds as little as it must, and says why.

use model::Class::{Bulk, Interactive, Normal};
use model::{Queue, Scope, Wait};

use super::Subject;
use super::kit::{Kit, job, lane, names, of_key, of_lane};
use crate::{FOREVER, HoldTarget, JobPlace, Op, Outcome, Push, Settle, WAITS_KEPT};

/// LANES 2.3, scope job.
pub async fn a_parked_job_holds_only_its_own_line(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2), of_key("low", Bulk, 1)]).await;
    let claim = kit.only(1, "a").await;
    let until = kit.soon().await;
    kit.park(&claim, until, "provider", Scope::Job).await;
    kit.push([job("other"), of_key("reply", Interactive, 1)]).await;
    let mut claims = kit.claim(1, 9).await;
    claims.sort_by_key(|claim| claim.ticket.job.clone());
    assert_eq!(names(&claims), ["other", "reply"]);
    for claim in &claims {
        kit.settle(claim, Settle::Done).await;
    }
    kit.reach(until).await;
    assert_eq!(kit.drain(1).await, ["a", "b", "low"]);
}

/// LANES 1.3, 2.3 scope recipient.
pub async fn a_held_recipient_holds_no_other_key(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1)]).await;
    let claim = kit.only(1, "a").await;
    let until = kit.soon().await;
    kit.park(&claim, until, "same_recipient", Scope::Recipient).await;
    kit.push([of_key("reply", Interactive, 1), job("other")]).await;
    kit.only(1, "other").await;
    kit.reach(until).await;
    assert_eq!(kit.drain(1).await, ["reply", "a"]);
}

/// LANES 2.3: a reply overtakes a bulk wait at once.
pub async fn a_reply_overtakes_a_held_class(subject: &Subject) {
    let kit = Kit(subject);
    let bulk = |name: &str| Push { class: Bulk, ..of_lane("a", name) };
    kit.push([bulk("a"), bulk("b")]).await;
    let claim = kit.only(1, "a").await;
    let until = kit.soon().await;
    kit.park(&claim, until, "gap", Scope::Class).await;
    let answer = kit.claim_of(Queue::Send, 1, 9).await;
    assert_eq!((answer.claims.len(), answer.next_due), (0, Some(until)));
    kit.push([Push { class: Interactive, ..of_lane("a", "reply") }]).await;
    let reply = kit.only(1, "reply").await;
    kit.settle(&reply, Settle::Done).await;
    kit.reach(until).await;
    assert_eq!(kit.drain(1).await, ["a", "b"]);
}

/// LANES 2.3, scope lane.
pub async fn a_held_lane_waits_whole(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_lane("a", "a"), of_lane("b", "b")]).await;
    let claims = kit.claim(1, 1).await;
    let until = kit.soon().await;
    kit.park(&claims[0], until, "per_minute", Scope::Lane).await;
    kit.push([Push { class: Interactive, ..of_lane("a", "reply") }]).await;
    kit.only(1, "b").await;
    kit.reach(until).await;
    assert_eq!(kit.drain(1).await, ["reply", "a"]);
}

/// LANES 6.1: a pause of a queue.
pub async fn a_held_queue_waits_whole_and_loses_nothing(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_lane("a", "a"), of_lane("b", "b")]).await;
    kit.hold(HoldTarget::Queue(Queue::Send), FOREVER, "paused").await;
    kit.none(1).await;
    kit.push([of_lane("c", "c")]).await;
    let Outcome::Queue(queue) = kit.one(Op::Inspect { queue: Queue::Send, limit: 9 }).await else {
        panic!("no summary");
    };
    let paused = Wait { rule: "paused".to_owned(), scope: Scope::Lane, until: None, detail: None };
    assert_eq!((queue.held, queue.waiting), (Some(paused), 3));
    kit.resume(HoldTarget::Queue(Queue::Send)).await;
    assert_eq!(kit.drain(1).await, ["a", "b", "c"]);
}

/// LANES 2.3: the later of old and new.
pub async fn only_resume_lowers_a_hold(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let (soon, far) = (kit.soon().await, kit.far().await);
    for target in [
        HoldTarget::Queue(Queue::Send),
        HoldTarget::Lane(lane("a")),
        HoldTarget::Key(lane("a"), "a".to_owned()),
    ] {
        kit.hold(target.clone(), far, "long").await;
        kit.hold(target.clone(), soon, "short").await;
        let JobPlace::Waiting { held: Some(held), .. } = kit.place("a", "a").await else {
            panic!("it is held");
        };
        assert_eq!((held.rule.as_str(), held.until), ("long", Some(far)));
        kit.none(1).await;
        kit.resume(target).await;
        let claim = kit.only(1, "a").await;
        kit.settle(&claim, Settle::Release).await;
    }
}

/// A person who resumes an account means all of it.
pub async fn resuming_a_lane_lifts_its_classes(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let claim = kit.only(1, "a").await;
    let far = kit.far().await;
    kit.park(&claim, far, "gap", Scope::Class).await;
    kit.none(1).await;
    kit.resume(HoldTarget::Lane(lane("a"))).await;
    kit.only(1, "a").await;
}

/// LANES 2.7.
pub async fn waits_travel_with_their_job(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let mut told = Vec::new();
    for n in 0..WAITS_KEPT + 4 {
        let claim = kit.only(1, "a").await;
        assert_eq!(claim.waits, told);
        let rule = format!("rule{n}");
        kit.park(&claim, claim.at, &rule, Scope::Recipient).await;
        told.push(Wait { rule, scope: Scope::Recipient, until: Some(claim.at), detail: None });
        told.drain(..told.len().saturating_sub(WAITS_KEPT));
    }
}

/// DESIGN: every wait has a reason and a time.
pub async fn every_wait_has_a_reason_and_a_time(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2), of_key("low", Bulk, 0)]).await;
    let claim = kit.only(1, "a").await;
    assert_eq!(kit.place("a", "a").await, JobPlace::Claimed { worker: claim.ticket.worker });
    // The claimed one goes before it.
    assert_eq!(kit.place("a", "b").await, JobPlace::Waiting { behind: 1, held: None });
    let far = kit.far().await;
    let wait = |rule: &str, scope, until| Some(Wait { rule: rule.to_owned(), scope, until, detail: None });
    kit.park(&claim, far, "provider", Scope::Job).await;
    let held = wait("provider", Scope::Job, Some(far));
    for (behind, name) in ["a", "b", "low"].into_iter().enumerate() {
        assert_eq!(kit.place("a", name).await, JobPlace::Waiting { behind, held: held.clone() });
    }
    kit.hold(HoldTarget::Lane(lane("a")), FOREVER, "paused").await;
    let held = wait("paused", Scope::Lane, None);
    assert_eq!(kit.place("a", "b").await, JobPlace::Waiting { behind: 1, held: held.clone() });
    let Outcome::Queue(queue) = kit.one(Op::Inspect { queue: Queue::Send, limit: 9 }).await else {
        panic!("no summary");
    };
    assert_eq!(queue.first[0].held, held.into_iter().collect::<Vec<_>>());
    assert_eq!((queue.first[0].waiting, queue.first[0].claimed), (3, 0));
}

/// LANES 1.4: what is held is not looked at, and what ended is looked at bit by bit.
pub async fn many_held_keys_do_not_hide_a_ready_one(subject: &Subject) {
    let kit = Kit(subject);
    let until = kit.soon().await;
    let names: Vec<String> = (0..2_000).map(|n| format!("k{n:04}")).collect();
    for part in names.chunks(500) {
        kit.push(part.iter().map(|name| Push { ready_at: until, ..of_lane("a", name) })).await;
    }
    kit.push([Push { class: Bulk, ..of_lane("a", "bulk") }]).await;
    let bulk = kit.only(1, "bulk").await;
    kit.settle(&bulk, Settle::Done).await;
    kit.reach(until).await;
    let mut gone = kit.drain(1).await;
    gone.sort();
    assert_eq!(gone, names);
}
