//! No violation, however many workloads one looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::calendar::DAY;
use crate::judge::violations;
use crate::plan::{Focus, Plan};
use crate::profiles;
use crate::trace::Trace;
use crate::world::{Fault, World};

/// What must have held somebody, else the workloads prove nothing.
const RULES: [&str; 17] = [
    "gap",
    "same_recipient",
    "per_minute",
    "batch",
    "new_contacts",
    "warm_up",
    "identical_text",
    "response_rate",
    "quiet_hours",
    "probe",
    "opted_out",
    "stale_contact",
    "account",
    "chat",
    "group",
    "number",
    "pair",
];
/// The first of our seeds.
const FIRST: u64 = 20_261_120;

/// The workload of a seed: what is wrong with it, and what happened.
fn judge(seed: u64) -> (Vec<String>, Trace, BTreeMap<String, usize>) {
    let plan = Plan::of(seed, Focus::Any);
    let mut world = World::new(&plan, profiles::profile(&plan), Fault::None);
    world.strict = seed.is_multiple_of(4);
    world.run(plan.begin + 400 * DAY);
    let found = violations(&plan.table, &world.trace);
    let found = found.into_iter().map(|broken| format!("{}: {}", broken.rule, broken.text));
    (found.chain(std::mem::take(&mut world.broken)).collect(), world.trace, world.waits)
}

/// All that a person needs who looks for the cause.
fn tell(seed: u64) {
    let (found, trace, waits) = judge(seed);
    let Plan { account, table, overrides, scale, width, workers, trouble, calls, .. } =
        Plan::of(seed, Focus::Any);
    for call in &trace.calls {
        println!("{call:?}");
    }
    println!("{:?} {:?} {:?}", account.zone, account.first_connected, account.registered);
    println!("{table:?}\n{overrides} scale {scale} width {width} workers {workers} {trouble:?} {calls:?}");
    println!("{waits:?}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// With `ORACLE_SEED` only the workload of that seed.
#[test]
fn no_workload_breaks_a_rule() {
    if let Ok(seed) = std::env::var("ORACLE_SEED") {
        return tell(seed.parse().expect("a number"));
    }
    let long = std::env::var_os("ROOKERY_LONG").is_some();
    let most: u64 = std::env::var("ORACLE_COUNT")
        .map_or(if long { 100_000 } else { 1_000 }, |count| count.parse().expect("a number"));
    let (next, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let held = Mutex::new(BTreeSet::new());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= most {
                    return failures;
                }
                let (found, trace, waits) = judge(FIRST + number);
                held.lock().expect("nobody panics here").extend(waits.into_keys());
                let refused = trace.refused.iter().map(|refused| refused.rule.clone());
                held.lock().expect("nobody panics here").extend(refused);
                calls.fetch_add(trace.calls.len() as u64, Ordering::Relaxed);
                if let Some(first) = found.first() {
                    failures.push(format!("ORACLE_SEED={}: {} times, {first}", FIRST + number, found.len()));
                }
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a judge")).collect()
    });
    let shown: Vec<_> = failures.iter().take(20).cloned().collect();
    assert!(failures.is_empty(), "{} of {most} workloads:\n{}", failures.len(), shown.join("\n"));
    let held = held.into_inner().expect("nobody panicked");
    let idle: Vec<_> = RULES.iter().filter(|rule| !held.contains(**rule)).collect();
    assert!(idle.is_empty() || most < 1_000, "these held nobody in {most} workloads: {idle:?}");
    println!("{most} workloads, {} calls", calls.into_inner());
}
