//! Permits of buckets that lanes share: never more than there are, hardly fewer, and everybody in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::Timestamp;

use super::Subject;
use super::kit::{Kit, lane};
use crate::{Permit, Quota};

/// One in each tick, none saved up.
fn quota(subject: &Subject) -> Quota {
    Quota { period: subject.time.tick(), burst: 1 }
}

async fn ask(subject: &Subject, bucket: &str, quota: Quota, name: &str) -> Permit {
    subject.engine.permit(bucket, quota, &lane(name)).await.expect("the engine answers")
}

async fn told(subject: &Subject, quota: Quota, name: &str) -> Timestamp {
    match ask(subject, "app", quota, name).await {
        Permit::At(at) => at,
        Permit::Taken => panic!("{name} is to wait"),
    }
}

/// Those who ask at once are told times of their own, in the order in which they asked.
pub async fn permits_keep_their_distance(subject: &Subject) {
    let quota = Quota { period: Duration::from_secs(2), burst: 1 };
    assert_eq!(ask(subject, "app", quota, "a").await, Permit::Taken);
    let mut last = Kit(subject).now().await;
    for name in ["b", "c", "d"] {
        let at = told(subject, quota, name).await;
        let distance = at.since(last);
        // What passed between the first two readings is less than a period.
        assert!(distance <= quota.period && distance > quota.period / 2, "{name} after {distance:?}");
        last = at;
    }
    assert!(last > Kit(subject).now().await);
}

/// Asking again changes nobody's turn.
pub async fn who_waits_keeps_its_turn(subject: &Subject) {
    let quota = quota(subject);
    assert_eq!(ask(subject, "app", quota, "a").await, Permit::Taken);
    let b = told(subject, quota, "b").await;
    let c = told(subject, quota, "c").await;
    assert!(b < c);
    Kit(subject).reach(c).await;
    // Both come late and at the same time: they keep their distance, and nobody else comes between.
    assert_eq!(ask(subject, "app", quota, "b").await, Permit::Taken);
    let again = told(subject, quota, "c").await;
    assert!(told(subject, quota, "late").await >= again);
    Kit(subject).reach(again).await;
    assert_eq!(ask(subject, "app", quota, "c").await, Permit::Taken);
}

/// A burst is what was not taken before, and no more.
pub async fn what_was_saved_up_goes_at_once(subject: &Subject) {
    let quota = Quota { period: Duration::from_mins(1), burst: 3 };
    for n in 0..3 {
        assert_eq!(ask(subject, "app", quota, &format!("lane-{n}")).await, Permit::Taken);
    }
    let now = Kit(subject).now().await;
    let at = told(subject, quota, "fourth").await;
    assert!(at > now && at.since(now) <= quota.period);
}

/// What is blocked opens at its time, for one after the other.
pub async fn a_blocked_bucket_opens_one_by_one(subject: &Subject) {
    let quota = quota(subject);
    assert_eq!(ask(subject, "app", quota, "a").await, Permit::Taken);
    let early = told(subject, quota, "b").await;
    let until = Kit(subject).now().await + 3 * quota.period;
    subject.engine.block("app", until).await.expect("the engine answers");
    // An earlier end does not open it.
    subject.engine.block("app", early).await.expect("the engine answers");
    let times: Vec<_> =
        [told(subject, quota, "b").await, told(subject, quota, "c").await, told(subject, quota, "d").await]
            .into();
    assert!(times[0] >= until);
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) >= quota.period), "{times:?}");
    Kit(subject).reach(times[0]).await;
    assert_eq!(ask(subject, "app", quota, "b").await, Permit::Taken);
}

/// Who never comes keeps nobody waiting for ever.
pub async fn a_turn_that_nobody_takes_is_given_up(subject: &Subject) {
    let quota = Quota { period: Duration::from_secs(1), burst: 1 };
    let now = Kit(subject).now().await;
    // Nobody of these comes back; their turns lie before the end of the block.
    subject.engine.block("app", now + subject.time.tick()).await.expect("the engine answers");
    for n in 0..3 {
        told(subject, quota, &format!("gone-{n}")).await;
    }
    let last = told(subject, quota, "waits").await;
    subject.time.advance(Duration::from_secs(20)).await;
    assert!(Kit(subject).now().await > last);
    assert_eq!(ask(subject, "app", quota, "new").await, Permit::Taken);
    let next = told(subject, quota, "next").await;
    assert!(next.since(Kit(subject).now().await) <= quota.period);
}

/// Each bucket counts for itself.
pub async fn buckets_do_not_mix(subject: &Subject) {
    let quota = Quota { period: Duration::from_mins(1), burst: 1 };
    assert_eq!(ask(subject, "one", quota, "a").await, Permit::Taken);
    assert_eq!(ask(subject, "two", quota, "a").await, Permit::Taken);
    let far = Kit(subject).now().await + Duration::from_mins(10);
    subject.engine.block("one", far).await.expect("the engine answers");
    assert_eq!(ask(subject, "three", quota, "a").await, Permit::Taken);
}

/// Under constant demand of many lanes: no window has more than its share, and of what there is at least nine tenths are
/// used.
pub async fn permits_are_used_up_and_never_exceeded(subject: &Subject) {
    const LANES: u64 = 7;
    const WANTED: usize = 60;
    let quota = quota(subject);
    let kit = Kit(subject);
    let begun = kit.now().await;
    let mut taken: Vec<(Timestamp, Timestamp)> = Vec::new();
    let mut waits: BTreeMap<u64, Timestamp> = BTreeMap::new();
    let mut served = BTreeSet::new();
    while taken.len() < WANTED {
        let first = subject.ids.number() % LANES;
        let before = kit.now().await;
        for n in (0..LANES).map(|n| (first + n) % LANES) {
            if waits.get(&n).is_some_and(|at| *at > before) {
                continue;
            }
            let asked = kit.now().await;
            match ask(subject, "app", quota, &format!("lane-{n}")).await {
                Permit::Taken => {
                    waits.remove(&n);
                    served.insert(n);
                    taken.push((asked, kit.now().await));
                }
                Permit::At(at) => drop(waits.insert(n, at)),
            }
        }
        if let Some(next) = waits.values().min().filter(|_| waits.len() as u64 == LANES) {
            kit.reach(*next).await;
        }
    }
    assert_eq!(served.len() as u64, LANES, "everybody had a turn");
    for pair in taken.windows(2) {
        // Between the readings around them.
        assert!(pair[1].1.since(pair[0].0) >= quota.period, "two permits within a period: {pair:?}");
    }
    let periods = taken[WANTED - 1].1.since(begun).as_secs_f64() / quota.period.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let share = WANTED as f64 / periods;
    // By hand, time stands still between two turns; on a real clock a tick is a few of its own steps.
    assert!(share >= 0.5, "{WANTED} in {periods:.1} periods");
    println!("{WANTED} permits in {periods:.1} periods");
}
