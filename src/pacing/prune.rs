//! What no longer binds is forgotten: memory does not grow with recipients.

use std::time::Duration;

use model::Timestamp;

use crate::state::{Track, batch_pause, longest_gap, text_rest};
use crate::{Profile, Reach, State, spacing};

impl State {
    /// Forgets what binds nobody at `now`. A grant does this by itself.
    pub fn prune(&mut self, profile: &Profile, now: Timestamp) {
        self.prune_inside(profile, profile.tempo().inside(now));
    }

    /// As [`State::prune`], in the account's own time.
    pub(crate) fn prune_inside(&mut self, profile: &Profile, now: Timestamp) {
        let mut forgotten = self.forgotten;
        let (most, window) = profile.log(|reach| reach == Reach::Account);
        self.account.prune(most, window, now, &mut forgotten);
        let (most, window) = profile.log(|reach| reach != Reach::Account);
        self.chats.retain(|_, track| {
            track.prune(most, window, now, &mut forgotten);
            !track.is_empty()
        });
        let mut over = |end: Timestamp| {
            if end <= now {
                forgotten = forgotten.max(end);
            }
            end <= now
        };
        self.last = self.last.take().filter(|last| !over(last.at + longest_gap(profile)));
        let (pause, rest) = (batch_pause(profile, self.wide), text_rest(profile, self.wide));
        self.batch = self.batch.filter(|run| !over(run.last + pause));
        self.rows.retain(|row| !over(row.run.last + rest));
        if !self.days.is_empty() {
            let zone = profile.facts().zone;
            let today = zone.day(now);
            // Yesterday's stays: a clock may step back over midnight.
            self.days.retain(|(day, _)| {
                *day >= today.saturating_sub(1) || !over(zone.start_of_day(day.saturating_add(1)))
            });
        }
        self.forgotten = forgotten;
    }
}

impl Track {
    fn prune(&mut self, most: usize, window: Duration, now: Timestamp, forgotten: &mut Timestamp) {
        let surplus = self.sends.len().saturating_sub(most);
        let over = self.sends.partition_point(|send| *send + window <= now).max(surplus);
        for send in self.sends.drain(..over) {
            *forgotten = (*forgotten).max((send + window).min(now));
        }
        self.arrivals.retain(|_, arrival| {
            let end = spacing::binds_until(*arrival);
            if end <= now {
                *forgotten = (*forgotten).max(end);
            }
            end > now
        });
    }

    fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.arrivals.is_empty()
    }
}
