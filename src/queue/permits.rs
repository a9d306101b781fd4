//! Permits: limits that several lanes share, as those of an app that has many accounts.
//!
//! Who may not go yet is told when, and that time is its own: others who ask are told later ones. So a lane that waits is
//! woken once, in its turn, and a bucket that is blocked lets its lanes go one after the other when it opens.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

use crate::LaneId;

/// Who does not come within this time after its turn gives it up.
pub(crate) const FORFEIT: Duration = Duration::from_secs(10);

/// How quickly a bucket gives permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// One in each of these times; at least a microsecond counts.
    pub period: Duration,
    /// So many at once, saved up while none were taken; at least 1.
    pub burst: u32,
}

/// The answer to who asks for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It is taken: go.
    Taken,
    /// Ask again then, not earlier.
    At(Timestamp),
}

impl Quota {
    pub(crate) fn period_micros(self) -> i64 {
        i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX).clamp(1, 86_400_000_000)
    }

    /// How far what was taken may run ahead.
    pub(crate) fn slack_micros(self) -> i64 {
        self.period_micros().saturating_mul(i64::from(self.burst.max(1)) - 1)
    }
}

/// What a bucket knows, in µs of lane time: the reference for the script in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// When the permits that were taken are used up.
    used: i64,
    /// When those that were promised are.
    promised: i64,
    blocked_until: i64,
    /// The turn of each lane that waits.
    turns: HashMap<LaneId, i64>,
}

impl Bucket {
    pub(crate) fn ask(&mut self, now: Timestamp, quota: Quota, lane: &LaneId) -> Permit {
        let (now, period, slack) = (now.as_micros(), quota.period_micros(), quota.slack_micros());
        let forfeit = i64::try_from(FORFEIT.as_micros()).unwrap_or(i64::MAX);
        self.turns.retain(|_, turn| *turn >= now - forfeit);
        if self.turns.is_empty() {
            self.promised = self.used;
        }
        let open = now.max(self.blocked_until);
        let turn = match self.turns.get(lane) {
            Some(turn) if *turn >= self.blocked_until => *turn,
            _ => {
                let turn = open.max(self.promised - slack);
                self.promised = self.promised.max(turn) + period;
                turn
            }
        };
        // Those who come late to their turns keep their distance all the same.
        let at = turn.max(open).max(self.used - slack);
        if at <= now {
            self.turns.remove(lane);
            self.used = self.used.max(now) + period;
            Permit::Taken
        } else {
            self.turns.insert(lane.clone(), turn);
            Permit::At(Timestamp::from_micros(at))
        }
    }

    pub(crate) fn block(&mut self, until: Timestamp) {
        self.blocked_until = self.blocked_until.max(until.as_micros());
    }
}
