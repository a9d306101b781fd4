//! Lanes in memory: a pure state machine ([`Shard`]) that is the memory engine and a judge of the others.
//!
//! How it stays quick. Everything that may happen next is the first entry of some ordered set: a queue has its lanes by
//! due time, one set for each who may serve them; a lane has, a class, its ready keys by turn and its waiting keys and
//! future jobs by time; a key has, a class, its jobs by order. After a change one function a level puts things where they
//! belong: `Lane::place` a key in its lane, `Line::stand` a lane in its queue. Holds that end are looked at when their lane
//! is, a bounded number at a time. Nothing walks over jobs, keys or lanes, so what waits costs nothing.
//!
//! What is not said by the vocabulary ([`crate::Op`]):
//! - A key offers the head of its highest class and nothing else. Its turn among the ready keys is new when it gets its
//!   first job or when its job was settled, and stays when the job was parked, retried, released or recovered.
//! - A lane is due at max(its hold, the earliest over its classes of max(the class's hold, its first key's time)), and not
//!   before it was last served. A lane that was empty begins behind those that are due.
//! - A lane that is routed to one worker while another has jobs of it is served to nobody until those are settled.
//! - A key whose head is slow stands among its lane's slow keys, by its turn: they are ready when what slows their class
//!   down has ended, and nothing is to be moved then. A job is slow from a park of scope pace until its claim ends
//!   otherwise than untouched, or its class rises.
//! - A queue, lane, class or key keeps its last hold beyond its end: a job that was ready before that is told of it when it
//!   is claimed. A hold whose time is over when it is set holds nothing and is not kept.
//! - A job's record and its key's vanish with the last settle. A lane goes once it is empty and its state and holds bind
//!   nobody any more.
//! - After three seconds without any operation a reap waits one lease, because nobody could beat. Until a worker is reaped
//!   its tickets are good, however late it is: nobody else can have its jobs.

mod claim;
mod hold;
mod key;
mod lane;
mod look;
mod push;
mod queue;
mod settle;
mod shard;
mod wakes;

pub use shard::Shard;
