//! Long work leaves nothing behind: the processes' memory is flat, Redis is as small afterwards as it was before, and no
//! job is stuck. In the long form, for 20 minutes or for as many as `ROOKERY_SOAK_MINUTES` says; with that variable in the
//! short form, too.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::harness::{Api, Installation, until};
use tests::servers::{self, Redis};
use tokio::time::sleep;

use crate::load::{Given, Shape, Shop};
use crate::record::Record;
use crate::{BATCH, BINARY, is_long, verdict};

const MINUTES: u64 = 20;
/// Messages that wait at once for an account that is paused, so that Redis has something to forget.
const BACKLOG: usize = 2_000;
/// A process's memory may be larger at the end by a tenth and so much: allocators keep a little.
const SLACK: u64 = 16 << 20;
/// What Redis may use more of: buffers of connections come and go.
const REDIS_SLACK: u64 = 512 << 10;

fn minutes() -> Option<u64> {
    let said = std::env::var("ROOKERY_SOAK_MINUTES").ok().and_then(|said| said.parse().ok());
    said.or_else(|| is_long().then_some(MINUTES))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_work_leaves_nothing_behind() {
    let Some(minutes) = minutes() else {
        println!("left out: the soak; tests/run --long has it, and ROOKERY_SOAK_MINUTES");
        return;
    };
    if !servers::present("the soak") {
        return;
    }
    let redis = Redis::start();
    let vars = [("REDIS_URL", redis.url()), ("ROOKERY_LOG", "warn".to_owned())];
    let Some(installation) = Installation::fleet_of(BINARY, 2, &vars).await else { return };
    let shape = Shape {
        shops: 30,
        sessions: 4,
        scale: 24,
        every: Duration::from_secs(1),
        chats: vec!["customer-{}".to_owned(), "slow-50-{}".to_owned(), "customer-{}".to_owned()],
    };
    let mut shops = shape.open(&installation).await;
    let backlog = Backlog::new(&installation).await;
    let start = redis.memory();
    let (begun, lasting) = (Instant::now(), Duration::from_secs(60 * minutes));
    let load = shape.start(&installation, &[installation.api().clone()], &shops);
    let (mut record, mut samples, mut peak) = (Record::default(), Vec::new(), 0);
    let accepted = backlog.hand_in(installation.api()).await;
    while begun.elapsed() < lasting {
        sleep(Duration::from_secs(5)).await;
        record.catch_up(&installation.sandbox()).await;
        samples.push(memories(&installation));
        peak = peak.max(redis.memory());
        if samples.len() == 4 {
            backlog.resume(installation.api()).await;
        }
    }
    let mut given = load.end().await;
    backlog.join(accepted, &mut shops, &mut given);
    let took = verdict::drained(&installation, Duration::from_mins(2)).await;
    record.catch_up(&installation.sandbox()).await;
    let verdict = verdict::judge(&installation, &shops, &given, &record).await;
    println!("soak: {verdict}");
    println!("soak: {minutes} minutes, drained after {took:.1?}");
    are_flat(&samples);
    println!("soak: Redis used {} KiB at first, {} KiB at most", start >> 10, peak >> 10);
    let end = until("Redis has forgotten what is done", async || {
        Some(redis.memory()).filter(|used| *used < start + REDIS_SLACK)
    })
    .await;
    println!("soak: Redis uses {} KiB in the end", end >> 10);
}

/// Resident bytes of each of our processes, by role and process.
fn memories(installation: &Installation) -> BTreeMap<String, u64> {
    let of =
        |role: &'static str| installation.ids(role).into_iter().map(move |id| (format!("{role} {id}"), id));
    let resident = |id: u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it uses memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    };
    ["web", "scheduler", "worker"].into_iter().flat_map(of).map(|(name, id)| (name, resident(id))).collect()
}

/// From the second third of the time to the last, nobody's memory has grown.
fn are_flat(samples: &[BTreeMap<String, u64>]) {
    let third = samples.len() / 3;
    for name in samples[0].keys() {
        let median = |part: &[BTreeMap<String, u64>]| {
            let mut values: Vec<u64> = part.iter().map(|sample| sample[name]).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        let (before, after) = (median(&samples[third..2 * third]), median(&samples[2 * third..]));
        println!("soak: {name} used {} MiB, then {} MiB", before >> 20, after >> 20);
        assert!(after < before + before / 10 + SLACK, "{name} grew from {before} to {after} bytes");
    }
}

/// Messages that wait for an account that is paused at first.
struct Backlog(Shop);

impl Backlog {
    async fn new(installation: &Installation) -> Self {
        let more = json!({"i_accept_the_risk": true, "pacing": {
            "per_minute": "off", "batch": "off", "new_contacts": "off", "same_recipient": "off",
        }});
        let id = installation.connect("backlog", 500.0, more).await;
        installation.api().post(&format!("/v1/accounts/{id}/pause"), &json!({})).await;
        let (name, purpose) = ("backlog".to_owned(), "transactional");
        Self(Shop { id, name, purpose, redelivery: "at_least_once" })
    }

    async fn hand_in(&self, api: &Api) -> Vec<String> {
        let mut accepted = Vec::new();
        let numbers: Vec<usize> = (0..BACKLOG).collect();
        for numbers in numbers.chunks(BATCH) {
            let messages = numbers.iter().map(|n| {
                json!({
                    "account_id": self.0.id, "to": {"address": format!("customer-{}", n % 100)},
                    "purpose": self.0.purpose, "content": {"type": "text", "text": format!("Hello. #backlog:{n}")},
                })
            });
            let body = json!({"messages": messages.collect::<Vec<_>>()});
            let answer = api.post("/v1/messages/batch", &body).await;
            let results = answer["results"].as_array().unwrap().iter();
            accepted.extend(results.map(|result| result["message"]["id"].as_str().unwrap().to_owned()));
        }
        accepted
    }

    async fn resume(&self, api: &Api) {
        api.post(&format!("/v1/accounts/{}/resume", self.0.id), &json!({})).await;
    }

    /// It is judged with all else.
    fn join(self, accepted: Vec<String>, shops: &mut Vec<Shop>, given: &mut Given) {
        given.heard.insert(self.0.id.clone(), 0);
        given.accepted.insert(self.0.id.clone(), accepted);
        shops.push(self.0);
    }
}
