//! Calendar days of a few timezones in plain arithmetic, so that the judge shares no calendar with what it judges.

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// When summer time begins and ends.
#[derive(Debug, Clone, Copy)]
enum Summer {
    None,
    /// From the last Sunday of March to the last Sunday of October, both at 01:00 UTC.
    Europe,
    /// From the second Sunday of March to the first Sunday of November, both at 02:00 of the clock on the wall.
    America,
    /// From the first Sunday after September 1st, 04:00 UTC, to the first one after April 1st, 03:00 UTC: at midnight of
    /// the clock on the wall, so that a midnight is missing or there twice.
    Chile,
}

/// A timezone of which the judge knows the rules.
#[derive(Debug, Clone, Copy)]
pub struct Zone {
    pub name: &'static str,
    /// East of UTC in winter, in minutes.
    winter: i64,
    summer: Summer,
}

const fn zone(name: &'static str, winter: i64, summer: Summer) -> Zone {
    Zone { name, winter, summer }
}

pub const UTC: Zone = zone("UTC", 0, Summer::None);

pub const ZONES: [Zone; 9] = [
    UTC,
    zone("Asia/Kolkata", 330, Summer::None),
    zone("Asia/Kathmandu", 345, Summer::None),
    zone("Pacific/Kiritimati", 840, Summer::None),
    zone("Pacific/Honolulu", -600, Summer::None),
    zone("Europe/Berlin", 60, Summer::Europe),
    zone("America/New_York", -300, Summer::America),
    zone("America/Los_Angeles", -480, Summer::America),
    zone("America/Santiago", -240, Summer::Chile),
];

impl Zone {
    /// Minutes east of UTC at an instant.
    pub fn offset(&self, at: i64) -> i64 {
        let (year, ..) = civil(at.div_euclid(DAY));
        let winter = self.winter * MINUTE;
        let summer = match self.summer {
            Summer::None => false,
            Summer::Europe => {
                let begin = sunday(year, 3, 25) * DAY + HOUR;
                let end = sunday(year, 10, 25) * DAY + HOUR;
                (begin..end).contains(&at)
            }
            Summer::America => {
                let begin = sunday(year, 3, 8) * DAY + 2 * HOUR - winter;
                let end = sunday(year, 11, 1) * DAY + HOUR - winter;
                (begin..end).contains(&at)
            }
            Summer::Chile => {
                let end = sunday(year, 4, 2) * DAY + 3 * HOUR;
                let begin = sunday(year, 9, 2) * DAY + 4 * HOUR;
                !(end..begin).contains(&at)
            }
        };
        self.winter + if summer { 60 } else { 0 }
    }

    fn local(&self, at: i64) -> i64 {
        at + self.offset(at) * MINUTE
    }

    /// The calendar day, counted from 1970-01-01.
    pub fn day(&self, at: i64) -> i64 {
        self.local(at).div_euclid(DAY)
    }

    /// Since midnight, as the clock on the wall says.
    pub fn hour(&self, at: i64) -> i64 {
        self.local(at).rem_euclid(DAY)
    }
}

/// The first Sunday on or after a date, in days from 1970.
fn sunday(year: i64, month: i64, day: i64) -> i64 {
    let first = days(year, month, day);
    // 1970-01-01 was a Thursday: day 3 is a Sunday.
    first + (3 - first).rem_euclid(7)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date from then on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    years + (1..month).map(|month| length(year, month)).sum::<i64>() + day - 1
}

/// Year, month and day of a day since 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut left = day - days(year, 1, 1);
    let mut month = 1;
    while left >= length(year, month) {
        left -= length(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

#[test]
fn our_calendar_is_everybodys() {
    use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike};
    // Six years by 29 minutes: the edges are met, and many odd times.
    for zone in ZONES {
        let tz: chrono_tz::Tz = zone.name.parse().expect("a zone of the database");
        let from = days(2025, 1, 1) * DAY;
        for step in 0..6 * 365 * 24 * 60 / 29 {
            let at = from + step * 29 * MINUTE;
            let utc = DateTime::from_timestamp_micros(at).expect("in range");
            let local = tz.from_utc_datetime(&utc.naive_utc());
            let offset = i64::from(local.offset().fix().local_minus_utc()) / 60;
            assert_eq!(zone.offset(at), offset, "{} at {utc}", zone.name);
            let (year, month, day) = civil(zone.day(at));
            assert_eq!((year, month, day), (local.year().into(), local.month().into(), local.day().into()));
            assert_eq!(zone.hour(at) / HOUR, i64::from(local.hour()));
        }
    }
}
