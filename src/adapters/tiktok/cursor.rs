//! Where a poll goes on: how far messages are known, and what of the present round is still to be read.
//!
//! A round looks through the conversations and reads those in which something happened. It takes several polls where much
//! happened, because each makes a few calls only. When it is over, the newest message seen is how far everything is known.

use std::collections::VecDeque;

use channel::ChannelError;
use serde::{Deserialize, Serialize};

/// Seconds before the newest known message within which another one may still turn up.
const LATE: i64 = 120;
/// On the first poll, what buyers wrote while the shop was being connected is not passed over: so many seconds.
const FIRST_LOOK: i64 = 3_600;
/// So many ids are remembered at most. A message that comes again has the same key, so that forgetting costs a row's look.
const REMEMBERED: usize = 500;

/// The place to go on from, as it is handed out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Messages until then are known, but for those that turn up late; seconds since 1970.
    since: i64,
    /// The newest message of this round.
    newest: i64,
    /// Messages since then that were told already, with their times.
    told: Vec<(String, i64)>,
    pub pages: Pages,
    /// Conversations to read, each with the page to go on at.
    pub unread: VecDeque<(String, String)>,
    /// When the last conversation seen in this round was written in, while they come newest first; none as soon as one came
    /// out of order.
    last: Option<i64>,
}

/// Which page of conversations is next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pages {
    First,
    Next(String),
    /// All were seen.
    None,
}

impl Cursor {
    /// Reads what was handed out, or begins at `now`.
    pub fn read(handed: Option<&str>, now: i64) -> Result<Self, ChannelError> {
        let Some(handed) = handed else {
            let since = now.saturating_sub(FIRST_LOOK);
            let (told, unread) = (Vec::new(), VecDeque::new());
            return Ok(Self {
                since,
                newest: since,
                told,
                pages: Pages::First,
                unread,
                last: Some(i64::MAX),
            });
        };
        serde_json::from_str(handed)
            .map_err(|_| ChannelError::permanent("cursor", "the place to go on from is not one of TikTok's"))
    }

    pub fn write(&self) -> Result<String, ChannelError> {
        serde_json::to_string(self).map_err(|error| ChannelError::permanent("cursor", error.to_string()))
    }

    /// Messages older than this are known.
    pub fn floor(&self) -> i64 {
        self.since.saturating_sub(LATE)
    }

    /// Whether a message is new; from now on it is not.
    pub fn tell(&mut self, id: &str, at: i64) -> bool {
        if at < self.floor() || self.is_told(id) {
            return false;
        }
        self.newest = self.newest.max(at);
        self.told.push((id.to_owned(), at));
        true
    }

    pub fn is_told(&self, id: &str) -> bool {
        self.told.iter().any(|(told, _)| told == id)
    }

    /// Notes when the next conversation of the list was written in. The list's order is not documented.
    pub fn pass(&mut self, at: i64) {
        self.last = self.last.filter(|last| *last >= at).map(|_| at);
    }

    /// Whether nothing new can stand further down the list.
    pub fn is_past_news(&self) -> bool {
        self.last.is_some_and(|last| last < self.floor())
    }

    pub fn is_in_order(&self) -> bool {
        self.last.is_some()
    }

    /// Whether everything of this round was read.
    pub fn is_over(&self) -> bool {
        self.pages == Pages::None && self.unread.is_empty()
    }

    /// Begins the next round. `complete`: the present one was read to its end, so that all until its newest is known.
    pub fn begin(&mut self, complete: bool) {
        if complete {
            self.since = self.since.max(self.newest);
        }
        self.newest = self.since;
        self.pages = Pages::First;
        self.unread.clear();
        self.last = Some(i64::MAX);
        let floor = self.floor();
        self.told.retain(|(_, at)| *at >= floor);
        self.told.sort_by_key(|(_, at)| *at);
        self.told.drain(..self.told.len().saturating_sub(REMEMBERED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor::read(None, 10_000).unwrap()
    }

    #[test]
    fn it_is_read_back_as_it_was_written_and_nothing_else_is_taken() {
        let mut cursor = cursor();
        cursor.tell("7", 9_999);
        cursor.pages = Pages::Next("page 2".to_owned());
        cursor.unread.push_back(("chat".to_owned(), String::new()));
        assert_eq!(Cursor::read(Some(&cursor.write().unwrap()), 0), Ok(cursor));
        for other in ["", "17", "{}", "[]"] {
            assert_eq!(Cursor::read(Some(other), 0).unwrap_err().code, "cursor");
        }
    }

    #[test]
    fn a_message_is_told_once_also_one_that_turned_up_late() {
        let mut cursor = cursor();
        assert!(cursor.tell("1", 9_000));
        assert!(!cursor.tell("1", 9_000));
        assert!(!cursor.tell("too old", 10_000 - FIRST_LOOK - LATE - 1));
        cursor.begin(true);
        assert!(!cursor.tell("1", 9_000));
        assert!(cursor.tell("late", 9_000 - LATE));
        assert!(!cursor.tell("later than that", 9_000 - LATE - 1));
    }

    #[test]
    fn a_round_that_was_broken_off_is_read_again() {
        let mut cursor = cursor();
        let floor = cursor.floor();
        cursor.tell("1", 9_999);
        cursor.begin(false);
        assert_eq!(cursor.floor(), floor);
        assert!(cursor.is_told("1"));
    }

    #[test]
    fn a_list_out_of_order_is_read_to_its_end() {
        let mut cursor = cursor();
        cursor.pass(9_999);
        cursor.pass(1);
        assert!(cursor.is_past_news());
        cursor.pass(2);
        cursor.pass(1);
        assert!(!cursor.is_past_news() && !cursor.is_in_order());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut cursor = cursor();
        for n in 0..2_000 {
            cursor.tell(&n.to_string(), 10_000);
        }
        cursor.begin(true);
        assert_eq!(cursor.told.len(), REMEMBERED);
    }
}
