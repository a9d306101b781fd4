//! What waiting costs: `tests/run -- cargo bench -p tests --bench idle [-- --json]`.
//!
//! Memory of all of Rookery's processes with 10,000 idle accounts, and with 1,000,000 messages queued on accounts that are
//! paused; each as one process and as a fleet. Memory is proportional (what processes share is counted once) and resident
//! (what the system shows for each, added up). Redis' is told apart, and what a minute of idleness takes of the processor.
//!
//! `--accounts N` (10,000), `--messages N` (1,000,000), `--only embedded,fleet`.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tests::bench::{Args, Fleet, Load, Post, Report, Row, Target, Tree, binary, children, connect};
use tests::harness::{Api, Installation};

/// Accounts that the queued messages belong to.
const SENDERS: usize = 100;
/// Chats of each of them.
const CHATS: usize = 100;
/// Messages of one request.
const BATCH: usize = 500;
/// How long idleness is watched.
const WATCHED: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let args = Args::read();
    let mut report = Report::begin("idle", &args);
    let sizes = (args.number("--accounts", 10_000), args.number("--messages", 1_000_000));
    if args.wants("embedded") {
        let binary = binary();
        let vars = [("ROOKERY_LOG", "warn".to_owned())];
        let one = Installation::embedded_with(binary.to_str().expect("a path in Unicode"), &vars).await;
        measure("one process", &one, &["serve"], None, sizes, &mut report).await;
    }
    if args.wants("fleet")
        && let Some(fleet) = Fleet::start(1, &[]).await
    {
        let roles = ["web", "worker", "scheduler"];
        measure("fleet", &fleet.installation, &roles, Some(fleet.redis()), sizes, &mut report).await;
    }
    report.print();
}

async fn measure(
    name: &str,
    installation: &Installation,
    roles: &[&str],
    redis: Option<Tree>,
    (accounts, messages): (usize, usize),
    report: &mut Report,
) {
    let api = installation.api();
    let trees: Vec<Tree> = roles.iter().copied().flat_map(children).collect();
    let mut add = |stage: &str, goal: &str| {
        let megabytes = |of: fn(Tree) -> u64, trees: &[Tree]| {
            #[expect(clippy::cast_precision_loss, reason = "bytes of a machine")]
            let bytes = trees.iter().map(|tree| of(*tree)).sum::<u64>() as f64;
            vec![bytes / 1e6]
        };
        let row = Row::new(format!("{name}: memory, {stage}"), "MB", megabytes(Tree::bytes, &trees));
        report.add(if goal.is_empty() { row } else { row.goal(goal) });
        report.add(Row::new(
            format!("{name}: resident, {stage}"),
            "MB",
            megabytes(Tree::resident_bytes, &trees),
        ));
        if let Some(redis) = redis {
            report.add(Row::new(
                format!("{name}: Redis, {stage}"),
                "MB",
                megabytes(Tree::resident_bytes, &[redis]),
            ));
        }
    };
    add("just started", "");
    connect_idle(api, accounts).await;
    tokio::time::sleep(WATCHED / 4).await;
    add(&format!("{accounts} accounts"), "under 100 MB");
    let before: f64 = trees.iter().map(|tree| tree.seconds()).sum();
    tokio::time::sleep(WATCHED).await;
    let used = trees.iter().map(|tree| tree.seconds()).sum::<f64>() - before;
    queue(api, messages).await;
    tokio::time::sleep(WATCHED / 4).await;
    add(&format!("{messages} messages queued"), "");
    let share = used / WATCHED.as_secs_f64() * 100.0;
    report.add(Row::new(format!("{name}: processor, {accounts} accounts idle"), "% of a core", vec![share]));
}

async fn connect_idle(api: &Api, accounts: usize) -> Vec<String> {
    let body = |number: usize| {
        let name = format!("idle-{number}");
        json!({
            "channel": "sandbox", "name": name, "credentials": {"token": format!("sandbox-auto-{name}")},
        })
    };
    connect(api, accounts, body).await
}

/// Queues messages on accounts that are paused.
async fn queue(api: &Api, messages: usize) {
    let page = api.get(&format!("/v1/accounts?limit={SENDERS}")).await;
    let ids: Vec<String> = (page["data"].as_array().into_iter().flatten())
        .filter(|account| account["name"].as_str().is_some_and(|name| name.starts_with("idle-")))
        .filter_map(|account| account["id"].as_str().map(str::to_owned))
        .collect();
    for id in &ids {
        api.post(&format!("/v1/accounts/{id}/pause"), &json!({})).await;
    }
    let target = Target {
        host: api.base().trim_start_matches("http://").to_owned(),
        headers: vec![("authorization".to_owned(), format!("Bearer {}", api.key()))],
    };
    let load = Load { connections: 8, requests: messages / BATCH, rate: None };
    let loaded = load
        .run(&target, move |batch| {
            let account = &ids[batch % ids.len()];
            let message = |n: usize| {
                json!({
                    "account_id": account, "to": {"address": format!("chat-{}", n % CHATS)},
                    "content": {"type": "text", "text": format!("Message {n}.")}, "purpose": "transactional",
                })
            };
            let messages: Vec<Value> = (0..BATCH).map(|n| message(batch * BATCH + n)).collect();
            let body = Bytes::from(json!({ "messages": messages }).to_string());
            Post { path: "/v1/messages/batch".to_owned(), body, headers: Vec::new() }
        })
        .await;
    assert_eq!(loaded.times.len(), messages / BATCH, "all are accepted: {:?}", loaded.statuses);
    eprintln!("idle: {:.0} messages/s were queued", loaded.rate() * 500.0);
}
