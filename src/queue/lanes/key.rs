//! A key of a lane and the jobs in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Class, Timestamp, Wait};

use super::hold::Slot;
use crate::JobId;

/// What keeps order with itself: a line of jobs for each class.
///
/// A key offers one job at a time: the head of its highest class. While that one waits, the lower classes wait too; what
/// joins a higher class becomes what the key offers.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub lines: [BTreeSet<(i64, Arc<JobId>)>; 3],
    /// Jobs whose time has not come, by the number that each got when it was set aside.
    pub future: BTreeMap<(Timestamp, u64), Arc<JobId>>,
    /// The job that a worker has.
    pub claim: Option<Arc<JobId>>,
    pub hold: Slot,
    /// Its place among the ready keys: lower goes first. Unique within a shard.
    pub turn: u64,
    pub place: Place,
    /// It is listed to be dropped when its hold ends.
    pub listed: bool,
}

/// Where a key is found. Exactly one of these, kept right by `Lane::place`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing in it could go.
    #[default]
    Nowhere,
    /// A worker has one of its jobs.
    Claimed,
    /// Its job of this class may go.
    Ready(Class),
    /// Its job of this class may go when nothing slows that class down.
    Slow(Class),
    /// Its job of this class may go then.
    Held(Class, Timestamp),
}

impl Key {
    /// The job that would go next, were nothing held.
    pub fn head(&self) -> Option<(Class, &Arc<JobId>)> {
        Class::ALL.iter().find_map(|class| Some((*class, &self.lines[class.rank()].first()?.1)))
    }

    /// How many jobs go before this one of its line, the claimed one among them.
    pub fn before(&self, class: Class, order: i64, id: &Arc<JobId>) -> usize {
        let higher = self.lines.iter().take(class.rank()).map(BTreeSet::len).sum::<usize>();
        let line = self.lines[class.rank()].range(..(order, Arc::clone(id)));
        usize::from(self.claim.is_some()) + higher + line.count()
    }

    /// Whether no job is in it.
    pub fn is_empty(&self) -> bool {
        self.claim.is_none() && self.future.is_empty() && self.lines.iter().all(BTreeSet::is_empty)
    }
}

/// A job's record; it lives from its first push until it is settled.
#[derive(Debug)]
pub(super) struct Job {
    pub key: Arc<str>,
    pub class: Class,
    pub order: i64,
    /// When it joins, or joined, its key's order.
    pub ready_at: Timestamp,
    pub lost: u32,
    pub waits: Vec<Wait>,
    /// Its own wait: a retry's, or a park's of scope job.
    pub wait: Slot,
    /// It was parked with its pace last: it waits for its lane's pace, together with the others that were.
    pub slow: bool,
    pub at: At,
}

/// Where a job is.
#[derive(Debug)]
pub(super) enum At {
    /// In its key's line.
    Line,
    /// Set aside under this number until it is due.
    Future(u64),
    /// With a worker.
    Claimed(Option<Again>),
}

/// A push that came while the job was claimed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    pub class: Class,
    pub order: i64,
    pub ready_at: Timestamp,
}
