//! What an account may do on each of the days to come.

use model::Timestamp;
use serde::Serialize;

use crate::contacts::midnight;
use crate::{Kind, MaySend, Profile};

/// More days than this are too many to look at.
const MOST_DAYS: u32 = 1_000;

/// A day, or a part of one in which the same holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CalendarDay {
    /// The day in the account's zone, as `2026-03-02`.
    pub date: String,
    /// From when it holds.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who may send.
    pub may_send: MaySend,
    /// How many new contacts the whole day may have had by then; none: any number.
    pub new_contacts: Option<u32>,
}

/// The next `days` days of an account (1,000 at most), today first, by its age and its warm-up. A day in which that changes
/// has an entry for each part.
pub fn calendar(profile: &Profile, now: Timestamp, days: u32) -> Vec<CalendarDay> {
    let (tempo, zone) = (profile.tempo(), profile.facts().zone);
    let mut from = zone.start_of_day(zone.day(tempo.inside(now)));
    let mut found: Vec<CalendarDay> = Vec::new();
    for _ in 0..days.min(MOST_DAYS) {
        let end = midnight(zone, from);
        let date = zone.date(from);
        while from < end {
            let (may_send, cap, change) = at(profile, from);
            let until = change.filter(|change| *change > from).map_or(end, |change| change.min(end));
            let new_contacts = (cap < u32::MAX).then_some(cap);
            match found.last_mut() {
                Some(last)
                    if last.date == date
                        && (last.may_send, last.new_contacts) == (may_send, new_contacts) =>
                {
                    last.until = tempo.outside(until);
                }
                _ => found.push(CalendarDay {
                    date: date.clone(),
                    from: tempo.outside(from),
                    until: tempo.outside(until),
                    may_send,
                    new_contacts,
                }),
            }
            from = until;
        }
    }
    found
}

/// Who may send and to how many new contacts a day, and until when that holds.
fn at(profile: &Profile, at: Timestamp) -> (MaySend, u32, Option<Timestamp>) {
    let facts = profile.facts();
    let (mut may_send, mut cap, mut until) = (MaySend::All, u32::MAX, None);
    let mut change = |change: Option<Timestamp>| until = [until, change].into_iter().flatten().min();
    for rule in profile.rules() {
        match &rule.kind {
            Kind::NewContacts(steps) => {
                let step = steps.cap(facts.first_connected_at, at);
                cap = cap.min(step.value);
                change(step.until);
            }
            Kind::WarmUp(stages) => {
                if let Some(registered) = facts.registered_at {
                    let warmth = stages.at(registered, at);
                    may_send = may_send.min(warmth.may_send);
                    cap = cap.min(warmth.strangers());
                    change(warmth.until);
                }
            }
            _ => {}
        }
    }
    (may_send, cap, until)
}
