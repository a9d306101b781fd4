//! What Redis may do to us: flush, restart, forget scripts, lose connections, fall silent. Nothing old is ever served.

use std::time::Duration;

use queue::{Engine, EpochError, LEASE, Mark, Op, Outcome, QueueError, RedisState, Settle};

use crate::basics::{claim, claims, done, one, push, pushes, worker};
use crate::server::{Server, reached};

const REBUILDING: Result<Vec<Outcome>, QueueError> = Err(QueueError::Rebuilding);

fn some_push() -> Vec<Op> {
    vec![pushes(vec![push("a", "k", "j", 1)])]
}

fn claim_op(n: u128) -> Vec<Op> {
    vec![Op::Claim { queue: model::Queue::Send, worker: worker(n), max: 1, own: false }]
}

fn is_lost(state: &RedisState) -> bool {
    matches!(state, RedisState::Lost { .. })
}

#[tokio::test]
async fn an_epoch_is_begun_loaded_and_opened() {
    let Some(server) = Server::start().await else { return };
    let engine = server.engine("loaded");
    assert!(is_lost(&engine.state().await.unwrap()));
    assert_eq!(engine.apply(some_push()).await, REBUILDING);
    engine.begin_epoch(7).await.unwrap();
    assert_eq!(engine.state().await, Ok(RedisState::Loading { epoch: 7 }));
    assert_eq!(engine.apply(some_push()).await, Ok(vec![Outcome::Pushed { inserted: 1 }]));
    assert_eq!(engine.apply(claim_op(1)).await, REBUILDING);
    let mixed = [some_push(), claim_op(1)].concat();
    assert_eq!(engine.apply(mixed).await, REBUILDING, "nothing of it is carried out");
    // Another process takes the epoch over, and sees that it is not open.
    let other = server.engine("loaded");
    assert_eq!(other.apply(claim_op(2)).await, REBUILDING);
    engine.open().await.unwrap();
    assert_eq!(other.state().await, Ok(RedisState::Ready { epoch: 7 }));
    assert!(claim(&other, worker(2)).await.is_some());
}

#[tokio::test]
async fn a_new_epoch_ends_the_old_one_and_its_tickets() {
    let Some(server) = Server::start().await else { return };
    let (engine, leader) = (server.engine("epochs"), server.engine("epochs"));
    leader.begin_epoch(1).await.unwrap();
    leader.open().await.unwrap();
    engine.apply(some_push()).await.unwrap();
    let old = claim(&engine, worker(1)).await.unwrap();
    assert_eq!(leader.begin_epoch(1).await, Err(EpochError::Superseded { found: 1 }));
    leader.begin_epoch(2).await.unwrap();
    leader.open().await.unwrap();
    assert_eq!(one(&engine, done(&old)).await, Outcome::Lost);
    engine.apply(some_push()).await.unwrap();
    let new = claim(&engine, worker(1)).await.unwrap();
    assert!(new.ticket.token > old.ticket.token);
    assert_eq!(one(&engine, done(&old)).await, Outcome::Lost);
    assert_eq!(one(&engine, done(&new)).await, Outcome::Ok);
    assert_eq!(engine.begin_epoch(2).await, Err(EpochError::Superseded { found: 2 }));
    // Of the old epoch nothing is left.
    let keys = server.ask(&["KEYS", "{epochs:0}:1:*"]).await;
    assert_eq!(keys, redis::Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_flush_is_a_loss() {
    let Some(server) = Server::start().await else { return };
    let engine = server.ready().await;
    engine.apply(some_push()).await.unwrap();
    server.ask(&["FLUSHALL"]).await;
    assert_eq!(engine.apply(some_push()).await, REBUILDING);
    assert_eq!(engine.apply(claim_op(1)).await, REBUILDING);
    assert!(is_lost(&engine.state().await.unwrap()));
    assert_eq!(engine.begin_epoch(1).await, Err(EpochError::Superseded { found: 1 }));
    engine
        .rebuild(2, async || {
            engine.apply(some_push()).await?;
            Ok::<(), EpochError>(())
        })
        .await
        .unwrap();
    assert!(claim(&engine, worker(1)).await.is_some());
}

#[tokio::test]
async fn a_restart_is_a_loss_even_with_a_snapshot() {
    let Some(mut server) = Server::start().await else { return };
    for (number, keep) in [(1, false), (2, true)] {
        let engine = server.engine("restart");
        engine.begin_epoch(number).await.unwrap();
        engine.open().await.unwrap();
        engine.apply(some_push()).await.unwrap();
        if keep {
            server.ask(&["SAVE"]).await;
        }
        server.restart().await;
        assert_eq!(reached(&engine).await, Err(QueueError::Rebuilding));
        assert!(is_lost(&engine.state().await.unwrap()));
        assert_eq!(engine.apply(claim_op(1)).await, REBUILDING);
        // A process that knows nothing of before sees it too.
        let fresh = server.engine("restart");
        assert_eq!(fresh.apply(claim_op(1)).await, REBUILDING);
        let loaded = server.ask(&["SCRIPT", "EXISTS", "0"]).await;
        assert_eq!(loaded, redis::Value::Array(vec![redis::Value::Int(0)]));
        fresh.begin_epoch(number + 10).await.unwrap();
        fresh.open().await.unwrap();
        assert!(claim(&engine, worker(1)).await.is_none(), "what was before is gone");
        server.ask(&["FLUSHALL"]).await;
        server.ask(&["SAVE"]).await;
    }
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again_into_the_same_server() {
    let Some(server) = Server::start().await else { return };
    let engine = server.ready().await;
    engine.apply(some_push()).await.unwrap();
    server.ask(&["SCRIPT", "FLUSH"]).await;
    assert!(claim(&engine, worker(1)).await.is_some());
}

#[tokio::test]
async fn killed_connections_come_back() {
    let Some(server) = Server::start().await else { return };
    let engine = server.ready().await;
    engine.apply(some_push()).await.unwrap();
    server.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eq!(reached(&engine).await, Ok(()));
    assert!(claim(&engine, worker(1)).await.is_some());
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_and_no_wait() {
    let Some(mut server) = Server::start().await else { return };
    let engine = server.ready().await;
    server.stop();
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_secs(2), engine.apply(some_push())).await;
        assert!(matches!(answer, Ok(Err(QueueError::Unreachable(_)))));
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_within_two_seconds() {
    let Some(server) = Server::start().await else { return };
    let engine = server.ready().await;
    let signal = async |name: &str| {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([name, &server.pid().to_string()]).status().unwrap().success());
    };
    signal("-STOP").await;
    let answer = tokio::time::timeout(Duration::from_secs(4), engine.apply(some_push())).await;
    assert!(matches!(answer, Ok(Err(QueueError::Unreachable(_)))), "{answer:?}");
    signal("-CONT").await;
    assert_eq!(reached(&engine).await, Ok(()));
}

#[tokio::test]
async fn silence_delays_reaping_by_a_lease() {
    let Some(server) = Server::start().await else { return };
    let engine = server.ready().await;
    engine.apply(some_push()).await.unwrap();
    let held = claim(&engine, worker(1)).await.unwrap();
    engine.advance(LEASE * 2);
    let nobody = Outcome::Reaped { workers: vec![], jobs: 0 };
    assert_eq!(one(&engine, Op::Reap).await, nobody);
    // It speaks up in time: nothing is lost.
    assert_eq!(one(&engine, Op::Beat { worker: worker(1) }).await, Outcome::Ok);
    let almost = Duration::from_millis(2500);
    for _ in 0..3 {
        engine.advance(almost);
        one(&engine, Op::Find { job: held.ticket.job.clone(), lane: held.ticket.lane.clone() }).await;
    }
    let gone = Outcome::Reaped { workers: vec![worker(1)], jobs: 1 };
    assert_eq!(one(&engine, Op::Reap).await, gone);
    assert_eq!(one(&engine, done(&held)).await, Outcome::Lost);
    assert_eq!(one(&engine, Op::Beat { worker: worker(1) }).await, Outcome::Lost);
    assert_eq!(one(&engine, Op::Beat { worker: worker(1) }).await, Outcome::Ok);
    let again = claim(&engine, worker(2)).await.unwrap();
    assert_eq!(again.lost, 1);
}

#[tokio::test]
async fn a_clock_that_jumped_far_ahead_and_back_is_a_loss() {
    let Some(server) = Server::start().await else { return };
    let (engine, other) = (server.engine("jump"), server.engine("jump"));
    engine.begin_epoch(1).await.unwrap();
    engine.open().await.unwrap();
    engine.advance(Duration::from_secs(50));
    let ahead = engine.now().await.unwrap();
    assert!(other.now().await.unwrap() > ahead, "lane time never runs backwards");
    engine.advance(Duration::from_secs(50));
    engine.now().await.unwrap();
    assert_eq!(other.now().await, Err(QueueError::Rebuilding));
    assert!(is_lost(&other.state().await.unwrap()));
    other.begin_epoch(2).await.unwrap();
    other.open().await.unwrap();
    assert!(other.now().await.unwrap() < ahead);
}

#[tokio::test]
async fn a_policy_that_evicts_is_named() {
    let Some(server) = Server::start().await else { return };
    let engine = server.engine("policy");
    assert_eq!(engine.check_policy().await, Ok(None));
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let complaint = engine.check_policy().await.unwrap().unwrap();
    assert!(complaint.contains("allkeys-lru") && complaint.contains("noeviction"), "{complaint}");
}

#[tokio::test]
async fn many_jobs_are_pushed_and_settled_in_few_calls() {
    let Some(server) = Server::start().await else { return };
    let engine = server.ready().await;
    let many: Vec<_> = (0..10_000)
        .map(|n| push(&format!("l{}", n % 7), &format!("k{}", n % 501), &format!("j{n}"), n))
        .map(|push| queue::Push { width: 200, ..push })
        .collect();
    let twice = Op::Push { pushes: many.clone(), mark: Mark::IfAbsent };
    assert_eq!(
        engine.apply(vec![pushes(many), twice]).await.unwrap(),
        [Outcome::Pushed { inserted: 10_000 }, Outcome::Pushed { inserted: 0 }]
    );
    let mut seen = std::collections::BTreeMap::new();
    let mut left = 10_000;
    while left > 0 {
        let got = claims(&engine, worker(1), 1500).await.claims;
        assert!(!got.is_empty());
        left -= got.len();
        for claim in &got {
            let last = seen.insert((claim.ticket.lane.name.clone(), claim.ticket.key.clone()), claim.order);
            assert!(last < Some(claim.order), "in order");
        }
        let settled = got.iter().map(|claim| Op::Settle {
            ticket: claim.ticket.clone(),
            how: Settle::Done,
            state: None,
        });
        let settled = engine.apply(settled.collect()).await.unwrap();
        assert!(settled.iter().all(|outcome| *outcome == Outcome::Ok));
    }
    // Nothing is left of them but the meta hash, sums and the worker.
    let redis::Value::Array(keys) = server.ask(&["KEYS", "*"]).await else { panic!() };
    assert!(keys.len() <= 5, "{keys:?}");
}

#[tokio::test]
async fn an_epoch_that_gave_out_its_tokens_is_lost() {
    let Some(server) = Server::start().await else { return };
    let engine = server.engine("spent");
    engine.begin_epoch(1).await.unwrap();
    engine.open().await.unwrap();
    let last = (2_u64 << 36) - 1;
    let spend =
        "redis.call('HSET', KEYS[1], 'counters', struct.pack('<ddddd', 0, ARGV[1], 0, 0, ARGV[1] + 1))";
    server.ask(&["EVAL", spend, "1", "{spent:0}:meta", &last.to_string()]).await;
    assert_eq!(engine.apply(some_push()).await, REBUILDING);
    assert!(is_lost(&engine.state().await.unwrap()));
    engine.begin_epoch(2).await.unwrap();
    engine.open().await.unwrap();
    engine.apply(some_push()).await.unwrap();
    assert!(claim(&engine, worker(1)).await.unwrap().ticket.token > last);
}
