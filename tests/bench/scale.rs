//! Whether a message costs the same however many accounts and workers there are:
//! `tests/run -- cargo bench -p tests --bench scale [-- --json]`.
//!
//! The same number of messages to the same number of chats, of 10, 1,000 and 10,000 bots whose rules are off, with 1, 2 and
//! 4 workers: processor time of everything (Rookery, Redis, Postgres) a message, and messages a second at the provider's
//! stand-in.
//!
//! `--messages N` (20,000), `--runs N` (3), `--accounts a,b,c`, `--workers a,b,c`.

use std::sync::Arc;

use tests::bench::{Args, Cost, Fleet, Load, Provider, Report, Row};

/// Chats in all; each account has its share.
const CHATS: usize = 10_000;

#[tokio::main]
async fn main() {
    let args = Args::read();
    let mut report = Report::begin("scale", &args);
    let counts = args.numbers("--accounts", &[10, 1_000, 10_000]);
    let (messages, runs) = (args.number("--messages", 20_000), args.number("--runs", 3));
    for workers in args.numbers("--workers", &[1, 2, 4]) {
        let provider = Provider::start().await;
        // Four workers and a web share the connections that Postgres has.
        let vars =
            [("ROOKERY_TELEGRAM_URL", provider.url()), ("ROOKERY_DATABASE_CONNECTIONS", "12".to_owned())];
        let Some(fleet) = Fleet::start(workers, &vars).await else { return };
        let most = counts.iter().copied().max().unwrap_or(1);
        let bots: Arc<[String]> = fleet.connect_bots(most).await.into();
        eprintln!("scale: {most} accounts are connected");
        let mut base: Option<Vec<f64>> = None;
        for accounts in &counts {
            // The first run makes conversations and loads lanes, and counts for nothing.
            run(&fleet, &provider, &bots[..*accounts], CHATS).await;
            let (mut cost, mut rate, mut own) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..runs {
                let (used, sent) = run(&fleet, &provider, &bots[..*accounts], messages).await;
                #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
                let each = |seconds: f64| seconds / messages as f64 * 1e6;
                cost.push(each(used.all()));
                own.push(each(used.rookery()));
                rate.push(sent);
            }
            let what = format!("{workers} workers, {accounts} accounts");
            let first = base.get_or_insert_with(|| cost.clone()).clone();
            let name = format!("{} accounts", counts[0]);
            let row = Row::new(format!("processor time a message, {what}"), "µs", cost).beside(&name, first);
            report.add(row.goal("0.8 to 1.2 times"));
            report.add(Row::new(format!("of that Rookery, {what}"), "µs", own));
            report.add(Row::new(format!("messages, {what}"), "/s", rate));
        }
    }
    report.print();
}

/// Sends messages; what they cost, and how many a second reached the provider.
async fn run(fleet: &Fleet, provider: &Provider, bots: &[String], messages: usize) -> (Cost, f64) {
    let bots = bots.to_vec();
    let (before, sent) = (fleet.cost(), provider.sends());
    let load = Load { connections: 50, requests: messages, rate: None };
    let loaded = load
        .run(&fleet.target(), move |number| {
            let chat = number % CHATS;
            Fleet::text(
                &bots[chat % bots.len()],
                &(1_000_000 + chat).to_string(),
                &format!("Message {number}."),
            )
        })
        .await;
    assert_eq!(loaded.times.len(), messages, "all are accepted: {:?}", loaded.statuses);
    let last = provider.took(sent + messages as u64).await;
    fleet.settled().await;
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let rate = messages as f64 / last.duration_since(loaded.begun).as_secs_f64();
    (fleet.cost().since(before), rate)
}
