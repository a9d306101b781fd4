//! What else one sees from outside: memory, chance, and that a seed is all that a run depends on.

use serde_json::json;

use crate::bound::Work;
use crate::calendar::{DAY, HOUR, SECOND};
use crate::plan::{Focus, Plan};
use crate::profiles;
use crate::rates::{plan, work};
use crate::table::Table;
use crate::world::{Fault, World};

#[test]
fn memory_does_not_grow_with_recipients() {
    let work = Work { chats: 6_000, ..work() };
    let mut plan = plan(Table::whatsapp_web(), &work, 6_000);
    plan.workers = 32;
    let mut world = World::new(&plan, profiles::profile(&plan), Fault::None);
    world.run(plan.begin + 2 * DAY);
    assert_eq!(world.left(), 0);
    assert!(world.largest < 2_000, "{} bytes", world.largest);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        let plan = Plan::of(seed, Focus::Any);
        let mut world = World::new(&plan, profiles::profile(&plan), Fault::None);
        world.run(plan.begin + 60 * DAY);
        format!("{:?}", world.trace)
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

#[test]
fn gaps_are_uniform_however_often_one_looks() {
    // A person's conversations wait each for itself, so each gap is looked at by many.
    let work = Work { person: true, ..work() };
    let mut plan = plan(Table::whatsapp_web(), &work, 2_000);
    let off = ["same_recipient", "per_minute", "batch", "typing"].map(|rule| (rule.to_owned(), json!("off")));
    plan.overrides = off.into_iter().collect::<serde_json::Map<_, _>>().into();
    plan.table = Table { caps: Vec::new(), batch: None, typing: None, ..plan.table };
    let mut world = World::new(&plan, profiles::profile(&plan), Fault::None);
    world.run(plan.begin + 10 * HOUR);
    assert_eq!(world.left(), 0);
    let calls = &world.trace.calls;
    let gaps: Vec<i64> = calls.windows(2).map(|pair| pair[1].start.steady - pair[0].answer.steady).collect();
    assert!(gaps.iter().all(|gap| (2 * SECOND..5 * SECOND + SECOND / 50).contains(gap)));
    for (quarters, share) in [(11, 25), (14, 50), (17, 75)] {
        let below = gaps.iter().filter(|gap| **gap < quarters * SECOND / 4).count() * 100 / gaps.len();
        assert!(below.abs_diff(share) < 5, "{below} % below {quarters} quarters of a second");
    }
}
