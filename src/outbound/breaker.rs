//! A circuit breaker a host: where everything fails, asking on costs time, connections and the provider's patience.
//!
//! Closed, it counts failures in a row, whosever calls they are. Open, calls fail at once and say for how long. When that
//! time is over, one call at a time finds out whether the host is well again: one yes closes it, one no opens it for twice
//! as long. A call that had begun before it opened says nothing more against the host, but a yes counts at any time.

use std::time::Duration;

use tokio::time::Instant;

/// When calls to a host are stopped, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// So many connections in a row that did not come about; at least 1.
    pub unreachable: u32,
    /// So many calls in a row that failed in any way by the host's fault: no connection, no answer in time, a status of
    /// 500 or above; at least 1. More than a single account in trouble brings about before its own breaker opens.
    pub failing: u32,
    /// The first pause; it doubles with each probe that fails.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { unreachable: 5, failing: 20, first: Duration::from_secs(2), longest: Duration::from_secs(30) }
    }
}

/// While the probe has no answer, others look again after so long.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a call says about its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered, whatever it said.
    Well,
    /// It took the call and did not answer as a host should.
    Failing,
    /// It could not be reached.
    Unreachable,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// One of many. It began in this period of the breaker.
    Usual(u64),
    /// The one that finds out.
    Probe(u64),
}

/// Where the breaker stands: for metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Closed,
    Open { lasting: Duration },
    HalfOpen,
}

#[derive(Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    /// Rises with each change between closed and open, so that late answers are known as such.
    period: u64,
    unreachable: u32,
    failing: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    times: u32,
    /// Whether a probe is under way: a call, and apart from it one that waits for news, which may take long to say anything.
    probing: [bool; 2],
}

impl Breaker {
    pub(crate) const fn new(config: BreakerConfig) -> Self {
        Self { config, period: 0, unreachable: 0, failing: 0, open: None }
    }

    /// How long nothing goes; none when a call would be let through.
    pub(crate) fn closed_for(&self, now: Instant, waits: bool) -> Option<Duration> {
        let open = self.open.as_ref()?;
        match open.until.checked_duration_since(now) {
            Some(left) if !left.is_zero() => Some(left),
            _ => open.probing[usize::from(waits)].then_some(LOOK_AGAIN),
        }
    }

    /// Leave for a call, or how long nothing goes.
    pub(crate) fn ask(&mut self, now: Instant, waits: bool) -> Result<Leave, Duration> {
        if let Some(left) = self.closed_for(now, waits) {
            return Err(left);
        }
        Ok(match &mut self.open {
            None => Leave::Usual(self.period),
            Some(open) => {
                open.probing[usize::from(waits)] = true;
                Leave::Probe(self.period)
            }
        })
    }

    /// Takes in how a call ended. No verdict: it was given up before anything was known.
    pub(crate) fn end(&mut self, leave: Leave, waits: bool, verdict: Option<Verdict>, now: Instant) {
        let (period, is_probe) = match leave {
            Leave::Usual(period) => (period, false),
            Leave::Probe(period) => (period, true),
        };
        let is_late = period != self.period;
        if is_probe
            && !is_late
            && let Some(open) = &mut self.open
        {
            open.probing[usize::from(waits)] = false;
        }
        match verdict {
            None => {}
            Some(Verdict::Well) => self.close(),
            Some(_) if is_late => {}
            Some(_) if is_probe => self.widen(now),
            Some(verdict) => self.count(verdict, now),
        }
    }

    pub(crate) fn position(&self, now: Instant) -> Position {
        match &self.open {
            None => Position::Closed,
            Some(open) => match open.until.checked_duration_since(now) {
                Some(lasting) if !lasting.is_zero() => Position::Open { lasting },
                _ => Position::HalfOpen,
            },
        }
    }

    /// Whether the next call is a probe, now or later.
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether nothing is known that a new breaker would not know.
    pub(crate) const fn is_blank(&self) -> bool {
        self.open.is_none() && self.failing == 0
    }

    fn close(&mut self) {
        (self.unreachable, self.failing) = (0, 0);
        if self.open.take().is_some() {
            self.period += 1;
        }
    }

    fn count(&mut self, verdict: Verdict, now: Instant) {
        self.failing = self.failing.saturating_add(1);
        self.unreachable =
            if verdict == Verdict::Unreachable { self.unreachable.saturating_add(1) } else { 0 };
        if self.failing >= self.config.failing.max(1) || self.unreachable >= self.config.unreachable.max(1) {
            self.period += 1;
            self.open = Some(Open { until: now + self.pause(0), times: 1, probing: [false; 2] });
        }
    }

    /// A probe failed: another one goes after a longer pause.
    fn widen(&mut self, now: Instant) {
        let Some(open) = &self.open else { return };
        let (times, probing) = (open.times.saturating_add(1), open.probing);
        self.open = Some(Open { until: now + self.pause(open.times), times, probing });
    }

    fn pause(&self, times: u32) -> Duration {
        self.config.first.saturating_mul(1 << times.min(16)).min(self.config.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        let config = BreakerConfig { unreachable: 2, failing: 4, first: SECOND, longest: SECOND * 4 };
        (Breaker::new(config), Instant::now())
    }

    /// A call that is let through and ends at once.
    fn call(breaker: &mut Breaker, now: Instant, verdict: Verdict) {
        let leave = breaker.ask(now, false).unwrap();
        breaker.end(leave, false, Some(verdict), now);
    }

    #[test]
    fn it_opens_after_so_many_failures_in_a_row_and_not_before() {
        let (mut breaker, now) = breaker();
        for verdict in [Verdict::Failing, Verdict::Failing, Verdict::Failing, Verdict::Well] {
            call(&mut breaker, now, verdict);
        }
        for verdict in [Verdict::Unreachable, Verdict::Failing, Verdict::Unreachable] {
            call(&mut breaker, now, verdict);
            assert_eq!(breaker.position(now), Position::Closed);
        }
        call(&mut breaker, now, Verdict::Failing);
        assert_eq!(breaker.ask(now, false), Err(SECOND));
        assert_eq!(breaker.ask(now, true), Err(SECOND), "news are not asked for either");
    }

    #[test]
    fn connections_that_fail_open_it_sooner() {
        let (mut breaker, now) = breaker();
        call(&mut breaker, now, Verdict::Unreachable);
        call(&mut breaker, now, Verdict::Unreachable);
        assert_eq!(breaker.position(now), Position::Open { lasting: SECOND });
    }

    #[test]
    fn one_call_at_a_time_finds_out_and_pauses_double_up_to_the_longest() {
        let (mut breaker, mut now) = breaker();
        call(&mut breaker, now, Verdict::Unreachable);
        call(&mut breaker, now, Verdict::Unreachable);
        for pause in [1, 2, 4, 4] {
            now += SECOND * pause;
            let early = now.checked_sub(Duration::from_millis(1)).unwrap();
            assert!(breaker.ask(early, false).is_err());
            let probe = breaker.ask(now, false).unwrap();
            assert_eq!(breaker.ask(now, false), Err(LOOK_AGAIN), "another call waits for the first");
            breaker.end(probe, false, Some(Verdict::Failing), now);
        }
        now += SECOND * 4;
        let probe = breaker.ask(now, false).unwrap();
        breaker.end(probe, false, Some(Verdict::Well), now);
        assert_eq!(breaker.position(now), Position::Closed);
        call(&mut breaker, now, Verdict::Unreachable);
        assert_eq!(breaker.position(now), Position::Closed, "it counts anew");
    }

    #[test]
    fn a_probe_that_is_given_up_lets_the_next_one_go() {
        let (mut breaker, mut now) = breaker();
        call(&mut breaker, now, Verdict::Unreachable);
        call(&mut breaker, now, Verdict::Unreachable);
        now += SECOND;
        let probe = breaker.ask(now, false).unwrap();
        breaker.end(probe, false, None, now);
        assert!(breaker.ask(now, false).is_ok());
    }

    #[test]
    fn one_that_waits_for_news_keeps_no_message_from_finding_out() {
        let (mut breaker, mut now) = breaker();
        call(&mut breaker, now, Verdict::Unreachable);
        call(&mut breaker, now, Verdict::Unreachable);
        now += SECOND;
        assert!(breaker.ask(now, true).is_ok());
        let probe = breaker.ask(now, false).unwrap();
        breaker.end(probe, false, Some(Verdict::Well), now);
        assert_eq!(breaker.position(now), Position::Closed);
    }

    #[test]
    fn what_began_before_it_opened_counts_only_when_it_went_well() {
        let (mut breaker, now) = breaker();
        let before: Vec<Leave> = (0..10).map(|_| breaker.ask(now, false).unwrap()).collect();
        for leave in &before[..9] {
            breaker.end(*leave, false, Some(Verdict::Failing), now);
        }
        assert_eq!(breaker.position(now), Position::Open { lasting: SECOND }, "no wider than by the fourth");
        breaker.end(before[9], false, Some(Verdict::Well), now);
        assert_eq!(breaker.position(now), Position::Closed);
    }
}
