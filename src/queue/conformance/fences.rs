//! Promises 2.2, 2.4, 2.5 and 6.5: tokens, states, leases.

use model::Scope;

use super::Subject;
use super::kit::{Kit, bytes, job, lane, worker};
use crate::{HoldTarget, LaneState, Op, Outcome, Settle};

/// LANES 2.2.
pub async fn tokens_rise(subject: &Subject) {
    let kit = Kit(subject);
    let mut last = 0;
    for _ in 0..5 {
        kit.push(["a", "b"].map(job)).await;
        for claim in kit.claim(1, 9).await {
            assert!(claim.ticket.token > last);
            last = claim.ticket.token;
            kit.settle(&claim, Settle::Release).await;
        }
    }
}

/// LANES 2.4.
pub async fn a_grant_commits_the_state(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let claim = kit.only(1, "a").await;
    assert_eq!(claim.state.bytes, None, "the lane is new here");
    let version = claim.state.version;
    kit.ok(Kit::granting(&claim.ticket, bytes("one", version))).await;
    kit.ok(Kit::granting(&claim.ticket, bytes("two", version + 1))).await;
    kit.settle(&claim, Settle::Done).await;
    kit.push([job("b")]).await;
    let claim = kit.only(2, "b").await;
    assert_eq!(claim.state, bytes("two", version + 2));
}

/// LANES 2.4.
pub async fn a_grant_is_refused_under_a_hold(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let claims = kit.claim(1, 9).await;
    let far = kit.far().await;
    let state = bytes("new", claims[0].state.version);
    let grant = Kit::granting(&claims[0].ticket, state.clone());
    for target in [HoldTarget::Lane(lane("a")), HoldTarget::Key(lane("a"), "a".to_owned())] {
        kit.hold(target.clone(), far, "provider").await;
        let Outcome::Held(wait) = kit.one(grant.clone()).await else { panic!("it is held") };
        assert_eq!((wait.rule.as_str(), wait.until), ("provider", Some(far)));
        kit.resume(target).await;
    }
    // Another job of the lane was parked with its class.
    kit.park(&claims[1], far, "gap", Scope::Class).await;
    let Outcome::Held(wait) = kit.one(grant.clone()).await else { panic!("it is held") };
    assert_eq!((wait.rule.as_str(), wait.scope), ("gap", Scope::Class));
    kit.resume(HoldTarget::Lane(lane("a"))).await;
    kit.ok(grant).await;
}

/// Two jobs of a wide lane decide over the same state: the second decides again.
pub async fn a_grant_over_an_old_state_is_stale(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let claims = kit.claim(1, 9).await;
    let version = claims[0].state.version;
    kit.ok(Kit::granting(&claims[0].ticket, bytes("one", version))).await;
    let answer = kit.one(Kit::granting(&claims[1].ticket, bytes("two", version))).await;
    assert_eq!(answer, Outcome::Stale(bytes("one", version + 1)));
    kit.ok(Kit::granting(&claims[1].ticket, bytes("two", version + 1))).await;
}

/// LANES 2.5.
pub async fn settle_writes_a_fitting_state_only(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let claims = kit.claim(1, 9).await;
    let version = claims[0].state.version;
    for (claim, text) in claims.iter().zip(["first", "late"]) {
        let state = Some((bytes(text, version), crate::FOREVER));
        kit.ok(Op::Settle { ticket: claim.ticket.clone(), how: Settle::Done, state }).await;
    }
    kit.push([job("c")]).await;
    assert_eq!(kit.only(1, "c").await.state, bytes("first", version + 1));
}

/// LANES 2.5 and 7: a zombie's word counts for nothing, and its beat tells it.
pub async fn who_lost_the_lease_settles_nothing(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let zombie = kit.only(1, "a").await;
    kit.outlive().await;
    assert_eq!(kit.reap().await, (vec![worker(1)], 1));
    let heir = kit.only(2, "a").await;
    assert!(heir.ticket.token > zombie.ticket.token);
    kit.lost(Kit::granting(&zombie.ticket, bytes("stale", zombie.state.version))).await;
    kit.lost(Kit::settling(&zombie, Settle::Done)).await;
    kit.lost(Kit::parking(&zombie, heir.at, "gap", Scope::Lane)).await;
    kit.lost(Op::Beat { worker: worker(1) }).await;
    // It knows now; its lease is open again.
    kit.ok(Op::Beat { worker: worker(1) }).await;
    kit.ok(Kit::granting(&heir.ticket, heir.state.clone())).await;
    kit.settle(&heir, Settle::Done).await;
}

/// A crash is counted, so that a poisonous job can be told from an unlucky one.
pub async fn a_reaped_job_counts_as_lost(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    assert_eq!(kit.claim(1, 2).await.len(), 2);
    kit.outlive().await;
    assert_eq!(kit.reap().await.1, 2);
    assert_eq!(kit.reap().await.1, 0);
    let claims = kit.claim(2, 9).await;
    assert!(claims.len() == 2 && claims.iter().all(|claim| claim.lost == 1));
}

/// LANES 6.5.
pub async fn a_beat_keeps_the_lease(subject: &Subject) {
    let kit = Kit(subject);
    kit.push([job("a")]).await;
    let claim = kit.only(99, "a").await;
    // The bystander is the one who beats.
    kit.outlive().await;
    assert_eq!(kit.reap().await.1, 0);
    kit.settle(&claim, Settle::Done).await;
}

/// Every field of a ticket must fit.
pub async fn a_stale_ticket_changes_nothing(subject: &Subject) {
    let kit = Kit(subject);
    kit.push(["a", "b"].map(job)).await;
    let claims = kit.claim(1, 9).await;
    let good = &claims[0];
    let mut bad = vec![good.clone(), good.clone(), good.clone()];
    bad[0].ticket.token += 1_000;
    bad[1].ticket.worker = worker(2);
    bad[2].ticket.lane = lane("elsewhere");
    for claim in &bad {
        kit.lost(Kit::settling(claim, Settle::Done)).await;
        kit.lost(Kit::parking(claim, crate::FOREVER, "gap", Scope::Lane)).await;
        kit.lost(Kit::granting(&claim.ticket, LaneState::default())).await;
    }
    kit.settle(good, Settle::Done).await;
    kit.lost(Kit::settling(good, Settle::Done)).await;
    kit.settle(&claims[1], Settle::Done).await;
}
