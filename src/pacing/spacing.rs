//! governor over a number that outlives it: the theoretical arrival time of GCRA as absolute Unix microseconds, which
//! can be stored, loaded by another process and checked there. governor counts nanoseconds and would come to its end in
//! 2554, where an account whose time runs a thousand times as fast soon is: so each of its nanoseconds is a microsecond.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, RateLimiter, StateStore};
use model::Timestamp;

/// GCRA's arrival time in Unix microseconds; none while nothing was ever sent.
pub(crate) type Arrival = Option<u64>;

/// governor adds without looking: arrival times end here, and instants do so by themselves.
pub(crate) const LATEST: u64 = u64::MAX / 2;

/// A quota of one in `every` with `burst` saved up; none when it demands nothing.
pub(crate) fn quota(every: Duration, burst: u32) -> Option<Quota> {
    let burst = NonZeroU32::new(burst)?;
    let micros = u64::try_from(every.as_nanos().div_ceil(1_000)).ok()?;
    Some(Quota::with_period(Duration::from_nanos(micros))?.allow_burst(burst))
}

/// When a send is free to go, as seen at `now`; `now` itself when it is.
pub(crate) fn free_at(quota: Quota, arrival: Arrival, now: Timestamp) -> Timestamp {
    check(quota, arrival, now).err().unwrap_or(now)
}

/// The arrival time after a send at `at` that did happen, allowed or not.
pub(crate) fn charge(quota: Quota, arrival: Arrival, at: Timestamp) -> Arrival {
    if quota.burst_size().get() == 1 {
        // A plain spacing counts from the last send; sends that came too close together add up to nothing.
        return arrival.max(check(quota, None, at).unwrap_or(arrival));
    }
    let charged = check(quota, arrival, at).or_else(|free| check(quota, arrival, free));
    charged.ok().flatten().or(arrival)
}

/// The end of what an arrival time can still forbid.
pub(crate) fn binds_until(arrival: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(arrival).unwrap_or(i64::MAX))
}

fn check(quota: Quota, arrival: Arrival, at: Timestamp) -> Result<Arrival, Timestamp> {
    let clock = FixedClock { asked: Cell::new(false), at: u64::try_from(at.as_micros()).unwrap_or(0) };
    let limiter =
        RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(quota, OneCell(Cell::new(arrival)), clock);
    match limiter.check() {
        Ok(()) => Ok(limiter.into_state_store().0.get()),
        Err(not_until) => Err(binds_until(not_until.earliest_possible().as_u64())),
    }
}

/// Answers 0 when the limiter is made, so that its arrival times count from 1970, and the real instant afterwards.
struct FixedClock {
    asked: Cell<bool>,
    at: u64,
}

impl Clock for FixedClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(if self.asked.replace(true) { self.at } else { 0 })
    }
}

struct OneCell(Cell<Arrival>);

impl StateStore for OneCell {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (answer, arrival) = decide(self.0.get().map(Nanos::new))?;
        self.0.set(Some(arrival.as_u64()));
        Ok(answer)
    }
}
