//! How fast messages go through the whole: `tests/run -- cargo bench -p tests --bench send [-- --json]`.
//!
//! 50 connections ask for sends as fast as they are answered, to bots of a provider's stand-in that takes everything at
//! once; no rule paces them. Measured are requests accepted a second, messages at the provider a second (from the first
//! request to the last call), how long the API took, and what the processes cost; then, at a steady rate, the time from a
//! request to its provider call, and to its event on the realtime stream. The peer (Express, BullMQ, node-postgres) gets
//! the same load, from the same generator, with the same stand-in, Redis and Postgres, in turns.
//!
//! `--messages N` (20,000), `--runs N` (5), `--bots N` (10), `--rate N` a second (200), `--connections N` (50),
//! `--workers N` (1), `--only fast,steady`; `--profile` shows what costs Postgres and Redis most.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use tests::bench::{
    Args, Cost, Fleet, Listener, Load, Peer, Post, Profile, Provider, Report, Row, Target, Tree, quantile,
};

/// Chats that the messages go to.
const CHATS: usize = 1_000;
/// How long load is steady.
const STEADY: usize = 10;

/// One side of the comparison.
struct Side<'a> {
    target: Target,
    post: Arc<dyn Fn(usize) -> Post + Send + Sync>,
    provider: &'a Provider,
}

/// What one run of one side gave.
#[derive(Default)]
struct Figures {
    accepted: Vec<f64>,
    sent: Vec<f64>,
    p50: Vec<f64>,
    p95: Vec<f64>,
    p99: Vec<f64>,
    /// Processor µs a message: all but the servers, Redis, Postgres.
    own: Vec<f64>,
    redis: Vec<f64>,
    postgres: Vec<f64>,
    web: Vec<f64>,
    workers: Vec<f64>,
    memory: Vec<f64>,
}

/// Latencies of one side under a steady rate.
#[derive(Default)]
struct Steady {
    p50: Vec<f64>,
    p95: Vec<f64>,
    p99: Vec<f64>,
    call50: Vec<f64>,
    call99: Vec<f64>,
    event50: Vec<f64>,
    event99: Vec<f64>,
}

#[tokio::main]
async fn main() {
    let args = Args::read();
    let mut report = Report::begin("send", &args);
    let provider = Provider::start().await;
    let vars = [("ROOKERY_TELEGRAM_URL", provider.url())];
    let Some(fleet) = Fleet::start(args.number("--workers", 1), &vars).await else { return };
    let bots = fleet.connect_bots(args.number("--bots", 10)).await;
    let ours = Side { target: fleet.target(), post: Arc::new(our_post(bots)), provider: &provider };
    let peer = Peer::start(&fleet.redis_url(), &fleet.database_url(), &provider.url());
    let theirs = peer.as_ref().map(|peer| Side {
        target: Target { host: peer.host.clone(), headers: Vec::new() },
        post: Arc::new(their_post),
        provider: &provider,
    });
    let peer_trees = peer.as_ref().map(Peer::trees).unwrap_or_default();
    let runs = args.number("--runs", 5);
    if args.wants("fast") {
        let load = Load {
            connections: args.number("--connections", 50),
            requests: args.number("--messages", 20_000),
            rate: None,
        };
        let (mut our_figures, mut their_figures) = (Figures::default(), Figures::default());
        // The first run of each warms caches, pools and just-in-time compilers, and counts for nothing.
        for run in 0..=runs {
            let load = if run == 0 { Load { requests: load.requests / 4, ..load } } else { load };
            if run == 1 {
                (our_figures, their_figures) = (Figures::default(), Figures::default());
            }
            let profile = if args.has("--profile") {
                Some(Profile::begin(fleet.database_url(), fleet.redis_url()).await)
            } else {
                None
            };
            our_figures.run(&fleet, &fleet.rookery(), &ours, load).await;
            if let Some(profile) = profile {
                profile.tell(load.requests).await;
            }
            if let Some(theirs) = &theirs {
                their_figures.run(&fleet, &peer_trees, theirs, load).await;
            }
        }
        our_figures.report(their_figures, &mut report);
    }
    if args.wants("steady") {
        let rate = args.number("--rate", 200);
        let (mut our_times, mut their_times) = (Steady::default(), Steady::default());
        for run in 0..runs {
            let listener = Listener::start(&ours.target).await;
            our_times.run(&ours, rate, &format!("ours-{run}"), Some(&listener)).await;
            if let Some(theirs) = &theirs {
                their_times.run(theirs, rate, &format!("theirs-{run}"), None).await;
            }
        }
        our_times.report(their_times, rate, &mut report);
    }
    report.print();
}

fn our_post(bots: Vec<String>) -> impl Fn(usize) -> Post {
    move |number| {
        let chat = number % CHATS;
        Fleet::text(&bots[chat % bots.len()], &(1_000_000 + chat).to_string(), &format!("Message {number}."))
    }
}

fn their_post(number: usize) -> Post {
    let body = json!({"to": (1_000_000 + number % CHATS).to_string(), "text": format!("Message {number}.")});
    Post { path: "/send".to_owned(), body: Bytes::from(body.to_string()), headers: Vec::new() }
}

impl Figures {
    async fn run(&mut self, fleet: &Fleet, processes: &[Tree], side: &Side<'_>, load: Load) {
        let own = || processes.iter().map(|tree| tree.seconds()).sum::<f64>();
        let sent = side.provider.sends();
        let (before, own_before) = (fleet.cost(), own());
        let post = Arc::clone(&side.post);
        let loaded = load.run(&side.target, move |number| post(number)).await;
        assert_eq!(loaded.times.len(), load.requests, "all are accepted: {:?}", loaded.statuses);
        let last = side.provider.took(sent + load.requests as u64).await;
        fleet.settled().await;
        let cost = fleet.cost().since(before);
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let messages = load.requests as f64;
        let each = |seconds: f64| seconds / messages * 1e6;
        self.accepted.push(loaded.rate());
        self.sent.push(messages / last.duration_since(loaded.begun).as_secs_f64());
        self.p50.push(loaded.time(0.5));
        self.p95.push(loaded.time(0.95));
        self.p99.push(loaded.time(0.99));
        self.own.push(each(own() - own_before));
        let Cost { web, workers, redis, postgres, .. } = cost;
        self.web.push(each(web));
        self.workers.push(each(workers));
        self.redis.push(each(redis));
        self.postgres.push(each(postgres));
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let peak = processes.iter().map(|tree| tree.peak_bytes()).sum::<u64>() as f64 / 1e6;
        self.memory.push(peak);
    }

    fn report(self, theirs: Self, report: &mut Report) {
        let mut add = |what: &str, unit, ours, theirs, goal: &str| {
            let row = Row::new(what, unit, ours).beside("peer", theirs);
            report.add(if goal.is_empty() { row } else { row.goal(goal) });
        };
        add("accepted", "/s", self.accepted, theirs.accepted, "3 times the peer");
        add("first request to last provider call", "/s", self.sent, theirs.sent, "3 times the peer");
        add("API p50", "ms", self.p50, theirs.p50, "a third of the peer's");
        add("API p95", "ms", self.p95, theirs.p95, "");
        add("API p99", "ms", self.p99, theirs.p99, "a third of the peer's");
        add("processor time of its own processes, a message", "µs", self.own, theirs.own, "");
        add("of that, web", "µs", self.web, Vec::new(), "");
        add("of that, worker", "µs", self.workers, Vec::new(), "");
        add("processor time of Redis, a message", "µs", self.redis, theirs.redis, "");
        add("processor time of Postgres, a message", "µs", self.postgres, theirs.postgres, "");
        add("peak memory of its own processes", "MB", self.memory, theirs.memory, "");
    }
}

impl Steady {
    async fn run(&mut self, side: &Side<'_>, rate: usize, name: &str, listener: Option<&Listener>) {
        let text = |name: &str, number: usize| format!("{name} {number}");
        let (post, named) = (Arc::clone(&side.post), name.to_owned());
        side.provider.note_texts();
        let sent = side.provider.sends();
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let load = Load { connections: 50, requests: rate * STEADY, rate: Some(rate as f64) };
        let loaded = load
            .run(&side.target, move |number| {
                let mut post = post(number);
                let body = String::from_utf8_lossy(&post.body);
                post.body = Bytes::from(body.replace(&format!("Message {number}."), &text(&named, number)));
                post
            })
            .await;
        assert_eq!(loaded.times.len(), load.requests, "all are accepted: {:?}", loaded.statuses);
        side.provider.took(sent + load.requests as u64).await;
        let calls = side.provider.texts();
        let since = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
        let mut to_call: Vec<f64> = (loaded.moments.iter())
            .filter_map(|(number, (asked, _))| Some(since(*asked, *calls.get(&text(name, *number))?)))
            .collect();
        to_call.sort_by(f64::total_cmp);
        assert_eq!(to_call.len(), load.requests, "all were called");
        self.p50.push(loaded.time(0.5));
        self.p95.push(loaded.time(0.95));
        self.p99.push(loaded.time(0.99));
        self.call50.push(quantile(&to_call, 0.5));
        self.call99.push(quantile(&to_call, 0.99));
        let Some(listener) = listener else { return };
        let mut to_event = Vec::new();
        for (number, (_, answered)) in &loaded.moments {
            let end = Instant::now() + Duration::from_secs(30);
            let heard = loop {
                if let Some(heard) = listener.heard(&text(name, *number)) {
                    break heard;
                }
                assert!(Instant::now() < end, "no event of message {number} came");
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            to_event.push(since(*answered, heard));
        }
        to_event.sort_by(f64::total_cmp);
        self.event50.push(quantile(&to_event, 0.5));
        self.event99.push(quantile(&to_event, 0.99));
    }

    fn report(self, theirs: Self, rate: usize, report: &mut Report) {
        let mut add = |what: &str, ours, theirs, goal: &str| {
            let row = Row::new(format!("{what}, at {rate} requests/s"), "ms", ours).beside("peer", theirs);
            report.add(if goal.is_empty() { row } else { row.goal(goal) });
        };
        add("API p50", self.p50, theirs.p50, "");
        add("API p95", self.p95, theirs.p95, "10 ms");
        add("API p99", self.p99, theirs.p99, "");
        add("request to provider call p50", self.call50, theirs.call50, "");
        add("request to provider call p99", self.call99, theirs.call99, "");
        add("answer to realtime event p50", self.event50, Vec::new(), "");
        add("answer to realtime event p99", self.event99, Vec::new(), "20 ms");
    }
}
