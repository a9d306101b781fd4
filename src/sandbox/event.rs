//! Events on their way to whoever listens: in order, by webhook or by poll.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// One event, already in its final form: a repeated delivery is the same to the byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    /// Rises from event to event, also over restarts: the cursor of polls.
    pub(crate) n: u64,
    pub(crate) json: String,
}

/// An event that lies ahead. Ordered by its time, then by the order of making.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) at_us: u64,
    pub(crate) nth: u64,
    pub(crate) token: String,
    pub(crate) body: Planned,
}

/// What will be told when its time has come; it gets its id and its date then.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Planned {
    /// A receipt: `delivered` or `read`.
    Receipt { chat: String, message_id: String, status: &'static str },
    /// The automatic answer.
    Reply { chat: String, thread: Option<String>, message_id: String, text: String },
}

/// Everything that lies ahead, of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    ahead: Mutex<BinaryHeap<Reverse<Due>>>,
    /// Something was put in front.
    pub(crate) earlier: Notify,
}

impl Timeline {
    pub(crate) fn add(&self, events: Vec<Due>) {
        let mut ahead = self.lock();
        let first = ahead.peek().map(|Reverse(due)| due.at_us);
        let mut earlier = false;
        for due in events {
            earlier |= first.is_none_or(|first| due.at_us < first);
            ahead.push(Reverse(due));
        }
        drop(ahead);
        if earlier {
            self.earlier.notify_one();
        }
    }

    /// What is due at `now`, in order, and when the next one is.
    pub(crate) fn due(&self, now: u64) -> (Vec<Due>, Option<u64>) {
        let mut ahead = self.lock();
        let mut due = Vec::new();
        while let Some(Reverse(first)) = ahead.peek() {
            if first.at_us > now {
                return (due, Some(first.at_us));
            }
            due.extend(ahead.pop().map(|Reverse(first)| first));
        }
        (due, None)
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Due>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
