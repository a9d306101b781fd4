//! Workers that die under load: at any moment, and at each place between two commits. What they had goes on elsewhere in
//! good time, and nothing is lost, reordered, or called again without need.

use std::time::{Duration, Instant};

use model::{Clock, Ids, SystemClock};
use serde_json::Value;
use tests::harness::{Api, Installation, Process, until};
use tests::servers;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::load::Shape;
use crate::plan::pick;
use crate::record::Record;
use crate::verdict::{self, Verdict};
use crate::{BINARY, is_long, seed};

const WORKERS: usize = 3;

/// Where a worker dies, and what its last message shows.
const PLACES: [(&str, Trace); 12] = [
    ("send_claimed", Trace::Claimed),
    ("send_loaded", Trace::Claimed),
    ("send_granted", Trace::Claimed),
    ("send_attempted", Trace::Open),
    ("send_answered", Trace::Taken),
    ("send_recorded", Trace::Recorded),
    ("send_told", Trace::Recorded),
    ("ingest_read", Trace::None),
    ("ingest_applied", Trace::None),
    ("ingest_told", Trace::None),
    ("relay_numbered", Trace::None),
    ("relay_announced", Trace::None),
];

/// What a worker that died at a place leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    None,
    /// A job that it has.
    Claimed,
    /// A call that it began.
    Open,
    /// One that the provider took.
    Taken,
    /// One whose end is known.
    Recorded,
}

/// A worker's death.
struct Death {
    at_us: u64,
    /// How busy the machine was then.
    strain: f64,
    worker: String,
    /// The messages that it had.
    held: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_dead_workers_had_goes_on_elsewhere() {
    if !servers::present("workers that die under load") {
        return;
    }
    let seed = seed();
    println!("kills: ROOKERY_SEED={seed}");
    let begun = Instant::now();
    let ids = Ids::seeded(seed);
    let vars = [("ROOKERY_LOG", "warn".to_owned())];
    let Some(mut installation) = Installation::fleet_of(BINARY, WORKERS, &vars).await else { return };
    let shape = Shape {
        shops: 30,
        sessions: 0,
        scale: 12,
        every: Duration::from_millis(1_500),
        chats: vec!["customer-{}".to_owned(), "slow-150-{}".to_owned(), "customer-{}".to_owned()],
    };
    let shops = shape.open(&installation).await;
    let load = shape.start(&installation, &[installation.api().clone()], &shops);
    let mut record = Record::default();
    until("the first messages are sent", async || {
        record.catch_up(&installation.sandbox()).await;
        (record.accepted() > 20).then_some(())
    })
    .await;
    let mut deaths = Vec::new();
    kill_at_random(&mut installation, &ids, if is_long() { 200 } else { 15 }, &mut deaths).await;
    let mut traces = Vec::new();
    for places in PLACES.chunks(3) {
        for death in die_at(&installation, places).await {
            traces.push((death.worker.clone(), death.place));
            deaths.push(death.into());
        }
    }
    let given = load.end().await;
    // Who was being called waits for its lease's end and the call's time.
    let took = verdict::drained(&installation, Duration::from_mins(1)).await;
    record.catch_up(&installation.sandbox()).await;
    let verdict = verdict::judge(&installation, &shops, &given, &record).await;
    let recovery = Recovery::of(&deaths, &record, &verdict);
    for (worker, (place, trace)) in &traces {
        assert!(left(*trace, worker, &deaths, &record, &verdict), "no {trace:?} of who died at {place}");
    }
    println!("kills: {verdict}");
    println!("kills: {} deaths; {recovery}", deaths.len());
    println!("kills: drained after {took:.1?}; {:.0} s; seed {seed}", begun.elapsed().as_secs_f64());
}

pub fn now_us() -> u64 {
    u64::try_from(SystemClock.now().as_micros()).unwrap()
}

/// How many times more is asked of the machine than lets it answer in good time: 1 up to five processes a core that want
/// to run.
fn strain() -> f64 {
    let told = std::fs::read_to_string("/proc/loadavg").expect("the system tells");
    let wanting: f64 = told.split(' ').next().and_then(|load| load.parse().ok()).expect("a number");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (wanting / f64::from(5 * u32::try_from(cores).unwrap())).max(1.0)
}

/// Kills workers at random moments and starts them again; the last one alive lives on.
async fn kill_at_random(installation: &mut Installation, ids: &Ids, kills: usize, deaths: &mut Vec<Death>) {
    let mut killed = 0;
    while killed < kills {
        sleep(Duration::from_millis(300 + ids.number() % 1_500)).await;
        let number = pick(ids, WORKERS);
        let alive = (0..WORKERS).filter(|number| installation.worker_lives(*number)).count();
        if !installation.worker_lives(number) {
            tokio::task::block_in_place(|| installation.start_worker(number));
        } else if alive > 1 {
            let worker = installation.worker_id(number);
            let at_us = now_us();
            installation.kill_worker(number);
            let held = held_by(installation.api(), &worker).await;
            deaths.push(Death { at_us, strain: strain(), worker, held });
            killed += 1;
        }
    }
    for number in 0..WORKERS {
        if !installation.worker_lives(number) {
            tokio::task::block_in_place(|| installation.start_worker(number));
        }
    }
}

/// A death at a place of its own.
struct Placed {
    worker: String,
    place: (&'static str, Trace),
    at_us: u64,
    held: Vec<String>,
}

impl From<Placed> for Death {
    fn from(Placed { worker, at_us, held, .. }: Placed) -> Self {
        Self { at_us, strain: strain(), worker, held }
    }
}

/// Starts a worker for each place beside the others, and waits until it has died there.
async fn die_at(installation: &Installation, places: &[(&'static str, Trace)]) -> Vec<Placed> {
    let mut doomed: Vec<(Process, (&'static str, Trace), u64)> = Vec::new();
    for place in places {
        let fault = [("ROOKERY_FAULT", format!("{}:kill", place.0))];
        let process = tokio::task::block_in_place(|| installation.start_beside(&["worker"], &fault));
        doomed.push((process, *place, now_us()));
    }
    let mut dead = Vec::new();
    until("they die where they shall", async || {
        let mut living = Vec::new();
        for (mut process, place, seen_us) in doomed.drain(..) {
            // A moment early: it was alive then.
            let now = now_us();
            if process.lives() {
                living.push((process, place, now));
            } else {
                let worker = process.worker();
                let held = held_by(installation.api(), &worker).await;
                dead.push(Placed { worker, place, at_us: seen_us, held });
            }
        }
        doomed = living;
        doomed.is_empty().then_some(())
    })
    .await;
    dead
}

/// The messages that the queue believes a worker to have.
pub async fn held_by(api: &Api, worker: &str) -> Vec<String> {
    let lanes = shown(api, "/v1/queues/send/lanes?limit=200").await;
    let busy = lanes.iter().filter(|lane| lane["claimed"] != 0).filter_map(|lane| lane["lane"].as_str());
    let mut asked = JoinSet::new();
    for lane in busy {
        // What is claimed comes first; a look at all that waits would keep the queue from its work.
        let (api, path) = (api.clone(), format!("/v1/queues/send/lanes/{lane}/jobs?limit=50"));
        asked.spawn(async move { shown(&api, &path).await });
    }
    let jobs = asked.join_all().await.into_iter().flatten();
    let held = jobs.filter(|job| job["place"] == "claimed" && job["worker"] == worker);
    held.filter_map(|job| Some(job["job"].as_str()?.strip_prefix("send-message:")?.to_owned())).collect()
}

/// A page of a listing. A front under load may say to come again.
async fn shown(api: &Api, path: &str) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let answer = api.try_get(path).await;
        match answer {
            Some(answer) if answer.status == 200 => return answer.body["data"].as_array().unwrap().clone(),
            _ if begun.elapsed() < Duration::from_mins(1) => sleep(Duration::from_millis(50)).await,
            _ => panic!("{path} cannot be seen: {answer:?}"),
        }
    }
}

/// Whether a worker left behind what it had to.
fn left(trace: Trace, worker: &str, deaths: &[Death], record: &Record, verdict: &Verdict) -> bool {
    let mut its = verdict.attempts.iter().filter(|attempt| attempt.worker == worker);
    match trace {
        Trace::None => true,
        Trace::Claimed => deaths.iter().any(|death| death.worker == worker && !death.held.is_empty()),
        Trace::Open => its.any(|attempt| attempt.outcome == "lost"),
        Trace::Taken => {
            its.any(|attempt| attempt.outcome == "lost" && record.calls.contains_key(&attempt.message))
        }
        Trace::Recorded => its.any(|attempt| attempt.outcome == "accepted"),
    }
}

/// How long it took until what dead workers had went on, in seconds and in rising order.
#[derive(Debug, Default)]
struct Recovery {
    /// Jobs without an open call: until they were looked at, at the latest.
    free: Vec<f64>,
    /// Jobs with one: until that was closed.
    open: Vec<f64>,
}

/// Seconds within which what a dead worker had runs again, on a machine that is not asked for too much.
const FREE: f64 = 10.0;
const OPEN: f64 = 60.0;

impl Recovery {
    fn of(deaths: &[Death], record: &Record, verdict: &Verdict) -> Self {
        let mut recovery = Self::default();
        let seconds = |from: u64, to: u64| f64::from(u32::try_from(to.saturating_sub(from)).unwrap()) / 1e6;
        for death in deaths {
            for message in &death.held {
                let of_it = |attempt: &&verdict::Attempt| attempt.message == *message;
                let here =
                    verdict.attempts.iter().filter(of_it).find(|attempt| attempt.worker == death.worker);
                if let Some(attempt) = here {
                    if attempt.outcome == "lost" {
                        let took = seconds(death.at_us, attempt.ended_us);
                        assert!(
                            took < OPEN * death.strain,
                            "{attempt:?} was open for {took} s after {} died",
                            death.worker
                        );
                        recovery.open.push(took);
                    }
                    continue;
                }
                // It was looked at and found to have to wait (for a time that was still to come), begun to be called, or
                // called by somebody who died before anything else of it was known.
                let begun = verdict.attempts.iter().filter(of_it);
                let signs = begun.flat_map(|attempt| attempt.waits_us.iter().chain([&attempt.started_us]));
                let calls = record.arrived.get(message).into_iter().flatten();
                let next = calls.chain(signs).filter(|at| **at > death.at_us).min();
                // Whoever had it next may have died, too.
                let again = deaths
                    .iter()
                    .find(|later| later.at_us > death.at_us && later.held.contains(message))
                    .map(|later| later.at_us);
                match (next, again) {
                    (Some(next), again) if again.is_none_or(|again| *next < again) => {
                        let took = seconds(death.at_us, *next);
                        let attempts: Vec<_> = verdict.attempts.iter().filter(of_it).collect();
                        assert!(
                            took < FREE,
                            "{message} ran again {took} s after {}: {attempts:#?}",
                            death.at_us
                        );
                        recovery.free.push(took);
                    }
                    (_, Some(_)) => {}
                    (_, None) => {
                        let begun = verdict.attempts.iter().any(|attempt| of_it(&attempt));
                        assert!(begun, "{message}, which {} had, never ran again", death.worker);
                    }
                }
            }
        }
        recovery.free.sort_unstable_by(f64::total_cmp);
        recovery.open.sort_unstable_by(f64::total_cmp);
        assert!(!recovery.free.is_empty() && !recovery.open.is_empty(), "they had work when they died");
        recovery
    }
}

impl std::fmt::Display for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tell = |times: &[f64]| {
            format!("p50 {:.1} s, p100 {:.1} s", times[times.len() / 2], times[times.len() - 1])
        };
        write!(
            f,
            "{} jobs without an open call ran again after {}; {} calls were closed after {}",
            self.free.len(),
            tell(&self.free),
            self.open.len(),
            tell(&self.open)
        )
    }
}
