//! How fast providers' webhooks become rows: `tests/run -- cargo bench -p tests --bench ingest [-- --json]`.
//!
//! One inbound message a webhook, of ten accounts and a thousand chats. As fast as they are answered: webhooks a second,
//! how long an acknowledgement takes, and rows a second until the last message is there. At a steady rate: the time from a
//! webhook to its message's row, and to its event on the realtime stream; alone, and while the workers eat through a backlog
//! of events of twenty other accounts. History has no queue of its own yet, so that backlog lies in `ingest`, where it is in
//! the way most.
//!
//! `--events N` (20,000), `--backlog N` (100,000), `--rate N` a second (100), `--runs N` (5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tests::bench::{Args, Fleet, Listener, Load, Loaded, Post, Report, Row, quantile};
use tests::harness::Installation;

const ACCOUNTS: usize = 10;
const CHATS: usize = 1_000;
/// Accounts that the backlog belongs to.
const OTHERS: usize = 20;
/// Events of one webhook of the backlog.
const BULK: usize = 100;
/// How long load is steady.
const STEADY: usize = 10;
/// Longer than this nothing takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// An account as its provider knows it.
#[derive(Debug, Clone)]
struct Account {
    id: String,
    secret: String,
}

impl Account {
    /// A signed webhook with these messages.
    fn webhook(&self, messages: impl Iterator<Item = (String, usize)>) -> Post {
        let event = |(text, number): (String, usize)| {
            let chat = format!("contact-{}", number % CHATS);
            let at = 1_790_000_000_000_000 + number;
            json!({
                "id": text, "type": "message", "at_us": at, "chat": chat, "from": {"id": chat, "name": "Anna"},
                "message_id": format!("m-{text}"), "content": {"type": "text", "text": text},
            })
        };
        let body = json!({"events": messages.map(event).collect::<Vec<Value>>()}).to_string();
        let signature = sandbox::signature(&self.secret, body.as_bytes());
        Post {
            path: format!("/webhooks/sandbox/{}", self.id),
            body: Bytes::from(body),
            headers: vec![("x-sandbox-signature".to_owned(), signature)],
        }
    }
}

#[tokio::main]
async fn main() {
    let args = Args::read();
    let mut report = Report::begin("ingest", &args);
    let Some(mut fleet) = Fleet::start(1, &[]).await else { return };
    let live = accounts(&fleet.installation, "live", ACCOUNTS).await;
    let others = accounts(&fleet.installation, "other", OTHERS).await;
    let mut database = PgConnection::connect(&fleet.database_url()).await.expect("Postgres answers");
    let (events, rate) = (args.number("--events", 20_000), args.number("--rate", 100));
    let runs = args.number("--runs", 5);
    let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut note = |name, value| figures.entry(name).or_default().push(value);

    for run in 0..runs {
        let (accounts, before) = (live.clone(), fleet.cost());
        let load = Load { connections: 50, requests: events, rate: None };
        let loaded = load
            .run(&fleet.target(), move |n| {
                accounts[n % ACCOUNTS].webhook([(format!("fast-{run}-{n}"), n)].into_iter())
            })
            .await;
        assert_eq!(loaded.times.len(), events, "all are taken: {:?}", loaded.statuses);
        let there = processed(&mut database).await;
        let cost = fleet.cost().since(before);
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let events = events as f64;
        note("webhooks", loaded.rate());
        note("ack50", loaded.time(0.5));
        note("ack99", loaded.time(0.99));
        note("rows", events / there.duration_since(loaded.begun).as_secs_f64());
        note("own", cost.rookery() / events * 1e6);
        note("postgres", cost.postgres / events * 1e6);
        note("redis", cost.redis / events * 1e6);
    }
    for run in 0..runs {
        let name = format!("quiet-{run}");
        let quiet = steady(&fleet, &live, rate, &name, None).await;
        note("quiet50", quantile(&quiet, 0.5));
        note("quiet99", quantile(&quiet, 0.99));
        let quiet = to_rows(&mut database, &name).await;
        note("quiet_row50", quantile(&quiet, 0.5));
        note("quiet_row99", quantile(&quiet, 0.99));
        fleet.installation.kill("worker");
        backlog(&fleet, &others, args.number("--backlog", 100_000), run).await;
        fleet.installation.start_killed_workers().await;
        let name = format!("busy-{run}");
        let busy = steady(&fleet, &live, rate, &name, Some(&mut database)).await;
        eprintln!("ingest: {} of {} came while the backlog lasted", busy.len(), rate * STEADY);
        note("busy50", quantile(&busy, 0.5));
        note("busy99", quantile(&busy, 0.99));
        let busy = to_rows(&mut database, &name).await;
        note("busy_row50", quantile(&busy, 0.5));
        note("busy_row99", quantile(&busy, 0.99));
        processed(&mut database).await;
    }

    let mut take = |name| figures.remove(name).unwrap_or_default();
    report.add(Row::new("webhooks acknowledged, 50 connections", "/s", take("webhooks")));
    report.add(Row::new("acknowledgement p50", "ms", take("ack50")));
    report.add(Row::new("acknowledgement p99", "ms", take("ack99")));
    report.add(Row::new("messages there, from the first webhook to the last row", "/s", take("rows")));
    report.add(Row::new("processor time of its own processes, a message", "µs", take("own")));
    report.add(Row::new("processor time of Postgres, a message", "µs", take("postgres")));
    report.add(Row::new("processor time of Redis, a message", "µs", take("redis")));
    for (what, quiet, busy) in [
        ("row p50", "quiet_row50", "busy_row50"),
        ("row p99", "quiet_row99", "busy_row99"),
        ("event p50", "quiet50", "busy50"),
        ("event p99", "quiet99", "busy99"),
    ] {
        let quiet = take(quiet);
        report.add(Row::new(format!("webhook to {what}, {rate}/s, alone"), "ms", quiet.clone()));
        let row = Row::new(format!("webhook to {what}, {rate}/s, in a backlog"), "ms", take(busy));
        report.add(row.beside("alone", quiet).goal("1.5 times alone"));
    }
    report.print();
}

async fn accounts(installation: &Installation, name: &str, count: usize) -> Vec<Account> {
    let mut accounts = Vec::new();
    for n in 0..count {
        let name = format!("{name}-{n}");
        let id = installation.connect(&name, 1.0, json!({})).await;
        accounts.push(Account { id, secret: installation.webhook_secret(&name) });
    }
    accounts
}

/// Waits until no event is left to be read; when that was.
async fn processed(database: &mut PgConnection) -> Instant {
    let end = Instant::now() + PATIENCE;
    while left(database).await {
        assert!(Instant::now() < end, "events are left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Instant::now()
}

async fn left(database: &mut PgConnection) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM inbound_events WHERE processed_at IS NULL)")
        .fetch_one(database)
        .await
        .expect("Postgres answers")
}

/// Events of other accounts, while nobody works.
async fn backlog(fleet: &Fleet, others: &[Account], events: usize, run: usize) {
    let others = others.to_vec();
    let load = Load { connections: 8, requests: events / BULK, rate: None };
    let loaded = load
        .run(&fleet.target(), move |webhook| {
            let messages = (0..BULK).map(|n| (format!("old-{run}-{webhook}-{n}"), webhook * BULK + n));
            others[webhook % others.len()].webhook(messages)
        })
        .await;
    assert_eq!(loaded.times.len(), events / BULK, "all are taken: {:?}", loaded.statuses);
}

/// From each webhook to its event on the realtime stream, in ms, sorted; with a backlog only of those webhooks that came
/// before that was gone.
async fn steady(
    fleet: &Fleet,
    live: &[Account],
    rate: usize,
    name: &str,
    backlog: Option<&mut PgConnection>,
) -> Vec<f64> {
    let listener = Arc::new(Listener::start(&fleet.target()).await);
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let load = Load { connections: 50, requests: rate * STEADY, rate: Some(rate as f64) };
    let (target, accounts, of) = (fleet.target(), live.to_vec(), name.to_owned());
    let loading = tokio::spawn(async move {
        load.run(&target, move |n| accounts[n % ACCOUNTS].webhook([(format!("{of}-{n}"), n)].into_iter()))
            .await
    });
    let mut gone = None;
    if let Some(database) = backlog {
        while !loading.is_finished() {
            if gone.is_none() && !old_left(database).await {
                gone = Some(Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let Loaded { moments, .. } = loading.await.expect("load is made");
    let mut times = Vec::new();
    for (n, (asked, _)) in moments {
        let end = Instant::now() + PATIENCE;
        let heard = loop {
            if let Some(heard) = listener.heard(&format!("{name}-{n}")) {
                break heard;
            }
            assert!(Instant::now() < end, "no event of webhook {n} came");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        if gone.is_none_or(|gone| asked < gone) {
            times.push(heard.saturating_duration_since(asked).as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

/// From the commit of each webhook to that of its message, in ms, sorted.
async fn to_rows(database: &mut PgConnection, name: &str) -> Vec<f64> {
    sqlx::query_scalar(
        "SELECT extract(epoch FROM processed_at - received_at)::float8 * 1000 FROM inbound_events
        WHERE dedupe_key LIKE $1 || '-%' AND processed_at IS NOT NULL ORDER BY 1",
    )
    .bind(name)
    .fetch_all(database)
    .await
    .expect("Postgres answers")
}

async fn old_left(database: &mut PgConnection) -> bool {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM inbound_events WHERE processed_at IS NULL AND dedupe_key LIKE 'old-%')";
    sqlx::query_scalar(sql).fetch_one(database).await.expect("Postgres answers")
}
