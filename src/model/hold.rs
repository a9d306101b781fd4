//! What holds part of an account's sending back for a while: rows, because it must outlive the queue.

use serde::{Deserialize, Serialize};

use crate::{Timestamp, words};

words! {
    /// How much of an account's sending a hold keeps back.
    HoldReach: "reach" {
        /// Everything.
        Account = "account",
        /// Everything of bulk pace: all but answers to someone who wrote within 24 hours.
        Bulk = "bulk",
        /// Messages of campaigns.
        Campaigns = "campaigns",
    }
}

/// A hold on an account. There is one for each reach and rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What it keeps back.
    pub reach: HoldReach,
    /// The rule behind it, stable: `provider`, `failures`, `response_rate`, …
    pub rule: String,
    /// When it ends.
    pub until: Timestamp,
    /// Since when it holds.
    pub since: Timestamp,
    /// For a person: what happened and what ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Hold {
    /// Adds it to the holds of an account: those that ended before it began go, and of two with one reach and rule the
    /// later end stays, with the words that came with it. Gives whether anything is held longer than before.
    pub fn add_to(self, holds: &mut Vec<Self>) -> bool {
        holds.retain(|hold| hold.until > self.since);
        if self.until <= self.since {
            return false;
        }
        match holds.iter_mut().find(|hold| hold.reach == self.reach && hold.rule == self.rule) {
            Some(before) if before.until >= self.until => false,
            Some(before) => {
                let since = before.since;
                *before = Self { since, ..self };
                true
            }
            None => {
                holds.push(self);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(reach: HoldReach, rule: &str, since: i64, until: i64) -> Hold {
        let [since, until] = [since, until].map(Timestamp::from_micros);
        Hold { reach, rule: rule.to_owned(), until, since, detail: None }
    }

    #[test]
    fn the_later_end_stays_and_the_first_beginning() {
        let mut holds = Vec::new();
        assert!(hold(HoldReach::Account, "provider", 1, 10).add_to(&mut holds));
        assert!(!hold(HoldReach::Account, "provider", 2, 8).add_to(&mut holds));
        assert!(hold(HoldReach::Account, "provider", 3, 20).add_to(&mut holds));
        assert!(hold(HoldReach::Bulk, "provider", 4, 15).add_to(&mut holds));
        assert_eq!(
            holds,
            [hold(HoldReach::Account, "provider", 1, 20), hold(HoldReach::Bulk, "provider", 4, 15)]
        );
    }

    #[test]
    fn ended_ones_go() {
        let bulk = hold(HoldReach::Bulk, "tier", 1, 30);
        let mut holds = vec![hold(HoldReach::Account, "provider", 1, 10), bulk.clone()];
        assert!(!hold(HoldReach::Account, "provider", 20, 20).add_to(&mut holds), "it has ended already");
        assert_eq!(holds, [bulk]);
        assert!(hold(HoldReach::Account, "provider", 20, 21).add_to(&mut holds));
        assert_eq!(holds.len(), 2);
    }
}
