//! Operations as the packed strings that the script reads: little-endian, strings after their length.

use model::{Class, Queue, Scope, Timestamp, Wait, WorkerId};

use crate::op::{detail, end};
use crate::{HoldTarget, LaneId, LaneState, Mark, Op, Push, Settle, Ticket};

/// How much one call of the script takes at most, in jobs: a longer one keeps others waiting for milliseconds, and what
/// it works on does not fit the processor's caches, so that each of its jobs costs more.
const CALL_SIZE: usize = 256;

/// The largest whole number that a double keeps exactly, and later than any time that matters.
const FAR: i64 = (1 << 53) - 1;

/// Some operations that go to Redis in one call.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// What follows the script's own arguments.
    pub args: Vec<Vec<u8>>,
    /// Operations in it. The first may be the rest of one that the call before began.
    pub ops: usize,
    /// The first one goes on with a push that the call before began.
    pub continues: bool,
}

/// A worker's name in Redis.
pub(super) fn worker_name(worker: WorkerId) -> String {
    worker.0.simple().to_string()
}

/// Cuts operations into calls of bounded size, in order.
pub(super) fn calls(ops: &[Op]) -> Vec<Call> {
    let mut calls = vec![Call::default()];
    let mut room = CALL_SIZE;
    for op in ops {
        let (mut rest, mark): (&[Push], _) = match op {
            Op::Push { pushes, mark } => (pushes, *mark),
            other => {
                let size = match other {
                    Op::Claim { max, .. } => (*max).clamp(1, CALL_SIZE),
                    _ => 1,
                };
                let call = open(&mut calls, &mut room, size);
                call.args.push(one(other));
                call.ops += 1;
                continue;
            }
        };
        let mut continues = false;
        loop {
            let call = open(&mut calls, &mut room, 1);
            let (now, later) = rest.split_at(rest.len().min(room + 1));
            call.continues |= continues;
            call.args.push(push_header(mark, now.len()));
            call.args.extend(now.iter().map(push));
            call.ops += 1;
            room = room.saturating_sub(now.len().saturating_sub(1));
            rest = later;
            if rest.is_empty() {
                break;
            }
            continues = true;
        }
    }
    calls
}

/// The call that has room for `size` more; a new one if the last has not.
fn open<'a>(calls: &'a mut Vec<Call>, room: &mut usize, size: usize) -> &'a mut Call {
    if *room < size {
        calls.push(Call::default());
        *room = CALL_SIZE;
    }
    *room -= size;
    calls.last_mut().expect("there is always one")
}

/// A packed string in the making.
struct Packed(Vec<u8>);

impl Packed {
    fn new(kind: u8) -> Self {
        Self(vec![kind])
    }
    fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }
    fn count(mut self, count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0.extend(count.to_le_bytes());
        self
    }
    #[expect(clippy::cast_precision_loss, reason = "cut to what a double keeps exactly")]
    fn number(mut self, number: i64) -> Self {
        self.0.extend((number.clamp(-FAR, FAR) as f64).to_le_bytes());
        self
    }
    fn time(self, at: Timestamp) -> Self {
        self.number(at.as_micros().max(0))
    }
    fn text(mut self, text: &str) -> Self {
        // Ids and names are short; what is longer than this is not one.
        let text = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.0.extend(len.to_le_bytes());
        self.0.extend(text);
        self
    }
    fn lane(self, lane: &LaneId) -> Self {
        self.text(&format!("{}/{}", lane.queue, lane.name))
    }
    fn worker(mut self, worker: Option<WorkerId>) -> Self {
        let name = worker.map(worker_name).unwrap_or_default();
        self.0.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.0.extend(name.as_bytes());
        self
    }
    fn ticket(self, ticket: &Ticket) -> Self {
        self.number(i64::try_from(ticket.token).unwrap_or(i64::MAX))
            .lane(&ticket.lane)
            .text(&ticket.key)
            .text(&ticket.job.0)
            .worker(Some(ticket.worker))
    }
    fn state(mut self, state: &LaneState, binds_until: Timestamp) -> Self {
        self = self
            .number(i64::try_from(state.version).unwrap_or(i64::MAX))
            .time(binds_until)
            .byte(u8::from(state.bytes.is_some()));
        self.0.extend(state.bytes.iter().flatten());
        self
    }
}

fn class_number(class: Class) -> u8 {
    match class {
        Class::Interactive => 1,
        Class::Normal => 2,
        Class::Bulk => 3,
    }
}

fn scope_number(scope: Scope) -> u8 {
    match scope {
        Scope::Job => 0,
        Scope::Recipient => 1,
        Scope::Class => 2,
        Scope::Lane => 3,
        Scope::Pace => 4,
    }
}

/// A wait's rule and, after a zero, its detail: to the script they are one word.
fn words(wait: &Wait) -> String {
    match detail(wait) {
        Some(detail) => format!("{}\0{detail}", wait.rule),
        None => wait.rule.clone(),
    }
}

fn push_header(mark: Mark, count: usize) -> Vec<u8> {
    Packed::new(1).byte(u8::from(mark == Mark::Again)).count(count).0
}

fn push(push: &Push) -> Vec<u8> {
    Packed::new(class_number(push.class))
        .number(push.order)
        .time(push.ready_at)
        .count(usize::try_from(push.width.max(1)).unwrap_or(usize::MAX))
        .lane(&push.lane)
        .text(&push.key)
        .text(&push.job.0)
        .worker(push.route)
        .0
}

fn one(op: &Op) -> Vec<u8> {
    let packed = match op {
        Op::Push { pushes, mark } => return push_header(*mark, pushes.len()),
        Op::Claim { queue, worker, max, own } => {
            Packed::new(2).text(queue.as_str()).worker(Some(*worker)).count(*max).byte(u8::from(*own))
        }
        Op::Park { ticket, wait } => {
            Packed::new(3).ticket(ticket).time(end(wait)).byte(scope_number(wait.scope)).text(&words(wait))
        }
        Op::Grant { ticket, state, binds_until } => Packed::new(4).ticket(ticket).state(state, *binds_until),
        Op::Settle { ticket, how, state } => {
            let (how, at) = match how {
                Settle::Done => (0, Timestamp::ZERO),
                Settle::Fail => (1, Timestamp::ZERO),
                Settle::Retry(at) => (2, *at),
                Settle::Later(at) => (3, *at),
                Settle::Release => (4, Timestamp::ZERO),
            };
            let packed = Packed::new(5).ticket(ticket).byte(how).time(at).byte(u8::from(state.is_some()));
            match state {
                Some((state, binds_until)) => packed.state(state, *binds_until),
                None => packed,
            }
        }
        Op::Beat { worker } => {
            let mut packed = Packed::new(6);
            packed.0.extend(worker_name(*worker).as_bytes());
            packed
        }
        Op::Reap => {
            let mut packed = Packed::new(7);
            let queues: Vec<_> = Queue::ALL.iter().map(|queue| queue.as_str()).collect();
            packed.0.extend(queues.join(",").as_bytes());
            packed
        }
        Op::Hold { target, wait } => {
            let (kind, lane, key) = target_parts(target);
            Packed::new(8).byte(kind).time(end(wait)).text(&lane).text(key).text(&words(wait))
        }
        Op::Resume { target } => {
            let (kind, lane, key) = target_parts(target);
            Packed::new(9).byte(kind).text(&lane).text(key)
        }
        Op::Find { job, lane } => Packed::new(10).lane(lane).text(&job.0),
        Op::Inspect { queue, limit } => Packed::new(11).text(queue.as_str()).count(*limit),
        Op::Jobs { lane, limit } => Packed::new(12).lane(lane).count(*limit),
        Op::Peek { lane } => Packed::new(13).lane(lane),
    };
    packed.0
}

fn target_parts(target: &HoldTarget) -> (u8, String, &str) {
    match target {
        HoldTarget::Queue(queue) => (0, queue.to_string(), ""),
        HoldTarget::Lane(lane) => (1, format!("{}/{}", lane.queue, lane.name), ""),
        HoldTarget::Key(lane, key) => (2, format!("{}/{}", lane.queue, lane.name), key),
        HoldTarget::Class(lane, class) => {
            let class = match class {
                Class::Interactive => "1",
                Class::Normal => "2",
                Class::Bulk => "3",
            };
            (3, format!("{}/{}", lane.queue, lane.name), class)
        }
        HoldTarget::Job(lane, job) => (4, format!("{}/{}", lane.queue, lane.name), &job.0),
    }
}
