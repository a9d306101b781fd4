//! How fast lanes are: `tests/run -- cargo bench -p tests --bench queue [-- --json]`.
//!
//! Enqueueing (one caller, 50 at once, in bulk), jobs claimed and settled by a worker as processes run it (apalis and all)
//! over 1, 1,000 and 10,000 lanes, the pickup of a job pushed to an idle queue, how late a job due at T starts, and what a
//! claim costs in a lane with many held jobs. The memory engine always; Redis where there is one, and then, in the same
//! run, redis-benchmark's SET and BullMQ's own queue, for the ratio.
//!
//! `--jobs N` (100,000), `--runs N` (5), `--only memory,redis`.

mod enqueue;
mod held;
mod work;

use std::sync::Arc;

use model::{Class, Clock, Ids, Queue, SystemClock, Timestamp};
use queue::{Engine, JobId, LaneId, Lanes, MemoryEngine, Push, RedisEngine};
use serde_json::Value;
use tests::bench::{Args, Report, Row, SETS, Tree, bullmq, set_per_second};
use tests::servers::{self, Redis};

/// An engine to measure.
#[derive(Debug)]
enum Kind {
    Memory,
    Redis(Box<Redis>),
}

/// An empty queue, as two processes see it.
struct Empty {
    /// Who works.
    worker: Lanes,
    /// Who pushes, over a connection of its own if there are connections.
    pusher: Lanes,
}

impl Kind {
    async fn empty(&self) -> Empty {
        match self {
            Self::Memory => {
                let clock: Arc<dyn Clock> = Arc::new(SystemClock);
                let lanes = Lanes::on_clock(Arc::new(MemoryEngine::new(clock.clone())), clock);
                Empty { worker: lanes.clone(), pusher: lanes }
            }
            Self::Redis(redis) => {
                redis.command(&["FLUSHALL"]);
                let prefix = format!("bench-{:016x}", Ids::from_os().number());
                let connect =
                    || RedisEngine::connect(&redis.url(), &prefix).expect("the Redis URL is usable");
                let engine = connect();
                engine.begin_epoch(1).await.expect("an epoch can be begun");
                engine.open().await.expect("it can be opened");
                let lanes = |engine| Lanes::new(Arc::new(engine) as Arc<dyn Engine>);
                Empty { worker: lanes(engine), pusher: lanes(connect()) }
            }
        }
    }

    /// Processor seconds that its server has used.
    fn seconds(&self) -> f64 {
        match self {
            Self::Memory => 0.0,
            Self::Redis(redis) => Tree(redis.pid()).seconds(),
        }
    }
}

/// Figures of all runs, by what was measured.
#[derive(Debug, Default)]
struct Figures {
    set: Vec<f64>,
    set_cost: Vec<f64>,
    bullmq: Vec<Value>,
    enqueue: [Vec<f64>; 3],
    enqueue_cost: [Vec<f64>; 3],
    drain: [Vec<f64>; 3],
    drain_cost: [Vec<f64>; 3],
    pickup: [Vec<f64>; 2],
    due: [Vec<f64>; 2],
    held: [Vec<f64>; 3],
}

#[tokio::main]
async fn main() {
    let args = Args::read();
    let (jobs, runs) = (args.number("--jobs", 100_000), args.number("--runs", 5));
    let mut report = Report::begin("queue", &args);
    if args.wants("memory") {
        Figures::measure(&Kind::Memory, jobs, runs).await.report("memory", &mut report);
    }
    if args.wants("redis") && servers::present("what needs Redis") {
        let kind = Kind::Redis(Box::new(Redis::start()));
        Figures::measure(&kind, jobs, runs).await.report("Redis", &mut report);
    }
    report.print();
}

impl Figures {
    async fn measure(kind: &Kind, jobs: usize, runs: usize) -> Self {
        let mut figures = Self::default();
        for run in 1..=runs {
            eprintln!("queue: run {run} of {runs}");
            if let Kind::Redis(redis) = kind {
                let before = kind.seconds();
                if let Some(rate) = set_per_second(&redis.url()) {
                    figures.set.push(rate);
                    figures.set_cost.push(each(kind.seconds() - before, SETS));
                }
                redis.command(&["FLUSHALL"]);
                figures.bullmq.extend(bullmq(&redis.url(), jobs.min(20_000)));
            }
            for (place, (callers, bulk, count)) in
                [(1, 1, jobs / 10), (50, 1, jobs), (3, 500, jobs)].into_iter().enumerate()
            {
                let empty = kind.empty().await;
                let before = kind.seconds();
                figures.enqueue[place].push(enqueue::rate(&empty.pusher, callers, bulk, count).await);
                figures.enqueue_cost[place].push(each(kind.seconds() - before, count));
            }
            for (place, lanes) in [1, 1_000, 10_000].into_iter().enumerate() {
                let empty = kind.empty().await;
                enqueue::fill(&empty.pusher, lanes, jobs).await;
                let before = kind.seconds();
                figures.drain[place].push(work::drain(&empty.worker, jobs).await);
                figures.drain_cost[place].push(each(kind.seconds() - before, jobs));
            }
            for (into, time) in figures.pickup.iter_mut().zip(work::pickup(&kind.empty().await).await) {
                into.push(time);
            }
            for (into, time) in figures.due.iter_mut().zip(work::due(&kind.empty().await).await) {
                into.push(time);
            }
            for (into, held) in figures.held.iter_mut().zip([10, 1_000, 100_000]) {
                into.push(held::claim_us(&kind.empty().await.worker, held).await);
            }
        }
        figures
    }

    fn report(self, engine: &str, report: &mut Report) {
        let theirs = |name: &str| -> Vec<f64> {
            self.bullmq.iter().filter_map(|figures| figures[name].as_f64()).collect()
        };
        let is_redis = engine == "Redis";
        let goal = |row: Row, goal: &str| if is_redis && !goal.is_empty() { row.goal(goal) } else { row };
        let names = [
            ("one caller, one job a call", "single", ""),
            ("50 callers, one job a call", "concurrent", "90,000/s"),
            ("bulks of 500, three at once", "bulk", "140,000/s"),
        ];
        let cost = |what: String, runs| Row::new(what, "µs", runs).beside("SET", self.set_cost.clone());
        for ((runs, used), (name, bull, to)) in self.enqueue.into_iter().zip(self.enqueue_cost).zip(names) {
            let row = Row::new(format!("{engine}: enqueue, {name}"), "/s", runs);
            report.add(goal(row.beside("SET", self.set.clone()).beside("BullMQ", theirs(bull)), to));
            if is_redis {
                report.add(cost(format!("{engine}: its processor time a job, enqueue, {name}"), used));
            }
        }
        let names = [
            ("1 lane of width 200, 1,000 keys", ""),
            ("1,000 lanes", "60,000/s, or 0.7 of SET"),
            ("10,000 lanes", ""),
        ];
        for ((runs, used), (name, to)) in self.drain.into_iter().zip(self.drain_cost).zip(names) {
            let row = Row::new(format!("{engine}: claimed and settled, {name}"), "/s", runs);
            report.add(goal(row.beside("SET", self.set.clone()).beside("BullMQ", theirs("drained")), to));
            if is_redis {
                report.add(cost(
                    format!("{engine}: its processor time a job, claimed and settled, {name}"),
                    used,
                ));
            }
        }
        let times = self.pickup.into_iter().chain(self.due).zip([
            ("pickup from idle, p50", "pickup50", "0.4 ms"),
            ("pickup from idle, p99", "pickup99", "1 ms"),
            ("late after T, p50", "late50", "2 ms"),
            ("late after T, p99", "late99", "5 ms"),
        ]);
        for (runs, (name, bull, to)) in times {
            report.add(goal(
                Row::new(format!("{engine}: {name}"), "ms", runs).beside("BullMQ", theirs(bull)),
                to,
            ));
        }
        let [ten, thousand, many] = self.held;
        report.add(Row::new(format!("{engine}: claim and settle beside 10 held jobs"), "µs", ten.clone()));
        for (runs, name) in [(thousand, "1,000"), (many, "100,000")] {
            let row = Row::new(format!("{engine}: claim and settle beside {name} held jobs"), "µs", runs);
            report.add(row.beside("10 held", ten.clone()));
        }
    }
}

/// Processor µs of each of so many jobs.
fn each(seconds: f64, jobs: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let jobs = jobs as f64;
    seconds / jobs * 1e6
}

/// A lane of the name `lane`.
fn lane(lane: &str) -> LaneId {
    LaneId { queue: Queue::Send, name: lane.to_owned() }
}

/// Job number `n` for a key of a lane.
fn push(lane: &LaneId, key: &str, n: usize, width: u32) -> Push {
    Push {
        job: JobId(format!("send-message:{n:032}")),
        lane: lane.clone(),
        key: key.to_owned(),
        class: Class::Normal,
        order: i64::try_from(n).expect("a small number"),
        ready_at: Timestamp::ZERO,
        width,
        route: None,
    }
}
