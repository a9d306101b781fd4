//! The state again from the send ledger, when the lane lost it or its rules changed.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Purpose, Timestamp};
use uuid::Uuid;

use crate::rule::with_slack;
use crate::run::Run;
use crate::state::{Dates, OpenGrant, Token, batch_pause, text_rest};
use crate::text::Row;
use crate::{Bucket, Kind, Profile, Reach, State, spacing};

/// How far a clock may have stepped back: from 30 s ahead to 30 s behind.
const CLOCK_STEP: Duration = Duration::from_mins(1);

/// One attempt of the ledger whose call was made, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastSend {
    /// Its chat, named as in [`Ask`](crate::Ask).
    pub chat: String,
    /// Whether that is a group.
    pub is_group: bool,
    /// When the call began, or could have at the earliest.
    pub started_at: Timestamp,
    /// When the provider answered; none while nobody knows: it counts as `now` then.
    pub ended_at: Option<Timestamp>,
    /// What it was for.
    pub purpose: Purpose,
    /// Names its final words; given for campaigns.
    pub text: Option<u64>,
    /// Whether it counted as a new contact.
    pub is_new: bool,
    /// Whether the provider is known to have taken it. Else it counts all the same, but ends no row of another text.
    pub was_accepted: bool,
}

impl State {
    /// Derives the state from the account's attempts of the last [`Profile::horizon`] (older ones do no harm), in any
    /// order. Call it only when no call of the account is under way that is not in `history`. What cannot be known is
    /// taken at its worst: the gap after the last send is the longest, and a run of sends that may have begun before the
    /// history is a full one.
    pub fn rebuild(
        profile: &Profile,
        width: u32,
        history: impl Iterator<Item = PastSend>,
        now: Timestamp,
    ) -> Self {
        let wide = width > 1;
        let tempo = profile.tempo();
        let now = tempo.inside(now);
        let mut state = Self::new(profile);
        state.wide = wide;
        let mut sends = Vec::new();
        for send in history {
            let from = tempo.inside(send.started_at);
            let to = send.ended_at.map_or(now, |at| tempo.inside_up(at)).max(from);
            let date = if wide && send.ended_at.is_some() { from } else { to };
            // The days are those that the lost state had counted.
            if send.is_new {
                state.count_new(profile, from, to);
            }
            // A send of the future was dated by a clock that ran ahead. It is no younger than now.
            let dates = Dates { from: from.min(now), at: date.min(now), is_certain: send.was_accepted };
            sends.push((dates, grant(send, wide)));
        }
        sends.sort_by_key(|(dates, _)| dates.at);
        let horizon = now - profile.memory();
        for (dates, send) in &sends {
            state.record(profile, send, *dates);
        }
        state.recount_batch(profile, &mut sends, horizon);
        state.recount_rows(profile, &sends, horizon);
        state.refill_buckets(profile, &sends, now);
        state.prune_inside(profile, now);
        state
    }

    /// What was lost on its way is dated by its end, which may be long after others that followed it. There was no pause
    /// before those, then: a batch is counted in the order of the starts. A batch that the first sends of the history may
    /// continue is taken for a full one.
    fn recount_batch(&mut self, profile: &Profile, sends: &mut [(Dates, OpenGrant)], horizon: Timestamp) {
        sends.sort_by_key(|(dates, _)| dates.from);
        let rest = batch_pause(profile, self.wide);
        let batch = profile.rules().iter().find_map(|rule| match rule.kind {
            Kind::Batch(batch) => Some(batch),
            _ => None,
        });
        self.batch = batch.and_then(|batch| {
            let first = sends.first().filter(|(dates, _)| dates.from < horizon + rest);
            let full = first.map(|(dates, _)| Run { count: batch.size, last: dates.from });
            sends.iter().fold(full, |run, (dates, _)| Some(Run::and(run, dates.from, dates.at, rest)))
        });
    }

    /// Rows of one text go by dates alone, and clocks may have stepped back between two sends: another text ends a row only
    /// of what certainly came before it. A row that the first sends of the history may continue is taken for a full one.
    fn recount_rows(&mut self, profile: &Profile, sends: &[(Dates, OpenGrant)], horizon: Timestamp) {
        let most = profile.rules().iter().find_map(|rule| match rule.kind {
            Kind::IdenticalText(text) => Some(text.in_a_row),
            _ => None,
        });
        let Some(most) = most else { return };
        let rest = text_rest(profile, self.wide);
        let mut rows: BTreeMap<u64, Vec<Timestamp>> = BTreeMap::new();
        for (dates, send) in sends {
            let Some(text) = send.text else { continue };
            if dates.is_certain {
                rows.retain(|other, row| {
                    row.retain(|at| *other == text || *at + CLOCK_STEP > dates.from);
                    !row.is_empty()
                });
            }
            if rows.is_empty() && dates.from < horizon + rest {
                rows.insert(text, vec![dates.from; most as usize]);
            }
            let row = rows.entry(text).or_default();
            if row.iter().max().is_some_and(|last| *last + rest <= dates.from) {
                row.clear();
            }
            row.push(dates.at);
        }
        let row = |(text, row): (u64, Vec<Timestamp>)| {
            let last = row.iter().copied().max()?;
            Some(Row { text, run: Run { count: u32::try_from(row.len()).unwrap_or(u32::MAX), last } })
        };
        self.rows = rows.into_iter().filter_map(row).collect();
        Row::keep_fullest(&mut self.rows);
    }

    /// A bucket that saves up remembers more than its sends since the horizon: it may have been empty then. At worst it
    /// is as full by now as if it had been full and all of them had been sent just now.
    fn refill_buckets(&mut self, profile: &Profile, sends: &[(Dates, OpenGrant)], now: Timestamp) {
        for rule in profile.rules() {
            let Kind::Bucket(Bucket { every, burst: burst @ 2.. }) = rule.kind else {
                continue;
            };
            for track in self.chats.values_mut().chain([&mut self.account]) {
                track.arrivals.remove(rule.key.as_ref());
            }
            let recent = sends.iter().filter(|(dates, _)| dates.at + rule.kind.memory() > now);
            for (_, send) in recent.filter(|(_, send)| rule.reach.covers(send.is_group)) {
                let track = match rule.reach {
                    Reach::Account => &mut self.account,
                    Reach::Chat | Reach::Group => self.chat(send),
                };
                let arrival = spacing::quota(with_slack(every, send.wide), burst)
                    .and_then(|quota| spacing::charge(quota, track.arrival(&rule.key), now));
                track.arrivals.extend(arrival.map(|arrival| (rule.key.to_string(), arrival)));
            }
        }
    }
}

fn grant(send: PastSend, wide: bool) -> OpenGrant {
    OpenGrant {
        token: Token(0),
        id: Uuid::nil(),
        call_at: Timestamp::ZERO,
        chat: send.chat,
        is_group: send.is_group,
        wide,
        is_new: send.is_new,
        text: send.text.filter(|_| send.purpose == Purpose::Campaign),
        gaps: BTreeMap::new(),
    }
}
