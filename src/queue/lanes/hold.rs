//! A time before which something may not go, and the rule that set it.

use std::sync::Arc;

use model::{Scope, Timestamp, Wait};

use crate::WAITS_KEPT;
use crate::op::{detail, end, wait};

/// Until when, and why. One whose time has come means nothing; who looks compares with lane time.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub until: Timestamp,
    pub rule: Arc<str>,
    pub detail: Option<Arc<str>>,
}

impl Hold {
    pub fn new(until: Timestamp, rule: &str) -> Self {
        Self { until, rule: rule.into(), detail: None }
    }

    pub fn of(wait: &Wait) -> Self {
        Self { until: end(wait), rule: wait.rule.as_str().into(), detail: detail(wait).map(Arc::from) }
    }

    /// What a person is told.
    pub fn wait(&self, scope: Scope) -> Wait {
        wait(&self.rule, self.detail.as_deref(), scope, self.until)
    }
}

/// The place of a hold: a lane, a class of it, a key, a job or a queue has one each.
#[derive(Debug, Default, Clone)]
pub(super) struct Slot(Option<Hold>);

impl Slot {
    /// When it ends; long ago if nothing is held.
    pub fn end(&self) -> Timestamp {
        self.0.as_ref().map_or(Timestamp::ZERO, |hold| hold.until)
    }

    /// Sets it, the later of old and new. One that is over already holds nothing.
    pub fn extend(&mut self, new: Hold, now: Timestamp) {
        if self.end().max(now) < new.until {
            self.0 = Some(new);
        }
    }

    /// Ends it. What it kept is told how long it did.
    pub fn lift(&mut self, now: Timestamp) {
        if let Some(hold) = &mut self.0 {
            hold.until = hold.until.min(now);
        }
    }

    /// What is told of it, now that it is over, to a job that was ready at that time.
    pub fn kept(&self, scope: Scope, ready_at: Timestamp) -> Option<Wait> {
        let hold = self.0.as_ref().filter(|hold| hold.until > ready_at)?;
        Some(hold.wait(scope))
    }

    /// What a person is told while it lasts.
    pub fn wait(&self, scope: Scope, now: Timestamp) -> Option<Wait> {
        let hold = self.0.as_ref().filter(|hold| hold.until > now)?;
        Some(hold.wait(scope))
    }
}

/// Notes a wait after those that a job had: the newest are kept.
pub(super) fn note(waits: &mut Vec<Wait>, wait: Wait) {
    if waits.len() == WAITS_KEPT {
        waits.remove(0);
    }
    waits.push(wait);
}

/// Notes what a hold caused, unless that was told: by a park that set it, or when the job was claimed before.
pub(super) fn tell(waits: &mut Vec<Wait>, wait: Wait) {
    let same = |told: &Wait| (told.scope, &told.rule) == (wait.scope, &wait.rule);
    match waits.iter().rposition(same) {
        Some(at) if end(&waits[at]) >= end(&wait) => {}
        Some(at) if at + 1 == waits.len() => waits[at] = wait,
        _ => note(waits, wait),
    }
}

/// Of several waits the one that ends last; one without an end is the last of all.
pub(super) fn longest(waits: impl IntoIterator<Item = Option<Wait>>) -> Option<Wait> {
    waits.into_iter().flatten().max_by_key(|wait| wait.until.map_or(i64::MAX, Timestamp::as_micros))
}
