//! Quiet hours: campaigns go only within a window of the day, where the contact lives.

use std::fmt;

use model::{Timestamp, Zone};
use serde::{Deserialize, Serialize};

use crate::numbers::{Numbers, Problem};

/// Campaigns go from one time of the day until another one, in the contact's zone, else the account's. Both or neither;
/// a window that ends before it begins passes midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// From then they go.
    #[serde(rename = "campaigns_from")]
    pub from: Option<Hour>,
    /// Until then.
    #[serde(rename = "campaigns_until")]
    pub until: Option<Hour>,
}

/// A time of the day, written `09:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hour {
    minute: u32,
}

impl QuietHours {
    pub(crate) fn free(&self, zone: Zone, from: Timestamp) -> Timestamp {
        self.from
            .zip(self.until)
            .map_or(from, |(opens, closes)| zone.next_within(from, opens.minute, closes.minute))
    }

    fn admits(&self, minute: u32) -> bool {
        self.from.zip(self.until).is_none_or(|(from, until)| {
            if from < until {
                (from.minute..until.minute).contains(&minute)
            } else {
                minute >= from.minute || minute < until.minute
            }
        })
    }
}

impl TryFrom<String> for Hour {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = |text: &str, most: u32| {
            let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| two && *number <= most)
        };
        let parts =
            text.split_once(':').and_then(|(hour, minute)| Some((digits(hour, 23)?, digits(minute, 59)?)));
        let (hour, minute): (u32, u32) =
            parts.ok_or_else(|| format!("is `{text}`; it must be a time of the day, for example 09:00"))?;
        Ok(Self { minute: hour * 60 + minute })
    }
}

impl From<Hour> for String {
    fn from(hour: Hour) -> Self {
        hour.to_string()
    }
}

impl Numbers for QuietHours {
    fn check(&self) -> Result<(), Problem> {
        match (self.from, self.until) {
            (Some(_), None) => Err(("campaigns_until", "is missing".to_owned())),
            (None, Some(_)) => Err(("campaigns_from", "is missing".to_owned())),
            (Some(from), Some(until)) if from == until => {
                Err(("campaigns_until", format!("is {until}, too: no campaign would ever go")))
            }
            _ => Ok(()),
        }
    }

    fn is_looser_than(&self, base: &Self) -> bool {
        (0..24 * 60).any(|minute| self.admits(minute) && !base.admits(minute))
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.until) {
            (Some(from), Some(until)) => {
                write!(f, "campaigns from {from} until {until} where the contact lives")
            }
            _ => f.write_str("campaigns at any hour"),
        }
    }
}
