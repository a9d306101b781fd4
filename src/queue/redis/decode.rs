//! The script's answers as outcomes. What does not read as one is an error, never a panic.

use model::{Class, Scope, Timestamp, Wait, WorkerId};
use redis::Value;

use crate::op::wait;
use crate::{
    Claim, Claims, JobId, JobPlace, LaneId, LaneState, LaneSummary, LaneView, Op, Outcome, QueueError,
    QueueSummary, Ticket,
};

type Read<T> = Result<T, QueueError>;

fn garbled() -> QueueError {
    QueueError::Unreachable("Redis answered something that is not an answer of our script".to_owned())
}

/// The parts of an answer, one after the other.
struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    fn of(value: Value) -> Read<Self> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            _ => Err(garbled()),
        }
    }
    fn next(&mut self) -> Read<Value> {
        self.0.next().ok_or_else(garbled)
    }
    fn int(&mut self) -> Read<i64> {
        match self.next()? {
            Value::Int(int) => Ok(int),
            _ => Err(garbled()),
        }
    }
    fn size(&mut self) -> Read<usize> {
        usize::try_from(self.int()?).map_err(|_| garbled())
    }
    fn time(&mut self) -> Read<Timestamp> {
        Ok(Timestamp::from_micros(self.int()?))
    }
    fn some_time(&mut self) -> Read<Option<Timestamp>> {
        match self.next()? {
            Value::Int(int) => Ok(Some(Timestamp::from_micros(int))),
            Value::Nil => Ok(None),
            _ => Err(garbled()),
        }
    }
    fn some_bytes(&mut self) -> Read<Option<Vec<u8>>> {
        match self.next()? {
            Value::BulkString(bytes) => Ok(Some(bytes)),
            Value::Nil => Ok(None),
            _ => Err(garbled()),
        }
    }
    fn bytes(&mut self) -> Read<Vec<u8>> {
        self.some_bytes()?.ok_or_else(garbled)
    }
    fn text(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?).map_err(|_| garbled())
    }
    fn worker(&mut self) -> Read<WorkerId> {
        self.text()?.parse().map_err(|_| garbled())
    }
    fn some_wait(&mut self) -> Read<Option<Wait>> {
        self.some_bytes()?.map(|bytes| Packed(&bytes).wait()).transpose()
    }
    /// Waits, the rest of the parts.
    fn waits(mut self) -> Read<Vec<Wait>> {
        let mut waits = Vec::new();
        while !self.is_empty() {
            waits.push(self.some_wait()?.ok_or_else(garbled)?);
        }
        Ok(waits)
    }
    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

/// A packed string, read from its front.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(garbled)?;
        self.0 = rest;
        Ok(taken)
    }
    fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }
    fn short(&mut self) -> Read<u16> {
        let bytes = self.take(2)?.try_into().map_err(|_| garbled())?;
        Ok(u16::from_le_bytes(bytes))
    }
    #[expect(clippy::cast_possible_truncation, reason = "the script keeps whole numbers below 2^53")]
    fn number(&mut self) -> Read<i64> {
        let bytes = self.take(8)?.try_into().map_err(|_| garbled())?;
        Ok(f64::from_le_bytes(bytes) as i64)
    }
    fn time(&mut self) -> Read<Timestamp> {
        Ok(Timestamp::from_micros(self.number()?))
    }
    fn text(&mut self) -> Read<String> {
        let len = self.short()?;
        let bytes = self.take(usize::from(len))?;
        String::from_utf8(bytes.to_vec()).map_err(|_| garbled())
    }
    fn wait(&mut self) -> Read<Wait> {
        let until = self.time()?;
        let scope = scope(i64::from(self.byte()?))?;
        Ok(told(&self.text()?, scope, until))
    }
}

/// A wait whose rule and detail are one word.
fn told(words: &str, scope: Scope, until: Timestamp) -> Wait {
    match words.split_once('\0') {
        Some((rule, detail)) => wait(rule, Some(detail), scope, until),
        None => wait(words, None, scope, until),
    }
}

fn scope(number: i64) -> Read<Scope> {
    match number {
        0 => Ok(Scope::Job),
        1 => Ok(Scope::Recipient),
        2 => Ok(Scope::Class),
        3 => Ok(Scope::Lane),
        4 => Ok(Scope::Pace),
        _ => Err(garbled()),
    }
}

fn class(number: u8) -> Read<Class> {
    match number {
        1 => Ok(Class::Interactive),
        2 => Ok(Class::Normal),
        3 => Ok(Class::Bulk),
        _ => Err(garbled()),
    }
}

/// The whole answer of a call: lane time, and an answer for each operation.
pub(super) fn answer(value: Value) -> Read<(Timestamp, Vec<Value>)> {
    let mut parts = Parts::of(value)?;
    Ok((parts.time()?, parts.0.collect()))
}

/// What one operation was answered.
pub(super) fn outcome(op: &Op, value: Value) -> Read<Outcome> {
    match value {
        Value::Int(0) => return Ok(Outcome::Ok),
        Value::Int(1) => return Ok(Outcome::Lost),
        _ => {}
    }
    let mut parts = Parts::of(value)?;
    match (parts.int()?, op) {
        (3, _) => {
            let (until, scope) = (parts.time()?, scope(parts.int()?)?);
            Ok(Outcome::Held(told(&parts.text()?, scope, until)))
        }
        (4, _) => {
            let version = u64::try_from(parts.int()?).map_err(|_| garbled())?;
            let bytes = parts.some_bytes()?;
            Ok(Outcome::Stale(LaneState { bytes, version }))
        }
        (5, _) => Ok(Outcome::Pushed { inserted: parts.size()? }),
        (6, Op::Claim { queue, worker, .. }) => {
            let claims = Parts::of(parts.next()?)?;
            let lane = |name| LaneId { queue: *queue, name };
            Ok(Outcome::Claimed(read_claims(claims, lane, *worker)?))
        }
        (7, _) => {
            let jobs = parts.size()?;
            let mut workers = Vec::new();
            while !parts.is_empty() {
                workers.push(parts.worker()?);
            }
            Ok(Outcome::Reaped { workers, jobs })
        }
        (8, _) => Ok(Outcome::Place(place(&mut parts)?)),
        (9, Op::Inspect { queue, .. }) => {
            let mut summary = QueueSummary {
                queue: *queue,
                held: parts.some_wait()?,
                lanes: parts.size()?,
                waiting: parts.size()?,
                claimed: parts.size()?,
                first: Vec::new(),
            };
            while !parts.is_empty() {
                let mut lane = Parts::of(parts.next()?)?;
                let name = lane.text()?;
                let (waiting, claimed, due) = (lane.size()?, lane.size()?, lane.some_time()?);
                let held = Parts::of(lane.next()?)?.waits()?;
                let lane = LaneId { queue: *queue, name };
                summary.first.push(LaneSummary { lane, waiting, claimed, due, held });
            }
            Ok(Outcome::Queue(summary))
        }
        (11, _) => {
            let now = parts.time()?;
            let version = u64::try_from(parts.int()?).map_err(|_| garbled())?;
            let state = LaneState { bytes: parts.some_bytes()?, version };
            let held = Parts::of(parts.next()?)?.waits()?;
            let mut claimed = Vec::new();
            while !parts.is_empty() {
                claimed.push(JobId(parts.text()?));
            }
            Ok(Outcome::Lane(LaneView { now, state, claimed, held }))
        }
        (10, _) => {
            let mut jobs = Vec::new();
            while !parts.is_empty() {
                let id = JobId(parts.text()?);
                let mut found = Parts::of(parts.next()?)?;
                found.int()?;
                jobs.push((id, place(&mut found)?));
            }
            Ok(Outcome::Jobs(jobs))
        }
        _ => Err(garbled()),
    }
}

fn place(parts: &mut Parts) -> Read<JobPlace> {
    Ok(match parts.int()? {
        0 => JobPlace::Absent,
        1 => JobPlace::Future { ready_at: parts.time()? },
        2 => JobPlace::Claimed { worker: parts.worker()? },
        _ => JobPlace::Waiting { behind: parts.size()?, held: parts.some_wait()? },
    })
}

fn read_claims(mut parts: Parts, lane: impl Fn(String) -> LaneId, worker: WorkerId) -> Read<Claims> {
    let (now, next_due) = (parts.time()?, parts.some_time()?);
    let mut claims = Vec::new();
    while !parts.is_empty() {
        let lane = lane(parts.text()?);
        let version = u64::try_from(parts.int()?).map_err(|_| garbled())?;
        let state = LaneState { bytes: parts.some_bytes()?, version };
        for _ in 0..parts.size()? {
            let token = u64::try_from(parts.int()?).map_err(|_| garbled())?;
            let job = JobId(parts.text()?);
            let raw = parts.bytes()?;
            let mut raw = Packed(&raw);
            let class = class(raw.byte()?)?;
            raw.byte()?;
            let (order, ready_at) = (raw.number()?, raw.time()?);
            let lost = u32::from(raw.short()?);
            raw.number()?;
            let key = raw.text()?;
            raw.text()?;
            let waits = (0..raw.byte()?).map(|_| raw.wait()).collect::<Read<_>>()?;
            let ticket = Ticket { lane: lane.clone(), key, job, worker, token };
            claims.push(Claim { ticket, class, order, state: state.clone(), at: now, ready_at, lost, waits });
        }
    }
    Ok(Claims { now, claims, next_due })
}
