//! Afterwards: whatever was accepted is where it should be, by the API, by the ledger and by what the sandbox saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use model::Timestamp;
use serde_json::Value;
use tests::harness::{Api, Installation};

use crate::load::{Given, Shop};
use crate::record::{Record, is_taken};

/// What came of it, in numbers.
#[derive(Debug, Default)]
pub struct Verdict {
    accepted: usize,
    sent: usize,
    unknown: usize,
    /// Jobs that three workers died with.
    given_up: usize,
    /// Messages that the provider took more than once.
    repeated: usize,
    heard: usize,
    again: usize,
    /// Every call that was begun.
    pub attempts: Vec<Attempt>,
}

/// What is said of a message that took three workers down with it, as far as anybody can tell.
const GIVEN_UP: &str = "worker_lost: the workers that had it were lost";

/// A call, by the ledger. Times are in µs since 1970.
#[derive(Debug)]
pub struct Attempt {
    pub message: String,
    pub worker: String,
    /// `open` while it has no end.
    pub outcome: String,
    /// The provider's words, or ours.
    pub error: String,
    pub started_us: u64,
    pub ended_us: u64,
    /// Until when it was found to have to wait, each time that it was looked at before.
    pub waits_us: Vec<u64>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, sent, unknown, given_up, repeated, heard, again, attempts } = self;
        write!(
            f,
            "{accepted} accepted = {sent} sent + {unknown} unknown + {given_up} given up; {} attempts, {repeated} called again \
             after a call without an end; {heard} heard; {again} requests made again; no limit broken, order kept",
            attempts.len()
        )
    }
}

/// Waits until nothing is left to send, and says for how long.
///
/// # Panics
/// When that takes longer than it may.
pub async fn drained(installation: &Installation, within: Duration) -> Duration {
    let begun = Instant::now();
    loop {
        // In one look: what is asked status by status may slip from one to the other.
        let left = installation
            .rows(
                "SELECT id::text FROM messages WHERE direction = 'outbound' AND status IN ('scheduled', 'queued', 'sending')",
            )
            .await;
        if left.is_empty() {
            return begun.elapsed();
        }
        if begun.elapsed() > within {
            let waiting = why(installation.api(), &left).await;
            panic!("{} messages are left after {within:?}: {waiting}", left.len());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the messages that are left wait for.
async fn why(api: &Api, left: &[Value]) -> String {
    let mut told = String::new();
    for row in left.iter().take(5) {
        let path = format!("/v1/messages/{}", row["id"].as_str().unwrap());
        let (message, timeline) = (api.try_get(&path).await, api.try_get(&format!("{path}/timeline")).await);
        told = format!("{told}\n{:?}\n{:?}", message.map(|it| it.body), timeline.map(|it| it.body));
    }
    told
}

/// Compares, once all is drained.
///
/// # Panics
/// At the first thing that is not as it should be.
pub async fn judge(installation: &Installation, shops: &[Shop], given: &Given, record: &Record) -> Verdict {
    let report = installation.report().await;
    for (count, examples) in [
        ("limit_violations", "limit_violation_examples"),
        ("order_inversions", "order_inversion_examples"),
        ("session_overlaps", "session_overlap_examples"),
        ("events_lost", "forgotten"),
    ] {
        assert_eq!(report[count], 0, "{count}: {:#}", report[examples]);
    }
    let attempts = attempts(installation).await;
    let open = attempts.iter().find(|attempt| attempt.outcome == "open");
    assert!(open.is_none(), "a call was left open: {open:?}");
    let mut endless: BTreeMap<&str, usize> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| ["lost", "ambiguous"].contains(&attempt.outcome.as_str()))
    {
        *endless.entry(&attempt.message).or_default() += 1;
    }
    let mut verdict = Verdict { accepted: given.count(), again: given.again, ..Verdict::default() };
    let mut shown = BTreeSet::new();
    for shop in shops {
        let accepted = &given.accepted[&shop.id];
        let rows = all_known(installation.api(), shop, accepted.len(), given.heard[&shop.id]).await;
        let rows: BTreeMap<_, _> = rows.iter().map(|row| (row["id"].as_str().unwrap(), row)).collect();
        for id in accepted {
            let row = rows.get(id.as_str()).unwrap_or_else(|| panic!("{id} was accepted and is not there"));
            let endless = endless.get(id.as_str()).copied().unwrap_or(0);
            one(shop, row, record, endless, &mut verdict);
            assert!(shown.insert(id.clone()), "{id} was accepted for two messages");
        }
        verdict.heard += given.heard[&shop.id];
    }
    for id in record.calls.keys() {
        assert!(shown.contains(id), "{id} was sent and never accepted");
    }
    verdict.attempts = attempts;
    at_rest(installation).await;
    verdict
}

/// The outbound messages of a shop, once it has heard of whatever came in: each word of a contact once, and the receipts of
/// all that was sent.
async fn all_known(api: &Api, shop: &Shop, count: usize, heard: usize) -> Vec<Value> {
    let path = format!("/v1/messages?account_id={}", shop.id);
    let outbound = tests::harness::until("all receipts have come in", async || {
        let rows = api.all(&path).await;
        let (inbound, outbound): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row["direction"] == "inbound");
        let waits =
            outbound.iter().any(|row| ["sent", "delivered"].contains(&row["status"].as_str().unwrap()));
        if waits || inbound.len() < heard {
            return None;
        }
        let texts: BTreeSet<_> = inbound.iter().filter_map(|row| row["content"]["text"].as_str()).collect();
        assert_eq!((inbound.len(), texts.len()), (heard, heard), "{}: what came in is there once", shop.name);
        Some(outbound)
    })
    .await;
    assert_eq!(outbound.len(), count, "{}: as many messages as were accepted", shop.name);
    outbound
}

fn one(shop: &Shop, row: &Value, record: &Record, endless: usize, verdict: &mut Verdict) {
    let none = Vec::new();
    let calls = record.calls.get(row["id"].as_str().unwrap()).unwrap_or(&none);
    let taken = calls.iter().filter(|outcome| is_taken(outcome)).count();
    let context = format!("{} {row}, calls {calls:?}, {endless} without an end", shop.redelivery);
    match row["status"].as_str().unwrap() {
        "sent" | "delivered" | "read" => {
            assert!(taken >= 1, "sent, but nobody got it: {context}");
            verdict.sent += 1;
        }
        "unknown" => {
            let given_up = row["reason"].as_str().is_some_and(|reason| reason.starts_with(GIVEN_UP));
            let enough = if given_up || shop.redelivery == "at_most_once" { 1 } else { 3 };
            assert!(endless >= enough, "unknown for no good reason: {context}");
            verdict.unknown += 1;
        }
        "failed" if row["reason"].as_str().is_some_and(|reason| reason.starts_with(GIVEN_UP)) => {
            assert_eq!(taken, 0, "failed, and yet it was taken: {context}");
            verdict.given_up += 1;
        }
        _ => panic!("not as it should end: {context}"),
    }
    assert!(taken <= 1 + endless, "called again for no good reason: {context}");
    if shop.redelivery == "at_most_once" {
        assert!(calls.len() <= 1, "called twice although it must not be: {context}");
    }
    verdict.repeated += usize::from(taken > 1);
}

/// All calls that were ever begun.
pub async fn attempts(installation: &Installation) -> Vec<Attempt> {
    let micros = |column: &str| format!("(extract(epoch FROM {column}) * 1000000)::bigint");
    let query = format!(
        "SELECT subject_id::text AS message, worker::text, coalesce(outcome, 'open') AS outcome, \
         concat(error_code, ': ', error) AS error, waits, {} AS started, coalesce({}, 0) AS ended FROM attempts",
        micros("started_at"),
        micros("ended_at")
    );
    let words = |row: &Value, column: &str| row[column].as_str().unwrap().to_owned();
    let until = |wait: &Value| {
        let until: Timestamp = serde_json::from_value(wait["until"].clone()).ok()?;
        u64::try_from(until.as_micros()).ok()
    };
    let rows = installation.rows(&query).await;
    let read = |row: &Value| Attempt {
        message: words(row, "message"),
        worker: words(row, "worker"),
        outcome: words(row, "outcome"),
        error: words(row, "error"),
        started_us: row["started"].as_u64().unwrap(),
        ended_us: row["ended"].as_u64().unwrap(),
        waits_us: row["waits"].as_array().into_iter().flatten().filter_map(until).collect(),
    };
    rows.iter().map(read).collect()
}

/// Nothing is stuck: no job is left anywhere, none is dead that is not a message's, and all that happened was told.
async fn at_rest(installation: &Installation) {
    let dead = installation.rows("SELECT * FROM dead_jobs WHERE job NOT LIKE 'send-message:%'").await;
    assert!(dead.is_empty(), "{} jobs are dead: {:#}", dead.len(), dead[0]);
    tests::harness::until("the queues are empty and all events are told", async || {
        let queues = installation.api().get("/v1/queues").await;
        let mut queues = queues["data"].as_array()?.iter();
        queues.all(|queue| queue["waiting"] == 0 && queue["claimed"] == 0).then_some(())?;
        let events = installation.rows("SELECT count(*) AS untold FROM events WHERE seq IS NULL").await;
        (events[0]["untold"] == 0).then_some(())
    })
    .await;
}
