//! A place's clock on the wall. Days and hours of rules are judged by it; only this file knows the IANA database.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Timestamp;

/// Minutes in a day of the wall's clock.
const DAY: u32 = 24 * 60;

/// A timezone of the IANA database, for example `Europe/Berlin`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

/// A name that the IANA database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a timezone; give an IANA name, for example Europe/Berlin")]
pub struct UnknownZone(String);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(Tz::UTC);

    /// Its IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The number of the calendar day there, counted from 1970-01-01. Around a change of the clock at midnight a day may
    /// come twice or not at all.
    pub fn day(self, at: Timestamp) -> i32 {
        day_number(self.local(at).date())
    }

    /// The first instant of a day; of a day that was left out, the first one after it.
    pub fn start_of_day(self, day: i32) -> Timestamp {
        self.instants(date(day), 0)[0]
    }

    /// The calendar day as `2026-03-02`.
    pub fn date(self, at: Timestamp) -> String {
        self.local(at).date().to_string()
    }

    /// The minute of the day that the clock there shows, 0 to 1439.
    pub fn minute_of_day(self, at: Timestamp) -> u32 {
        let local = self.local(at);
        local.hour() * 60 + local.minute()
    }

    /// The first instant at or after `at` at which the clock there comes to `minute` of a day (0 to 1439), or jumps over it.
    pub fn next_time(self, at: Timestamp, minute: u32) -> Timestamp {
        let today = self.local(at).date();
        let days = (0..=2).filter_map(|more| today.checked_add_days(Days::new(more)));
        days.flat_map(|day| self.instants(day, minute)).find(|found| *found >= at).unwrap_or(at)
    }

    /// The first instant at or after `at` at which the clock there shows a time in `from..until` (minutes of a day; an
    /// `until` that is not after `from` passes midnight). A window that a change of the clock jumps over is left out that
    /// day.
    pub fn next_within(self, at: Timestamp, from: u32, until: u32) -> Timestamp {
        let inside = |at| {
            let minute = self.minute_of_day(at);
            if from < until { (from..until).contains(&minute) } else { minute >= from || minute < until }
        };
        let mut now = at;
        // A window opens every day; three changes of the clock in a row would have to hide it.
        for _ in 0..4 {
            if inside(now) {
                return now;
            }
            let next = self.next_time(now + Duration::from_micros(1), from % DAY);
            // The clock may also be set back, or forward, into the window.
            now = self.change(now, next).filter(|change| inside(*change)).unwrap_or(next);
        }
        now
    }

    /// The instants of a local time: two where the clock was set back over it; where it was set forward over it, the one
    /// of the change.
    fn instants(self, day: NaiveDate, minute: u32) -> Vec<Timestamp> {
        let local = day.and_hms_opt(minute / 60 % 24, minute % 60, 0).unwrap_or_default();
        match self.0.from_local_datetime(&local) {
            MappedLocalTime::Single(at) => vec![stamp(&at)],
            MappedLocalTime::Ambiguous(first, second) => vec![stamp(&first), stamp(&second)],
            MappedLocalTime::None => {
                let middle = Timestamp::from(local.and_utc());
                let day = Duration::from_hours(26);
                vec![self.change(middle - day, middle + day).unwrap_or(middle)]
            }
        }
    }

    /// When the clock changes between two instants, if what it shows at both does not fit.
    fn change(self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let offset = |at: Timestamp| self.local(at).and_utc().timestamp_micros() - at.as_micros();
        let (mut low, mut high) = (from.as_micros(), until.as_micros());
        let before = offset(from);
        if before == offset(until) {
            return None;
        }
        while high - low > 1 {
            let middle = low.midpoint(high);
            if offset(Timestamp::from_micros(middle)) == before { low = middle } else { high = middle }
        }
        Some(Timestamp::from_micros(high))
    }

    fn local(self, at: Timestamp) -> NaiveDateTime {
        at.to_datetime().with_timezone(&self.0).naive_local()
    }
}

fn stamp(at: &DateTime<Tz>) -> Timestamp {
    at.with_timezone(&Utc).into()
}

fn day_number(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH
}

fn date(day: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(day.saturating_add(EPOCH)).unwrap_or_default()
}

/// 1970-01-01 in days of the common era.
const EPOCH: i32 = 719_163;

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        name.parse().map(Self).map_err(|_| UnknownZone(name.to_owned()))
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc).into()
    }

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    #[test]
    fn an_unknown_name_is_refused_with_an_example() {
        let error = "Mars/Olympus".parse::<Zone>().unwrap_err().to_string();
        assert!(error.contains("Mars/Olympus") && error.contains("Europe/Berlin"), "{error}");
        assert!(serde_json::from_str::<Zone>("\"\"").is_err());
        let berlin = zone("Europe/Berlin");
        assert_eq!(serde_json::from_value::<Zone>(serde_json::json!(berlin)).unwrap(), berlin);
    }

    #[test]
    fn a_day_begins_at_its_own_midnight() {
        let tokyo = zone("Asia/Tokyo");
        let evening = at("2026-03-01T20:00:00Z");
        assert_eq!(tokyo.date(evening), "2026-03-02");
        assert_eq!(tokyo.start_of_day(tokyo.day(evening)), at("2026-03-01T15:00:00Z"));
        assert_eq!(Zone::UTC.day(Timestamp::ZERO), 0);
        assert_eq!(tokyo.minute_of_day(evening), 5 * 60);
    }

    #[test]
    fn a_day_whose_midnight_is_left_out_begins_at_the_change() {
        // Cairo's clock went from 2023-04-28 00:00 to 01:00.
        let cairo = zone("Africa/Cairo");
        let start = at("2023-04-27T22:00:00Z");
        assert_eq!(cairo.start_of_day(cairo.day(start)), start);
        assert_eq!(cairo.minute_of_day(start), 60);
        assert_eq!(cairo.day(start - Duration::from_micros(1)) + 1, cairo.day(start));
        // Samoa had no 2011-12-30.
        let apia = zone("Pacific/Apia");
        let after = at("2011-12-30T10:00:00Z");
        assert_eq!(apia.date(after), "2011-12-31");
        assert_eq!(apia.start_of_day(apia.day(after) - 1), after);
    }

    #[test]
    fn a_window_opens_at_its_local_time_on_every_side_of_a_change() {
        let berlin = zone("Europe/Berlin");
        let nine_to_eight = |now| berlin.next_within(at(now), 9 * 60, 20 * 60);
        assert_eq!(nine_to_eight("2026-03-28T19:00:00Z"), at("2026-03-29T07:00:00Z"));
        assert_eq!(nine_to_eight("2026-10-24T18:00:00Z"), at("2026-10-25T08:00:00Z"));
        assert_eq!(nine_to_eight("2026-10-25T08:00:00.000001Z"), at("2026-10-25T08:00:00.000001Z"));
        // Past midnight.
        let night = |now| berlin.next_within(at(now), 22 * 60, 6 * 60);
        assert_eq!(night("2026-01-10T04:59:59Z"), at("2026-01-10T04:59:59Z"));
        assert_eq!(night("2026-01-10T05:00:00Z"), at("2026-01-10T21:00:00Z"));
        // 02:10 to 02:20 is jumped over on 2026-03-29, and 02:30 comes twice on 2026-10-25.
        assert_eq!(berlin.next_within(at("2026-03-29T00:00:00Z"), 130, 140), at("2026-03-30T00:10:00Z"));
        assert_eq!(berlin.next_within(at("2026-03-29T00:00:00Z"), 130, 200), at("2026-03-29T01:00:00Z"));
        assert_eq!(berlin.next_within(at("2026-10-25T01:10:00Z"), 150, 200), at("2026-10-25T01:30:00Z"));
        // Set back into the window.
        assert_eq!(berlin.next_within(at("2026-10-25T00:40:00Z"), 60, 150), at("2026-10-25T01:00:00Z"));
    }

    #[test]
    fn the_next_time_is_the_first_one_not_before() {
        let berlin = zone("Europe/Berlin");
        let noon = at("2026-06-01T10:00:00Z");
        assert_eq!(berlin.next_time(noon, 12 * 60), noon);
        assert_eq!(
            berlin.next_time(noon + Duration::from_micros(1), 12 * 60),
            noon + Duration::from_hours(24)
        );
    }
}
