//! Promises 2.4, 2.6 and 2.7: what is told of waits, and what a lane shows to whoever asks without a claim.

use model::Class::{Bulk, Interactive, Normal};
use model::{Queue, Scope, Wait};

use super::Subject;
use super::kit::{Kit, bytes, job, lane, names, of_key, of_lane};
use crate::{DETAIL_KEPT, FOREVER, HoldTarget, JobPlace, LaneState, Op, Outcome, Push, Settle};

/// DESIGN: what happened is told wherever the wait is.
pub async fn a_wait_keeps_its_detail(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let until = kit.soon().await;
    let wait = Wait::new("stopped", Scope::Lane, until).because("the provider said: 131056, \u{1F426}");
    let claim = kit.only(1, "a").await;
    kit.ok(Op::Park { ticket: claim.ticket, wait: wait.clone() }).await;
    assert_eq!(kit.place("a", "a").await, JobPlace::Waiting { behind: 0, held: Some(wait.clone()) });
    let summary = kit.inspect(Queue::Send).await;
    assert_eq!(summary.first[0].held, std::slice::from_ref(&wait));
    assert_eq!(kit.peek("a").await.held, std::slice::from_ref(&wait));
    kit.reach(until).await;
    let claim = kit.only(1, "a").await;
    assert_eq!(claim.waits, [wait]);
    // A hold has one, too; its scope is what it was put on.
    let wait = Wait::new("paused", Scope::Job, None).because("é".repeat(DETAIL_KEPT));
    kit.ok(Op::Hold { target: HoldTarget::Queue(Queue::Send), wait }).await;
    let told = Wait::new("paused", Scope::Lane, None).because("é".repeat(DETAIL_KEPT / 2));
    let held = kit.one(Kit::granting(&claim.ticket, LaneState::default())).await;
    assert_eq!(held, Outcome::Held(told.clone()));
    assert_eq!(kit.inspect(Queue::Send).await.held, Some(told));
}

/// DESIGN: a timeline shows every wait, also those that a job was not claimed for.
pub async fn a_claim_tells_what_held_the_job(subject: &Subject) {
    let kit = Kit(subject);
    let key = HoldTarget::Key(lane("a"), "a".to_owned());
    // What was over before it was ready is not its own.
    kit.push([of_lane("a", "first")]).await;
    let until = kit.soon().await;
    kit.hold(key.clone(), until, "old").await;
    kit.reach(until).await;
    kit.push([of_lane("a", "a"), of_lane("a", "later")]).await;
    assert_eq!(kit.drain_one(1).await, "first");
    for (target, rule) in [
        (HoldTarget::Queue(Queue::Send), "queue"),
        (key.clone(), "key"),
        (HoldTarget::Class(lane("a"), Normal), "class"),
        (HoldTarget::Lane(lane("a")), "short"),
        (HoldTarget::Lane(lane("a")), "lane"),
    ] {
        let until = kit.soon().await;
        let wait = Wait::new(rule, Scope::Job, until).because("told");
        kit.ok(Op::Hold { target, wait }).await;
        kit.reach(until).await;
    }
    kit.hold(HoldTarget::Key(lane("a"), "later".to_owned()), kit.far().await, "other").await;
    let claim = kit.only(1, "a").await;
    let told: Vec<_> = claim.waits.iter().map(|wait| (wait.rule.as_str(), wait.scope)).collect();
    let (queue, of_lane) = (("queue", Scope::Lane), ("lane", Scope::Lane));
    let (key_hold, class) = (("key", Scope::Recipient), ("class", Scope::Class));
    assert_eq!(told, [queue, key_hold, class, of_lane], "the last of each, in the order in which they ended");
    assert!(claim.waits.iter().all(|wait| wait.detail.as_deref() == Some("told")));
    assert!(claim.waits.is_sorted_by_key(|wait| wait.until));
    // It is told once, also when the job is handed out again.
    kit.settle(&claim, Settle::Release).await;
    let again = kit.only(1, "a").await;
    assert_eq!(again.waits, claim.waits);
    // A hold that goes on with what was told last makes that longer: no second one.
    let until = kit.soon().await;
    kit.park(&again, until, "lane", Scope::Lane).await;
    let longer = until + std::time::Duration::from_millis(1);
    kit.hold(HoldTarget::Lane(lane("a")), longer, "lane").await;
    kit.reach(longer).await;
    let claim = kit.only(1, "a").await;
    assert_eq!(claim.waits.len(), 5);
    assert_eq!(claim.waits[4], Wait::new("lane", Scope::Lane, longer));
    assert_eq!(claim.waits[..4], again.waits);
    kit.settle(&claim, Settle::Done).await;
}

/// A hold that somebody lifted is told as long as it was.
pub async fn a_lifted_hold_ended_then(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([of_lane("a", "a")]).await;
    let account = HoldTarget::Lane(lane("a"));
    let ready = kit.now().await;
    kit.hold(account.clone(), FOREVER, "paused").await;
    kit.reach(kit.soon().await).await;
    let before = kit.now().await;
    kit.resume(account.clone()).await;
    let after = kit.now().await;
    let claim = kit.only(1, "a").await;
    let [wait] = &claim.waits[..] else { panic!("{claim:?}") };
    let until = wait.until.expect("it is over");
    assert!(ready < before && before <= until && until <= after, "{until} after {before}");
    assert_eq!((wait.rule.as_str(), wait.scope), ("paused", Scope::Lane));
    // Lifting it once more changes nothing.
    kit.settle(&claim, Settle::Release).await;
    kit.resume(account).await;
    assert_eq!(kit.only(1, "a").await.waits, claim.waits);
}

/// A person's word for one class of a lane.
pub async fn a_held_class_waits_alone(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([Push { class: Bulk, ..job("bulk") }, Push { class: Bulk, ..job("taken") }]).await;
    let taken = kit.claim(1, 1).await.remove(0);
    let bulk = HoldTarget::Class(lane("a"), Bulk);
    let far = kit.far().await;
    kit.hold(bulk.clone(), far, "response_rate").await;
    let Outcome::Held(held) = kit.one(Kit::granting(&taken.ticket, taken.state.clone())).await else {
        panic!("it is held");
    };
    assert_eq!(held, Wait::new("response_rate", Scope::Class, far));
    kit.settle(&taken, Settle::Done).await;
    kit.push([job("other")]).await;
    let other = kit.only(1, "other").await;
    kit.settle(&other, Settle::Done).await;
    // Another class is another hold; a lane that is new is held before it has jobs.
    kit.resume(HoldTarget::Class(lane("a"), Normal)).await;
    kit.hold(HoldTarget::Class(lane("new"), Interactive), far, "warm_up").await;
    kit.push([Push { class: Interactive, ..of_lane("new", "new") }]).await;
    kit.none(1).await;
    kit.resume(bulk).await;
    kit.resume(HoldTarget::Class(lane("new"), Interactive)).await;
    assert_eq!(kit.claim(1, 9).await.len(), 2);
}

/// Resuming a job ends its own wait, whatever set it, and nothing else.
pub async fn resuming_a_job_lifts_its_own_wait(subject: &Subject) {
    let kit = Kit(subject);
    let far = kit.far().await;
    let target = |name: &str| HoldTarget::Job(lane("a"), crate::JobId(name.to_owned()));
    kit.push([of_key("a", Normal, 1), of_key("b", Normal, 2)]).await;
    for way in 0..3 {
        let claim = kit.only(1, "a").await;
        match way {
            0 => kit.park(&claim, far, "identical_text", Scope::Job).await,
            1 => kit.settle(&claim, Settle::Retry(far)).await,
            _ => {
                kit.settle(&claim, Settle::Release).await;
                kit.hold(target("a"), far, "quiet_hours").await;
            }
        }
        kit.resume(target("b")).await;
        kit.none(1).await;
        kit.resume(target("a")).await;
    }
    // What it waited for by word of others is told like a park.
    let claim = kit.only(1, "a").await;
    let told = |rule: &str| Wait::new(rule, Scope::Job, far);
    assert_eq!(claim.waits, [told("identical_text"), told("quiet_hours")]);
    // Held while a worker has it: no grant, and it waits once it is back.
    kit.hold(target("a"), far, "quiet_hours").await;
    let held = kit.one(Kit::granting(&claim.ticket, claim.state.clone())).await;
    assert_eq!(held, Outcome::Held(told("quiet_hours")));
    kit.settle(&claim, Settle::Release).await;
    kit.none(1).await;
    // One that is not the head yet waits when it becomes that; the lane's holds are not its own.
    kit.hold(target("b"), far, "quiet_hours").await;
    kit.resume(target("a")).await;
    assert_eq!(kit.drain(1).await, ["a"]);
    kit.hold(HoldTarget::Lane(lane("a")), far, "paused").await;
    kit.resume(target("b")).await;
    kit.none(1).await;
    kit.resume(HoldTarget::Lane(lane("a"))).await;
    assert_eq!(kit.drain(1).await, ["b"]);
    // Nobody knows it any more.
    kit.hold(target("b"), far, "quiet_hours").await;
    kit.push([of_key("b", Normal, 2)]).await;
    kit.only(1, "b").await;
}

/// What a lane knows is shown to everybody, and looking changes nothing.
pub async fn a_peek_shows_a_lane_and_changes_nothing(subject: &Subject) {
    let kit = Kit(subject);
    let before = kit.now().await;
    let view = kit.peek("a").await;
    assert!(before <= view.now && view.now <= kit.now().await, "it tells lane time");
    assert_eq!((view.state, view.claimed, view.held), (LaneState::default(), vec![], vec![]));
    assert_eq!(kit.inspect(Queue::Send).await.lanes, 0, "it opened no lane");
    kit.push(["a", "b", "c"].map(job)).await;
    let claims = kit.claim(1, 2).await;
    kit.ok(Kit::granting(&claims[0].ticket, bytes("state", claims[0].state.version))).await;
    let far = kit.far().await;
    kit.hold(HoldTarget::Queue(Queue::Send), far, "queue").await;
    kit.hold(HoldTarget::Lane(lane("a")), far, "lane").await;
    kit.hold(HoldTarget::Class(lane("a"), Bulk), far, "bulk").await;
    kit.hold(HoldTarget::Class(lane("a"), Interactive), far, "interactive").await;
    kit.hold(HoldTarget::Key(lane("a"), "c".to_owned()), far, "key").await;
    let view = kit.peek("a").await;
    assert_eq!(view.state, bytes("state", claims[0].state.version + 1));
    assert_eq!(view.claimed.iter().map(|job| job.0.as_str()).collect::<Vec<_>>(), names(&claims));
    let told = [("interactive", Scope::Class), ("bulk", Scope::Class), ("lane", Scope::Lane)];
    let told = told.into_iter().chain([("queue", Scope::Lane)]);
    let held: Vec<_> = told.map(|(rule, scope)| Wait::new(rule, scope, far)).collect();
    assert_eq!(view.held, held);
    assert_eq!(kit.peek("elsewhere").await.held, held[3..], "its queue is held");
    let again = kit.peek("a").await;
    assert_eq!((again.state, again.claimed, again.held), (view.state, view.claimed, view.held));
    for claim in &claims {
        kit.settle(claim, Settle::Done).await;
    }
    assert!(kit.peek("a").await.claimed.is_empty());
}
