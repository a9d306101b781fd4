//! A job's way through the script, once.

use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};
use queue::{
    Claim, Claims, Engine, JobId, JobPlace, LaneId, LaneState, Mark, Op, Outcome, Push, RedisEngine, Settle,
};

use crate::server::Server;

pub fn worker(n: u128) -> WorkerId {
    format!("{n:032x}").parse().unwrap()
}

pub fn lane(name: &str) -> LaneId {
    LaneId { queue: Queue::Send, name: name.to_owned() }
}

pub fn push(of: &str, key: &str, job: &str, order: i64) -> Push {
    Push {
        job: JobId(job.to_owned()),
        lane: lane(of),
        key: key.to_owned(),
        class: Class::Normal,
        order,
        ready_at: Timestamp::ZERO,
        width: 1,
        route: None,
    }
}

pub fn pushes(pushes: Vec<Push>) -> Op {
    Op::Push { pushes, mark: Mark::Again }
}

pub async fn one(engine: &RedisEngine, op: Op) -> Outcome {
    engine.apply(vec![op]).await.unwrap().pop().unwrap()
}

pub async fn claims(engine: &RedisEngine, who: WorkerId, max: usize) -> Claims {
    match one(engine, Op::Claim { queue: Queue::Send, worker: who, max, own: false }).await {
        Outcome::Claimed(claims) => claims,
        other => panic!("{other:?}"),
    }
}

pub async fn claim(engine: &RedisEngine, who: WorkerId) -> Option<Claim> {
    claims(engine, who, 1).await.claims.pop()
}

pub fn done(claim: &Claim) -> Op {
    Op::Settle { ticket: claim.ticket.clone(), how: Settle::Done, state: None }
}

#[tokio::test]
async fn a_job_goes_its_way() {
    let Some(server) = Server::shared().await else {
        return;
    };
    let engine = server.ready().await;
    let batch = (0..5).map(|n| push("a", &format!("k{}", n % 2), &format!("j{n}"), n)).collect();
    assert_eq!(one(&engine, pushes(batch)).await, Outcome::Pushed { inserted: 5 });
    let first = claim(&engine, worker(1)).await.unwrap();
    assert_eq!(first.ticket.job.0, "j0");
    assert!(claim(&engine, worker(1)).await.is_none(), "the lane is one job wide");
    let find = |job: &str| Op::Find { job: JobId(job.to_owned()), lane: lane("a") };
    assert_eq!(one(&engine, find("j0")).await, Outcome::Place(JobPlace::Claimed { worker: worker(1) }));
    let until = first.at + std::time::Duration::from_secs(10);
    let park =
        Op::Park { ticket: first.ticket.clone(), wait: Wait::new("same_recipient", Scope::Recipient, until) };
    assert_eq!(one(&engine, park).await, Outcome::Ok);
    let second = claim(&engine, worker(2)).await.unwrap();
    assert_eq!(second.ticket.job.0, "j1");
    let grant = Op::Grant {
        ticket: second.ticket.clone(),
        state: LaneState { bytes: Some(vec![1, 2, 3]), version: 0 },
        binds_until: until,
    };
    assert_eq!(one(&engine, grant.clone()).await, Outcome::Ok);
    assert_eq!(
        one(&engine, grant).await,
        Outcome::Stale(LaneState { bytes: Some(vec![1, 2, 3]), version: 1 })
    );
    assert_eq!(one(&engine, done(&second)).await, Outcome::Ok);
    assert_eq!(one(&engine, done(&second)).await, Outcome::Lost);
    let third = claim(&engine, worker(2)).await.unwrap();
    assert_eq!((third.ticket.job.0.as_str(), third.state.version), ("j3", 1));
    assert_eq!(one(&engine, done(&third)).await, Outcome::Ok);
    let none = claims(&engine, worker(2), 1).await;
    assert_eq!((none.claims.len(), none.next_due), (0, Some(until)));
    engine.advance(std::time::Duration::from_secs(10));
    for job in ["j0", "j2", "j4"] {
        let claim = claim(&engine, worker(2)).await.unwrap();
        assert_eq!(claim.ticket.job.0, job);
        assert_eq!(claim.waits, [Wait::new("same_recipient", Scope::Recipient, until)]);
        assert_eq!(one(&engine, done(&claim)).await, Outcome::Ok);
    }
    assert_eq!(claims(&engine, worker(2), 1).await.next_due, None);
    let Outcome::Queue(summary) = one(&engine, Op::Inspect { queue: Queue::Send, limit: 9 }).await else {
        panic!("a summary");
    };
    assert_eq!((summary.lanes, summary.waiting, summary.claimed), (0, 0, 0));
}
