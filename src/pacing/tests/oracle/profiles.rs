//! What pacing is given for a plan: its own profile with the plan's numbers, or an official channel's limits.

use std::time::Duration;

use model::Timestamp;
use pacing::{Facts, Limit, Profile, Reach};
use serde_json::Value;

use crate::plan::Plan;
use crate::table::Whom;

/// The limits of an official channel, as its adapter would say them.
pub fn limits(plan: &Plan) -> Vec<Limit> {
    let micros = |time: i64| Duration::from_micros(u64::try_from(time).unwrap_or(0));
    let limit = |name: &str, whom, count: u32, window: i64, burst: Option<u32>| Limit {
        name: name.to_owned(),
        scope: match whom {
            Whom::Account => Reach::Account,
            Whom::Chat => Reach::Chat,
            Whom::Group => Reach::Group,
        },
        count,
        window: micros(window),
        burst,
        source: "the judge's list".to_owned(),
    };
    let caps = plan
        .table
        .caps
        .iter()
        .map(|cap| limit(cap.rule, cap.whom, u32::try_from(cap.count).unwrap_or(0), cap.window, None));
    let buckets = plan.table.buckets.iter().map(|bucket| {
        limit(bucket.rule, bucket.whom, 1, bucket.every, Some(u32::try_from(bucket.burst).unwrap_or(0)))
    });
    caps.chain(buckets).collect()
}

pub fn facts(plan: &Plan) -> Facts {
    // Lane time is what the account's time is before it is scaled.
    let time = |at: i64| Timestamp::from_micros(plan.real(at));
    Facts {
        zone: plan.account.zone.name.parse().expect("a zone of the database"),
        created_at: time(plan.created),
        first_connected_at: plan.account.first_connected.map(time),
        registered_at: plan.account.registered.map(time),
    }
}

/// The profile of a plan.
pub fn profile(plan: &Plan) -> Profile {
    of(plan, &plan.overrides, &limits(plan), facts(plan))
}

#[expect(clippy::cast_precision_loss, reason = "a thousand at most")]
pub fn of(plan: &Plan, overrides: &Value, limits: &[Limit], facts: Facts) -> Profile {
    let profile = if plan.official {
        Profile::provider(limits).expect("sensible limits")
    } else {
        Profile::named("whatsapp_web").expect("a profile of ours")
    };
    let profile = profile.with(overrides).unwrap_or_else(|problems| panic!("{overrides}: {problems:?}"));
    profile.for_account(facts, plan.scale as f64).expect("a sensible scale")
}
