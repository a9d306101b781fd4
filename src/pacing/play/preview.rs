//! When more messages would be out, and what would bind them on the way.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use model::{Origin, Purpose, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::{Planned, Play, Step};
use crate::Chat;

/// A timeline has no more entries than this.
const ENTRIES: usize = 100;
/// What a send waits for when no rule held it: the end of the one before it, which shows typing.
const TYPING: &str = "typing";
/// … or nothing but that.
const TURN: &str = "turn";

/// Messages that somebody thinks of sending, each to a chat of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct More {
    /// How many.
    pub messages: u32,
    /// How many of them go to new contacts.
    pub new_contacts: u32,
    /// What they are for.
    pub purpose: Purpose,
    /// Who sends them.
    pub origin: Origin,
    /// The length of each text, in characters.
    pub chars: u32,
    /// The hash of the words that all share, if they do.
    pub text: Option<u64>,
    /// When the contacts wrote last who are not new.
    pub last_inbound_at: Option<Timestamp>,
    /// When they are queued.
    pub start: Timestamp,
}

/// What would come of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// When the last of them is sent. None when some never are, because a rule or a hold without an end forbids it.
    pub finish: Option<Timestamp>,
    /// The play did not reach the end: `finish` goes on at the pace of what was played, which is what `timeline` shows.
    pub estimate: bool,
    /// How many were sent in the play.
    pub sent: u32,
    /// How many were refused.
    pub refused: u32,
    /// What bound when.
    pub timeline: Vec<Segment>,
}

/// A time in which one rule bound most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Segment {
    /// Its begin: the end of the one before, or when its first message came if nothing was left by then.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// The rule that held longest in it; `typing` or `turn` where none did.
    pub rule: String,
    /// How many of the messages were sent in it, at its end or before.
    pub sent: u32,
    /// How many others of the account.
    pub others: u32,
    /// For how much of it that rule held.
    #[serde(rename = "wait_s", serialize_with = "seconds")]
    pub wait: Duration,
    /// All that held in it, the longest first.
    pub rules: Vec<RuleWait>,
    /// How many parts it was made of, because there were too many: 1 where it is one.
    pub merged: u32,
}

/// For how long a rule held.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleWait {
    /// The rule; `typing` or `turn` where none did.
    pub rule: String,
    /// For how long.
    #[serde(rename = "wait_s", serialize_with = "seconds")]
    pub wait: Duration,
}

impl Play {
    /// Plays what is in the lane and these, asking the rules at most `most` times.
    pub fn preview(mut self, more: &More, most: u64) -> Preview {
        for place in 0..more.messages {
            self.add(more.message(place));
        }
        let mut pauses = Vec::new();
        let mut last = self.now;
        let mut seen = Preview { finish: None, estimate: false, sent: 0, refused: 0, timeline: Vec::new() };
        let from = last.max(more.start);
        while seen.sent + seen.refused < more.messages && self.asks < most {
            match self.next() {
                Some(Step::Sent { id, at, typed, held, .. }) => {
                    let own = more.owns(id);
                    seen.sent += u32::from(own);
                    let from = last.max(held.joined);
                    let free = if typed.is_zero() { TURN } else { TYPING };
                    let rule = held.last.map_or_else(|| free.to_owned(), |wait| wait.rule.clone());
                    pauses.push(Pause { from, until: at, rule, own });
                    last = at;
                    if own {
                        seen.finish = Some(at);
                    }
                }
                Some(Step::Refused { id, .. }) => seen.refused += u32::from(more.owns(id)),
                Some(Step::Waits { .. }) => {}
                None => break,
            }
        }
        let left = more.messages - seen.sent - seen.refused;
        if left > 0 {
            // Without a step left they wait for what has no end.
            seen.estimate = self.asks >= most;
            let sent = u32::try_from(pauses.len()).unwrap_or(u32::MAX).max(1);
            let one = last.since(from).div_f64(f64::from(sent));
            let ahead = u32::try_from(self.left()).unwrap_or(u32::MAX);
            seen.finish = seen.estimate.then(|| last + one.saturating_mul(ahead.max(left)));
        } else if seen.sent == 0 {
            seen.finish = None;
        }
        seen.timeline = timeline(&pauses);
        seen
    }
}

impl More {
    /// New contacts are spread evenly among them.
    fn message(&self, place: u32) -> Planned {
        let new = |of: u32| {
            u64::from(of) * u64::from(self.new_contacts.min(self.messages)) / u64::from(self.messages.max(1))
        };
        let is_new = new(place + 1) > new(place);
        Planned {
            id: Self::id(place),
            chat: format!("preview {place}"),
            is_group: false,
            purpose: self.purpose,
            origin: self.origin,
            class: self.purpose.class(),
            chars: self.chars,
            text: self.text,
            contact: Chat {
                is_new,
                last_inbound_at: self.last_inbound_at.filter(|_| !is_new),
                ..Chat::default()
            },
            at: self.start,
            after: None,
        }
    }

    /// No real id has this version.
    fn id(place: u32) -> Uuid {
        Uuid::from_u64_pair(u64::from_be_bytes(*b"preview\0"), u64::from(place))
    }

    fn owns(&self, id: Uuid) -> bool {
        u32::try_from(id.as_u64_pair().1).is_ok_and(|place| place < self.messages && Self::id(place) == id)
    }
}

/// The time before a send, and what bound it.
struct Pause {
    from: Timestamp,
    until: Timestamp,
    rule: String,
    own: bool,
}

/// Sends whose pauses are short run together; a long pause is an entry of its own. What is long is chosen so that the
/// timeline can be read; where none would be long then, neighbours are merged.
fn timeline(pauses: &[Pause]) -> Vec<Segment> {
    const LONG: [u64; 6] = [60, 600, 3_600, 6 * 3_600, 24 * 3_600, 7 * 24 * 3_600];
    let mut parts = Vec::new();
    for long in LONG.map(Duration::from_secs) {
        let coarser = segments(pauses, long);
        let says_too_little = coarser.len() < ENTRIES / 10 && parts.len() > ENTRIES;
        if says_too_little {
            break;
        }
        parts = coarser;
        if parts.len() <= ENTRIES {
            break;
        }
    }
    let some = parts.len().div_ceil(ENTRIES).max(1);
    let mut parts = parts.into_iter();
    let merged = std::iter::from_fn(|| {
        let first = parts.next()?;
        Some(parts.by_ref().take(some - 1).fold(first, Run::and))
    });
    merged.map(Segment::from).collect()
}

fn segments(pauses: &[Pause], long: Duration) -> Vec<Run<'_>> {
    let mut entries: Vec<Run<'_>> = Vec::new();
    for pause in pauses {
        let length = pause.until.since(pause.from);
        let is_long = length >= long;
        // Long pauses of one rule after each other are one.
        let joins = entries
            .last()
            .is_some_and(|run| run.long == is_long && (!is_long || run.by.contains_key(pause.rule.as_str())));
        if !joins || entries.last().is_some_and(|run| run.until < pause.from) {
            entries.push(Run { long: is_long, from: pause.from, parts: 1, ..Run::default() });
        }
        if let Some(run) = entries.last_mut() {
            run.until = pause.until;
            run.sent += u32::from(pause.own);
            run.others += u32::from(!pause.own);
            *run.by.entry(&pause.rule).or_default() += length;
        }
    }
    entries
}

#[derive(Default)]
struct Run<'a> {
    long: bool,
    from: Timestamp,
    until: Timestamp,
    sent: u32,
    others: u32,
    parts: u32,
    by: BTreeMap<&'a str, Duration>,
}

impl Run<'_> {
    /// The two as one.
    fn and(mut self, next: Self) -> Self {
        self.until = next.until;
        self.sent += next.sent;
        self.others += next.others;
        self.parts += next.parts;
        for (rule, time) in next.by {
            *self.by.entry(rule).or_default() += time;
        }
        self
    }
}

impl From<Run<'_>> for Segment {
    fn from(run: Run<'_>) -> Self {
        let held = |(rule, wait): (&str, Duration)| RuleWait { rule: rule.to_owned(), wait };
        let mut rules: Vec<_> = run.by.into_iter().map(held).collect();
        rules.sort_by_key(|held| Reverse(held.wait));
        let (rule, wait) = rules
            .first()
            .map_or_else(|| (TURN.to_owned(), Duration::ZERO), |held| (held.rule.clone(), held.wait));
        Self {
            from: run.from,
            until: run.until,
            rule,
            sent: run.sent,
            others: run.others,
            wait,
            rules,
            merged: run.parts,
        }
    }
}

fn seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}
