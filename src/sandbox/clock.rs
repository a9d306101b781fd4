//! The sandbox's own time. It judges what others did, so it does not ask their clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A stopwatch for judging and a calendar for showing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    /// What the calendar said at the start, in µs since 1970.
    pub(crate) start_us: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), start_us: wall_micros() }
    }

    /// Microseconds since the start; never goes back. Limits are counted in it.
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Microseconds since 1970 by the operating system.
#[expect(clippy::disallowed_methods, reason = "a simulated provider has a calendar of its own")]
pub(crate) fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
