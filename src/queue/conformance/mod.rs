//! What every engine must keep, written once: a test for each promise of the queue, and a judge for random operations.
//!
//! An engine's tests hand over a [`Subject`] for each test: a fresh engine and a way to let its time pass. [`crate::promises!`]
//! makes a `#[tokio::test]` of every promise. [`random`] drives an engine by chance and judges each answer
//! against a model that scans everything: by legality and completeness, because which of two ready keys goes first may
//! differ between engines.

#![expect(clippy::missing_panics_doc, reason = "whatever is broken here panics: that is what it is for")]

mod claims;
mod fences;
mod holds;
mod judge;
mod judge_claim;
mod kit;
mod order;
mod paces;
mod random;
mod shape;
mod told;
mod wakes;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Ids, ManualClock, Timestamp};

use crate::{Engine, MemoryEngine};

pub use random::{Chance, random};

/// Lets an engine's time pass.
#[async_trait]
pub trait Advance: Send + Sync + fmt::Debug {
    /// Returns when lane time is at least `by` later.
    async fn advance(&self, by: Duration);

    /// A span that is long enough to tell before from after, and short enough to wait for many times.
    fn tick(&self) -> Duration;
}

/// A fresh engine under test.
#[derive(Debug)]
pub struct Subject {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Its time.
    pub time: Arc<dyn Advance>,
    /// Chance, the same for the same test.
    pub ids: Ids,
}

impl Subject {
    /// A memory engine on a clock that only the test moves.
    pub fn memory() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
        let engine = Arc::new(MemoryEngine::new(Arc::clone(&clock) as _));
        Self { engine, time: Arc::new(Hand(clock)), ids: Ids::seeded(7) }
    }
}

/// A clock moved by hand.
#[derive(Debug)]
struct Hand(Arc<ManualClock>);

#[async_trait]
impl Advance for Hand {
    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(100)
    }
}

macro_rules! list {
    ($($module:ident: $($name:ident)+;)+) => {
        /// The promises, each a test of one engine.
        pub mod promised { $(pub use super::$module::{$($name),+};)+ }

        /// Makes a test of every promise: `queue::promises!(fresh)`, where `async fn fresh() -> Subject`.
        #[macro_export]
        macro_rules! promises {
            ($fresh:path) => { $($(
                #[tokio::test]
                async fn $name() {
                    let subject = $fresh().await;
                    $crate::conformance::promised::$name(&subject).await;
                }
            )+)+ };
        }
    };
}

list! {
    order: within_key_and_class_the_order_number_decides
        a_key_gives_one_job_at_a_time
        a_future_job_joins_its_order_when_it_is_due
        nothing_starts_before_its_time
        a_retry_blocks_its_class_and_the_lower_ones
        ready_keys_take_turns
        classes_are_strict_within_a_lane;
    shape: width_limits_the_claims_of_a_lane
        a_lane_with_claims_belongs_to_one_worker
        a_routed_lane_is_for_its_worker_only
        who_serves_its_own_lanes_alone_gets_no_others
        a_push_takes_over_width_and_route
        a_lane_routed_elsewhere_drains_first
        queues_do_not_mix;
    claims: lanes_are_served_in_turn
        a_push_moves_no_lane_ahead_of_its_turn
        a_waiting_job_keeps_the_earlier_time_and_the_higher_class
        a_push_while_claimed_runs_once_more
        the_sweep_never_marks
        a_retry_a_park_and_a_recovery_absorb_the_mark
        later_moves_a_job_out_of_its_order
        release_returns_a_job_untouched
        a_settled_job_leaves_nothing;
    holds: a_parked_job_holds_only_its_own_line
        a_held_recipient_holds_no_other_key
        a_reply_overtakes_a_held_class
        a_held_lane_waits_whole
        a_held_queue_waits_whole_and_loses_nothing
        only_resume_lowers_a_hold
        resuming_a_lane_lifts_its_classes
        waits_travel_with_their_job
        every_wait_has_a_reason_and_a_time
        many_held_keys_do_not_hide_a_ready_one;
    paces: slow_jobs_wait_together_and_others_go_on
        slow_jobs_are_asked_once_a_wait
        slow_and_other_keys_take_turns
        a_slow_job_holds_its_own_line_only
        a_job_is_slow_until_it_ends_otherwise
        a_resumed_job_is_not_slow;
    told: a_wait_keeps_its_detail
        a_claim_tells_what_held_the_job
        a_lifted_hold_ended_then
        a_held_class_waits_alone
        resuming_a_job_lifts_its_own_wait
        a_peek_shows_a_lane_and_changes_nothing;
    fences: tokens_rise
        a_grant_commits_the_state
        a_grant_is_refused_under_a_hold
        a_grant_over_an_old_state_is_stale
        settle_writes_a_fitting_state_only
        who_lost_the_lease_settles_nothing
        a_reaped_job_counts_as_lost
        a_beat_keeps_the_lease
        a_stale_ticket_changes_nothing;
    wakes: a_claim_says_when_the_next_lane_is_due
        a_push_wakes_one_idle_worker
        who_serves_its_own_lanes_alone_is_woken_for_no_others
        a_full_claim_wakes_another
        an_earlier_due_time_wakes;
}
