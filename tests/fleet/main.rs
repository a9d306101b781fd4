//! A fleet of real processes on Postgres and Redis that is treated badly while it is loaded through the front door, and
//! judged afterwards by the record of the sandbox, which shares no code with it.
//!
//! Here: many accounts, three workers that are killed and started at random, a queue that is flushed, and no limit broken.
//! Virtual days pass in seconds (`pace_scale`), so that caps of a day bind as well as gaps. Elsewhere: workers that die
//! between any two commits (`kills`) or freeze there (`frozen`), a release that is rolled out (`rolling`), servers that go
//! and come (`losses`), and long work (`soak`); these share their load (`load`) and their judge (`verdict`).
//!
//! `ROOKERY_SEED` repeats one run as far as real processes can be repeated; `ROOKERY_LONG` asks for the full counts.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod audit;
mod chaos;
mod frozen;
mod kills;
mod load;
mod losses;
mod plan;
mod pressed;
mod record;
mod rolling;
mod rules;
mod soak;
mod verdict;

use std::time::{Duration, Instant};

use model::{Clock, Ids, SystemClock};
use serde_json::json;
use tests::harness::{Api, Installation};
use tests::servers::{self, Redis};

use chaos::Chaos;
use plan::{AccountPlan, Plan};
use record::Record;
use rules::Life;

const BINARY: &str = env!("CARGO_BIN_EXE_rookery");
const WORKERS: usize = 3;
/// Messages of one request.
const BATCH: usize = 100;

/// How much is asked of a run.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Times 5,000 messages.
    factor: usize,
    /// How long workers are killed for. Who was called when its worker died waits more than half a minute after it.
    unrest: Duration,
    /// When all must be done.
    patience: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_die_at_random_break_no_limit() {
    if !servers::present("workers that die at random under the pace of a hundred accounts") {
        return;
    }
    let secs = Duration::from_secs;
    let short = Size { factor: 1, unrest: secs(25), patience: secs(300) };
    let (rounds, size) = if is_long() {
        (5, Size { factor: 10, unrest: secs(240), patience: secs(2_400) })
    } else {
        (1, short)
    };
    match given_seed() {
        Some(seed) => run(seed, size).await,
        None => {
            for _ in 0..rounds {
                run(seed(), size).await;
            }
        }
    }
}

/// What chance starts from: given, or drawn.
fn seed() -> u64 {
    given_seed().unwrap_or_else(|| Ids::from_os().number() % 1_000_000)
}

fn given_seed() -> Option<u64> {
    std::env::var("ROOKERY_SEED").ok()?.parse().ok()
}

/// Whether the full counts are asked for.
fn is_long() -> bool {
    std::env::var_os("ROOKERY_LONG").is_some()
}

async fn run(seed: u64, size: Size) {
    println!("fleet: ROOKERY_SEED={seed}");
    let begun = Instant::now();
    let redis = Redis::start();
    let vars = [("REDIS_URL", redis.url()), ("ROOKERY_LOG", "warn".to_owned())];
    let Some(mut installation) = Installation::fleet_of(BINARY, WORKERS, &vars).await else { return };
    let ids = Ids::seeded(seed);
    let mut plan = Plan::draw(&ids, size.factor);
    for account in &mut plan.accounts {
        connect(&installation, account).await;
    }
    let loader = tokio::spawn(load(installation.api().clone(), plan.bodies(&ids)));
    let mut record = Record::default();
    let chaos = Chaos::new(ids, size, plan.count());
    let deeds = chaos.run(&mut installation, &redis, &mut record, &loader).await;
    let accepted = loader.await.expect("all messages are accepted");
    assert!(deeds.are_done(), "nothing was done to it: {deeds}");
    record.catch_up(&installation.sandbox()).await;
    let findings = audit::audit(&installation, &plan, &accepted, &record).await;
    println!("fleet: {findings}; {deeds}; {:.0} s; seed {seed}", begun.elapsed().as_secs_f64());
}

/// Connects an account, tells the sandbox its limits, and lets those write who wrote before.
async fn connect(installation: &Installation, account: &mut AccountPlan) {
    let registered = account.warms_up.then(|| SystemClock.now());
    let mut more = json!({
        "timezone": account.zone.name, "redelivery": account.redelivery, "registered_at": registered,
    });
    if account.numbers != rules::TABLE {
        more["pacing"] = account.numbers.pacing();
    }
    let id = installation.connect(&account.name, account.scale_f64(), more).await;
    let shown = installation.api().get(&format!("/v1/accounts/{id}")).await;
    let created: model::Timestamp = serde_json::from_value(shown["created_at"].clone()).unwrap();
    account.id = id;
    let micros = |at: model::Timestamp| u64::try_from(at.as_micros()).unwrap();
    let life = Life {
        numbers: account.numbers,
        scale: account.scale,
        created: micros(created),
        registered: registered.map(micros),
        zone: account.zone,
        slowest: account.slowest,
    };
    let settings = json!({
        "limits": life.limits(),
        "reply": account.answers,
        "reply_window_ms": rules::DAY_MS / account.scale,
    });
    let path = format!("/control/accounts/{}", installation.token(&account.name));
    let answer = installation.sandbox().call("PUT", &path, &settings).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["id"].as_str().unwrap().clone_into(&mut account.sandbox_id);
    for contact in &account.wrote {
        installation.contact_writes(&account.name, contact, "Hello?").await;
    }
}

/// Hands in all messages, in their order, and gives their ids in it.
async fn load(api: Api, bodies: Vec<serde_json::Value>) -> Vec<String> {
    let mut ids = Vec::new();
    for bodies in bodies.chunks(BATCH) {
        let answer = api.post("/v1/messages/batch", &json!({ "messages": bodies })).await;
        for result in answer["results"].as_array().unwrap() {
            assert_eq!(result["status"], 202, "{result}");
            ids.push(result["message"]["id"].as_str().unwrap().to_owned());
        }
    }
    ids
}
