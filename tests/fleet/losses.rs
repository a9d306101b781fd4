//! Redis and Postgres go under the fleet's feet while it works: flushed, restarted empty or with an old snapshot, crashed,
//! away for a while. Load goes on, and afterwards everything is as it would have been; nobody had to do anything.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::harness::{Installation, Process, until};
use tests::servers::{self, Postgres, Redis};
use tokio::time::sleep;

use crate::load::{Given, Shape, Shop};
use crate::record::Record;
use crate::verdict;
use crate::{BINARY, is_long};

/// Where a scheduler dies while it derives the queue from rows.
const PLACES: [&str; 3] = ["recovery_begun", "recovery_half", "recovery_loaded"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_postgres_that_go_and_come_lose_nothing() {
    if !servers::present("Redis and Postgres that go and come") {
        return;
    }
    let begun = Instant::now();
    let (mut redis, mut postgres) = (Redis::start(), Postgres::start());
    let vars =
        [("REDIS_URL", redis.url()), ("DATABASE_URL", postgres.url()), ("ROOKERY_LOG", "warn".to_owned())];
    let Some(mut installation) = Installation::fleet_of(BINARY, 2, &vars).await else { return };
    let shape = Shape {
        shops: 16,
        sessions: 0,
        scale: 12,
        every: Duration::from_secs(1),
        chats: vec!["customer-{}".to_owned(), "slow-100-{}".to_owned(), "customer-{}".to_owned()],
    };
    let mut shops = shape.open(&installation).await;
    let mut kept = Kept::new(&installation).await;
    let load = shape.start(&installation, &[installation.api().clone()], &shops);
    let mut story =
        Story { record: Record::default(), away: Duration::from_secs(if is_long() { 60 } else { 10 }) };
    story.goes_on(&installation, Instant::now(), "at first").await;
    redis.keep();
    let processes = ["web", "worker"].map(|role| installation.ids(role));

    kept.hold(&installation, 45).await;
    let doomed = doomed_schedulers(&mut installation);
    redis.command(&["FLUSHALL"]);
    let flushed = Instant::now();
    all_die(doomed).await;
    installation.restart("scheduler").await;
    story.goes_on(&installation, flushed, "a flush and three schedulers that die while they load").await;

    kept.hold(&installation, 15).await;
    tokio::task::block_in_place(|| redis.restart_as_kept());
    story.goes_on(&installation, Instant::now(), "Redis back with an old snapshot").await;

    kept.hold(&installation, story.away.as_secs() + 15).await;
    redis.kill();
    sleep(story.away).await;
    tokio::task::block_in_place(|| redis.restart());
    story.goes_on(&installation, Instant::now(), "Redis away and back, empty").await;

    tokio::task::block_in_place(|| postgres.restart());
    story.goes_on(&installation, Instant::now(), "Postgres crashed and back").await;

    kept.hold(&installation, story.away.as_secs() + 10).await;
    postgres.kill();
    sleep(story.away).await;
    tokio::task::block_in_place(|| postgres.restart());
    story.goes_on(&installation, Instant::now(), "Postgres away and back").await;

    assert_eq!(["web", "worker"].map(|role| installation.ids(role)), processes);
    let mut given = load.end().await;
    kept.still_holds(&installation, &mut story.record).await;
    let took = verdict::drained(&installation, Duration::from_mins(2)).await;
    story.record.catch_up(&installation.sandbox()).await;
    kept.join(&mut shops, &mut given);
    let verdict = verdict::judge(&installation, &shops, &given, &story.record).await;
    println!("losses: {verdict}");
    println!("losses: drained after {took:.1?}; {:.0} s", begun.elapsed().as_secs_f64());
}

/// What went on and when.
struct Story {
    record: Record,
    away: Duration,
}

impl Story {
    /// Waits until messages go out again.
    async fn goes_on(&mut self, installation: &Installation, since: Instant, when: &str) {
        let sandbox = installation.sandbox();
        self.record.catch_up(&sandbox).await;
        let before = self.record.accepted();
        until("messages go out", async || {
            self.record.catch_up(&sandbox).await;
            (self.record.accepted() > before).then_some(())
        })
        .await;
        let first = since.elapsed();
        // What was granted before may still go out: it is the many that show that the queue gives again.
        until("more messages go out", async || {
            self.record.catch_up(&sandbox).await;
            (self.record.accepted() > before + 40).then_some(())
        })
        .await;
        println!(
            "losses: {when}: messages went out after {first:.1?}, 40 of them after {:.1?}",
            since.elapsed()
        );
    }
}

/// Schedulers that die one after the other, each at its place, once they lead and the queue is lost. The one that leads is
/// killed, so that they do.
fn doomed_schedulers(installation: &mut Installation) -> Vec<Process> {
    let doomed = PLACES.map(|place| {
        let fault = [("ROOKERY_FAULT", format!("{place}:kill"))];
        tokio::task::block_in_place(|| installation.start_beside(&["scheduler"], &fault))
    });
    installation.kill("scheduler");
    doomed.into()
}

async fn all_die(mut doomed: Vec<Process>) {
    until("each scheduler dies where it shall", async || {
        doomed.retain_mut(Process::lives);
        doomed.is_empty().then_some(())
    })
    .await;
}

/// What is on hold: an account and a queue that a person paused, and recipients whose provider asked to wait. The sandbox
/// counts whoever does not.
struct Kept {
    paused: Shop,
    held: Shop,
    accepted: Vec<(String, String)>,
}

const NOBODY: &str = "nobody";

impl Kept {
    async fn new(installation: &Installation) -> Self {
        let api = installation.api();
        let (paused, held) =
            (Self::shop(installation, "paused").await, Self::shop(installation, "held").await);
        api.post(&format!("/v1/accounts/{}/pause", paused.id), &json!({})).await;
        let answer = api.call("POST", "/v1/queues/media/pause", &json!({})).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let mut kept = Self { paused, held, accepted: Vec::new() };
        let paused = kept.paused.id.clone();
        kept.send(installation, &paused, NOBODY).await;
        kept
    }

    async fn shop(installation: &Installation, name: &str) -> Shop {
        let id = installation.connect(name, 100.0, json!({})).await;
        Shop { id, name: name.to_owned(), purpose: "transactional", redelivery: "at_least_once" }
    }

    async fn send(&mut self, installation: &Installation, account: &str, to: &str) -> String {
        let body = json!({
            "account_id": account, "to": {"address": to}, "purpose": "transactional",
            "content": {"type": "text", "text": "Hello."},
        });
        let message = installation.api().post("/v1/messages", &body).await;
        let id = message["id"].as_str().unwrap().to_owned();
        self.accepted.push((account.to_owned(), id.clone()));
        id
    }

    /// A recipient is held for so many seconds, which is longer than what comes now takes.
    async fn hold(&mut self, installation: &Installation, secs: u64) {
        let to = format!("rate-limited-{secs}000-{}", self.accepted.len());
        let account = self.held.id.clone();
        let id = self.send(installation, &account, &to).await;
        until("the provider asks to wait", async || {
            let message = installation.api().get(&format!("/v1/messages/{id}")).await;
            (message["waiting"]["scope"] == "recipient").then_some(())
        })
        .await;
    }

    /// What a person paused still is; it goes on when it is resumed.
    async fn still_holds(&self, installation: &Installation, record: &mut Record) {
        let api = installation.api();
        let queues = api.get("/v1/queues").await;
        let media =
            queues["data"].as_array().unwrap().iter().find(|queue| queue["queue"] == "media").unwrap();
        assert_eq!(media["held"]["rule"], "paused", "{queues}");
        record.catch_up(&installation.sandbox()).await;
        let to_nobody = record.sends.values().flatten().any(|send| send.chat == NOBODY);
        assert!(!to_nobody, "a paused account sent something");
        api.post(&format!("/v1/accounts/{}/resume", self.paused.id), &json!({})).await;
    }

    /// What was held is judged with all else.
    fn join(self, shops: &mut Vec<Shop>, given: &mut Given) {
        for shop in [self.paused, self.held] {
            given.heard.insert(shop.id.clone(), 0);
            shops.push(shop);
        }
        for (account, id) in self.accepted {
            given.accepted.entry(account).or_default().push(id);
        }
    }
}
