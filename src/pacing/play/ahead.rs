//! When one message would be out.

use model::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{Play, Step};

/// When a message is expected to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// The time.
    pub at: Timestamp,
    /// The play did not reach it: reckoned from how many go before it, at the pace of what was played.
    pub estimate: bool,
}

impl Play {
    /// Plays until a message is sent, asking the rules at most `most` times. None when it never is: it is refused, not
    /// here, or waits for what has no end.
    pub fn expected(mut self, id: Uuid, most: u64) -> Option<Expected> {
        let start = self.now;
        let mut sent = 0_u32;
        while self.asks < most {
            match self.next()? {
                Step::Sent { id: this, at, .. } if this == id => {
                    return Some(Expected { at, estimate: false });
                }
                Step::Refused { id: this, .. } if this == id => return None,
                Step::Sent { .. } => sent += 1,
                Step::Waits { .. } | Step::Refused { .. } => {}
            }
        }
        let job = self.lane.jobs.iter().position(|job| job.planned.id == id)?;
        let one = self.now.since(start).div_f64(f64::from(sent.max(1)));
        let ahead = u32::try_from(self.lane.ahead(job)).unwrap_or(u32::MAX);
        let own = self.lane.jobs[job].planned.at.max(self.now);
        Some(Expected { at: own + one.saturating_mul(ahead.saturating_add(1)), estimate: true })
    }
}
