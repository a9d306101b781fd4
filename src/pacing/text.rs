//! Identical text: a campaign's words may go to so many in a row, then they must vary.

use std::fmt;
use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admit::Free;
use crate::numbers::{Numbers, Problem, count, time};
use crate::rule::with_slack;
use crate::run::Run;
use crate::state::{Dates, OpenGrant};
use crate::unit::{self, words};
use crate::{Kind, Profile, State};

/// A campaign's final text to at most `in_a_row`; then another text, or a rest. A natural rest begins a new row, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdenticalText {
    /// How many in a row; at least 1.
    pub in_a_row: u32,
    /// How long the same text rests then.
    #[serde(rename = "rest_h", with = "unit::hours")]
    pub rest: Duration,
}

/// The text that the account's campaigns last said, and how often in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(rename = "x")]
    pub(crate) text: u64,
    #[serde(flatten)]
    pub(crate) run: Run,
}

/// More rows than this are not told apart.
const MOST: usize = 8;

impl Row {
    /// Counts one more campaign. A call that nobody knows to have been made counts, but ends no row of another text: so
    /// there may be several that go on.
    pub(crate) fn count(rows: &mut Vec<Self>, text: u64, dates: Dates, rest: Duration) {
        let same = rows.iter().find(|row| row.text == text).map(|row| row.run);
        rows.retain(|row| !dates.is_certain && row.text != text);
        rows.push(Self { text, run: Run::and(same, dates.from, dates.at, rest) });
        Self::keep_fullest(rows);
    }

    /// Forgets all but the fullest rows, and the latest of those.
    pub(crate) fn keep_fullest(rows: &mut Vec<Self>) {
        rows.sort_by_key(|row| std::cmp::Reverse((row.run.count, row.run.last)));
        rows.truncate(MOST);
    }
}

impl IdenticalText {
    pub(crate) fn free(
        &self,
        text: u64,
        rows: &[Row],
        open: &[&OpenGrant],
        wide: bool,
        now: Timestamp,
    ) -> Free {
        let rest = with_slack(self.rest, wide);
        let run = rows.iter().find(|row| row.text == text).map(|row| &row.run);
        let same = open.iter().filter(|grant| grant.text == Some(text));
        let under_way = u32::try_from(same.count()).unwrap_or(u32::MAX);
        if Run::count_at(run, now, rest).saturating_add(under_way) < self.in_a_row {
            return Free::at(Timestamp::ZERO);
        }
        match run {
            Some(run) if under_way == 0 => Free::at(run.last + rest),
            // One that is open may be taken back, or another text may go.
            _ => Free::after_open(now + Duration::from_secs(1)),
        }
    }
}

impl State {
    /// The words that no campaign may say at `now`, because they were said too often in a row: those that have them wait
    /// for others to be said, or for the rest.
    pub fn worn_texts(&self, profile: &Profile, now: Timestamp) -> Vec<u64> {
        let rule = profile.rules().iter().find_map(|rule| match &rule.kind {
            Kind::IdenticalText(rule) => Some(rule),
            _ => None,
        });
        let Some(rule) = rule else { return Vec::new() };
        let (rest, now) = (with_slack(rule.rest, self.wide), profile.tempo().inside(now));
        let is_worn = |row: &&Row| Run::count_at(Some(&row.run), now, rest) >= rule.in_a_row;
        self.rows.iter().filter(is_worn).map(|row| row.text).collect()
    }
}

impl Numbers for IdenticalText {
    fn check(&self) -> Result<(), Problem> {
        count("in_a_row", self.in_a_row)?;
        time("rest_h", self.rest, Duration::from_micros(1))
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        self.in_a_row > base.in_a_row || self.rest < base.rest
    }

    fn memory(&self) -> Duration {
        // A row that reaches further back than this is taken for a full one.
        with_slack(self.rest, true).saturating_mul(2)
    }
}

impl fmt::Display for IdenticalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = words(self.rest);
        write!(f, "a campaign's text to {} in a row, then another text or {rest} of rest", self.in_a_row)
    }
}
